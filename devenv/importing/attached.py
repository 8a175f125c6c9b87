"""What a service of a compose file has attached: volumes, files of the project, secrets and configs."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path

from devenv import toml
from devenv.config import units
from devenv.detection.draft import Value
from devenv.importing import amounts, composition, told
from devenv.importing.amounts import Mounted
from devenv.importing.composition import Composition
from devenv.importing.tree import Node
from devenv.importing.unit import Surroundings, Unit

SOCKETS = frozenset({"/var/run/docker.sock", "/run/docker.sock"})
_VOLUME = re.compile(r"[a-z0-9][a-z0-9_.-]*")


class Attached:
    """What one service has attached.

    Args:
        mounted: Each with where it was said.
    """

    def __init__(self, unit: Unit, source: Composition, around: Surroundings) -> None:
        self.unit = unit
        self._source = source
        self._around = around
        self.mounted: list[tuple[Mounted, Node]] = []

    def gather(self, service: Node) -> None:
        """Note what a service says of it."""
        for one in service.each("volumes"):
            mount = self._mount(one)
            if mount is not None:
                mount = replace(mount, target=posixpath.normpath(mount.target))
                self.mounted = [(old, node) for old, node in self.mounted if old.target != mount.target]
                self.mounted.append((mount, one))
        for kind, folder in (("secrets", "/run/secrets/"), ("configs", "/")):
            for one in service.each(kind):
                self._handed(one, kind, folder)

    def leave(self, targets: frozenset[str], own: Collection[str]) -> None:
        """Forget what is taken care of.

        Args:
            own: Where the catalog's service has volumes of its own.
        """
        for mount, node in self.mounted:
            if mount.kind == "bind" and mount.target in own:
                why = f"its data is in a volume, not in `{toml.printable(mount.source)}`"
                remedy = "let it begin anew, or put a dump in"
                self.unit.lose("volumes", why, remedy, weight="changed", at=node.at)
        self.mounted = [(mount, node) for mount, node in self.mounted if mount.target not in targets]

    def rebased(self) -> list[Mounted]:
        """What is attached, sources relative to the project."""
        return [self._rebased(mount, node) for mount, node in self.mounted]

    def _rebased(self, mount: Mounted, node: Node) -> Mounted:
        source = mount.source
        if mount.kind == "bind" and not source.startswith(("/", "~")):
            source = posixpath.normpath(posixpath.join(node.folder, source))
        return replace(mount, source=source)

    def _mount(self, node: Node) -> Mounted | None:
        if node.table is None:
            found = amounts.mount(node.as_text("volumes"))
        else:
            parts = {key: one.as_text(key) for key, one in node.table.items() if key in ("type", "source", "target")}
            ro = (node.get("read_only") or Node(node.place, "false")).text == "true"
            target = parts.get("target", "")
            found = Mounted(parts.get("type", "volume"), parts.get("source", ""), target, ro) if target else None
            for key in node.table.keys() & {"volume", "bind", "tmpfs", "image"}:
                self.unit.lose("volumes", f"`{key}` of a mount has nothing like it", "", weight="harmless", at=node.at)
        if found is None or not _is_target(found.target):
            self.unit.lose("volumes", "this is no mount", "add it by hand", at=node.at)
            return None
        if found.kind not in ("bind", "volume"):
            why = f"`{toml.printable(found.kind)}` mounts have nothing like them"
            self.unit.lose("volumes", why, told.LOST["tmpfs"][1], at=node.at)
            return None
        return found

    def _handed(self, node: Node, kind: str, folder: str) -> None:
        """A secret or a config, which is a file."""
        name = node.as_text(kind) if node.table is None else (node.get("source") or node).as_text("source")
        declared = (self._source.top.get(kind) or node).table or {}
        file = declared[name].get("file") if name in declared else None
        if file is None:
            remedy = "put it into a file of the project, or into `env`"
            self.unit.lose(kind, f"`{toml.printable(name)}` comes from no file", remedy, at=node.at)
            return
        given = node.get("target") if node.table is not None else None
        target = posixpath.join(folder, given.as_text("target") if given is not None else name)
        if not _is_target(target):
            self.unit.lose(kind, "its target is no path", "add it to `mounts` by hand", at=node.at)
            return
        self.mounted.append((Mounted("bind", file.as_text("file"), target, read_only=True), file))

    def write(self) -> None:
        mounts: dict[str, str | Mapping[str, Value]] = {}
        volumes: dict[str, str] = {}
        for mount, node in self.mounted:
            if mount.kind == "volume":
                self._volume(mount, node, volumes)
                continue
            if self._is_made(mount, node):
                why = f"the project has no `{toml.printable(mount.source)}`, so it is a volume"
                self.unit.lose("volumes", why, "make it, and add it to `mounts`", weight="changed", at=node.at)
                self._volume(replace(mount, kind="volume", source=units.label(mount.source)), node, volumes)
                continue
            source = self._source_of(mount, node)
            if source is not None:
                mounts[mount.target] = source if mount.read_only else {"source": source, "read_only": False}
        if volumes:
            self.unit.set("volumes", volumes)
        if mounts:
            self.unit.set("mounts", mounts)

    def _volume(self, mount: Mounted, node: Node, volumes: dict[str, str]) -> None:
        declared = (self._source.top.get("volumes") or node).table or {}
        one = declared.get(mount.source)
        if one is not None and one.table is not None and one.table.keys() & {"external", "driver", "driver_opts"}:
            why = f"`{toml.printable(mount.source)}` is made elsewhere or in a special way"
            self.unit.lose("volumes", why, "copy its data in by `devenv exec`", at=node.at)
        if mount.read_only:
            self.unit.lose("volumes", "volumes can be written to", "", weight="changed", at=node.at)
        name = label(mount.source or mount.target)
        while name in volumes:
            name += "-2"
        volumes[name] = mount.target

    def _is_made(self, mount: Mounted, node: Node) -> bool:
        """Whether it is a folder that compose makes, empty, where there is none: it is for data."""
        made = composition.within(self._around.root, mount.source, node.folder)
        last = posixpath.basename(mount.source.rstrip("/"))
        is_file = "." in last.lstrip(".") or mount.read_only or not mount.source.isprintable()
        return made is not None and not is_file and not _is_there(self._around.root / made)

    def _source_of(self, mount: Mounted, node: Node) -> str | None:
        """What is mounted, relative to the project where it is in it."""
        source = mount.source
        if not source.isprintable():
            self.unit.lose("volumes", f"`{toml.printable(source)}` cannot be a path", "rename it", at=node.at)
            return None
        if source.startswith(("/", "~")) or re.match(r"[A-Za-z]:", source) or "\\" in source:
            if "\\" in source or source[1:2] == ":":
                self.unit.lose("volumes", f"`{toml.printable(source)}` is a path of Windows", "write it as `/…`")
                return None
            if source not in SOCKETS:
                why = f"`{toml.printable(source)}` is a path of one machine, and needs `devenv trust`"
                self.unit.lose("volumes", why, "have what is needed in the project", weight="changed", at=node.at)
            return source
        made = posixpath.normpath(posixpath.join(node.folder, source))
        if made.startswith(".."):
            why = f"`{toml.printable(source)}` is outside of the project, and needs `devenv trust`"
            self.unit.lose("volumes", why, "have what is needed in the project", weight="changed", at=node.at)
        elif composition.within(self._around.root, source, node.folder) is None or not _is_there(
            self._around.root / made
        ):
            why = f"the project has no `{toml.printable(made)}`"
            self.unit.lose("volumes", why, "make it, and add it to `mounts`", at=node.at)
            return None
        return made


def label(name: str) -> str:
    """What devenv calls a volume."""
    return name if _VOLUME.fullmatch(name) else units.label(name) or "data"


def _is_target(path: str) -> bool:
    parts = path.split("/")
    has_name = path.startswith("/") and path.strip("/.") != ""
    return has_name and path.isprintable() and ".." not in parts and not {":", "\\"} & set(path)


def _is_there(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):
        return False
