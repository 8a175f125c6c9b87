"""What apps and services reach beyond their own containers: files of the host, rights, addresses."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from devenv import toml
from devenv.blueprint import images
from devenv.config import reaching
from devenv.errors import DevenvError
from devenv.model.blueprint import Container, Mount, Placement
from devenv.model.project import HostPath, Project, Reach

MOST_COPIED = 500
"""Files of one folder that are put into a container one by one; more are data, or a program, rather than settings."""

ENGINES_OWN = ("/var/run/docker.sock", "/run/docker.sock")
"""What is meant on the engine's own machine, wherever that is."""


def extended(container: Container, reach: Reach, project: Project, placement: Placement) -> Container:
    """A container with what its unit is to reach.

    Raises:
        DevenvError: A mount is in the way of another, or cannot be on an engine without this machine's files.
    """
    added = tuple(one for mount in reach.mounts for one in _mounts(container, mount, project, placement))
    if not added and not reach.privileged and not reach.capabilities:
        return container
    return replace(
        container,
        mounts=(*container.mounts, *added),
        privileged=reach.privileged,
        capabilities=reach.capabilities,
    )


def _mounts(container: Container, mount: HostPath, project: Project, placement: Placement) -> Iterator[Mount]:
    _check_target(container, mount)
    source = str(reaching.located(mount.source, Path(placement.folder), Path(placement.home)))
    if not placement.copies or source in ENGINES_OWN:
        yield Mount("bind", source, mount.target, mount.read_only)
        if Path(source) == Path(placement.folder) or (project.root / mount.source).resolve() == project.root.resolve():
            # Of the project's whole folder all but what has secrets in it.
            yield Mount("tmpfs", "", f"{mount.target}/{reaching.OWN}")
        return
    _check_copied(container, mount, project)
    path = reaching.located(mount.source, project.root, Path(placement.home))
    if path.is_dir():
        for name in _files(path, project.root, mount):
            yield Mount("copy", f"{source}/{name}", f"{mount.target}/{name}", read_only=True)
    else:
        yield Mount("copy", source, mount.target, read_only=True)


def _check_target(container: Container, mount: HostPath) -> None:
    """Refuse what is in the way of something else; an app's folder is one thing, whole as it is."""
    inside = container.kind == "app" and f"{mount.target}/".startswith(f"{images.WORK}/")
    taken = next((one for one in container.mounts if one.target == mount.target), None)
    if inside or taken is not None:
        what = "the app's own folder is there" if inside else "it has something there already"
        raise DevenvError(
            f"`{container.unit}` cannot have a mount at `{toml.printable(mount.target)}`: {what}",
            hint="choose another path inside",
        )


def _check_copied(container: Container, mount: HostPath, project: Project) -> None:
    """Refuse what cannot be had by a copy at a container's creation."""
    shown, unit = f"`{toml.printable(mount.source)}`", f"`{container.unit}`"
    path = project.root / mount.source
    if not reaching.is_inside(mount.source) or not path.resolve().is_relative_to(project.root.resolve()):
        raise DevenvError(
            f"{unit} cannot have {shown}: it is no file of the project, and files are copied to this engine",
            hint="move it into the project; or use an engine that has this machine's files, without "
            '`[sync] mode = "copy"`',
        )
    if not mount.read_only:
        raise DevenvError(
            f"{unit} cannot change {shown}: files are copied to this engine, and what is changed there stays there",
            hint="remove `read_only = false`; only an app's `dir` is kept equal both ways",
        )
    if any(one.kind == "volume" and mount.target.startswith(f"{one.target}/") for one in container.mounts):
        raise DevenvError(
            f"{unit} cannot have {shown} at `{toml.printable(mount.target)}`: a volume is mounted above it, and files "
            "are copied to this engine",
            hint="choose another path inside",
        )


def _files(folder: Path, root: Path, mount: HostPath) -> Iterator[str]:
    """The files below a folder, relative to it; a link that leads out of the project leads nowhere inside."""
    found: list[str] = []
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(one for one in folders if Path(place, one) != root / reaching.OWN)
        for name in sorted(names):
            path = Path(place, name)
            if path.is_file() and path.resolve().is_relative_to(root.resolve()):
                found.append(posixpath.relpath(path, folder))
    if len(found) > MOST_COPIED:
        raise DevenvError(
            f"`{toml.printable(mount.source)}` has {len(found)} files, too many to be copied to this engine",
            hint=f"at most {MOST_COPIED} can be; put them into the app's `dir`, or into an image by `dockerfile`",
        )
    yield from found
