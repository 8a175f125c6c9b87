"""`devenv eject`: leaves plain Dockerfiles and compose.yaml that need no devenv."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path

from devenv import ejection, files, secrets, workspace
from devenv.detection import variables
from devenv.ejection import Ejected
from devenv.errors import DevenvError
from devenv.values import dataclass
from devenv.workspace import Workspace


@dataclass(frozen=True, slots=True)
class EjectResult:
    """What was written.

    Args:
        folder: Where.
        files: Their paths in it.
        losses: What plain compose does not do.
    """

    folder: str
    files: tuple[str, ...]
    losses: tuple[str, ...]


def run(project: Workspace, architecture: str, target: Path, *, force: bool = False) -> EjectResult:
    """Write a project's plain files into a folder.

    Args:
        force: Write over files that are there; but `.env` only gets what it lacks.

    Raises:
        DevenvError: A file is there already, or the lockfile lacks something.
    """
    pins = workspace.pins(project, workspace.lock(project), architecture) if workspace.needs_lock(project) else None
    known = secrets.values(project.project, project.entries)
    folder = os.path.relpath(project.folder, target)
    made = ejection.make(project.project, project.entries, pins, folder, project.machine.user, known, _stamp)
    there = [name for name in (*made.files, ejection.EXAMPLE) if (target / name).exists()]
    if there and not force:
        hint = "name another folder, or write over it with `--force`"
        raise DevenvError(f"`{target / there[0]}` is there already", hint=hint)
    return EjectResult(str(target), tuple(_write(made, target)), made.losses)


def _stamp(moment: int) -> str:
    return time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(moment))


def _write(made: Ejected, target: Path) -> list[str]:
    written = list(made.files)
    for name, content in made.files.items():
        files.write(target / name, content, mode=0o755 if name.endswith(".sh") else 0o644)
    if made.env:
        files.write(target / ejection.EXAMPLE, _lines(made.example))
        _complete(target / ejection.ENV, made.env)
        written += [ejection.EXAMPLE, ejection.ENV]
    return written


def _complete(path: Path, env: Mapping[str, str]) -> None:
    """Give a file of variables those that it lacks; what it has stays."""
    try:
        before = path.read_text(encoding="utf-8") if path.exists() else ""
    except (OSError, ValueError) as error:
        raise DevenvError(f"cannot read `{path}`", hint="move it away") from error
    has = variables.parsed(before)
    lacking = {name: value for name, value in env.items() if name not in has}
    if lacking:
        gap = "" if not before or before.endswith("\n") else "\n"
        files.write(path, before + gap + _lines(lacking), mode=0o600)


def _lines(env: Mapping[str, str]) -> str:
    return "# For compose.yaml, by `devenv eject`.\n" + "".join(f"{name}={_quoted(one)}\n" for name, one in env.items())


def _quoted(value: str) -> str:
    """A value as compose reads it back: in single quotes nothing is put in."""
    if value and all(one.isalnum() or one in "-_.:/@%+" for one in value):
        return value
    if "'" not in value and "\n" not in value:
        return f"'{value}'" if value else ""
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("$", "\\$").replace("\n", "\\n")
    return f'"{escaped}"'
