"""The scripts that git starts: written into the repository's folder of hooks, and taken out again."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path

from devenv import files
from devenv.errors import DevenvError
from devenv.hooks.repository import Repository
from devenv.model.project import HookStage

MARK = "# Made by `devenv hooks install`, which `devenv hooks uninstall` takes back."
BEFORE = ".before-devenv"
"""Ends the name of the script that was there before; ours runs it first."""


def folder(repository: Repository) -> Path:
    """Where git looks for scripts.

    Raises:
        DevenvError: The user's settings name a folder for all repositories, which is not ours to write in.
    """
    try:
        configured = os.fsdecode(repository.git("config", "--local", "--type=path", "core.hooksPath")).strip()
    except DevenvError:
        configured = ""
    top = Path(repository.env["GIT_WORK_TREE"])
    if configured:
        return top / configured
    common = Path(os.fsdecode(repository.git("rev-parse", "--git-common-dir")).rstrip("\n"))
    return Path(os.path.normpath(repository.folder / common)) / "hooks"


def install(repository: Repository, stage: HookStage) -> Path:
    """Write the script of a stage; one that is there is kept and run first."""
    path = folder(repository) / stage
    before = path.with_name(f"{stage}{BEFORE}")
    if path.is_file() and MARK not in path.read_text(errors="replace") and not before.exists():
        path.rename(before)
    files.write(path, _script(repository, stage), mode=0o755)
    return path


def uninstall(repository: Repository, stage: HookStage) -> bool:
    """Take the script out, and put back what was there before; whether there was one."""
    path = folder(repository) / stage
    if not path.is_file() or MARK not in path.read_text(errors="replace"):
        return False
    before = path.with_name(f"{stage}{BEFORE}")
    if before.is_file():
        before.replace(path)
    else:
        path.unlink()
    return True


def _script(repository: Repository, stage: HookStage) -> str:
    # A folder of a worktree is another one in each: git starts the script at its top.
    where = f" -C {shlex.quote(repository.prefix)}" if repository.prefix else ""
    return f"""\
#!/bin/sh
{MARK}
before=$(dirname -- "$0")/{stage}{BEFORE}
{_BEFORE[stage]}
devenv={shlex.quote(str(Path(sys.executable).with_name("devenv")))}
[ -x "$devenv" ] || devenv=devenv
{_START[stage]} "$devenv"{where} hooks run --stage {stage}
"""


_BEFORE = {
    "pre-commit": 'if [ -x "$before" ]; then "$before" "$@" || exit; fi',
    "pre-push": 'lines=$(cat)\nif [ -x "$before" ]; then printf "%s\\n" "$lines" | "$before" "$@" || exit; fi',
}
_START = {"pre-commit": "exec", "pre-push": 'printf "%s\\n" "$lines" |'}
