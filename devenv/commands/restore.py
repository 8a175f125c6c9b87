"""`devenv snapshot restore`: gives services the data of a snapshot."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence

from devenv import environment, generations, identity, render, secrets, workspace
from devenv.engine.protocol import Engine
from devenv.live import Background
from devenv.model import labels
from devenv.model.blueprint import Observed
from devenv.model.snapshot import Part
from devenv.snapshots import filling, store
from devenv.snapshots.filling import Filling
from devenv.snapshots.store import Source
from devenv.telling import Tell
from devenv.values import dataclass
from devenv.workspace import Workspace


@dataclass(frozen=True, slots=True)
class RestoreResult:
    """What `restore` did.

    Args:
        services: Those that have the snapshot's data now.
        is_up: Whether they run on it: only in an environment that was up.
    """

    instance: str
    snapshot: str
    services: tuple[str, ...]
    is_up: bool


@dataclass(frozen=True, slots=True)
class Chosen:
    """What is to be restored."""

    source: Source
    parts: tuple[Part, ...]

    @property
    def services(self) -> tuple[str, ...]:
        return tuple(one.name for one in self.parts)


def chosen(project: Workspace, name: str, services: Sequence[str]) -> Chosen:
    """What a snapshot has for these services, or all that it has; needs no engine.

    Raises:
        DevenvError: It does not fit the project.
    """
    store.sweep(project.folder)
    source = store.find(project.folder, name)
    return Chosen(source, filling.fitting(project, source, services))


def run(project: Workspace, engine: Engine, background: Background, what: Chosen, *, tell: Tell) -> RestoreResult:
    """Give services the data, all of them or none.

    Raises:
        DevenvError: The snapshot is damaged or does not fit, or something failed: the data is what it was.
    """
    environment.require_consent(project)
    store.verify(what.source, what.parts, tell)
    instance = project.instance
    observed = engine.observe(instance)
    workspace.guard(project, observed)
    if generations.settle(project, engine, observed):
        observed = engine.observe(instance)
    is_up = any(one.status == "running" for one in observed.containers)
    numbers = _next(project, observed, what.services)
    copies = workspace.copies(project, engine)
    wanted = workspace.resolve(project, engine.info.architecture, copies=copies, generations=numbers)
    fill = Filling(project, engine, wanted, what.source, tell)
    for part in what.parts:
        fill.check(part)
    secrets.write(project.project, project.entries, wanted)
    environment.bring(project, engine, wanted, what.services, tell=tell)
    fill.run(what.parts, numbers)
    if is_up:
        environment.converge(project, engine, wanted, tell=tell, fill=background.filling(wanted, tell))
    else:
        # What plain `docker compose up` starts has to be the new volumes, too.
        render.write(wanted, project.folder, functools.partial(identity.current, project))
        _remove_old(project, engine, observed, what.services, tell)
    return RestoreResult(instance, what.source.snapshot.name, what.services, is_up)


def _next(project: Workspace, observed: Observed, names: Sequence[str]) -> Mapping[str, int]:
    """The generation to fill for each service: the first of which the engine has no volume."""
    there = {one.name for one in observed.volumes}
    known = workspace.generations(project) | generations.present(project, observed)
    numbers = {}
    for service in project.project.services:
        if service.name in names:
            number = known.get(service.name, generations.FIRST)
            while there & set(generations.volumes(project, service, number).values()):
                number += 1
            numbers[service.name] = number
    return numbers


def _remove_old(project: Workspace, engine: Engine, observed: Observed, names: Sequence[str], tell: Tell) -> None:
    """Remove the volumes that are no longer used, and the containers that would still use them."""
    services = (one for one in project.project.services if one.name in names)
    old = {volume for one in services for volume in generations.all_of(project, one, observed)}
    mine = Observed(
        containers=tuple(one for one in observed.containers if one.labels.get(labels.UNIT) in names),
        volumes=tuple(one for one in observed.volumes if one.name in old),
    )
    environment.take_down(engine, mine, volumes=True, tell=tell, cause="devenv snapshot restore")
