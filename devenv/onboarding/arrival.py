"""One way to an environment: what was asked for, by which means, and how far it has come."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import field
from pathlib import Path
from typing import Literal, Protocol

from devenv.addresses import Address
from devenv.engine.protocol import Engine
from devenv.model.blueprint import Step
from devenv.model.machine import Machine
from devenv.telling import Tell
from devenv.values import dataclass
from devenv.workspace import Workspace

State = Literal["done", "already", "none", "failed"]


class Finding(Protocol):
    """One thing the doctor looked at."""

    @property
    def state(self) -> str: ...
    @property
    def message(self) -> str: ...
    @property
    def remedy(self) -> str | None: ...
    @property
    def fixable(self) -> bool: ...


class Started(Protocol):
    """What `up` did."""

    @property
    def instance(self) -> str: ...
    @property
    def environment(self) -> str: ...
    @property
    def steps(self) -> tuple[Step, ...]: ...
    @property
    def addresses(self) -> tuple[Address, ...]: ...


@dataclass(frozen=True, slots=True)
class Means:
    """What other commands and people do here.

    Args:
        examine: Looks at this machine, for a project; when told to, repairs it before.
        connect: The engine, after it has answered.
        alone: Keeps other commands off the instance.
        up: Brings the environment up.
        install: Writes git's scripts for the project's hooks.
        show: Lets people see what the project asks for beyond its own containers.
        ask: Asks to say yes; None where nobody sits there.
        enter: Asks for each secret that is missing, and keeps it; None likewise.
        browse: Opens an address in a browser; whether there was one. None when that is not wanted.
    """

    examine: Callable[[Workspace, bool], Sequence[Finding]]
    connect: Callable[[], Engine]
    alone: Callable[[Workspace, Engine], AbstractContextManager[None]]
    up: Callable[[Workspace, Engine, Tell], Started]
    install: Callable[[Workspace], object]
    show: Callable[[Workspace], None]
    ask: Callable[[str], bool] | None = None
    enter: Callable[[Workspace], None] | None = None
    browse: Callable[[str], bool] | None = None


@dataclass(frozen=True, slots=True)
class Request:
    """What was asked for.

    Args:
        start: Where the command was given.
        url: A repository's address; None: the project is there.
        folder: Where to clone it to, relative to `start`; None is the repository's name.
        repairs: Whether the engine may be installed or started without asking.
        consents: Whether what the project asks for is consented to without asking.
        options: The options that stood before the command.
        tells: Whether people hear what there is to be told.
    """

    start: Path
    machine: Machine
    url: str | None = None
    folder: str | None = None
    profile: str | None = None
    repairs: bool = False
    consents: bool = False
    options: tuple[str, ...] = ()
    tells: bool = True


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a stage came to.

    Args:
        state: `already`: it was so before; `none`: there is nothing of the kind in this project.
        parts: Seconds of what was part of it, by words such as `setup of web`.
    """

    state: State
    words: str
    parts: Mapping[str, float] = field(default_factory=dict)


class Arrival:
    """One way to an environment; each stage leaves here what later ones need."""

    def __init__(self, request: Request, means: Means, tell: Tell) -> None:
        self.request = request
        self.means = means
        self.tell = tell
        self.folder: Path | None = None
        self.started: Started | None = None
        self._project: Workspace | None = None
        self._engine: Engine | None = None

    @property
    def project(self) -> Workspace:
        assert self._project is not None, "`clone` opens it"
        return self._project

    @project.setter
    def project(self, found: Workspace) -> None:
        self._project = found

    @property
    def engine(self) -> Engine:
        assert self._engine is not None, "`machine` connects to it"
        return self._engine

    @engine.setter
    def engine(self, found: Engine) -> None:
        self._engine = found
