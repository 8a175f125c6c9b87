"""`devenv render`: writes Dockerfiles and compose.yaml."""

from __future__ import annotations

from collections.abc import Mapping

from devenv import render, workspace
from devenv.workspace import Workspace


def files(project: Workspace, architecture: str) -> Mapping[str, str]:
    """The rendered files by path in the project, unwritten."""
    return render.files(workspace.resolve(project, architecture))


def write(project: Workspace, architecture: str) -> tuple[str, ...]:
    """Write what is not there as it must be; the paths written."""
    return render.write(workspace.resolve(project, architecture), project.folder)
