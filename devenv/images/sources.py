"""Where apt on this host gets Debian from."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

ETC = Path("/etc")

Parser = Callable[[str], Iterator[tuple[str, str]]]


def read(etc: Path | None = None) -> dict[str, tuple[str, ...]]:
    """Find the addresses of Debian's archives, by archive name, likely ones first; empty on other systems.

    Third parties use Debian's suite names too, so an address is a candidate, and a signature must prove it.
    """
    etc = etc or ETC
    if not _is_debian(etc):
        return {}
    found: dict[str, dict[str, None]] = {}
    for text, parse in _files(etc / "apt"):
        for uri, suite in parse(text):
            if uri.startswith(("http://", "https://")):
                archive = "debian-security" if suite.endswith(("-security", "/updates")) else "debian"
                found.setdefault(archive, {})[uri.rstrip("/")] = None
    return {
        archive: tuple(sorted(uris, key=lambda uri: not uri.endswith(f"/{archive}"))) for archive, uris in found.items()
    }


def deb822(text: str) -> Iterator[tuple[str, str]]:
    """Read a `.sources` file: address and suite of each enabled binary source with component `main`."""
    for paragraph in "\n".join(line for line in text.splitlines() if not line.startswith("#")).split("\n\n"):
        fields = _fields(paragraph)
        if "deb" not in fields.get("types", []) or fields.get("enabled", ["yes"]) == ["no"]:
            continue
        if "main" in fields.get("components", []):
            yield from ((uri, suite) for uri in fields.get("uris", []) for suite in fields.get("suites", []))


def one_line(text: str) -> Iterator[tuple[str, str]]:
    """Read a `.list` file, likewise."""
    for line in text.splitlines():
        kind, _, rest = line.partition("#")[0].strip().partition(" ")
        if kind != "deb":
            continue
        rest = rest.strip()
        if rest.startswith("["):
            rest = rest.partition("]")[2]
        uri, suite, *components = [*rest.split(), "", ""]
        if "main" in components:
            yield uri, suite


def _is_debian(etc: Path) -> bool:
    try:
        lines = (etc / "os-release").read_text(errors="replace").splitlines()
    except OSError:
        return False
    return any(line.replace('"', "").strip() == "ID=debian" for line in lines)


def _files(apt: Path) -> Iterator[tuple[str, Parser]]:
    parts = apt / "sources.list.d"
    for path, parse in [
        *((path, deb822) for path in sorted(parts.glob("*.sources"))),
        (apt / "sources.list", one_line),
        *((path, one_line) for path in sorted(parts.glob("*.list"))),
    ]:
        try:
            yield path.read_text(errors="replace"), parse
        except OSError:
            continue


def _fields(paragraph: str) -> dict[str, list[str]]:
    fields: dict[str, list[str]] = {}
    last = ""
    for line in paragraph.splitlines():
        if line.startswith((" ", "\t")):
            fields.setdefault(last, []).extend(line.split())
            continue
        name, _, value = line.partition(":")
        last = name.strip().lower()
        fields[last] = value.split()
    return fields
