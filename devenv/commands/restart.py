"""`devenv restart`: stops and starts units, and waits until they are ready."""

from __future__ import annotations

import functools
from collections.abc import Sequence

from devenv import entry, environment, running, workspace
from devenv.engine.protocol import Engine
from devenv.environment import Outcome
from devenv.live import Background
from devenv.telling import Tell
from devenv.workspace import Workspace


def run(project: Workspace, engine: Engine, background: Background, units: Sequence[str], *, tell: Tell) -> Outcome:
    """Restart these units, or all apps and services."""
    environment.require_consent(project)
    names = {one.name for one in running.containers(project, engine, units)}
    wanted = workspace.resolve(project, engine.info.architecture, copies=workspace.copies(project, engine))
    again = {one.name: "`devenv restart`" for one in wanted.containers if one.name in names and one.kind != "files"}
    ahead, fill = functools.partial(background.begin, wanted), background.filling(wanted, tell)
    with entry.kept(project.machine, engine, tell):
        return environment.converge(project, engine, wanted, tell=tell, ahead=ahead, fill=fill, again=again)
