"""`devenv render`: writes Dockerfiles and compose.yaml; a dev container's and a workflow's file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from devenv import companions, identity, render, secrets, workspace
from devenv import files as disk
from devenv.errors import DevenvError, UsageError
from devenv.model.blueprint import Blueprint
from devenv.model.project import App
from devenv.values import dataclass
from devenv.workspace import Workspace

Target = Literal["devcontainer", "github"]


@dataclass(frozen=True, slots=True)
class Rendered:
    """A file for another tool.

    Args:
        path: In the project's folder.
        is_new: Whether it was not there like this before.
    """

    path: str
    text: str
    is_new: bool


def files(project: Workspace, architecture: str) -> Mapping[str, str]:
    """The rendered files by path in the project, unwritten."""
    return render.files(_wanted(project, architecture), identity.current(project))


def write(project: Workspace, architecture: str) -> tuple[str, ...]:
    """Write what is not there as it must be; the paths written."""
    wanted = _wanted(project, architecture)
    secrets.write(project.project, project.entries, wanted)
    return render.write(wanted, project.folder, lambda: identity.current(project))


def for_other(project: Workspace, target: Target, *, app: str | None = None, dry_run: bool = False) -> Rendered:
    """The file of another tool, which is made from `devenv.toml` alone.

    Args:
        app: For `devcontainer`, the app that an editor works in; the first one otherwise.
        dry_run: Write nothing.

    Raises:
        DevenvError: There is one that somebody else made.
        UsageError: There is no such app.
    """
    if target == "github":
        made = companions.workflow(project.project)
    else:
        made = companions.devcontainer(project.project, _app(project, app))
    path = project.folder / made.path
    before = _text(path)
    if before is not None and companions.MARK not in before and not dry_run:
        hint = "move it away, or see with `--stdout` what would be written"
        raise DevenvError(f"`{made.path}` was not made by devenv, so it is left alone", hint=hint)
    if before != made.text and not dry_run:
        disk.write(path, made.text)
    return Rendered(made.path, made.text, before != made.text)


def _text(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise DevenvError(f"cannot read `{path}`", hint="move it away") from error


def _app(project: Workspace, name: str | None) -> App:
    apps = {one.name: one for one in project.project.apps}
    if not apps:
        raise DevenvError("there is no app that an editor could work in", hint="add one: `[apps.web]`")
    if name is not None and name not in apps:
        raise UsageError(f"unknown app `{name}`", hint=f"there are: {', '.join(f'`{one}`' for one in apps)}")
    return apps[name] if name is not None else next(iter(apps.values()))


def _wanted(project: Workspace, architecture: str) -> Blueprint:
    return workspace.resolve(project, architecture, copies=workspace.copies_recorded(project))
