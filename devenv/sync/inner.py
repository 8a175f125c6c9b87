"""The volume's side: asks the agent, hears its answers."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple, Protocol

from devenv.sync import wire
from devenv.sync.entries import Seen
from devenv.sync.wire import Message
from devenv.values import dataclass

WINDOW = 1024
"""Requests that may be under way; more would only pile up answers."""
GATHERED = 32 * 1024
"""Bytes of requests that are written at once."""

Records = Sequence[tuple[str, Seen | None]]


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of a request.

    Args:
        verb: `done`, `refused`, `failed`, `dropped`, `listed`, `looked`, `read`, `fetched`, `added` or `pong`.
        records: What is there now; of `listed`, all of it.
        words: The system's, of `failed`.
        signatures: Of `added`: what each file got, empty for one that could not be written.
        data: Of `fetched`: what is in the files, one after the other.
    """

    verb: str
    records: Records = ()
    words: str = ""
    signatures: Sequence[str] = ()
    data: bytes = b""

    @property
    def seen(self) -> Seen | None:
        """What is there now, of an answer about one path."""
        return self.records[0][1] if self.records else None


Done = Callable[[Answer], None]


class New(NamedTuple):
    """A file to write where nothing is.

    Args:
        mode: Permission bits.
        mtime: Nanoseconds since 1970.
    """

    path: str
    mode: int
    mtime: int
    data: bytes


class Sink(Protocol):
    """Where a file's content goes."""

    def write(self, data: bytes) -> None: ...


class Sender(Protocol):
    """The connection, to write to."""

    def send(self, data: bytes) -> None: ...


