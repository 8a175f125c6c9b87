"""`devenv lock`: chooses versions and writes `devenv.lock`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from devenv import identity, judging, lockfile, merging, pinning, seeds, upgrades, workspace
from devenv.errors import LockfileConflict, Problems
from devenv.lockfile import wanted
from devenv.model.pins import Lockfile, Pins
from devenv.model.progress import Report
from devenv.upgrades import Move
from devenv.values import dataclass
from devenv.workspace import Workspace


@dataclass(frozen=True, slots=True)
class LockResult:
    """What `lock` did, or with `outdated` would do.

    Args:
        environment: The environment id of what is locked now.
        written: Whether the file changed.
        packages: How many packages it holds, all architectures together.
        images: How many images of registries it holds.
        merged: Whether it was put together from both sides of a merge.
    """

    environment: str
    written: bool
    packages: int
    images: int
    moves: tuple[Move, ...]
    merged: bool = False


def run(project: Workspace, *, architecture: str, upgrade: Sequence[str] | None, report: Report) -> LockResult:
    """Complete the lockfile for the platforms the project names, else for all it has and `architecture`.

    Args:
        upgrade: What to choose anew, by the names of services, stacks, apps; () means everything, None nothing.
    """
    before, merged = _before(project)
    after = _completed(project, before, architecture, upgrade, report)
    if after != before or merged:
        lockfile.write(project.folder, after)
    return _result(project, before, after, written=after != before or merged, merged=merged)


def outdated(project: Workspace, *, architecture: str, names: Sequence[str], report: Report) -> LockResult:
    """What an upgrade would move; nothing is written."""
    before = workspace.lock(project)
    after = _completed(project, before, architecture, names, report)
    return _result(project, before, after, written=False, merged=False)


def check(project: Workspace) -> None:
    """See whether the lockfile covers the project on every architecture, and no more; needs no network.

    Raises:
        Problems: It does not.
        LockfileError: It knows another seed than the one that is there.
    """
    if problems := judging.lock(project):
        raise Problems(problems)
    locked = lockfile.read(project.folder)
    if locked is not None and locked.seed is not None and project.project.seed is not None:
        seeds.check(project, locked.seed)


def _before(project: Workspace) -> tuple[Lockfile | None, bool]:
    """The lockfile as it is, and whether it was a merge's."""
    try:
        return lockfile.read(project.folder), False
    except LockfileConflict:
        return merging.merged(project.folder), True


def _completed(
    project: Workspace, before: Lockfile | None, architecture: str, upgrade: Sequence[str] | None, report: Report
) -> Lockfile:
    forget = (lambda pins: pins) if upgrade is None else _forgetting(project, before, upgrade)
    architectures = pinning.architectures(project, before, architecture)
    return pinning.complete(project, architectures, previous=before, forget=forget, report=report)


def _forgetting(project: Workspace, before: Lockfile | None, names: Sequence[str]) -> pinning.Forget:
    lock = before or Lockfile("", {})
    return upgrades.forgetting(project.project, project.entries, lock, names)


def _result(project: Workspace, before: Lockfile | None, after: Lockfile, *, written: bool, merged: bool) -> LockResult:
    pins = tuple(after.platforms.values())
    return LockResult(
        environment=identity.of(project, after),
        written=written,
        packages=sum(_packages(pins)),
        images=sum(len(one.registry) for one in pins),
        moves=upgrades.moves(before, after, wanted.named_packages(project.project, project.entries)),
        merged=merged,
    )


def _packages(pins: Iterable[Pins]) -> Iterable[int]:
    for one in pins:
        layers = (*(one.debian.layers.values() if one.debian else ()), *one.added.values())
        yield from (len(run) for layer in layers for run in layer.runs)
