"""Reads what compose files write short: durations, amounts of memory, ports, mounts."""

from __future__ import annotations

import re
from collections.abc import Iterator

from devenv.values import dataclass

_DURATION = re.compile(r"(\d+(?:\.\d+)?)(us|ms|s|m|h)")
_SECONDS = {"us": 0.000001, "ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_MEMORY = re.compile(r"(\d{1,12}(?:\.\d{1,6})?)\s*(?:([kmgt])?(?:i?b)?)", re.IGNORECASE)
_PORT = re.compile(
    r"(?:(?P<address>\[[0-9a-fA-F:.]*\]|[0-9a-fA-F.:]*?|[^:]*):)??(?:(?P<host>\d{1,5}(?:-\d{1,5})?)?:)?"
    r"(?P<inside>\d{1,5}(?:-\d{1,5})?)(?:/(?P<protocol>[a-z]+))?"
)
MOST_PORTS = 100


@dataclass(frozen=True, slots=True)
class Published:
    """A port as compose publishes it.

    Args:
        host: None lets the engine choose.
        address: Empty for every one.
    """

    inside: int
    host: int | None
    address: str
    protocol: str


@dataclass(frozen=True, slots=True)
class Mounted:
    """Something attached as compose has it.

    Args:
        source: Empty for a volume without a name.
    """

    kind: str
    source: str
    target: str
    read_only: bool = False


def seconds(text: str) -> float | None:
    """Of `1m30s`; None when it is no duration."""
    parts = _DURATION.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        return None
    return sum(float(number) * _SECONDS[unit] for number, unit in parts)


def memory(text: str) -> str | None:
    """Of `512m`, `1.5gb` or bytes, as `devenv.toml` has it; None when it is no amount, or 0."""
    found = _MEMORY.fullmatch(text.strip())
    if found is None or float(found[1]) == 0:
        return None
    return found[1] + (found[2] or "").upper()


def ports(text: str) -> tuple[Published, ...] | None:
    """Of `8080:80`, `127.0.0.1:8000-8001:8000-8001/tcp`; None when it is no port."""
    found = _PORT.fullmatch(text.strip())
    if found is None:
        return None
    inside = _range(found["inside"])
    host = _range(found["host"]) if found["host"] else None
    if inside is None or (found["host"] and host is None):
        return None
    # A range on the host for one port inside: the engine may take any of them.
    several = [None] * len(inside) if host is None or len(host) != len(inside) else list(host)
    address = (found["address"] or "").strip("[]")
    protocol = found["protocol"] or "tcp"
    return tuple(Published(one, outside, address, protocol) for one, outside in zip(inside, several, strict=True))


def _range(text: str) -> range | None:
    first, _, last = text.partition("-")
    begin, end = int(first), int(last or first)
    if not 0 < begin <= end < 65536 or end - begin >= MOST_PORTS:
        return None
    return range(begin, end + 1)


def mount(text: str) -> Mounted | None:
    """Of `./src:/app:ro`, `data:/var/lib/data`, `/cache`; None when it is no mount."""
    parts = list(_parts(text))
    if not 1 <= len(parts) <= 3 or not all(parts):
        return None
    if len(parts) == 1:
        return Mounted("volume", "", parts[0])
    source, target, *mode = parts
    kind = "bind" if source.startswith((".", "/", "~")) or re.match(r"[A-Za-z]:\\", source) else "volume"
    return Mounted(kind, source, target, read_only="ro" in (mode[0].split(",") if mode else ()))


def _parts(text: str) -> Iterator[str]:
    """Parted at colons, but for the one of a drive."""
    drive = re.match(r"[A-Za-z]:(\\|/.*:/)", text)
    head, rest = (text[:2], text[2:]) if drive else ("", text)
    first, *others = rest.split(":")
    yield head + first
    yield from others
