"""Byte streams from and to an engine: multiplexed output, connections taken over from HTTP, archives."""

from __future__ import annotations

import io
import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from typing import Any

from devenv.engine import translate
from devenv.engine.protocol import Chunk
from devenv.errors import EngineError
from devenv.values import dataclass

_HEADER = 8
_BUFFER = 1 << 20
_TAR_END = 1024


@dataclass(frozen=True, slots=True)
class Duplex:
    """A connection that carries bytes both ways.

    Args:
        read: Up to so many bytes, as soon as there are any; empty at the end.
        read_exactly: So many bytes; fewer only at the end.
        write: Sends all of it.
        end_input: Tells the other side that nothing more will be written.
    """

    read: Callable[[int], bytes]
    read_exactly: Callable[[int], bytes]
    write: Callable[[bytes], None]
    end_input: Callable[[], None]


def frames(read_exactly: Callable[[int], bytes]) -> Iterator[Chunk]:
    """Take multiplexed output apart; a frame that is cut off at the end is dropped."""
    while len(header := read_exactly(_HEADER)) == _HEADER:
        length = int.from_bytes(header[4:], "big")
        data = read_exactly(length) if length else b""
        if len(data) < length:
            return
        if data:
            yield translate.chunk(header, data)


def whole_tar(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Pass a tar on, and see that it has its end: two blocks of zeros.

    Raises:
        EngineError: It was cut off.
    """
    end = b""
    for piece in pieces:
        yield piece
        end = (end + piece[-_TAR_END:])[-_TAR_END:]
    if end != bytes(_TAR_END):
        raise EngineError("the archive ends too early")


def taken_over(raw: Any) -> Duplex:
    """The connection under an answer of the SDK's, whose `raw` is what `requests` calls so.

    Reading goes through the reader that took the answer's head: it may hold the first output already, which the SDK's
    own `exec_start(socket=True)` passes by.
    """
    reader: Any = raw._fp.fp
    channel = getattr(reader, "channel", None)
    if channel is not None:  # SSH through paramiko
        return Duplex(channel.recv, reader.read, channel.sendall, channel.shutdown_write)
    return duplex(reader, reader.raw._sock)


def duplex(reader: io.BufferedReader, connection: socket.socket) -> Duplex:
    """A connection with the reader that has begun to read from it."""
    return Duplex(reader.read1, reader.read, connection.sendall, lambda: _end_input(connection))


def _end_input(connection: socket.socket) -> None:
    """Close our half; a TLS connection has no halves in Python, and ends when the command does."""
    if not hasattr(connection, "unwrap"):
        connection.shutdown(socket.SHUT_WR)


class Execution:
    """A command in a container: its output once, then its exit code."""

    def __init__(self, output: Iterator[Chunk], exit_code: Callable[[], int]) -> None:
        self._output = output
        self._exit_code = exit_code

    def __iter__(self) -> Iterator[Chunk]:
        return self._output

    @property
    def exit_code(self) -> int:
        return self._exit_code()


class Feeder:
    """Writes a command's input from a thread of its own, while its output is read."""

    def __init__(self, connection: Duplex, source: Iterable[bytes]) -> None:
        self._connection = connection
        self._source = source
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._feed, name="devenv-input", daemon=True)
        self._thread.start()

    def finish(self) -> None:
        """Raise what the source raised; call it when the output has ended."""
        if self._failure is not None:
            raise self._failure

    def join(self) -> None:
        """Wait until nothing is written any more, which is soon after the other side has gone."""
        self._thread.join()

    def _feed(self) -> None:
        try:
            for data in self._source:
                try:
                    self._connection.write(data)
                except OSError:  # the command ended without reading all of it
                    return
        except BaseException as error:
            self._failure = error
        with suppress(OSError):
            self._connection.end_input()


class Stream(io.RawIOBase):
    """Pieces of any length as one file that is read once."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = iter(pieces)
        self._rest = memoryview(b"")

    @classmethod
    def buffered(cls, pieces: Iterable[bytes]) -> io.BufferedReader:
        """The same, with what readers of archives want of a file."""
        return io.BufferedReader(cls(pieces), _BUFFER)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # the base class takes any buffer
        while not self._rest:
            piece = next(self._pieces, None)
            if piece is None:
                return 0
            self._rest = memoryview(piece)
        size = min(len(buffer), len(self._rest))
        buffer[:size] = self._rest[:size]
        self._rest = self._rest[size:]
        return size
