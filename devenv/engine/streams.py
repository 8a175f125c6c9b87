"""Byte streams from and to an engine: multiplexed output and connections taken over from HTTP."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress

from devenv.engine import translate
from devenv.engine.protocol import Chunk
from devenv.values import dataclass

_HEADER = 8


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
