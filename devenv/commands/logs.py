"""`devenv logs`: what the containers print, merged."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress

from devenv import limiting, running
from devenv.engine.protocol import Chunk, Engine
from devenv.errors import DevenvError, EngineError
from devenv.model import labels
from devenv.model.blueprint import SeenContainer
from devenv.values import dataclass
from devenv.workspace import Workspace


@dataclass(frozen=True, slots=True)
class LogLine:
    """A line, without its end; `text` is as printed, undecodable bytes replaced.

    Args:
        stream: `stdout`, `stderr`; `devenv` for what devenv says of the container.
    """

    unit: str
    stream: str
    text: str


def run(
    project: Workspace, engine: Engine, units: Sequence[str], *, follow: bool, tail: int | None
) -> Iterator[LogLine]:
    """The log lines of these units, or of all; with `follow` until the last container ends."""
    if follow:
        yield from Following(project, engine, units, tail=tail)
        return
    found = running.containers(project, engine, units)
    titles = running.titles(found)
    for one in found:
        yield from _lines(titles[one.name], engine.read(one.name, "logs", tail))


class Following:
    """The lines as they come, until the last container ends.

    Args:
        tail: So many of those that have been.
    """

    def __init__(self, project: Workspace, engine: Engine, units: Sequence[str] = (), *, tail: int | None = 0) -> None:
        self._project = project
        self._engine = engine
        self._units = units
        self._lines: queue.SimpleQueue[LogLine | BaseException | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._open = 0
        self._followed: set[str] = set()
        self._ended: dict[str, float] = {}
        self._look(tail)

    def __iter__(self) -> Iterator[LogLine]:
        # What was written before the last one ended may wait to be read.
        while self._open or not self._lines.empty():
            line = self._lines.get()
            if isinstance(line, BaseException):
                raise line
            if line is not None:
                yield line

    def hold(self) -> None:
        """Go on though every container may end, until `look`: they are made anew."""
        with self._lock:
            self._open += 1

    def look(self) -> None:
        """Follow what was made anew or started again since."""
        self._look(None)
        self._close()

    def _look(self, tail: int | None) -> None:
        found = running.containers(self._project, self._engine, self._units)
        titles = running.titles(found)
        for one in found:
            with self._lock:
                # What only holds files prints nothing, and outlives whatever does.
                if one.id in self._followed or one.labels.get(labels.KIND) == "files":
                    continue
                self._followed.add(one.id)
                self._open += 1
            threading.Thread(target=self._follow, args=(one, titles[one.name], tail), daemon=True).start()

    def _follow(self, one: SeenContainer, title: str, tail: int | None) -> None:
        try:
            chunks = self._engine.read(one.name, "follow", tail, self._ended.get(one.id))
            for line in _lines(title, chunks):
                self._lines.put(line)
        except EngineError as error:
            self._lines.put(error)
        self._tell_end(one)
        self._ended[one.id] = time.time()
        with self._lock:
            self._followed.discard(one.id)
        self._close()

    def _tell_end(self, one: SeenContainer) -> None:
        """Say after a container's last line that it ran out of memory: the kernel leaves it no time to say so."""
        with suppress(DevenvError):  # it may be gone, or the engine
            if (why := limiting.cause(self._engine.look(one.name))) is not None:
                unit = running.unit(one)
                self._lines.put(LogLine(unit, "devenv", f"ended: {why}; {limiting.HINT.format(unit=unit)}"))

    def _close(self) -> None:
        with self._lock:
            self._open -= 1
        self._lines.put(None)


def _lines(unit: str, chunks: Iterator[Chunk]) -> Iterator[LogLine]:
    rest = {"stdout": b"", "stderr": b""}
    for chunk in chunks:
        *whole, rest[chunk.stream] = (rest[chunk.stream] + chunk.data).split(b"\n")
        for line in whole:
            yield LogLine(unit, chunk.stream, line.decode(errors="replace").rstrip("\r"))
    for stream, line in rest.items():
        if line:
            yield LogLine(unit, stream, line.decode(errors="replace"))
