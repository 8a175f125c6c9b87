"""`devenv reset`: lets services begin anew, without their data."""

from __future__ import annotations

from collections.abc import Sequence

from devenv import environment, generations, workspace
from devenv.engine.protocol import Engine
from devenv.live import Background
from devenv.model import labels
from devenv.model.blueprint import Observed, Step
from devenv.telling import Tell
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
    return generations.chosen(project, names)


def run(
    project: Workspace, engine: Engine, background: Background, services: Sequence[str], *, tell: Tell
) -> ResetResult:
    """Remove the containers and volumes of services; bring them up again where the environment is up."""
    environment.require_consent(project)
    instance = project.instance
    observed = engine.observe(instance)
    workspace.guard(project, observed)
    if generations.settle(project, engine, observed):
        observed = engine.observe(instance)
    mine = _part(project, observed, services)
    steps = environment.take_down(engine, mine, volumes=True, tell=tell, cause="devenv reset").steps
    if observed.containers:
        wanted = workspace.resolve(project, engine.info.architecture, copies=workspace.copies(project, engine))
        fill = background.filling(wanted, tell)
        steps += environment.converge(project, engine, wanted, tell=tell, fill=fill).steps
    return ResetResult(instance, tuple(services), steps, bool(observed.containers))


def _part(project: Workspace, observed: Observed, services: Sequence[str]) -> Observed:
    """What is there of these services."""
    mine = (one for one in project.project.services if one.name in services)
    volumes = {volume for one in mine for volume in generations.all_of(project, one, observed)}
    return Observed(
        containers=tuple(one for one in observed.containers if one.labels.get(labels.UNIT) in services),
        volumes=tuple(one for one in observed.volumes if one.name in volumes),
    )
