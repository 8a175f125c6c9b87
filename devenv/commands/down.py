"""`devenv down`: stops and removes what `up` made."""

from __future__ import annotations

import threading

from devenv import entry, environment, generations, joining, workspace
from devenv.engine.protocol import Engine
from devenv.errors import Conflict, DevenvError
from devenv.live import Background, Flushed
from devenv.model import labels, progress
from devenv.model.blueprint import Observed, Step
from devenv.telling import Remark, Tell
from devenv.values import dataclass
from devenv.workspace import Workspace

PATIENCE = 5.0
"""Seconds to wait until what was changed inside is outside."""


@dataclass(frozen=True, slots=True)
class DownResult:
    """What `down` removed; `volumes_kept` names volumes whose data stays."""

    instance: str
    steps: tuple[Step, ...]
    volumes_kept: tuple[str, ...]


def run(
    project: Workspace, engine: Engine, background: Background, *, volumes: bool, tell: Tell, force: bool = False
) -> DownResult:
    """Remove containers and network, and with `volumes` the data.

    Args:
        force: Remove volumes even when what was changed inside is not outside.

    Raises:
        Conflict: It is not, and nothing forces it.
    """
    instance = project.instance
    observed = engine.observe(instance)
    workspace.guard(project, observed)
    left = _left_inside(project, engine, background, observed, volumes=volumes)
    if left is not None and volumes and not force:
        raise Conflict(
            f"what was changed inside is not outside yet: {left}",
            hint="see `devenv sync status`; `devenv down` keeps the volumes, `--force` gives up what is in them",
        )
    if left is not None:
        tell(
            Remark(f"what was changed inside is not outside yet: {left}{'' if volumes else '; it stays in the volume'}")
        )
    background.stop()
    if generations.sweep(engine, observed):
        observed = engine.observe(instance)
    cause = f"devenv down{' --volumes' if volumes else ''}"
    with entry.kept(project.machine, engine, tell):
        done = environment.take_down(engine, observed, volumes=volumes, tell=tell, cause=cause)
    joining.leave(engine, instance, joining.known(project.project.joins, observed))
    if volumes:
        background.forget()
    workspace.record_replicas(project, dict.fromkeys(workspace.replicas(project)))
    kept = () if volumes else tuple(one.name for one in observed.volumes)
    return DownResult(instance, done.steps, kept)


def stop(project: Workspace, engine: Engine, background: Background, *, tell: Tell) -> None:
    """Stop the containers and keep them, as ^C does."""
    observed = engine.observe(project.instance)
    workspace.guard(project, observed)
    flushed = background.flush(PATIENCE)
    if flushed is not None and not flushed.done:
        tell(Remark(f"what was changed inside is not outside yet: {flushed.reason}; it stays in the volume"))
    background.stop()
    with entry.kept(project.machine, engine, tell):
        environment.stop(engine, observed, tell=tell)


def _left_inside(
    project: Workspace, engine: Engine, background: Background, observed: Observed, *, volumes: bool
) -> str | None:
    """Why what was changed inside may not be outside; None when it is, or when nothing runs in which it could be."""
    if not any(one.labels.get(labels.KIND) == "files" and one.status == "running" for one in observed.containers):
        return None
    flushed = background.flush(PATIENCE)
    if flushed is None:
        if not volumes:
            return "nothing kept the two equal"
        try:
            flushed = _begun(project, engine, background)
        except DevenvError as error:
            return error.message
    return None if flushed.done else flushed.reason


def _begun(project: Workspace, engine: Engine, background: Background) -> Flushed:
    """Let a process make both sides equal where none ran."""
    wanted = workspace.resolve(project, engine.info.architecture, copies=True)
    for container in wanted.containers:
        if container.kind == "files":
            background.bring(wanted, container, threading.Event(), progress.silence, seconds=PATIENCE)
    return background.flush(PATIENCE) or Flushed(False, "no process runs")
