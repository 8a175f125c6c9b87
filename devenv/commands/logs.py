"""`devenv logs`: what the containers print, merged."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator, Sequence

from devenv import running
from devenv.engine.protocol import Chunk, Engine
from devenv.errors import EngineError
from devenv.model.blueprint import SeenContainer
from devenv.values import dataclass
from devenv.workspace import Workspace


@dataclass(frozen=True, slots=True)
class LogLine:
    """A line, without its end; `text` is as printed, undecodable bytes replaced."""

    unit: str
    stream: str
    text: str


def run(
    project: Workspace, engine: Engine, units: Sequence[str], *, follow: bool, tail: int | None
) -> Iterator[LogLine]:
    """The log lines of these units, or of all; with `follow` until the last container ends."""
    containers = running.containers(project, engine, units)
    if follow:
        yield from _merged(engine, containers, tail)
        return
    for one in containers:
        yield from _lines(running.unit(one), engine.read(one.name, "logs", tail))


def _merged(engine: Engine, containers: Sequence[SeenContainer], tail: int | None) -> Iterator[LogLine]:
    lines: queue.SimpleQueue[LogLine | BaseException | None] = queue.SimpleQueue()

    def follow(one: SeenContainer) -> None:
        try:
            for line in _lines(running.unit(one), engine.read(one.name, "follow", tail)):
                lines.put(line)
        except EngineError as error:
            lines.put(error)
        else:
            lines.put(None)

    for one in containers:
        threading.Thread(target=follow, args=(one,), daemon=True).start()
    open_streams = len(containers)
    while open_streams:
        line = lines.get()
        if isinstance(line, BaseException):
            raise line
        if line is None:
            open_streams -= 1
        else:
            yield line


def _lines(unit: str, chunks: Iterator[Chunk]) -> Iterator[LogLine]:
    rest = {"stdout": b"", "stderr": b""}
    for chunk in chunks:
        *whole, rest[chunk.stream] = (rest[chunk.stream] + chunk.data).split(b"\n")
        for line in whole:
            yield LogLine(unit, chunk.stream, line.decode(errors="replace").rstrip("\r"))
    for stream, line in rest.items():
        if line:
            yield LogLine(unit, stream, line.decode(errors="replace"))
