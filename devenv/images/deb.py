"""What is inside a `.deb` file."""

from __future__ import annotations

import gzip
import lzma
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, BinaryIO, cast

from devenv.errors import ImageError

_MAGIC = b"!<arch>\n"
_HEADER = 60


@contextmanager
def data(path: Path) -> Iterator[tarfile.TarFile]:
    """Open the tar of the files a package installs, to be read once from front to back."""
    with _member(path, "data.tar") as tar:
        yield tar


def control(path: Path) -> bytes:
    """Return the package's `control` file."""
    with _member(path, "control.tar") as tar:
        for member in tar:
            if member.name.removeprefix("./") == "control":
                return cast(IO[bytes], tar.extractfile(member)).read()
    raise ImageError(f"`{path.name}` is no Debian package: it has no `control` file")


@contextmanager
def _member(path: Path, prefix: str) -> Iterator[tarfile.TarFile]:
    with path.open("rb") as file:
        name, size = _seek(file, prefix, path)
        with _plain(_Part(file, size), name) as plain, tarfile.open(fileobj=plain, mode="r|") as tar:
            yield tar


def _seek(file: BinaryIO, prefix: str, path: Path) -> tuple[str, int]:
    """Go to the start of an `ar` member and tell its name and size."""
    if file.read(len(_MAGIC)) == _MAGIC:
        while len(header := file.read(_HEADER)) == _HEADER:
            name = header[:16].decode("ascii", "replace").strip().rstrip("/")
            size = int(header[48:58])
            if name.startswith(prefix):
                return name, size
            file.seek(size + size % 2, 1)
    raise ImageError(f"`{path.name}` is no Debian package: it has no `{prefix}`")


def _plain(part: _Part, name: str) -> IO[bytes]:
    source = cast(IO[bytes], part)
    if name.endswith(".xz"):
        return lzma.open(source)
    if name.endswith(".gz"):
        return cast(IO[bytes], gzip.open(source))
    if name.endswith(".tar"):
        return source
    raise ImageError(f"a Debian package is compressed in an unknown way: `{name}`")


class _Part:
    """The next bytes of a file as a file of its own."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file = file
        self._left = size

    def read(self, size: int = -1) -> bytes:
        wanted = self._left if size < 0 else min(size, self._left)
        piece = self._file.read(wanted)
        self._left -= len(piece)
        return piece

    def seekable(self) -> bool:
        return False

    def __enter__(self) -> _Part:
        return self

    def __exit__(self, *_: object) -> None:
        return None
