"""What a session tells while it works."""

from __future__ import annotations

from typing import Literal

from devenv.values import dataclass

Direction = Literal["in", "out"]
"""`in`: from the host into the volume; `out`: from inside to the host."""

Stage = Literal["connecting", "copying", "live", "paused", "halted"]
"""`halted`: it waits for somebody, because going on could lose something; the reason says what to do."""


@dataclass(frozen=True, slots=True)
class Synced:
    """Paths that are equal again.

    Args:
        paths: Relative to the synced folder; those that are gone too.
        seconds: From the change, or the first hint of it, to the agreement.
        removed: How many of them the host does not have any more.
    """

    paths: tuple[str, ...]
    direction: Direction
    seconds: float
    removed: int = 0


@dataclass(frozen=True, slots=True)
class Conflict:
    """A path that was changed on both sides: the host's is in place, the other is at `kept`."""

    path: str
    kept: str


@dataclass(frozen=True, slots=True)
class Trouble:
    """A path that is not equal on both sides, and why; without a reason it is no trouble any more."""

    path: str
    reason: str


@dataclass(frozen=True, slots=True)
class Staged:
    """The session came to another stage."""

    stage: Stage
    reason: str = ""


Event = Synced | Conflict | Trouble | Staged


@dataclass(frozen=True, slots=True)
class Status:
    """How a session is.

    Args:
        agent: `perl` or `sh`; empty while there is no connection.
        paths: Files, folders and links that are equal on both sides.
        waiting: Paths known to differ, being worked on.
        conflicts: Those of this session's time, newest last.
        troubles: Paths that cannot be equal, and why.
        seconds: From hint to agreement of the latest single changes, newest last; at most 100.
    """

    volume: str
    app: str
    folder: str
    stage: Stage
    reason: str
    agent: str
    paths: int
    waiting: int
    conflicts: tuple[Conflict, ...]
    troubles: tuple[Trouble, ...]
    seconds: tuple[float, ...]
