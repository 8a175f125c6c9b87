"""`devenv check`: everything wrong with the project that needs no engine to find."""

from __future__ import annotations

from pathlib import Path

from devenv import blueprint, config, lockfile, workspace
from devenv.errors import DevenvError, LockfileError, Problems
from devenv.model.machine import Machine
from devenv.workspace import Workspace


def run(start: Path, machine: Machine, *, profile: str | None = None) -> Workspace:
    """Read the project and its lockfile, and resolve the blueprint for every architecture locked.

    Raises:
        Problems: Everything found.
    """
    project = workspace.load(start, machine, profile=profile)
    problems = _lockfile_problems(project) or _blueprint_problems(project)
    if problems:
        raise Problems(problems)
    return project


def _lockfile_problems(project: Workspace) -> list[DevenvError]:
    if not workspace.needs_lock(project):
        return []
    try:
        found = workspace.lock(project)
        for architecture in project.project.platforms or found.debian:
            workspace.pins(project, found, architecture)
    except LockfileError as error:
        return [error]
    # What an overlay or a profile adds is pinned too, so that the lockfile may rightly hold more.
    if project.is_alone and found.meaning != lockfile.meaning(project.project, project.entries):
        message = f"`{lockfile.NAME}` pins more than `{config.NAME}` asks for"
        return [LockfileError(message, hint="run `devenv lock`")]
    return []


def _blueprint_problems(project: Workspace) -> list[DevenvError]:
    found = lockfile.read(project.folder)
    pins = next(iter(found.debian.values()), None) if found else None
    try:
        blueprint.make(project.project, project.entries, pins, workspace.nowhere(project))
    except Problems as error:
        return list(error.problems)
    except DevenvError as error:
        return [error]
    return []
