"""Sees what the background process of an environment has to do."""

from __future__ import annotations

import posixpath
import shlex
from collections.abc import Iterator
from pathlib import Path

from devenv.blueprint import images
from devenv.catalog import Catalog
from devenv.live.assignment import Assignment, Folder, Followed, Rule
from devenv.model.blueprint import Blueprint, Container
from devenv.model.project import App
from devenv.workspace import Workspace


def of(project: Workspace, wanted: Blueprint, profile: str | None) -> Assignment:
    """The assignment for an environment."""
    folders = tuple(_folder(project, one) for one in wanted.containers if one.kind == "files")
    return Assignment(
        mode="copy" if folders else "bind",
        instance=wanted.instance,
        root=str(project.folder),
        profile=profile,
        ignore=project.project.sync.ignore,
        folders=folders,
        followed=tuple(_followed(project)),
    )


def volume(container: Container) -> str:
    """The volume that a files container holds."""
    return next(mount.source for mount in container.mounts if mount.target == images.WORK)


def _folder(project: Workspace, container: Container) -> Folder:
    name = container.unit.removesuffix(".files")
    app = next(one for one in project.project.apps if one.name == name)
    return Folder(posixpath.normpath(app.dir), name, container.name, volume(container))


def _followed(project: Workspace) -> Iterator[Followed]:
    for app in project.project.apps:
        rules = tuple(_rules(project, app))
        if any(action != "sync" for _, action in rules):
            yield Followed(app.name, posixpath.normpath(app.dir), rules)


def _rules(project: Workspace, app: App) -> Iterator[Rule]:
    """The stacks' own, files that setup commands name, then the project's."""
    if app.setup:
        yield from ((f"/{glob.lstrip('/')}", "setup") for glob in _inputs(project.entries, app))
        yield from ((f"/{_literal(name)}", "setup") for name in _named(project.folder / app.dir, app))
    for rule in project.project.sync.rules:
        yield rule.path, "sync" if rule.action == "setup" and not app.setup else rule.action


def _inputs(entries: Catalog, app: App) -> Iterator[str]:
    for stack in app.stacks:
        yield from entries.stack(stack.name).inputs


def _named(folder: Path, app: App) -> list[str]:
    """Files that stand in a setup command as a word, as `blueprint.setup` finds them."""
    words = {word for command in app.setup for word in _words(command)}
    return sorted(word for word in words if word and not word.startswith(("/", "-")) and _is_file(folder, word))


def _is_file(folder: Path, word: str) -> bool:
    try:
        return ".." not in Path(word).parts and (folder / word).is_file()
    except (OSError, ValueError):
        return False


def _words(command: str) -> list[str]:
    try:
        return shlex.split(command)
    except ValueError:
        return command.split()


def _literal(name: str) -> str:
    """A name as a pattern that means it alone."""
    plain = posixpath.normpath(name)
    return "".join(f"\\{one}" if one in "\\*?[] " else one for one in plain)
