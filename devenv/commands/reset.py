"""`devenv reset`: lets services begin anew, without their data."""

from __future__ import annotations

from collections.abc import Sequence

from devenv import catalog, environment, workspace
from devenv.blueprint import containers
from devenv.engine.protocol import Engine
from devenv.environment import Tell
from devenv.errors import UsageError
from devenv.live import Background
from devenv.model import labels
from devenv.model.blueprint import Observed, Step
from devenv.values import dataclass
from devenv.workspace import Workspace


@dataclass(frozen=True, slots=True)
class ResetResult:
    """What `reset` did.

    Args:
        services: Those that begin anew.
        is_up: Whether they were started again: only in an environment that was up.
    """

    instance: str
    services: tuple[str, ...]
    steps: tuple[Step, ...]
    is_up: bool


def chosen(project: Workspace, names: Sequence[str]) -> tuple[str, ...]:
    """The services meant: those named, or all that keep data; needs no engine.

    Raises:
        UsageError: A name is no service, or of one that keeps nothing.
    """
    keeping = {one.name for one in project.project.services if _keeps_data(project, one.name)}
    known = [one.name for one in project.project.services]
    for name in names:
        if name not in known:
            error = catalog.unknown("service", name, known)
            raise UsageError(error.message, hint=error.hint)
        if name not in keeping:
            raise UsageError(f"`{name}` keeps no data", hint=f"`devenv restart {name}` starts it anew")
    if not names and not keeping:
        raise UsageError("no service of this project keeps data")
    return tuple(name for name in known if name in (names or keeping))


def _keeps_data(project: Workspace, name: str) -> bool:
    return bool(_volumes(project, name))


def _volumes(project: Workspace, name: str) -> tuple[str, ...]:
    """What the engine calls the volumes of a service."""
    service = next(one for one in project.project.services if one.name == name)
    names = dict(project.entries.service(service.use).volumes if service.use else {}) | dict(service.volumes)
    return tuple(containers.volume(service, project.project.name, one) for one in names)


def run(
    project: Workspace, engine: Engine, background: Background, services: Sequence[str], *, tell: Tell
) -> ResetResult:
    """Remove the containers and volumes of services; bring them up again where the environment is up."""
    instance = project.project.name
    observed = engine.observe(instance)
    workspace.guard(project, observed)
    mine = _part(project, observed, services)
    steps = environment.take_down(engine, mine, volumes=True, tell=tell, cause="devenv reset").steps
    if observed.containers:
        wanted = workspace.resolve(project, engine.info.architecture, copies=workspace.copies(project, engine))
        fill = background.filling(wanted, tell)
        steps += environment.converge(project, engine, wanted, tell=tell, fill=fill).steps
    return ResetResult(instance, tuple(services), steps, bool(observed.containers))


def _part(project: Workspace, observed: Observed, services: Sequence[str]) -> Observed:
    """What is there of these services."""
    volumes = {volume for name in services for volume in _volumes(project, name)}
    return Observed(
        containers=tuple(one for one in observed.containers if one.labels.get(labels.UNIT) in services),
        volumes=tuple(one for one in observed.volumes if one.name in volumes),
    )
