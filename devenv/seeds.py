"""The file that empty volumes are filled from: `[data] seed`, known by the hash in the lockfile."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from devenv import config, generations, lockfile, workspace
from devenv.engine.protocol import Engine
from devenv.errors import DevenvError, LockfileError
from devenv.model.blueprint import Blueprint, Observed
from devenv.model.pins import Lockfile, SeedPin
from devenv.model.progress import Report
from devenv.model.snapshot import Part
from devenv.snapshots import bundle, filling, packing, store
from devenv.snapshots.filling import Filling
from devenv.snapshots.store import Source
from devenv.values import dataclass
from devenv.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Seeding:
    """Services that are to begin with the seed's data."""

    filling: Filling
    parts: tuple[Part, ...]

    def run(self) -> None:
        """Fill their volumes."""
        known = workspace.generations(self.filling.project)
        self.filling.run(self.parts, {one.name: known.get(one.name, generations.FIRST) for one in self.parts})


def lock(project: Workspace, previous: Lockfile | None) -> SeedPin | None:
    """The seed with its hash as it is now, or as it was locked where the file is not at hand.

    Raises:
        DevenvError: It was never locked and is not there, or is no exported snapshot.
    """
    seed = project.project.seed
    if seed is None:
        return None
    path = project.folder / seed
    if previous is not None and previous.seed is not None and previous.seed.file == seed and not path.is_file():
        return previous.seed
    with _opened(project, seed):
        return SeedPin(seed, _hash(path))


def check(project: Workspace, locked: SeedPin) -> None:
    """Refuse a seed that is there and not the one that was locked.

    Raises:
        LockfileError: It is not.
    """
    path = project.folder / locked.file
    if path.is_file() and _hash(path) != locked.sha256:
        raise LockfileError(
            f"the seed `{locked.file}` is not the one that `{lockfile.NAME}` was made with",
            hint="bring back that one; or `devenv lock` takes this one, if the change is meant",
            where=config.place(project.folder, "data", "seed"),
        )


def empty(project: Workspace, wanted: Blueprint, observed: Observed) -> tuple[str, ...]:
    """Services that the project's seed may have data for: those without any volume."""
    there = {one.name for one in observed.volumes}
    units = {one.unit: {mount.source for mount in one.mounts if mount.kind == "volume"} for one in wanted.containers}
    return tuple(one.name for one in project.project.services if units.get(one.name) and not units[one.name] & there)


@contextmanager
def beginning(
    project: Workspace, engine: Engine, wanted: Blueprint, names: Collection[str], report: Report
) -> Iterator[Seeding | None]:
    """What is to be done so that these services begin with the seed's data; None when it has nothing for them.

    Raises:
        DevenvError: The seed is not there, not the one that was locked, damaged, or does not fit a service.
    """
    seed = project.project.seed
    assert seed is not None
    locked = workspace.lock(project).seed
    if locked is None or locked.file != seed:
        raise LockfileError(f"`{lockfile.NAME}` has no hash of the seed `{seed}`", hint="run `devenv lock`")
    with _opened(project, seed) as source:
        found = tuple(one.name for one in source.snapshot.parts if one.name in names)
        if not found:
            yield None
            return
        check(project, locked)
        parts = filling.fitting(project, source, found)
        store.verify(source, parts, report)
        made = Filling(project, engine, wanted, source, report)
        for part in parts:
            made.check(part)
        yield Seeding(made, parts)


@contextmanager
def _opened(project: Workspace, seed: str) -> Iterator[Source]:
    path = project.folder / seed
    where = config.place(project.folder, "data", "seed")
    if not path.is_file():
        hint = "get it from a colleague, or make one with `devenv snapshot export`; without `seed` services begin empty"
        raise DevenvError(f"the project has no file `{seed}` to fill volumes from", hint=hint, where=where)
    if not path.resolve().is_relative_to(project.folder.resolve()):
        hint = "it is a symbolic link; keep the file itself inside the project"
        raise DevenvError(f"the seed `{seed}` leads out of the project", hint=hint, where=where)
    with bundle.opened(path, f"the seed `{seed}`") as source:
        yield source


def _hash(path: Path) -> str:
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while piece := file.read(packing.PIECE):
                digest.update(piece)
    except OSError as error:
        raise DevenvError(f"cannot read `{path}`: {(error.strerror or str(error)).lower()}") from error
    return digest.hexdigest()
