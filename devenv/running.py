"""Finds the containers of an environment that runs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from devenv import catalog, workspace
from devenv.engine.protocol import Engine
from devenv.errors import NotReady, UsageError
from devenv.model import labels
from devenv.model.blueprint import SeenContainer
from devenv.workspace import Workspace


def containers(project: Workspace, engine: Engine, units: Sequence[str] = ()) -> tuple[SeenContainer, ...]:
    """The containers of these units, or of all, running or not; `web-2` is the second replica of `web`.

    Raises:
        UsageError: There is no such app or service.
        NotReady: There are no containers at all.
    """
    for name in units:
        known(project, replica_of(project, name) or name)
    observed = engine.observe(project.instance)
    workspace.guard(project, observed)
    found = tuple(one for one in observed.containers if not units or {unit(one), _numbered(one)} & {*units})
    if not found:
        missing = next((name for name in units if replica_of(project, name)), None)
        if missing is not None and observed.containers:
            raise NotReady(f"there is no replica `{missing}`", hint="`devenv status` lists those that run")
        raise NotReady(f"`{project.instance}` is not up", hint="run `devenv up`")
    return tuple(sorted(found, key=lambda one: (unit(one), int(_number(one)))))


def is_up(project: Workspace, engine: Engine) -> bool:
    """Whether containers of every app run."""
    seen = engine.observe(project.instance).containers
    run = {unit(one) for one in seen if one.status == "running"}
    return all(app.name in run for app in project.project.apps)


def one(project: Workspace, engine: Engine, name: str) -> SeenContainer:
    """A running container of a unit.

    Raises:
        NotReady: None of them runs.
    """
    for container in containers(project, engine, (name,)):
        if container.status == "running":
            return container
    raise NotReady(f"`{name}` is not running", hint="run `devenv up`")


def unit(container: SeenContainer) -> str:
    """The app or service a container belongs to."""
    return container.labels.get(labels.UNIT, container.name)


def _number(container: SeenContainer) -> str:
    number = container.labels.get(labels.COMPOSE_NUMBER, "")
    return number if number.isascii() and number.isdigit() else "1"


def _numbered(container: SeenContainer) -> str:
    return f"{unit(container)}-{_number(container)}"


def titles(found: Sequence[SeenContainer]) -> dict[str, str]:
    """What to call containers, by their names: as their units, with their numbers where there are several of one."""
    several = Counter(unit(one) for one in found)
    return {one.name: _numbered(one) if several[unit(one)] > 1 else unit(one) for one in found}


def replica_of(project: Workspace, name: str) -> str | None:
    """The app whose replica a name such as `web-2` means; None when it is the name of an app or service."""
    app, _, number = name.rpartition("-")
    apps = {one.name for one in project.project.apps}
    services = {one.name for one in project.project.pinned}
    is_replica = name not in apps | services and number.isascii() and number.isdigit()
    return app if is_replica and app in apps else None


def known(project: Workspace, name: str) -> None:
    """Refuse a name that is no app or service.

    Raises:
        UsageError: With the nearest name that is.
    """
    names = [one.name for one in project.project.apps] + [one.name for one in project.project.pinned]
    if name not in names:
        error = catalog.unknown("app or service", name, names)
        raise UsageError(error.message, hint=error.hint)
