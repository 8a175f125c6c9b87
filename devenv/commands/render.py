"""`devenv render`: writes Dockerfiles and compose.yaml."""

from __future__ import annotations

from collections.abc import Mapping

from devenv import identity, render, secrets, workspace
from devenv.model.blueprint import Blueprint
from devenv.workspace import Workspace


def files(project: Workspace, architecture: str) -> Mapping[str, str]:
    """The rendered files by path in the project, unwritten."""
    return render.files(_wanted(project, architecture), identity.current(project))


def write(project: Workspace, architecture: str) -> tuple[str, ...]:
    """Write what is not there as it must be; the paths written."""
    wanted = _wanted(project, architecture)
    secrets.write(project.project, project.entries, wanted)
    return render.write(wanted, project.folder, lambda: identity.current(project))


def _wanted(project: Workspace, architecture: str) -> Blueprint:
    return workspace.resolve(project, architecture, copies=workspace.copies_recorded(project))
