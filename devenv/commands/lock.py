"""`devenv lock`: chooses versions and writes `devenv.lock`."""

from __future__ import annotations

from collections.abc import Sequence

from devenv import lockfile, pinning
from devenv.model.progress import Report
from devenv.pinning import Move
from devenv.values import dataclass
from devenv.workspace import Workspace


@dataclass(frozen=True, slots=True)
class LockResult:
    """What `lock` did.

    Args:
        written: Whether the file changed.
        packages: How many packages it holds, all architectures together.
    """

    written: bool
    packages: int
    moves: tuple[Move, ...]


def run(workspace: Workspace, *, architecture: str, upgrade: Sequence[str] | None, report: Report) -> LockResult:
    """Complete the lockfile for `architecture`, or for the platforms the project names."""
    before = lockfile.read(workspace.folder)
    architectures = workspace.project.platforms or (architecture,)
    after = pinning.complete(workspace, architectures, previous=before, upgrade=upgrade, report=report)
    if after != before:
        lockfile.write(workspace.folder, after)
    packages = sum(len(run) for pins in after.debian.values() for layer in pins.layers.values() for run in layer.runs)
    return LockResult(after != before, packages, pinning.moves(before, after))
