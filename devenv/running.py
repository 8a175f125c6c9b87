"""Finds the containers of an environment that runs."""

from __future__ import annotations

from collections.abc import Sequence

from devenv import catalog, workspace
from devenv.engine.protocol import Engine
from devenv.errors import NotReady, UsageError
from devenv.model import labels
from devenv.model.blueprint import SeenContainer
from devenv.workspace import Workspace


def containers(project: Workspace, engine: Engine, units: Sequence[str] = ()) -> tuple[SeenContainer, ...]:
    """The containers of these units, or of all, running or not.

    Raises:
        UsageError: There is no such app or service.
        NotReady: There are no containers at all.
    """
    for name in units:
        known(project, name)
    observed = engine.observe(project.instance)
    workspace.guard(project, observed)
    found = tuple(one for one in observed.containers if not units or unit(one) in units)
    if not found:
        raise NotReady(f"`{project.instance}` is not up", hint="run `devenv up`")
    return tuple(sorted(found, key=lambda one: one.name))


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


def known(project: Workspace, name: str) -> None:
    """Refuse a name that is no app or service.

    Raises:
        UsageError: With the nearest name that is.
    """
    names = [one.name for one in project.project.apps] + [one.name for one in project.project.services]
    if name not in names:
        error = catalog.unknown("app or service", name, names)
        raise UsageError(error.message, hint=error.hint)
