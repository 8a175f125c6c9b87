"""The environment id: machines with equal ids run equal environments."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import replace

from devenv import blueprint, lockfile
from devenv.blueprint import hashing, limits
from devenv.model.blueprint import Container, Placement
from devenv.model.pins import Lockfile, Pins
from devenv.workspace import Workspace

LENGTH = 12

# Where no machine's path, user, port or name can get in; container paths keep their meaning.
_NOWHERE = Placement(instance="environment", folder="/project")
# Labels repeat the rest for other tools; what is published where is the machine's business.
_LEFT_OUT = frozenset({"labels", "config_hash", "ports"})


def of(project: Workspace, lock: Lockfile | None) -> str:
    """A short hash over the blueprint and its pins on every architecture locked, 12 hex digits.

    It holds nothing of a machine: not its architecture, paths, user, chosen ports, proxy or certificates. What a build
    came out as is not in it either, for that follows from the pins.
    """
    platforms = lock.platforms if lock else {}
    return hashing.of([_of(project, pins) for pins in platforms.values()] or [_of(project, None)])[:LENGTH]


def current(project: Workspace) -> str:
    """The id of the project as it is now.

    Raises:
        DevenvError: The lockfile is damaged, or does not cover the project.
    """
    return of(project, lockfile.read(project.folder))


def _of(project: Workspace, pins: Pins | None) -> object:
    made = blueprint.make(project.project, project.entries, pins, _NOWHERE)
    keys = {image.reference: image.key for image in made.images}
    containers = [_contents(replace(one, image=keys[one.image])) for one in made.containers]
    return [pins and pins.architecture, containers, _mounted(project, made.containers)]


def _mounted(project: Workspace, containers: Iterable[Container]) -> dict[str, str]:
    """Hashes of the project's single files that containers are given to read, such as `init` of a database.

    Folders count as little as an app's own; what a link finds outside of the project is the machine's.
    """
    prefix = f"{_NOWHERE.folder}/"
    paths = {
        mount.source.removeprefix(prefix)
        for container in containers
        for mount in container.mounts
        if mount.kind == "bind" and mount.read_only and mount.source.startswith(prefix)
        if mount.source not in {one.source for one in container.secrets}
    }
    root = project.folder.resolve()
    files = {path: project.folder / path for path in sorted(paths)}
    return {
        path: hashlib.sha256(file.read_bytes()).hexdigest()
        for path, file in files.items()
        if file.is_file() and file.resolve().is_relative_to(root)
    }


def _contents(container: Container) -> dict[str, object]:
    told = {name: value for name, value in hashing.contents(container).items() if name not in _LEFT_OUT}
    return told | {"ports": [port.container for port in container.ports], "limits": limits.given(container)}
