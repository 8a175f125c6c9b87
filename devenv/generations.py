"""Which generation of a service's volumes holds its data: the engine's labels tell, `.devenv/state.toml` remembers.

A volume is filled beside the one in use. While that goes on there is a mark, a volume without content whose label
names those that are not whole yet; to remove it is the one step that makes them the service's data. So whatever is
killed at whatever point, what a mark names is rubbish, and of the rest the highest generation is the data.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence

from devenv import catalog, workspace
from devenv.blueprint import services
from devenv.engine.protocol import Engine
from devenv.errors import UsageError
from devenv.model import labels
from devenv.model.blueprint import Blueprint, Observed, SeenObject, Volume
from devenv.model.project import Service
from devenv.workspace import Workspace

FIRST = 1


def chosen(project: Workspace, names: Sequence[str]) -> tuple[str, ...]:
    """The services meant: those named, or all that keep data; needs no engine.

    Raises:
        UsageError: A name is no service, or of one that keeps nothing.
    """
    known = [one.name for one in project.project.services]
    keeping = {one.name for one in project.project.services if paths(project, one)}
    for name in names:
        if name not in known:
            error = catalog.unknown("service", name, known)
            raise UsageError(error.message, hint=error.hint)
        if name not in keeping:
            raise UsageError(f"`{name}` keeps no data", hint=f"`devenv restart {name}` starts it anew")
    if not names and not keeping:
        raise UsageError("no service of this project keeps data")
    return tuple(name for name in known if name in (names or keeping))


def paths(project: Workspace, service: Service) -> dict[str, str]:
    """Where a service has its volumes inside, by the names that its entry and `devenv.toml` give them."""
    return dict(project.entries.service(service.use).volumes if service.use else {}) | dict(service.volumes)


def volumes(project: Workspace, service: Service, generation: int) -> dict[str, str]:
    """What the engine calls a service's volumes, by their own names."""
    instance = project.instance
    return {name: services.volume(service, instance, name, generation) for name in paths(project, service)}


def settle(project: Workspace, engine: Engine, observed: Observed) -> bool:
    """Remove what a fill that was broken off left, and take the highest whole generations for the data.

    Args:
        observed: What there is, of this very checkout.

    Returns:
        Whether there was anything to do: what was observed, or resolved before, does not hold any more.
    """
    there = present(project, observed)
    known = workspace.generations(project)
    moved = {name: number for name, number in there.items() if number != known.get(name, FIRST)}
    if moved:
        workspace.record_generations(project, moved)
    return sweep(engine, observed) or bool(moved)


def present(project: Workspace, observed: Observed) -> dict[str, int]:
    """The highest whole generation that services have on the engine; those without any volume are left out."""
    held = {one.name: all_of(project, one, observed) for one in project.project.services}
    return {name: max(there.values()) for name, there in held.items() if there}


def all_of(project: Workspace, service: Service, observed: Observed) -> dict[str, int]:
    """The whole volumes of a service that are there, with their generations: more than one after a kill."""
    rubbish = _unfinished(observed)
    there = {one.name: _generation(one) for one in observed.volumes if one.name not in rubbish}
    return {name: one for name, one in there.items() if name in volumes(project, service, one).values()}


def sweep(engine: Engine, observed: Observed) -> bool:
    """Remove what a fill that was broken off left; whether there was anything.

    The mark goes last, or what is left of what it names would pass for data.
    """
    fillers = [one.name for one in observed.containers if labels.FILLING in one.labels]
    marks = [one.name for one in observed.volumes if labels.FILLING in one.labels]
    rubbish = _unfinished(observed)
    for name in fillers:
        engine.remove("container", name)
    for name in [one.name for one in observed.volumes if one.name in rubbish]:
        engine.remove("volume", name)
    for name in marks:
        engine.remove("volume", name)
    return bool(fillers or marks)


def superseded(wanted: Blueprint, observed: Observed) -> tuple[str, ...]:
    """Volumes whose data another generation has taken the place of."""
    rubbish = _unfinished(observed)
    there = {one.name for one in observed.volumes} - rubbish
    current = {_base(one): _generation(one) for one in wanted.volumes if one.name in there}
    return tuple(
        one.name
        for one in observed.volumes
        if one.name not in rubbish and _generation(one) < current.get(_base(one), FIRST)
    )


def begin(engine: Engine, wanted: Blueprint, names: Collection[str]) -> str:
    """Create volumes of a blueprint to be filled, under a mark; return the mark's name."""
    # The volumes of apps and services all have a hyphen.
    mark = Volume(f"{wanted.instance}_filling", {**wanted.owner, labels.FILLING: json.dumps(sorted(names))})
    engine.create(mark)
    for volume in wanted.volumes:
        if volume.name in names:
            engine.create(volume)
    return mark.name


def commit(project: Workspace, engine: Engine, mark: str, generations: Mapping[str, int]) -> None:
    """Make what was filled under a mark the services' data, all at once."""
    workspace.record_generations(project, generations)
    engine.remove("volume", mark)


def _unfinished(observed: Observed) -> set[str]:
    return {name for one in observed.volumes for name in _named(one.labels.get(labels.FILLING))}


def _named(label: str | None) -> Iterator[str]:
    try:
        told = json.loads(label or "[]")
    except ValueError:
        return
    yield from (name for name in told if isinstance(name, str)) if isinstance(told, list) else ()


def _generation(volume: SeenObject | Volume) -> int:
    told = volume.labels.get(labels.GENERATION, "")
    return int(told) if told.isdecimal() else FIRST


def _base(volume: SeenObject | Volume) -> str:
    """The name of the first generation."""
    generation = _generation(volume)
    return volume.name.removesuffix(f"-{generation}") if generation > FIRST else volume.name
