"""Sessions and watches that only do what a test tells them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from devenv.errors import DevenvError
from devenv.live.assignment import Assignment, Folder, Followed, Rule
from devenv.live.place import Place
from devenv.live.process import Hands, Process
from devenv.sync.events import Conflict, Event, Stage, Staged, Status, Trouble


class Session:
    def __init__(self, folder: Folder, tell: Callable[[Event], None]) -> None:
        self.folder = folder
        self.tell = tell
        self.stage: Stage = "live"
        self.reason = ""
        self.equal = True
        self.asked = 0
        self.error: Exception | None = None
        self._over = threading.Event()

    def run(self) -> None:
        self.tell(Staged("live"))
        self._over.wait()
        if self.error is not None:
            raise self.error

    def stop(self) -> None:
        self._over.set()

    def end(self, error: Exception) -> None:
        self.error = error
        self._over.set()

    def pause(self) -> None:
        self.stage = "paused"

    def resume(self) -> None:
        self.stage = "live"

    def flush(self, seconds: float) -> bool:
        self.asked += 1
        return self.stage == "live" and self.equal

    def ready(self, seconds: float) -> bool:
        return self.stage == "live"

    def status(self) -> Status:
        folder, conflicts, troubles = self.folder, (Conflict("a", "a.inside"),), (Trouble("b\x1b\udcff", "a socket"),)
        return Status(
            folder.volume, folder.app, folder.path, self.stage, self.reason, "perl", 7, 0, conflicts, troubles, (0.004,)
        )


class Watch:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.error: Exception | None = None
        self.changed: Callable[[set[str]], None] = lambda _: None
        self._over = threading.Event()

    def run(self, changed: Callable[[set[str]], None]) -> None:
        if self.error is not None:
            raise self.error
        self.changed = changed
        self._over.wait()

    def stop(self) -> None:
        self._over.set()


@dataclass
class World:
    """Everything a process works on.

    Args:
        ran: The arguments of each devenv that was run.
        gone: What it finds at its next look.
    """

    place: Place
    sessions: list[Session] = field(default_factory=list)
    watches: list[Watch] = field(default_factory=list)
    ran: list[list[str]] = field(default_factory=list)
    codes: list[int] = field(default_factory=list)
    gone: str | None = None
    refuses: Exception | None = None
    made: Process | None = None

    def is_followed(self) -> bool:
        return self.made is not None and bool(self.made._followers)

    def process(self, todo: Assignment, *, look: float = 60.0) -> Process:
        hands = Hands(self._session, self._watch, self._perform, lambda: None, lambda: self.gone)
        self.made = Process(self.place, todo, hands, look=look)
        return self.made

    def _session(self, folder: Folder, tell: Callable[[Event], None]) -> Session:
        self.sessions.append(Session(folder, tell))
        return self.sessions[-1]

    def _watch(self, folder: Path) -> Watch:
        self.watches.append(Watch(folder))
        self.watches[-1].error = self.refuses
        return self.watches[-1]

    def _perform(self, arguments: Sequence[str], hear: Callable[[str], None]) -> int:
        self.ran.append(list(arguments))
        hear("it \x1b[31mworks")
        return self.codes.pop(0) if self.codes else 0


SETUP: Rule = ("/requirements.txt", "setup")


def copying(root: Path, *names: str) -> Assignment:
    """An assignment with a folder for each app."""
    folders = tuple(Folder(name, name, f"shop-{name}.files-1", f"shop_{name}-files") for name in names)
    return Assignment(
        "copy", "shop", str(root), None, (), folders, tuple(Followed(one, one, (SETUP,)) for one in names)
    )


def binding(root: Path) -> Assignment:
    """An assignment only to follow changes."""
    return Assignment("bind", "shop", str(root), None, (), (), (Followed("web", ".", (SETUP,)),))


def gone(reason: str) -> DevenvError:
    return DevenvError(reason)
