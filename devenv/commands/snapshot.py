"""`devenv snapshot save`, `list`, `delete`, `export`, `import`: the data of services, kept and shared."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from pathlib import Path

import devenv
from devenv.engine.protocol import Engine
from devenv.errors import DevenvError
from devenv.model.progress import Report
from devenv.model.snapshot import Snapshot
from devenv.snapshots import bundle, store
from devenv.snapshots.saving import Saving
from devenv.telling import Tell
from devenv.values import dataclass
from devenv.workspace import Workspace


@dataclass(frozen=True, slots=True)
class ListResult:
    """The snapshots of a checkout, oldest first; `damaged` names those that cannot be read."""

    snapshots: tuple[Snapshot, ...]
    damaged: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ExportResult:
    """The file that was written, and its size in bytes."""

    file: str
    size: int


def save(project: Workspace, engine: Engine, name: str | None, services: Sequence[str], *, tell: Tell) -> Snapshot:
    """Save the data of services as it is at this moment.

    Args:
        name: None takes the time.
        services: Of `generations.chosen`.

    Raises:
        DevenvError: Something failed; there is no such snapshot then.
    """
    store.sweep(project.folder)
    moment = datetime.datetime.now(datetime.UTC)
    name = name or moment.strftime("%Y-%m-%d-%H%M%S")
    store.refuse_taken(project.folder, name)
    saving = Saving.of(project, engine, tell)
    held = saving.ready(services)
    with store.draft(project.folder, name) as draft:
        parts = saving.run(held, draft)
        created = moment.strftime("%Y-%m-%dT%H:%M:%SZ")
        snapshot = Snapshot(name, created, project.project.name, devenv.__version__, parts)
        draft.describe(snapshot)
    saving.wait(parts)
    return snapshot


def listed(project: Workspace) -> ListResult:
    """Every snapshot of the checkout."""
    store.sweep(project.folder)
    found: list[Snapshot] = []
    damaged: list[str] = []
    for name in store.names(project.folder):
        try:
            found.append(store.find(project.folder, name).snapshot)
        except DevenvError:
            damaged.append(name)
    return ListResult(tuple(sorted(found, key=lambda one: (one.created, one.name))), tuple(damaged))


def delete(project: Workspace, names: Sequence[str]) -> None:
    """Remove snapshots; none when one of them is not there."""
    store.sweep(project.folder)
    known = store.names(project.folder)
    for name in names:
        if name not in known:
            store.find(project.folder, name)
    for name in dict.fromkeys(names):
        store.delete(project.folder, name)


def export(project: Workspace, name: str, file: Path | None, *, report: Report) -> ExportResult:
    """Write a snapshot as one file for somebody else.

    Args:
        file: None: in the folder that this runs in, named after project and snapshot.
    """
    store.sweep(project.folder)
    source = store.find(project.folder, name)
    target = file or Path(f"{project.project.name}-{name}{bundle.SUFFIX}")
    return ExportResult(str(target), bundle.write(source, target, report))


def bring_in(project: Workspace, file: Path, name: str | None, *, report: Report) -> Snapshot:
    """Make a file that `export` wrote a snapshot of this checkout.

    Args:
        name: None: the one it was exported under.
    """
    store.sweep(project.folder)
    with bundle.opened(file) as source:
        return bundle.bring_in(source, project.folder, name or source.snapshot.name, report)
