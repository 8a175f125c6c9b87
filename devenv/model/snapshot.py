"""What a snapshot says of itself: the data of services at one moment."""

from __future__ import annotations

from typing import Literal

from devenv.values import dataclass

Method = Literal["dump", "files"]


@dataclass(frozen=True, slots=True)
class Stream:
    """One gzip file of a snapshot.

    Args:
        file: Its name in the snapshot's folder.
        sha256: Of the file, lower-case hex.
        size: Of the file, in bytes.
        content: Bytes of what it unpacks to.
        volume: Which volume of the service it holds, as its entry calls it; None for a dump.
    """

    file: str
    sha256: str
    size: int
    content: int
    volume: str | None = None


@dataclass(frozen=True, slots=True)
class Part:
    """The data of one service.

    Args:
        name: The service's.
        use: What it is: its entry in the catalog, `dockerfile PATH`, or `image NAME`.
        version: As far as it is known, else empty.
        data: What can use it, where not every version can: `postgres 17`; else empty.
        method: By the service's own dump, or its volumes' files.
        architecture: Of the engine it was on, as Debian names it.
        secrets: Of files, fingerprints of the secrets that are in them, as the volume's label had it; else empty.
        image: The image's key.
    """

    name: str
    use: str
    version: str
    data: str
    method: Method
    architecture: str
    secrets: str
    image: str
    streams: tuple[Stream, ...]

    @property
    def size(self) -> int:
        """Bytes in the snapshot."""
        return sum(one.size for one in self.streams)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The data of a project's services at one moment.

    Args:
        created: In UTC: `2026-11-26T14:30:00Z`.
        devenv: The version that made it.
    """

    name: str
    created: str
    project: str
    devenv: str
    parts: tuple[Part, ...]

    @property
    def size(self) -> int:
        """Bytes altogether."""
        return sum(one.size for one in self.parts)
