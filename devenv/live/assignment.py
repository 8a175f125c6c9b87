"""What the background process of an instance has to do: folders to keep equal, paths whose change has a consequence."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from typing import Literal

from devenv import __version__
from devenv.model.project import Action
from devenv.values import dataclass

Rule = tuple[str, Action]
"""A pattern in gitignore's syntax, and what a change of a path that matches it does."""


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder of the host that a volume is a copy of.

    Args:
        path: Relative to the project; `.` is the project itself.
        app: The one that the container that holds it is called after.
    """

    path: str
    app: str
    container: str
    volume: str


@dataclass(frozen=True, slots=True)
class Followed:
    """An app whose files are followed.

    Args:
        folder: Relative to the project.
        rules: The last that matches decides.
    """

    app: str
    folder: str
    rules: tuple[Rule, ...]


@dataclass(frozen=True, slots=True)
class Assignment:
    """All of it.

    Args:
        root: The project's folder.
        ignore: The project's own patterns of what is not synced.
        followed: Apps with a rule that can have a consequence.
    """

    mode: Literal["bind", "copy"]
    instance: str
    root: str
    profile: str | None
    ignore: tuple[str, ...]
    folders: tuple[Folder, ...]
    followed: tuple[Followed, ...]
    version: str = __version__

    @property
    def hash(self) -> str:
        """Tells assignments apart, and those of different versions of devenv."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()[:16]

    def is_needed(self, *, watch: bool) -> bool:
        """Whether there is anything to do.

        Args:
            watch: Whether the user wants changes followed where files are shared anyway.
        """
        return bool(self.folders) or (watch and bool(self.followed))


@dataclass(frozen=True, slots=True)
class Errand:
    """What a process is started with: its assignment, and all that it would have to find out for itself.

    Reading the project, its lockfile and the catalog again would take longer than a first copy of thousands of files.

    Args:
        address: The engine's.
        command: The command line of devenv for the project, up to the command's name.
        place: The folder of `live.place.Place`.
        file: The project's file; without it there is nothing to do any more.
        cache: The user's folder for what can be asked again.
        user: `uid:gid` that files inside belong to.
    """

    assignment: Assignment
    address: str
    command: tuple[str, ...]
    place: str
    file: str
    cache: str
    user: str

    def text(self) -> str:
        """As JSON, which `read` reads."""
        return json.dumps(asdict(self))


def read(text: str) -> Errand:
    """The errand that another devenv of this very version has written."""
    found = json.loads(text)
    todo = found.pop("assignment")
    todo["ignore"] = tuple(todo["ignore"])
    todo["folders"] = tuple(Folder(**one) for one in todo["folders"])
    todo["followed"] = tuple(Followed(**one | {"rules": _rules(one["rules"])}) for one in todo["followed"])
    found["command"] = tuple(found["command"])
    return Errand(assignment=Assignment(**todo), **found)


def _rules(found: list[tuple[str, Action]]) -> tuple[Rule, ...]:
    return tuple((pattern, action) for pattern, action in found)
