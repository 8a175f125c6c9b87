"""What is out there: mirror and registries, the proxy on the way, clocks, and names that lead back to this machine."""

from __future__ import annotations

import functools
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from urllib.parse import urlsplit

from devenv.diagnosis import Finding
from devenv.engine.host import Heard, Host
from devenv.model.machine import Machine
from devenv.values import dataclass

PATIENCE = 1.2
"""Seconds for everything out there together, asked at once."""
NAME = "web.bookshop.localhost"
ENGINES_DRIFT = 5.0
OWN_DRIFT = 120.0
_AUTHORITY = (
    "if a proxy here shows certificates of its own, name its authority's file: `ca_certificates` in `config.toml`"
)
_LOOPBACK = ("127.", "::1")


@dataclass(frozen=True, slots=True)
class Place:
    """Something to be reached.

    Args:
        name: Of the finding.
        url: May hold a password.
        what: For people.
        remedy: What to do when it is not.
    """

    name: str
    url: str
    what: str
    remedy: str


def server(url: str) -> str:
    """The server's name, without what one signs in with."""
    return urlsplit(url).netloc.rpartition("@")[2] or url


class Asked:
    """Questions that are on their way, each in a thread that nobody has to wait for."""

    def __init__(self, host: Host, machine: Machine, places: Sequence[Place]) -> None:
        self._until = time.monotonic() + PATIENCE
        self._host = host
        self._machine = machine
        self._places = places
        self._heard: dict[str, Heard] = {}
        self._resolved: list[tuple[str, ...]] = []
        asks: list[Callable[[], None]] = [functools.partial(self._ask, place) for place in places]
        self._threads = [threading.Thread(target=ask, daemon=True) for ask in [*asks, self._resolve]]
        for one in self._threads:
            one.start()

    def _ask(self, place: Place) -> None:
        self._heard[place.url] = self._host.ask(place.url, self._machine, PATIENCE)

    def _resolve(self) -> None:
        self._resolved.append(self._host.resolve(NAME))

    def findings(self, now: Callable[[], float]) -> Iterator[Finding]:
        """What was heard until now, or is in what is left of the time."""
        for one in self._threads:
            one.join(max(0.0, self._until - time.monotonic()))
        for place in self._places:
            yield _reached(place, self._heard.get(place.url, Heard("it does not answer")))
        yield from _clock(dict(self._heard), now())
        if self._resolved:
            yield _names(self._resolved[0])


def _reached(place: Place, heard: Heard) -> Finding:
    if heard.why:
        remedy = _AUTHORITY if "certificate" in heard.why else place.remedy
        return Finding(place.name, "warning", f"{place.what} cannot be reached: {heard.why}", remedy)
    return Finding(place.name, "ok", f"{place.what} answers")


def _clock(heard: Mapping[str, Heard], now: float) -> Iterator[Finding]:
    """This machine's against the nearest of those that answered: one server may be wrong, too."""
    told = [(url, one) for url, one in heard.items() if one.date is not None]
    if not told:
        return
    url, best = min(told, key=lambda pair: abs((pair[1].date or 0.0) - (pair[1].at or now)))
    off = (best.at or now) - (best.date or 0.0)
    if abs(off) <= OWN_DRIFT:
        yield Finding("clock", "ok", f"the clock is as {server(url)} has it")
        return
    message = f"the clock is {_span(off)} {'ahead' if off > 0 else 'behind'}, by that of {server(url)}"
    yield Finding("clock", "warning", message, "set it, and keep it so: `sudo timedatectl set-ntp true`")


def engines_clock(ahead: float | None) -> Iterator[Finding]:
    """The engine's clock against this machine's.

    Args:
        ahead: Seconds; None where it does not tell.
    """
    if ahead is None:
        return
    if abs(ahead) <= ENGINES_DRIFT:
        yield Finding("engine clock", "ok", "the engine's clock is as this machine's")
        return
    message = f"the engine's clock is {_span(ahead)} {'ahead' if ahead > 0 else 'behind'}: a virtual machine that slept"
    remedy = "restart the engine's machine (`colima restart`, Docker Desktop's menu); certificates and builds go by it"
    yield Finding("engine clock", "warning", message, remedy)


def _span(seconds: float) -> str:
    return f"{abs(seconds) / 60:.0f} min" if abs(seconds) >= OWN_DRIFT else f"{abs(seconds):.0f} s"


def _names(addresses: tuple[str, ...]) -> Finding:
    if not addresses:
        message = f"names such as `{NAME}` lead nowhere for programs other than browsers"
        remedy = "`sudo apt-get install libnss-myhostname` on Debian and Ubuntu; elsewhere a line in `/etc/hosts` each"
        return Finding("names", "warning", message, remedy)
    elsewhere = [one for one in addresses if not one.startswith(_LOOPBACK)]
    if elsewhere:
        message = f"`{NAME}` leads to {elsewhere[0]}, not to this machine"
        return Finding("names", "warning", message, "let the resolver keep `.localhost` to itself, as RFC 6761 has it")
    return Finding("names", "ok", f"names such as `{NAME}` lead to this machine")


def proxy(machine: Machine) -> Iterator[Finding]:
    """The proxy that downloads and containers are told of."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY"):
        value = machine.proxy.get(name)
        if value:
            yield _proxy(name, value)


def _proxy(name: str, value: str) -> Finding:
    try:
        found = urlsplit(value if "://" in value else f"http://{value}")
        server_, _ = found.hostname, found.port
    except ValueError:
        server_ = None
    if not server_:
        return Finding("proxy", "problem", f"`{name}` is no address of a proxy", "such as `http://proxy.example:3128`")
    shown = server(found.geturl())
    if server_ == "localhost" or server_.startswith(_LOOPBACK):
        message = f"the proxy {shown} of `{name}` is on this machine's loopback, where containers do not reach it"
        return Finding("proxy", "warning", message, "let it listen where containers do, and name that address")
    return Finding("proxy", "ok", f"downloads and containers go through {shown} (`{name}`)")
