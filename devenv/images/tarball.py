"""Tar archives whose bytes are decided by their entries alone.

The standard library's writer differs between Python versions; a layer's digest must not.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from typing import BinaryIO, Literal

from devenv.values import dataclass

Kind = Literal["file", "folder", "symlink", "link", "fifo", "character", "block"]

BLOCK = 512
END = bytes(2 * BLOCK)

_FLAGS: dict[str, bytes] = {
    "file": b"0",
    "link": b"1",
    "symlink": b"2",
    "character": b"3",
    "block": b"4",
    "folder": b"5",
    "fifo": b"6",
}
_OCTAL_SIZE_LIMIT = 8**11
_OCTAL_ID_LIMIT = 8**7


@dataclass(frozen=True, slots=True)
class Header:
    """What a tar says of one file besides its content.

    Args:
        path: Without slashes at its ends.
        mode: Permission bits.
        mtime: Seconds since 1970.
        size: Bytes of content; 0 for all but files.
        target: Of a symlink, or of a hard link.
        attributes: Extended attributes, sorted by name.
    """

    path: str
    kind: Kind
    mode: int = 0o755
    user: int = 0
    group: int = 0
    mtime: int = 0
    size: int = 0
    target: str = ""
    attributes: tuple[tuple[str, bytes], ...] = ()
    device: tuple[int, int] = (0, 0)


def encode(header: Header) -> bytes:
    """Write a header: ustar, with a pax header before it for what does not fit."""
    path = _bytes(header.path) + (b"/" if header.kind == "folder" else b"")
    target = _bytes(header.target)
    extra: list[tuple[str, bytes]] = []
    if not _fits(path):
        extra.append(("path", path))
    if not _fits(target):
        extra.append(("linkpath", target))
    for name, number, limit in (
        ("size", header.size, _OCTAL_SIZE_LIMIT),
        ("uid", header.user, _OCTAL_ID_LIMIT),
        ("gid", header.group, _OCTAL_ID_LIMIT),
    ):
        if number >= limit:
            extra.append((name, str(number).encode()))
    extra.extend((f"SCHILY.xattr.{name}", value) for name, value in header.attributes)
    block = _block(header, path, target, _FLAGS[header.kind])
    return (_pax(extra) if extra else b"") + block


def padding(size: int) -> bytes:
    """The zeros that fill up the last block of a content."""
    return bytes(-size % BLOCK)


class Writer:
    """Writes an archive to a file and knows its digest and size."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._hash = hashlib.sha256()
        self._paths: set[str] = set()
        self.size = 0

    def add(self, header: Header, content: Iterable[bytes] = ()) -> None:
        """Add an entry, unless there is one of its path: engines refuse doubles.

        The content must be as long as the header says.
        """
        if header.path in self._paths:
            return
        self._paths.add(header.path)
        self._write(encode(header))
        written = 0
        for piece in content:
            self._write(piece)
            written += len(piece)
        assert written == header.size, header.path
        self._write(padding(written))

    def close(self) -> str:
        """End the archive and return its SHA-256."""
        self._write(END)
        return self._hash.hexdigest()

    def _write(self, piece: bytes) -> None:
        self._file.write(piece)
        self._hash.update(piece)
        self.size += len(piece)


def stream(entries: Iterable[tuple[Header, Iterable[bytes]]]) -> Iterator[bytes]:
    """Write an archive piece by piece."""
    for header, content in entries:
        yield encode(header)
        yield from content
        yield padding(header.size)
    yield END


def _bytes(path: str) -> bytes:
    return path.encode("utf-8", "surrogateescape")


def _fits(path: bytes) -> bool:
    return len(path) <= 100 and path.isascii()


def _block(header: Header, path: bytes, target: bytes, flag: bytes) -> bytes:
    major, minor = header.device
    fields = (
        path[:100].ljust(100, b"\0"),
        _octal(header.mode, 8),
        _octal(header.user if header.user < _OCTAL_ID_LIMIT else 0, 8),
        _octal(header.group if header.group < _OCTAL_ID_LIMIT else 0, 8),
        _octal(header.size if header.size < _OCTAL_SIZE_LIMIT else 0, 12),
        _octal(header.mtime, 12),
        b" " * 8,
        flag,
        target[:100].ljust(100, b"\0"),
        b"ustar\x0000",
        bytes(64),
        _octal(major, 8),
        _octal(minor, 8),
    )
    block = b"".join(fields).ljust(BLOCK, b"\0")
    return block[:148] + b"%06o\0 " % sum(block) + block[156:]


def _octal(number: int, width: int) -> bytes:
    return b"%0*o\0" % (width - 1, number)


def _pax(records: Iterable[tuple[str, bytes]]) -> bytes:
    body = b"".join(_record(name.encode(), value) for name, value in records)
    header = Header("pax", "file", mode=0o644, size=len(body))
    return _block(header, b"pax", b"", b"x") + body + padding(len(body))


def _record(name: bytes, value: bytes) -> bytes:
    rest = b" " + name + b"=" + value + b"\n"
    length = len(rest)
    while len(str(length)) + len(rest) != length:
        length = len(str(length)) + len(rest)
    return str(length).encode() + rest
