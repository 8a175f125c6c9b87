"""What every command line opens: the machine, the project, the engine, the lock of the instance."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from devenv.errors import DevenvError, EngineUnreachable
from devenv.ui import screen
from devenv.values import dataclass

if TYPE_CHECKING:
    from devenv.engine.protocol import Engine
    from devenv.engine.wire import Endpoint
    from devenv.live import Background
    from devenv.model.machine import Machine
    from devenv.workspace import Workspace

T = TypeVar("T")

# Another `up` may be building images for the first time; waiting for it is what the user wants.
PATIENCE = 1800.0


@dataclass(frozen=True, slots=True)
class Options:
    """The options that stand before the command.

    Args:
        engine: An engine's address.
    """

    folder: Path = Path()
    profile: str | None = None
    engine: str | None = None


def machine() -> Machine:
    """This machine's settings."""
    from devenv.config import machine

    return machine.load(os.environ, Path.home())


def workspace(given: Options) -> Workspace:
    """The project, read and checked."""
    from devenv import workspace

    return workspace.load(given.folder.absolute(), machine(), profile=given.profile)


def tried(open_: Callable[[], T], troubles: list[DevenvError]) -> T | None:
    """The project or the engine, for commands that can do without; else why there is none is among the troubles."""
    try:
        return open_()
    except DevenvError as error:
        troubles.append(error)
        return None


def claimed(
    project: Workspace, engine: Engine | None = None, name: str | None = None, *, tells: bool = False
) -> Workspace:
    """The project, its instance's name recorded.

    Args:
        tells: Whether people are going to be told what there is to be told of it.
    """
    from devenv import workspace

    return workspace.claim(project, name, engine, tells=tells)


def endpoint(given: Options) -> Endpoint:
    """Where the engine is."""
    from devenv.engine import address

    return address.find(machine(), os.environ, Path.home(), given.engine)


def engine(given: Options) -> Engine:
    """The engine, after it has answered."""
    from devenv.engine import address

    return address.connect(endpoint(given), machine().cache)


def background(given: Options, project: Workspace, engine: Engine | None = None) -> Background:
    """The background process of the project's instance; without an engine given, none has to answer."""
    from devenv.live import Background

    return Background(project, engine.address if engine else endpoint(given).address, given.profile)


def architecture(given: Options) -> str:
    """The engine's architecture, or this machine's when no engine answers."""
    try:
        return engine(given).info.architecture
    except EngineUnreachable:
        return own_architecture()


def own_architecture() -> str:
    """This machine's, as Debian names it; no engine is asked."""
    import platform

    return {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())


@contextmanager
def locked(project: Workspace, engine: Engine) -> Iterator[None]:
    """Hold the lock of the project's instance on the engine."""
    from devenv.engine import lock

    def tell(holder: object) -> None:
        screen.say(f"waiting for {holder}")

    with lock.hold(project.machine, engine.info.address, project.instance, patience=PATIENCE, tell=tell):
        yield
