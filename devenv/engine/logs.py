"""A container's log as lines, read while it grows."""

from __future__ import annotations

import queue
import re
import threading
from collections.abc import Iterable, Iterator

from devenv.engine.protocol import Chunk, Engine
from devenv.errors import DevenvError

_SEQUENCE = re.compile(r"\x1b(\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(\x07|\x1b\\)|[@-Z\\-_])")


def lines(chunks: Iterable[Chunk]) -> Iterator[str]:
    """Put chunks together to lines, each stream for itself, without control characters."""
    rests = {"stdout": b"", "stderr": b""}
    for chunk in chunks:
        *whole, rests[chunk.stream] = (rests[chunk.stream] + chunk.data).split(b"\n")
        yield from map(clean, whole)
    yield from (clean(rest) for rest in rests.values() if rest)


def clean(line: bytes) -> str:
    """Make a line safe to show: no escape sequence, and of what overwrites itself (progress bars) only the end."""
    text = _SEQUENCE.sub("", line.decode(errors="replace")).rstrip("\r").rpartition("\r")[2]
    return "".join(letter for letter in text if letter == "\t" or letter.isprintable())


def last(engine: Engine, container: str, count: int, since: float | None = None) -> tuple[str, ...]:
    """The last lines of a log; () when it cannot be read, for it is only asked for to explain another failure."""
    try:
        return tuple(lines(engine.read(container, "logs", tail=count, since=since)))[-count:]
    except DevenvError:
        return ()


class Tail:
    """Follows a log from a thread of its own, so that its reader can do other things meanwhile.

    The thread ends with the container, or with the next chunk after `close`.
    """

    def __init__(self, engine: Engine, container: str, since: float | None = None) -> None:
        self._lines: queue.SimpleQueue[str | DevenvError | None] = queue.SimpleQueue()
        self._closed = threading.Event()
        self._source = engine.read(container, "follow", since=since)
        self.ended = False
        threading.Thread(target=self._follow, name=f"devenv-log-{container}", daemon=True).start()

    def take(self, timeout: float = 0.0) -> str | None:
        """Return the next line; None when there is none in time, or none any more: then `ended` is true."""
        if self.ended:
            return None
        try:
            line = self._lines.get(timeout=timeout) if timeout else self._lines.get_nowait()
        except queue.Empty:
            return None
        if isinstance(line, DevenvError):
            raise line
        self.ended = line is None
        return line

    def close(self) -> None:
        self._closed.set()

    def _follow(self) -> None:
        try:
            for line in lines(self._until_closed()):
                self._lines.put(line)
        except DevenvError as error:
            self._lines.put(error)
        finally:
            self._lines.put(None)

    def _until_closed(self) -> Iterator[Chunk]:
        for chunk in self._source:
            if self._closed.is_set():
                return
            yield chunk
