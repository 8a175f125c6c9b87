"""The errors devenv raises on purpose; everything else is a bug.

DevenvError                 exit 1   the project is wrong
├── Problems                exit 1   several mistakes, reported at once
├── LockfileError           exit 1   missing, stale, tampered or foreign `devenv.lock`
│   └── LockfileConflict    exit 1   it holds both sides of a merge
├── UsageError              exit 2   the command line is wrong
├── Untrusted               exit 5   the project asks for more than its user has allowed
├── EngineError             exit 4   the engine refused
│   ├── EngineUnreachable   exit 4   no engine answers, or it is gone
│   │   └── EngineForbidden exit 4   it is there, but this user may not use it
│   ├── NotFound            exit 4   the engine has no such container, image, network or volume
│   └── Conflict            exit 4   it exists already, or is in use
│       └── PortTaken       exit 4   a port of the host is
├── ImageError              exit 4   an image could not be made: mirror, hash, disk, package set
├── NotReady                exit 4   a container exited or did not become ready in time
└── Busy                    exit 4   another devenv works on this instance
"""

from __future__ import annotations

from collections.abc import Sequence

from devenv.values import dataclass


@dataclass(frozen=True, slots=True)
class Place:
    """Where in a file something stands.

    Args:
        file: The name to show, relative to the project.
        line: Counted from 1.
        column: Counted from 1, in characters.
        length: Characters to underline, at least 1.
        text: The line itself, without its line end.
    """

    file: str
    line: int
    column: int
    length: int
    text: str


class DevenvError(Exception):
    """Something the user can put right.

    Args:
        message: Lower case, no full stop, literals in backticks.
        hint: The remedy.
        where: The place in a file, when there is one.
    """

    exit_code = 1

    def __init__(self, message: str, *, hint: str | None = None, where: Place | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.where = where


class Problems(DevenvError):
    """Several mistakes found in one reading."""

    def __init__(self, problems: Sequence[DevenvError]) -> None:
        count = len(problems)
        super().__init__(f"{count} mistakes" if count != 1 else "1 mistake")
        self.problems = tuple(problems)


class LockfileError(DevenvError):
    """`devenv.lock` is missing, stale, tampered with, or not ours."""


class LockfileConflict(LockfileError):
    """`devenv.lock` holds both sides of a merge, which `devenv lock` can put together."""


class UsageError(DevenvError):
    """The command line names something that does not exist."""

    exit_code = 2


class Untrusted(DevenvError):
    """The project asks for what its user has not allowed; nothing was begun."""

    exit_code = 5


class EngineError(DevenvError):
    """The engine refused a call."""

    exit_code = 4


class EngineUnreachable(EngineError):
    """No engine answers at the address, or it went away."""


class EngineForbidden(EngineUnreachable):
    """An engine listens, and its socket does not let this user in."""


class NotFound(EngineError):
    """The engine has no such object."""


class Conflict(EngineError):
    """The object exists already, or is in use."""


class ImageError(DevenvError):
    """An image could not be resolved, downloaded or built."""

    exit_code = 4


class PortTaken(Conflict):
    """Something else has a port of the host that a container was to publish.

    Args:
        port: None where the engine does not say which.
    """

    def __init__(self, message: str, port: int | None, *, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.port = port


class NotReady(DevenvError):
    """A container exited, or did not become ready in time."""

    exit_code = 4


class Busy(DevenvError):
    """Another devenv holds the lock of this instance."""

    exit_code = 4
