"""One package as a Debian index describes it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from devenv.model.pins import Package
from devenv.values import dataclass


@dataclass(frozen=True, slots=True)
class Stanza:
    """A package with what it says about others; relation fields as the index words them."""

    package: Package
    essential: bool = False
    priority: str = "optional"
    depends: str = ""
    pre_depends: str = ""
    conflicts: str = ""
    breaks: str = ""
    provides: str = ""

    @property
    def name(self) -> str:
        return self.package.name

    @property
    def version(self) -> str:
        return self.package.version


_KEPT = frozenset(
    (
        *("Package", "Version", "Architecture", "SHA256", "Size", "Filename", "Essential", "Priority"),
        *("Depends", "Pre-Depends", "Conflicts", "Breaks", "Provides"),
    )
)


def parse(chunks: Iterable[bytes]) -> Iterator[Stanza]:
    """Read a `Packages` index, given in pieces of any length."""
    yield from map(read, paragraphs(chunks))


def paragraphs(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The paragraphs of an index, one for each package."""
    rest = b""
    for chunk in chunks:
        *whole, rest = (rest + chunk).split(b"\n\n")
        yield from (text for text in whole if text.strip())
    if rest.strip():
        yield rest


def read(text: bytes) -> Stanza:
    """Read a paragraph."""
    return stanza(_fields(text))


def stanza(fields: Mapping[str, str]) -> Stanza:
    """Make a stanza of a paragraph's fields; a `control` file lacks hash, size and path."""
    package = Package(
        name=fields["Package"],
        version=fields["Version"],
        architecture=fields["Architecture"],
        sha256=fields.get("SHA256", ""),
        size=int(fields.get("Size", 0)),
        path=fields.get("Filename", "").removeprefix("./"),
    )
    return Stanza(
        package,
        essential=fields.get("Essential") == "yes",
        priority=fields.get("Priority", "optional"),
        depends=fields.get("Depends", ""),
        pre_depends=fields.get("Pre-Depends", ""),
        conflicts=fields.get("Conflicts", ""),
        breaks=fields.get("Breaks", ""),
        provides=fields.get("Provides", ""),
    )


def described(control: bytes, package: Package) -> Stanza:
    """Make a stanza of what a pinned package's own `control` file says."""
    return replace(stanza(_fields(control)), package=package)


def _fields(text: bytes) -> dict[str, str]:
    fields: dict[str, str] = {}
    last = ""
    for line in text.decode("utf-8", "replace").split("\n"):
        if line.startswith((" ", "\t")):
            if last:
                fields[last] += " " + line.strip()
            continue
        name, colon, value = line.partition(":")
        last = name if colon and name in _KEPT else ""
        if last:
            fields[last] = value.strip()
    return fields
