"""Sees from git's own files whether a folder is a linked worktree; git itself is not run."""

from __future__ import annotations

import os
from pathlib import Path

from devenv.values import dataclass


@dataclass(frozen=True, slots=True)
class Worktree:
    """A worktree of a repository that has others.

    Args:
        folder: Where it is checked out.
        main: Where the repository itself is checked out, or lies when it is bare.
    """

    folder: Path
    main: Path


def linked(folder: Path) -> Worktree | None:
    """The linked worktree that a folder lies in; None in a repository of its own, a submodule, or no repository."""
    root = top(folder)
    pointed = None if root is None else pointer(root / ".git", "gitdir:")
    if root is None or pointed is None:
        return None
    place = root / pointed
    # A submodule's `.git` is such a file, too; only a worktree has part of its repository elsewhere.
    common = pointer(place / "commondir", "") if place.parent.name == "worktrees" else None
    if common is None:
        return None
    repository = Path(os.path.normpath(place / common))
    return Worktree(root, repository.parent if repository.name in (".git", ".bare") else repository)


def top(folder: Path) -> Path | None:
    """Where the repository that a folder lies in is checked out."""
    for candidate in (folder, *folder.parents):
        if os.path.lexists(candidate / ".git"):
            return candidate
    return None


def pointer(file: Path, start: str) -> str | None:
    """The path that one of git's own files holds; None when it is no such file."""
    try:
        text = os.fsdecode(file.read_bytes()).strip()
    except OSError:
        return None
    return text.removeprefix(start).strip() if text.startswith(start) else None
