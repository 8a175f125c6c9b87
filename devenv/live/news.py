"""What a background process tells those who follow it."""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any, Literal

from devenv.sync import events
from devenv.values import dataclass

Kind = Literal["synced", "conflict", "trouble", "stage", "began", "line", "done", "failed"]
"""`began`, `line`, `done` and `failed` are of the commands that changes have as their consequence."""

SHOWN = 20
"""So many paths of a burst are named, of the others there is only the number."""
WAITING = 1000


@dataclass(frozen=True, slots=True)
class News:
    """One event.

    Args:
        app: One of the folder it is about; empty when it is about several.
        paths: Relative to the project, the first of them.
        count: Of all paths.
        removed: Of all paths, those that are gone.
        direction: `in` or `out` of `synced`.
        seconds: It took.
        text: The reason, where a conflicting file was kept, a command, a line of its output.
    """

    kind: Kind
    app: str = ""
    paths: tuple[str, ...] = ()
    count: int = 0
    removed: int = 0
    direction: str = ""
    seconds: float = 0.0
    text: str = ""


def of(event: events.Event, app: str, folder: str) -> News:
    """A session's event as followers hear it.

    Args:
        folder: The synced one, relative to the project's.
    """
    match event:
        case events.Synced(paths, direction, seconds, removed):
            shown = tuple(_shown(folder, path) for path in paths[:SHOWN])
            return News("synced", app, shown, len(paths), removed, direction, seconds)
        case events.Conflict(path, kept):
            return News("conflict", app, (_shown(folder, path),), 1, text=_shown(folder, kept))
        case events.Trouble(path, reason):
            return News("trouble", app, (_shown(folder, path),), 1, text=printable(reason))
        case events.Staged(stage, reason):
            return News("stage", app, text=printable(f"{stage}: {reason}" if reason else stage))


def data(news: News) -> dict[str, Any]:
    """For a line of JSON."""
    return asdict(news)


def parsed(told: Mapping[str, Any]) -> News:
    """What `data` gave; keys of another version are left out."""
    known = {key: value for key, value in told.items() if key in News.__dataclass_fields__}
    return News(**(known | {"paths": tuple(known.get("paths", ()))}))


def printable(text: str) -> str:
    """A text that can be printed anywhere: a name's bytes may be no characters, or commands for a terminal."""
    decoded = os.fsencode(text).decode(errors="replace") if not text.isascii() else text
    return "".join(one if one.isprintable() else "\ufffd" for one in decoded)


def _shown(folder: str, path: str) -> str:
    return printable(path if folder == "." else f"{folder}/{path}")


class Followers:
    """Those who listen; one that does not keep up loses what came last."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._queues: list[queue.Queue[News | None]] = []
        self._over = False

    def __bool__(self) -> bool:
        return bool(self._queues)

    def tell(self, news: News | None) -> None:
        """Tell all; None means that nothing more comes."""
        with self._lock:
            self._over = self._over or news is None
            for one in self._queues:
                if news is None and one.full():
                    one.get_nowait()
                if not one.full():
                    one.put_nowait(news)

    def listen(self) -> Iterator[News]:
        """Hear what is told from now on, until nothing more comes."""
        heard: queue.Queue[News | None] = queue.Queue(WAITING)
        with self._lock:
            if self._over:
                return
            self._queues.append(heard)
        try:
            while (news := heard.get()) is not None:
                yield news
        finally:
            with self._lock:
                self._queues.remove(heard)
