"""Reads compose files: puts variables in, lays files over each other, follows `extends`."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from devenv import toml
from devenv.config import units
from devenv.errors import DevenvError
from devenv.importing import interpolation, tree, yamls
from devenv.importing.interpolation import Values
from devenv.importing.loss import Loss
from devenv.importing.tree import Node
from devenv.values import dataclass

OVERRIDES: Mapping[str, tuple[str, ...]] = {
    "compose.yaml": ("compose.override.yaml", "compose.override.yml"),
    "compose.yml": ("compose.override.yml", "compose.override.yaml"),
    "docker-compose.yaml": ("docker-compose.override.yaml", "docker-compose.override.yml"),
    "docker-compose.yml": ("docker-compose.override.yml", "docker-compose.override.yaml"),
}
"""What compose lays over a file of that name by itself."""
REPLACED = frozenset({"command", "entrypoint", "test"})
"""Lists that one file's take the place of another's; others are joined."""
PAIRS = frozenset({"environment", "labels", "args", "extra_hosts", "depends_on", "networks"})
"""What may be written as a list in place of a table."""
_FILES = 20
_CHAIN = 20


@dataclass(frozen=True, slots=True)
class Composition:
    """What compose files say together.

    Args:
        files: Their paths, relative to the project.
        top: Everything, with `extends` carried out.
        values: Of variables, with what was noted of them.
    """

    files: tuple[str, ...]
    top: Node
    values: Values
    losses: tuple[Loss, ...]


def read(root: Path, files: tuple[str, ...]) -> Composition:
    """Read compose files of a project, each laid over those before it.

    Args:
        files: Paths relative to `root`.

    Raises:
        DevenvError: One cannot be read, or is none; with its place.
    """
    reading = _Reading(root, files[0])
    files = (*files, *reading.beside(files))
    top = reading.file(files[0])
    for one in files[1:]:
        top = merged(top, reading.file(one), ())
    return Composition(files, reading.extended(top), reading.values, tuple(reading.losses))


class _Reading:
    def __init__(self, root: Path, first: str) -> None:
        self._root = root
        env = posixpath.join(posixpath.dirname(first), ".env")
        text = ""
        if (root / env).is_file():
            inside(root, env)
            text = tree.read(root / env, env, yamls.LIMIT)
        self.values = Values(interpolation.env_file(text, env))
        self.losses: list[Loss] = []
        self._read: dict[str, Node] = {}

    def beside(self, files: tuple[str, ...]) -> tuple[str, ...]:
        """The file that compose adds by itself."""
        folder, name = posixpath.split(files[0])
        beside = [posixpath.join(folder, one) for one in OVERRIDES.get(name, ())] if len(files) == 1 else []
        return tuple([one for one in beside if (self._root / one).is_file()][:1])

    def file(self, name: str) -> Node:
        """A file with its variables put in."""
        if name not in self._read:
            if len(self._read) >= _FILES:
                raise DevenvError(f"more than {_FILES} files belong together", hint="import a part of them")
            inside(self._root, name)
            node = yamls.read(tree.read(self._root / name, name, yamls.LIMIT), toml.printable(name, 200))
            folder = posixpath.dirname(name) or "."
            self._read[name] = _placed(self.values.filled(node), folder)
        found = self._read[name]
        found.as_table(name)
        return found

    def extended(self, top: Node) -> Node:
        services = top.get("services")
        if services is None:
            raise DevenvError("this file has no `services`", hint="name a compose file", where=top.place)
        table = {name: self._extended(name, one, services, ()) for name, one in services.as_table("services").items()}
        return replace(top, table=dict(top.table or {}) | {"services": replace(services, table=table)})

    def _extended(self, name: str, service: Node, services: Node, seen: tuple[str, ...]) -> Node:
        """A service with what it extends below it."""
        extends = service.get("extends")
        if extends is None:
            return service
        if len(seen) > _CHAIN or f"{extends.place.file}:{name}" in seen:
            raise tree.wrong("`extends` goes in a circle", extends, "one of them needs to stand for itself")
        other = extends if extends.table is None else extends.get("service")
        if other is None:
            raise tree.wrong("`extends` does not say which service", extends, "add `service: …`")
        file = extends.get("file")
        pool = services
        if file is not None:
            path = posixpath.normpath(posixpath.join(file.folder, file.as_text("file")))
            pool = self.file(path).get("services") or replace(extends, text=None, items=None, table={})
        target = (pool.table or {}).get(other.as_text("extends"))
        if target is None:
            shown = toml.printable(other.as_text("extends"))
            raise tree.wrong(f"there is no service `{shown}` to extend", other, "correct its name")
        here = f"{extends.place.file}:{name}"
        below = self._extended(other.as_text("extends"), target, pool, (*seen, here))
        return without(merged(below, without(service, "extends"), ("services", name)), "extends")


def inside(root: Path, name: str) -> None:
    """Refuse what leads out of the project."""
    shown = toml.printable(name, 200)
    try:
        leads_out = units.outside(name) or not (root / name).resolve().is_relative_to(root.resolve())
    except (OSError, ValueError, RuntimeError):
        leads_out = True
    if leads_out:
        hint = "begin in the folder that holds all of it: `devenv -C FOLDER import …`"
        raise DevenvError(f"`{shown}` leads out of the project", hint=hint)


def within(root: Path, path: str, folder: str) -> str | None:
    """A path relative to a folder of the project as one of the project; None when it leads out of it."""
    made = posixpath.normpath(posixpath.join(folder, path))
    try:
        inside(root, made)
    except DevenvError:
        return None
    return made


def without(node: Node, key: str) -> Node:
    """A table but for one key."""
    return replace(node, table={name: one for name, one in (node.table or {}).items() if name != key})


def merged(below: Node, above: Node, keys: tuple[str, ...]) -> Node:
    """One value laid over another as compose does it."""
    if above.is_nothing:
        return below
    name = keys[-1] if keys else ""
    if name in PAIRS and (below.items is not None or above.items is not None):
        below, above = _pairs(below), _pairs(above)
    if below.table is not None and above.table is not None:
        table = dict(below.table)
        for key, one in above.table.items():
            table[key] = merged(table[key], one, (*keys, key)) if key in table else one
        return tree.tabled(table, above.place) if above.key is None else replace(above, table=table)
    if below.items is not None and above.items is not None and name not in REPLACED:
        return replace(above, items=(*below.items, *above.items))
    return above


def _pairs(node: Node) -> Node:
    """`NAME=value` in a list as a table."""
    if node.items is None:
        return node
    table = {}
    for one in node.items:
        name, given, value = one.as_text("variable").partition("=")
        table[name] = replace(one, text=value if given else None, key=one.place)
    return replace(node, items=None, table=table)


def pairs(node: Node, what: str) -> Mapping[str, Node]:
    """A table, or a list of `NAME=value`."""
    return _pairs(node).as_table(what)


def _placed(node: Node, folder: str) -> Node:
    """A tree that knows the folder its paths are relative to."""
    if node.items is not None:
        return replace(node, folder=folder, items=tuple(_placed(one, folder) for one in node.items))
    if node.table is not None:
        return replace(node, folder=folder, table={key: _placed(one, folder) for key, one in node.table.items()})
    return replace(node, folder=folder)
