"""The one long-lived connection to the agent inside a container."""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence

from devenv.engine.protocol import Chunk, Command, Engine, Running
from devenv.errors import DevenvError
from devenv.sync import wire
from devenv.sync.wire import Message

_AHEAD = 16
"""Pieces that may wait to be written; each is at most as large as a message."""
STALLED = 60.0
"""Seconds after which an agent that reads nothing is given up."""

log = logging.getLogger("devenv.sync")

Deliver = Callable[[Sequence[Message]], None]
"""Hears messages as they come, and of none when the connection is lost; from a thread of the link's own."""


class Link:
    """An agent that runs in a container, over the engine's `exec`.

    Args:
        container: One that runs and has the volume.
        root: Where the volume is mounted there.
        user: `uid:gid` the agent works as; None means the container's own.
    """

    def __init__(self, engine: Engine, container: str, root: str, user: str | None, deliver: Deliver) -> None:
        self._pieces: queue.Queue[bytes | None] = queue.Queue(_AHEAD)
        self._deliver = deliver
        self._over = False
        running = engine.exec(container, Command(wire.command(root), user=user, stdin=self._input()))
        self._reader = threading.Thread(target=self._read, args=(running,), name="devenv-sync-link", daemon=True)
        self._reader.start()

    def send(self, data: bytes) -> None:
        """Write to the agent; waits while much is under way.

        Raises:
            ConnectionError: The connection is lost.
        """
        deadline = time.monotonic() + STALLED
        while not self._over and time.monotonic() < deadline:
            try:
                self._pieces.put(data, timeout=1)
            except queue.Full:
                continue
            return
        raise ConnectionError("the agent has ended" if self._over else "the agent takes nothing any more")

    def close(self) -> None:
        """End the agent's input, at which it ends."""
        self._over = True
        try:
            self._pieces.put_nowait(None)
        except queue.Full:  # nothing reads any more
            return

    def _input(self) -> Iterator[bytes]:
        while not self._over and (piece := self._pieces.get()) is not None:
            yield piece

    def _read(self, running: Running) -> None:
        parser = wire.Parser()
        try:
            for chunk in running:
                self._hear(chunk, parser)
        except (DevenvError, OSError) as error:
            log.info("the connection to the agent broke: %s", error)
        finally:
            self._over = True
            self._deliver(())

    def _hear(self, chunk: Chunk, parser: wire.Parser) -> None:
        if chunk.stream == "stderr":
            log.warning("agent: %s", chunk.data.decode(errors="replace").strip())
            return
        if messages := parser.feed(chunk.data):
            self._deliver(messages)
