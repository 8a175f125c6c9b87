"""When an app's setup has to run again: the hash of its commands and of the files they read."""

from __future__ import annotations

import hashlib
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

from devenv import files
from devenv.blueprint import hashing
from devenv.catalog import Catalog
from devenv.model.project import App, Project
from devenv.values import dataclass


@dataclass(frozen=True, slots=True)
class Setup:
    """An app's setup.

    Args:
        commands: Shell commands, in order; the stacks' own first.
        hash: Of the commands, their inputs and the image.
        key: Of the commands alone; tells setups apart that share one home volume.
    """

    commands: tuple[str, ...]
    hash: str
    key: str


def of(project: Project, app: App, entries: Catalog, image_key: str) -> Setup:
    """What an app's setup is now."""
    stacks = [entries.stack(stack.name) for stack in app.stacks]
    commands = (*(command for stack in stacks for command in stack.prepare), *app.setup)
    rules = tuple(rule.path for rule in project.sync.rules if rule.action == "setup")
    globs = (*(glob for stack in stacks for glob in stack.inputs), *rules) if app.setup else ()
    folder = project.root / app.dir
    inputs = {path for path in (*_matching(folder, globs), *_named(folder, app.setup)) if path.is_file()}
    # Inside, a link that leads out of the project leads nowhere; and its hash would tell of what is there.
    found = sorted(path for path in inputs if not files.leads_out(path, project.root))
    hashes = {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in found}
    return Setup(commands, hashing.of([image_key, commands, hashes]), hashing.of(commands)[:12])


def _matching(folder: Path, globs: tuple[str, ...]) -> Iterator[Path]:
    for glob in globs:
        for path in folder.glob(_globbed(glob)):
            # A folder that a link leads to may be the whole machine.
            yield from path.rglob("*") if path.is_dir() and not path.is_symlink() else (path,)


def _globbed(pattern: str) -> str:
    """A pattern as `Path.glob` takes it: several stars stand for folders, or else for one."""
    return "/".join(part if part == "**" else re.sub(r"\*+", "*", part) for part in pattern.strip("/").split("/"))


def _named(folder: Path, commands: tuple[str, ...]) -> Iterator[Path]:
    """Files that stand in a command as a word: `requirements.txt` in `pip install -r requirements.txt`."""
    for command in commands:
        for word in _words(command):
            path = folder / word
            if word and not word.startswith(("/", "-")) and ".." not in Path(word).parts and path.is_file():
                yield path


def _words(command: str) -> list[str]:
    try:
        return shlex.split(command)
    except ValueError:
        return command.split()