class Inner:
    """Requests to the agent, and their answers; used by the session's thread alone.

    Args:
        take: Waits for the next thing that happens and deals with it; what comes from the agent is given to `hear`.
    """

    def __init__(self, sender: Sender, take: Callable[[], None]) -> None:
        self._sender = sender
        self._take = take
        self._number = 0
        self._gathered: list[bytes] = []
        self._length = 0
        self._open: dict[str, Done] = {}
        self._parts: dict[str, list[tuple[str, Seen | None]]] = {}
        self._sinks: dict[str, Callable[[Seen], Sink]] = {}
        self._writers: dict[str, Sink] = {}

    @property
    def under_way(self) -> int:
        """Requests that are not answered yet."""
        return len(self._open)

    # --- requests ---

    def list(self, folders: Iterable[str], done: Done) -> None:
        """Watch these folders and list them."""
        self._ask("list", _paths(folders), done)

    def look(self, paths: Iterable[str], done: Done) -> None:
        self._ask("look", _paths(paths), done)

    def get(self, path: str, sink: Callable[[Seen], Sink], done: Done) -> None:
        """Read a file; `sink` is asked for where to when it is known what it is."""
        self._ask("get", _paths((path,)), done, sink)

    def fetch(self, paths: Iterable[str], done: Done) -> None:
        """Read many files that are small; nothing is told of one that is not, or changes. See `Hello.bulk`."""
        self._ask("fetch", _paths(paths), done)
        self.flush()

    def add(self, files: Sequence[New], done: Done, *, direct: bool) -> None:
        """Write many files that are small, each where nothing is; only with an agent that can do so (see `Hello.bulk`).

        Args:
            direct: In place: nobody reads them yet.
        """
        words = "".join([f"{one.path}\0{one.mode:o}\0{one.mtime}\0{len(one.data)}\0" for one in files])
        encoded = os.fsencode(words)
        head = f"{'direct' if direct else 'rename'}\0{len(encoded)}\0".encode()
        self._ask("add", b"".join([head, encoded, *[one.data for one in files]]), done)

    def put(self, path: str, data: bytes, done: Done, *, expect: str, mode: int, mtime: int, size: int) -> str:
        """Write a file, the first piece of it; `more` has the rest. Return the request's name."""
        head = f"\0{expect}\0{mode:o}\0{mtime}\0{size}\0".encode()
        return self._ask("put", os.fsencode(path) + head + data, done)

    def more(self, request: str, data: bytes) -> None:
        """The next piece of a file."""
        self._write(wire.message("more", request, payload=data))

    def abandon(self, request: str) -> None:
        """Leave a file that is half written as it was."""
        self._write(wire.message("drop", request))

    def make_folder(self, path: str, mode: int, done: Done) -> None:
        self._ask("mkdir", os.fsencode(f"{path}\0{mode:o}\0"), done)

    def make_link(self, path: str, target: str, done: Done, *, expect: str) -> None:
        self._ask("symlink", os.fsencode(f"{path}\0{expect}\0{target}\0"), done)

    def remove(self, path: str, done: Done, *, expect: str) -> None:
        self._ask("remove", os.fsencode(f"{path}\0{expect}\0"), done)

    def set_mode(self, path: str, mode: int, done: Done, *, expect: str) -> None:
        self._ask("chmod", os.fsencode(f"{path}\0{expect}\0{mode:o}\0"), done)

    def move(self, source: str, target: str, done: Done, *, expect: str) -> None:
        self._ask("move", os.fsencode(f"{source}\0{expect}\0{target}\0"), done)

    def mark(self, text: str, done: Done) -> None:
        """Write the volume's marker."""
        self._ask("mark", text.encode(), done)

    def ping(self, done: Done) -> None:
        """Be answered after everything that was changed inside before has been told."""
        self._ask("ping", b"", done)
        self.flush()

    def wait(self, most: int = 0) -> None:
        """Wait until at most so many requests are under way."""
        self.flush()
        while len(self._open) > most:
            self._take()
            self.flush()  # an answer may have led to a further request

    def flush(self) -> None:
        """Write what was gathered."""
        if self._gathered:
            data, self._gathered, self._length = b"".join(self._gathered), [], 0
            self._sender.send(data)

    # --- answers ---

    def hear(self, message: Message) -> None:
        """Deal with an answer to a request."""
        verb, request = message.words[0], message.words[1]
        if verb == "part":
            self._parts.setdefault(request, []).extend(wire.records(message.payload))
        elif verb == "file":
            seen = wire.records(message.payload)[0][1]
            sink = self._sinks.pop(request)
            if seen is not None and seen.kind == "file":
                self._writers[request] = sink(seen)
        elif verb == "data":
            self._writers[request].write(message.payload)
        else:
            self._end(verb, request, message.payload)

    def _end(self, verb: str, request: str, payload: bytes) -> None:
        done = self._open.pop(request, None)
        self._sinks.pop(request, None)
        self._writers.pop(request, None)
        parts = self._parts.pop(request, [])
        if done is None:
            return
        if verb == "added":
            done(Answer(verb, signatures=payload.decode().split("\0")[:-1]))
        elif verb == "fetched":
            length, _, rest = payload.partition(b"\0")
            done(Answer(verb, wire.records(rest[: int(length)]), data=rest[int(length) :]))
        elif verb == "failed":
            done(Answer(verb, (), payload.decode(errors="replace").strip()))
        else:
            done(Answer(verb, (*parts, *wire.records(payload)) if payload else tuple(parts)))

    # --- writing ---

    def _ask(self, verb: str, payload: bytes, done: Done, sink: Callable[[Seen], Sink] | None = None) -> str:
        # Waits before and not after it has written: nothing may come between a `put` and its further pieces.
        if len(self._open) >= 2 * WINDOW:
            self.wait(WINDOW)
        self._number += 1
        request = str(self._number)
        self._open[request] = done
        if sink is not None:
            self._sinks[request] = sink
        self._write(wire.message(verb, request, payload=payload))
        return request

    def _write(self, data: bytes) -> None:
        self._gathered.append(data)
        self._length += len(data)
        if self._length >= GATHERED:
            self.flush()


def _paths(paths: Iterable[str]) -> bytes:
    return b"".join(os.fsencode(path) + b"\0" for path in paths)
