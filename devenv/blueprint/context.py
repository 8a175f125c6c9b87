"""What a Dockerfile may copy: the files of its context but those that `.dockerignore` leaves out."""

from __future__ import annotations

import functools
import hashlib
import os
import posixpath
import re
from collections.abc import Iterator
from pathlib import Path

from devenv import files as disk
from devenv import patterns
from devenv.errors import DevenvError, Place
from devenv.model.pins import ContextFile
from devenv.values import dataclass

IGNORE = ".dockerignore"
# Of the project's own folder these are never an image's: they change with every run, or are one machine's.
NEVER = (".git", ".devenv", "devenv.lock", "devenv.local.toml")


@dataclass(frozen=True, slots=True)
class _Rule:
    """A line of an ignore file; `keeps` when it takes back."""

    pattern: re.Pattern[str]
    keeps: bool


def files(root: Path, folder: str, dockerfile: str) -> tuple[ContextFile, ...]:
    """The context, sorted by path.

    Args:
        folder: The context, relative to `root`.
        dockerfile: Relative to `root`; an ignore file of its own, `Dockerfile.dockerignore`, goes before the context's.

    Raises:
        DevenvError: Something in it cannot be read, or a line of the ignore file is wrong.
    """
    context = (root / folder).resolve()
    rules = _rules(root, (f"{dockerfile}{IGNORE}", posixpath.join(folder, IGNORE)))
    never = {root.resolve() / name for name in NEVER}
    try:
        return tuple(sorted(_found(context, "", rules, never), key=lambda file: file.path))
    except OSError as error:
        name = os.path.relpath(error.filename or context, root.resolve())
        raise DevenvError(
            f"cannot read `{name}`, which `{dockerfile}` may copy: {error.strerror}",
            hint=f"correct its rights, or leave it out in `{posixpath.normpath(posixpath.join(folder, IGNORE))}`",
        ) from error


def _found(folder: Path, prefix: str, rules: tuple[_Rule, ...], never: set[Path]) -> Iterator[ContextFile]:
    with os.scandir(folder) as entries:
        for entry in entries:
            path, whole = prefix + entry.name, folder / entry.name
            if whole in never:
                continue
            out = _is_ignored(path, rules)
            if entry.is_symlink():
                if not out:
                    yield ContextFile(path, "symlink", content=str(whole.readlink()))
            elif entry.is_dir():
                if not out:
                    yield ContextFile(path, "folder")
                if not out or any(rule.keeps for rule in rules):
                    yield from _found(whole, f"{path}/", rules, never)
            elif entry.is_file() and not out:
                seen = entry.stat()
                state = (seen.st_size, seen.st_mtime_ns, seen.st_ctime_ns, seen.st_ino)
                yield ContextFile(path, "file", bool(seen.st_mode & 0o100), _hashed(whole, state))


@functools.lru_cache(maxsize=1 << 16)
def _hashed(path: Path, _state: tuple[int, ...]) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


# --- .dockerignore: https://docs.docker.com/build/concepts/context/#dockerignore-files ---


def _rules(root: Path, names: tuple[str, ...]) -> tuple[_Rule, ...]:
    name = next((name for name in names if (root / name).is_file()), None)
    if name is None:
        return ()
    if disk.leads_out(root / name, root):
        shown = posixpath.normpath(name)
        raise DevenvError(
            f"`{shown}` is a symbolic link that leads out of the project", hint="put the file itself there"
        )
    lines = (root / name).read_text(encoding="utf-8-sig", errors="surrogateescape").splitlines()
    return tuple(rule for number, line in enumerate(lines, start=1) for rule in _rule(name, number, line))


def _rule(name: str, number: int, line: str) -> Iterator[_Rule]:
    """Read a line: as in `.gitignore`, but that every pattern begins at the context itself."""
    text = line.strip()
    if not text or line.startswith("#"):
        return
    keeps = text.startswith("!")
    cleaned = posixpath.normpath(text.removeprefix("!").strip()).lstrip("/")
    if cleaned in ("", "."):
        return
    try:
        pattern = patterns.parse(f"/{cleaned}")
    except ValueError as error:
        place = Place(posixpath.normpath(name), number, 1, max(len(line), 1), line)
        raise DevenvError(f"`{text}` is no pattern: {error}", hint="correct it, or remove it", where=place) from error
    assert pattern is not None
    # What is in a folder that matches, matches.
    yield _Rule(re.compile(f"(?:{pattern.regex})(?:/.*)?", re.DOTALL), keeps)


def _is_ignored(path: str, rules: tuple[_Rule, ...]) -> bool:
    """The last rule that matches the path, or a folder above it, decides."""
    text = patterns.encoded(path)
    matching = (rule for rule in reversed(rules) if rule.pattern.fullmatch(text))
    return (last := next(matching, None)) is not None and not last.keeps
