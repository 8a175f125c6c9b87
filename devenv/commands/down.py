"""`devenv down`: stops and removes what `up` made."""

from __future__ import annotations

from devenv import environment, workspace
from devenv.engine.protocol import Engine
from devenv.environment import Tell
from devenv.model.blueprint import Step
from devenv.values import dataclass
from devenv.workspace import Workspace


@dataclass(frozen=True, slots=True)
class DownResult:
    """What `down` removed; `volumes_kept` names volumes whose data stays."""

    instance: str
    steps: tuple[Step, ...]
    volumes_kept: tuple[str, ...]


def run(project: Workspace, engine: Engine, *, volumes: bool, tell: Tell) -> DownResult:
    """Remove containers and network, and with `volumes` the data."""
    instance = project.project.name
    observed = engine.observe(instance)
    workspace.guard(project, observed)
    done = environment.take_down(engine, observed, volumes=volumes, tell=tell)
    kept = () if volumes else tuple(one.name for one in observed.volumes)
    return DownResult(instance, done.steps, kept)


def stop(project: Workspace, engine: Engine, *, tell: Tell) -> None:
    """Stop the containers and keep them, as ^C does."""
    observed = engine.observe(project.project.name)
    workspace.guard(project, observed)
    environment.stop(engine, observed, tell=tell)
