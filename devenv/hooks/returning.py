"""Brings what checks have changed back into the working tree, beside what is not staged there."""

from __future__ import annotations

import stat
from collections.abc import Iterable
from pathlib import Path

from devenv import files
from devenv.hooks.places import Place
from devenv.hooks.repository import Repository
from devenv.values import dataclass


@dataclass(frozen=True, slots=True)
class Returned:
    """Files that a check changed, relative to the app's folder.

    Args:
        changed: They are so in the working tree now.
        left: What is not staged there does not go together with the change, or the file is gone: it was left alone.
    """

    changed: tuple[str, ...] = ()
    left: tuple[str, ...] = ()


def bring(repository: Repository, tree: str, place: Place, paths: Iterable[str]) -> Returned:
    """Bring files from the folder they were laid out in, each at one stroke.

    Args:
        tree: What was laid out.
    """
    changed: list[str] = []
    left: list[str] = []
    for path in paths:
        made, here = content(place.tree, path), repository.folder / path
        now = content(repository.folder, path)
        before = repository.content(tree, path)
        if made is None or made == before or now == made:
            continue
        wanted = made if now == before else _merged(repository, now, before, made, place.spare)
        if wanted is None:
            left.append(path)
            continue
        _replace(here, wanted, place.spare)
        changed.append(path)
    return Returned(tuple(changed), tuple(left))


def content(folder: Path, path: str) -> bytes | None:
    """A file's content; None for anything but a file that really is in the folder."""
    file = folder / path
    try:
        if not stat.S_ISREG(file.lstat().st_mode) or not file.parent.resolve().is_relative_to(folder.resolve()):
            return None
        return file.read_bytes()
    except OSError:
        return None


def _replace(path: Path, wanted: bytes, spare: Path) -> None:
    """Write a file elsewhere and rename it: one that is killed leaves nothing beside people's files."""
    mode = stat.S_IMODE(path.stat().st_mode)
    temporary = spare / "wanted"
    files.write(temporary, wanted, mode=mode)
    try:
        temporary.replace(path)
    except OSError:  # the file lies on another file system than the folder
        files.write(path, wanted, mode=mode)


def _merged(repository: Repository, now: bytes | None, before: bytes, made: bytes, spare: Path) -> bytes | None:
    if now is None:
        return None
    sides = [spare / side for side in ("now", "before", "made")]
    for side, text in zip(sides, (now, before, made), strict=True):
        side.write_bytes(text)
    return repository.merged(*sides)
