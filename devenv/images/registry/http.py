"""HTTP as registries speak it: where they are, signing in, patience with failures and rate limits."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from devenv.errors import ImageError
from devenv.images import client
from devenv.images.registry import auth, failures, manifest, waiting
from devenv.images.registry.auth import Challenge, FindLogin, Keyring, Request
from devenv.images.registry.failures import Limited
from devenv.images.registry.waiting import Patience
from devenv.model.machine import Login, Machine
from devenv.reference import DOCKER_HUB, Reference
from devenv.values import dataclass

if TYPE_CHECKING:
    import requests

HOSTS = {DOCKER_HUB: "registry-1.docker.io"}
"""Registries that are reached under another name."""

_PASSING = (500, 502, 503, 504)


@dataclass(frozen=True, slots=True)
class Answer:
    """A small document, read.

    Args:
        digest: What the registry says its digest is; empty when it does not say.
    """

    content: bytes
    media_type: str
    digest: str


class Connection:
    """Asks registries for paths below a repository; usable from several threads at once."""

    def __init__(
        self, machine: Machine, find: FindLogin, sleep: Callable[[float], None], clock: Callable[[], float]
    ) -> None:
        self._machine = machine
        self._keyring = Keyring(find)
        self._sleep = sleep
        self._clock = clock
        self._session: requests.Session | None = None
        self._lock = threading.Lock()

    def close(self) -> None:
        if self._session is not None:
            self._session.close()

    def login(self, registry: str) -> Login | None:
        return self._keyring.login(registry)

    def patience(self) -> Patience:
        return Patience(self._sleep)

    def read(self, place: Reference, path: str, accept: tuple[str, ...] = ()) -> Answer | None:
        """Return a document; None when the registry does not have it.

        Raises:
            ImageError: The registry cannot be reached, refuses, or the document is too large.
        """
        import requests

        patience = self.patience()
        headers = {"Accept": ", ".join(accept)} if accept else {}
        while True:
            with self.get(place, path, headers, patience) as answer:
                try:
                    return None if answer.status_code in client.ABSENT else _read(answer, place)
                except requests.RequestException as error:
                    patience.spend(failures.unreachable(place.registry, client.reason(error)))

    @contextmanager
    def get(
        self, place: Reference, path: str, headers: Mapping[str, str], patience: Patience, method: str = "GET"
    ) -> Iterator[requests.Response]:
        """Ask for a path below the repository; the answer's body is yet to be read.

        The status is a success or one of `client.ABSENT`.

        Raises:
            ImageError: The registry cannot be reached, or refuses.
        """
        address = f"{root(place.registry, self._machine)}/v2/{place.repository}/{path}"
        with self._open(Request(method, address, headers), place, patience) as answer:
            status = answer.status_code
            if status in (401, 403):
                raise failures.denied(place)
            if status >= 400 and status not in client.ABSENT:
                raise failures.unusable(place.registry, f"it answers with status {status}")
            yield answer

    def limit(self, place: Reference, path: str) -> Limited | None:
        """Ask once whether the registry lets something through."""
        try:
            with self.get(place, path, {}, Patience(self._sleep, ()), "HEAD"):
                return None
        except Limited as error:
            return error
        except ImageError:
            return None

    def _open(self, asked: Request, place: Reference, patience: Patience) -> requests.Response:
        """Ask, and once more after having signed in."""
        answer = self._send(asked.signed(self._keyring.header(place)), place, patience)
        challenge = _challenge(answer, asked.address)
        if challenge is None:
            return answer
        answer.close()
        header = self._sign_in(challenge, asked.address, place, patience)
        self._keyring.keep(place, header)
        return self._send(asked.signed(header), place, patience)

    def _sign_in(self, challenge: Challenge, address: str, place: Reference, patience: Patience) -> Mapping[str, str]:
        login = self._keyring.login(place.registry)
        if challenge.scheme == "basic":
            if login is None:
                raise failures.denied(place)
            return auth.basic(login)
        if not auth.is_safe(challenge.realm, address):
            raise failures.unusable(place.registry, "it wants logins to be sent in the clear")
        asked = auth.token_request(challenge, place, login)
        with self._send(asked, place, patience) as answer:
            if answer.status_code in (400, 401, 403):
                raise failures.denied(place) if login is None else failures.rejected(place.registry)
            return _token(answer, place)

    def _send(self, asked: Request, place: Reference, patience: Patience) -> requests.Response:
        """Ask until the answer is something other than a failure that passes."""
        import requests

        while True:
            try:
                answer = self._send_once(asked)
            except requests.RequestException as error:
                failure = failures.unreachable(place.registry, client.reason(error))
                if not client.may_pass(error):
                    raise failure from error
                patience.spend(failure)
                continue
            if answer.status_code != 429 and answer.status_code not in _PASSING:
                return answer
            with answer:
                self._wait(answer, place.registry, patience)

    def _send_once(self, asked: Request) -> requests.Response:
        with self._lock:
            if self._session is None:
                self._session = client.session(self._machine)
        return self._session.request(
            asked.method,
            asked.address,
            params=asked.query,
            data=asked.form,
            headers=asked.headers,
            # To another host, requests takes the header with the login away, but not a body with one.
            allow_redirects=asked.form is None,
            proxies=client.proxies(asked.address, self._machine),
            stream=True,
            timeout=client.TIMEOUT,
        )

    def _wait(self, answer: requests.Response, registry: str, patience: Patience) -> None:
        if answer.status_code == 429:
            now = self._clock()
            patience.await_limit(Limited(registry, waiting.limit_ends(answer.headers, now), now))
        else:
            patience.spend(failures.unusable(registry, f"it answers with status {answer.status_code}"))


def root(registry: str, machine: Machine) -> str:
    """The address of a registry: in the clear on this machine, or when the user's mirror is so."""
    mirror = urlsplit(machine.registry_mirror or "")
    server = HOSTS.get(registry, registry)
    if mirror.netloc.rpartition("@")[2] == registry:
        return f"{mirror.scheme}://{server}"
    return f"{'http' if _is_local(server) else 'https'}://{server}"


def _is_local(server: str) -> bool:
    name = urlsplit(f"//{server}").hostname or ""
    return name in ("localhost", "::1") or name.startswith("127.")


def _challenge(answer: requests.Response, address: str) -> Challenge | None:
    """How to sign in; None when that is not asked for, or by another host than the one that was asked."""
    if answer.status_code != 401 or urlsplit(answer.url).netloc != urlsplit(address).netloc:
        return None
    return auth.read(answer.headers.get("WWW-Authenticate", ""))


def _token(answer: requests.Response, place: Reference) -> Mapping[str, str]:
    import requests

    if answer.status_code != 200:
        raise failures.unusable(place.registry, f"signing in is answered with status {answer.status_code}")
    try:
        content = _read(answer, place).content
    except requests.RequestException as error:
        raise failures.unreachable(place.registry, client.reason(error)) from error
    header = auth.bearer(manifest.document_of(content, place.registry))
    if header is None:
        raise failures.unusable(place.registry, "signing in gives no token")
    return header


def _read(answer: requests.Response, place: Reference) -> Answer:
    content = b""
    for piece in answer.iter_content(1 << 16):
        content += piece
        if len(content) > manifest.LARGEST:
            raise failures.unusable(place.registry, f"`{place}` is described by more than 4 MiB")
    headers = answer.headers
    return Answer(content, headers.get("Content-Type", ""), headers.get("Docker-Content-Digest", ""))
