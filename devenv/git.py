"""What git says of files; a folder without git, or a machine without it, has nothing to say."""

from __future__ import annotations

import subprocess
from pathlib import Path

from devenv import worktree

SAFE = (
    *("-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null"),
    # Else files that are committed in a folder could make it a repository, with settings of their own.
    *("-c", "safe.bareRepository=explicit"),
)
"""For every call: a repository's own settings must not run anything here."""


def tracked(folder: Path, path: str) -> tuple[str, ...]:
    """Files under `path` that are committed or about to be, relative to `folder`."""
    return tuple(filter(None, _run(folder, "ls-files", "-z", "--", path).decode("utf-8", "replace").split("\0")))


def side(folder: Path, path: str, stage: int) -> str | None:
    """One side of a merge that is not resolved yet: 2 is ours, 3 theirs; None when there is none."""
    content = _run(folder, "cat-file", "blob", f":{stage}:./{path}")
    return content.decode("utf-8", "replace") if content else None


def exclude(folder: Path) -> Path:
    """The repository's own list of what to ignore; worktrees of one repository share it."""
    place = folder / ".git"
    if (pointed := worktree.pointer(place, "gitdir:")) is not None:
        place = folder / pointed
        place = place / (worktree.pointer(place / "commondir", "") or "")
    return place / "info" / "exclude"


def _run(folder: Path, *arguments: str) -> bytes:
    try:
        done = subprocess.run(
            ["git", *SAFE, *arguments],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            check=False,
        )
    except OSError:
        return b""
    return done.stdout if done.returncode == 0 else b""
