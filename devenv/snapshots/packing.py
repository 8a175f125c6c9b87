"""Packs and unpacks the streams of snapshots: gzip, in pieces of bounded size, hashed on the way."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Callable, Iterable, Iterator
from typing import BinaryIO

from devenv.model.snapshot import Stream
from devenv.snapshots import form

PIECE = 1024 * 1024
"""Bytes that are held in memory at once."""
_LEVEL = 3
_GZIP = 31

Moved = Callable[[int], None]
"""Hears how many bytes have been moved so far."""


def write(content: Iterable[bytes], file: BinaryIO, name: str, volume: str | None, moved: Moved) -> Stream:
    """Pack content into an open file, and describe it."""
    packer, digest = zlib.compressobj(_LEVEL, zlib.DEFLATED, _GZIP), hashlib.sha256()
    size = length = 0

    def put(packed: bytes) -> None:
        nonlocal size
        file.write(packed)
        digest.update(packed)
        size += len(packed)

    moved(0)
    for piece in content:
        put(packer.compress(piece))
        length += len(piece)
        moved(length)
    put(packer.flush())
    return Stream(name, digest.hexdigest(), size, length, volume)


def read(file: BinaryIO, stream: Stream, what: str, moved: Moved) -> Iterator[bytes]:
    """Unpack a stream, in pieces.

    Raises:
        DevenvError: It is not what its description says.
    """
    unpacker, length, taken = zlib.decompressobj(_GZIP), 0, 0
    moved(0)
    try:
        while packed := file.read(PIECE):
            taken += len(packed)
            while packed or unpacker.unconsumed_tail:
                piece = unpacker.decompress(packed or unpacker.unconsumed_tail, PIECE)
                packed = b""
                length += len(piece)
                if length > stream.content or unpacker.unused_data:
                    raise form.damaged(what, f"`{stream.file}` holds more than it should")
                if piece:
                    yield piece
            moved(taken)
    except zlib.error as error:
        raise form.damaged(what, f"`{stream.file}` cannot be unpacked") from error
    if not unpacker.eof or length != stream.content:
        raise form.damaged(what, f"`{stream.file}` ends too early")


def check(file: BinaryIO, stream: Stream, what: str, moved: Moved) -> Iterator[bytes]:
    """Pass a packed stream on in pieces, and see at its end that it is the right one.

    Raises:
        DevenvError: It is not.
    """
    digest, size = hashlib.sha256(), 0
    moved(0)
    while packed := file.read(PIECE):
        digest.update(packed)
        size += len(packed)
        moved(size)
        yield packed
    if size != stream.size:
        raise form.damaged(what, f"`{stream.file}` {'ends too early' if size < stream.size else 'is too long'}")
    if digest.hexdigest() != stream.sha256:
        raise form.damaged(what, f"`{stream.file}` was changed")
