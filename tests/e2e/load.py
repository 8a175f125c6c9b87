"""Requests at an even pace, and what became of them."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

PATIENCE = 10.0
MOST = 40
"""Requests under way at a time."""


@dataclass
class Told:
    """What was answered.

    Args:
        bodies: How often each body came with status 200.
        failures: What came in place of it.
        seconds: How long each answer took.
    """

    bodies: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)

    @property
    def spread(self) -> float:
        """How far the share of one is from an even one, at most; 0.1 is a tenth of it."""
        even = self.bodies.total() / len(self.bodies)
        return max(abs(count - even) / even for count in self.bodies.values())


class Load:
    """Requests that go on in a thread of their own; `phase` begins to count anew."""

    def __init__(self, port: int, rate: float, path: str = "/") -> None:
        self._port, self._rate, self._path = port, rate, path
        self._ended = threading.Event()
        self.told = Told()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), daemon=True)

    def phase(self) -> Told:
        """What was told until now."""
        told, self.told = self.told, Told()
        return told

    async def _run(self) -> None:
        due = time.monotonic()
        under_way: set[asyncio.Task[None]] = set()
        while not self._ended.is_set():
            # A machine that cannot keep up gets fewer requests, not all the missed ones at once.
            due = max(due + 1 / self._rate, time.monotonic() - 0.1)
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            if len(under_way) >= MOST:
                await asyncio.wait(under_way, return_when=asyncio.FIRST_COMPLETED)
            task = asyncio.create_task(self._one())
            under_way.add(task)
            task.add_done_callback(under_way.discard)
        await asyncio.gather(*under_way)

    async def _one(self) -> None:
        told, begun = self.told, time.monotonic()
        try:
            status, body = await asyncio.wait_for(_asked(self._port, self._path), PATIENCE)
        except (OSError, ValueError, EOFError, TimeoutError) as error:
            told.failures.append(repr(error))
            return
        told.seconds.append(time.monotonic() - begun)
        if status == 200:
            told.bodies[body] += 1
        else:
            told.failures.append(f"{status}: {body}")

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End, when all is answered."""
        self._ended.set()
        self._thread.join()


@contextmanager
def on(port: int, rate: float = 200.0, path: str = "/") -> Iterator[Load]:
    """Requests for the length of the block."""
    load = Load(port, rate, path)
    load.start()
    try:
        yield load
    finally:
        load.stop()


async def _asked(port: int, path: str) -> tuple[int, str]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n".encode())
        head, _, body = (await reader.read()).partition(b"\r\n\r\n")
        return int(head.split(b" ", 2)[1]), body.decode()
    finally:
        writer.close()
