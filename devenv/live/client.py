"""Speaks to the background process of an instance."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from devenv.errors import DevenvError
from devenv.live import control
from devenv.live.news import News
from devenv.live.place import Flushed, Place, Told
from devenv.sync.events import Conflict, Status, Trouble
from devenv.values import dataclass

ANSWER = 10.0
"""Seconds an answer may take beyond what the question asks to wait for."""
END = 20.0
"""Seconds the process may take to end."""


@dataclass(frozen=True, slots=True)
class Report:
    """How a process is.

    Args:
        followed: Apps whose files it follows, because a change of some has a consequence.
        action: The command that it runs now as a consequence of a change.
    """

    pid: int
    mode: str
    version: str
    sessions: tuple[Status, ...]
    followed: tuple[str, ...]
    action: str = ""


@dataclass(frozen=True, slots=True)
class Readiness:
    """How far a session is.

    Args:
        done: Whether it has been live.
        ended: Whether it has ended, for the reason.
    """

    done: bool
    ended: bool
    stage: str
    reason: str
    paths: int


class Client:
    """A process that lives.

    Args:
        told: What it says of itself.
    """

    def __init__(self, place: Place, told: Told) -> None:
        self._place = place
        self.told = told

    @property
    def copies(self) -> bool:
        """Whether it keeps volumes equal to folders; else it only follows changes."""
        return self.told.mode == "copy"

    def report(self) -> Report:
        """How it is."""
        return parsed(self._ask({"do": "status"}))

    def pause(self) -> None:
        """Let it stop for a while to make sides equal."""
        self._ask({"do": "pause"})

    def resume(self) -> None:
        """Let it go on, also where it had halted."""
        self._ask({"do": "resume"})

    def flush(self, seconds: float, volume: str | None = None) -> Flushed:
        """Wait until everything changed so far is equal on both sides; no answer means it is not.

        Args:
            volume: The only one that matters.
        """
        if not self.copies:
            return Flushed(True)
        try:
            told = self._ask({"do": "flush", "seconds": seconds, "volume": volume}, seconds)
        except DevenvError as error:
            return Flushed(False, error.message)
        return Flushed(bool(told["done"]), str(told.get("reason", "")))

    def ready(self, volume: str, seconds: float) -> Readiness:
        """Wait until a volume has been equal to its folder once."""
        told = self._ask({"do": "ready", "volume": volume, "seconds": seconds}, seconds)
        return Readiness(told["done"], told["ended"], told["stage"], told["reason"], told["paths"])

    def follow(self) -> Iterator[News]:
        """Hear what happens, until it ends."""
        return control.follow(Path(self.told.socket))

    def stop(self) -> None:
        """End it, and wait for that.

        Raises:
            DevenvError: It does not end.
        """
        try:
            self._ask({"do": "stop"})
        except DevenvError:
            # It may be ending already; what counts is the lock.
            if not self._place.lives():
                return
        deadline = time.monotonic() + END
        while self._place.lives():
            if time.monotonic() > deadline:
                raise DevenvError(
                    f"the background process {self.told.pid} does not end", hint=f"`kill -9 {self.told.pid}` ends it"
                )
            time.sleep(0.01)

    def _ask(self, question: Mapping[str, Any], seconds: float = 0.0) -> Mapping[str, Any]:
        return control.ask(Path(self.told.socket), question, seconds=seconds + ANSWER)


def data(report: Report) -> dict[str, Any]:
    """For the wire."""
    return asdict(report)


def parsed(told: Mapping[str, Any]) -> Report:
    """What `data` gave."""
    return Report(
        pid=told["pid"],
        mode=told["mode"],
        version=told["version"],
        sessions=tuple(_status(one) for one in told["sessions"]),
        followed=tuple(told["followed"]),
        action=told["action"],
    )


def _status(told: Mapping[str, Any]) -> Status:
    several = {
        "conflicts": tuple(Conflict(**one) for one in told["conflicts"]),
        "troubles": tuple(Trouble(**one) for one in told["troubles"]),
        "seconds": tuple(told["seconds"]),
    }
    return Status(**{**told, **several})
