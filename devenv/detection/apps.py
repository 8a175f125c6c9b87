"""Finds a project's apps: its own folder, or several below it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from devenv.catalog import Catalog
from devenv.config import units
from devenv.detection import frameworks, manifests, procfile
from devenv.detection.frameworks import Start
from devenv.detection.manifests import Manifest
from devenv.values import dataclass

PLACES = ("*", "apps/*", "services/*", "packages/*")
"""Where the apps of a repository with several are."""
IGNORED = frozenset(
    {"build", "dist", "doc", "docs", "e2e", "examples", "node_modules", "scripts", "test", "tests", "vendor"}
)
ALONE = "web"
"""What the app of a project with one is called."""


@dataclass(frozen=True, slots=True)
class Seen:
    """An app that was found.

    Args:
        folder: Relative to the project, `.` for the project's own.
        manifests: Of its stacks, the one that runs it first.
        start: How it is started; None where that cannot be seen.
        processes: Commands of its Procfile.
    """

    name: str
    folder: str
    manifests: tuple[Manifest, ...]
    start: Start | None
    processes: Mapping[str, str]

    @property
    def file(self) -> str:
        """The file that told of it, relative to the project."""
        return self.path(self.manifests[0])

    def path(self, manifest: Manifest) -> str:
        """A manifest's file, relative to the project."""
        return manifest.file if self.folder == "." else f"{self.folder}/{manifest.file}"


def find(root: Path, entries: Catalog) -> tuple[Seen, ...]:
    """The apps of the project in `root`."""
    own = _seen(root, root, ALONE, entries)
    if own is not None and (own.start is not None or own.processes):
        return (own,)
    below = tuple(_below(root, entries))
    return below or ((own,) if own is not None else ())


def _below(root: Path, entries: Catalog) -> Iterator[Seen]:
    """Those of which it is known how they start: the others may be libraries."""
    known: set[str] = set()
    for folder in (path for place in PLACES for path in sorted(root.glob(place))):
        name = units.label(folder.name)
        hidden = folder.name in IGNORED or folder.name.startswith(".") or folder.is_symlink()
        if hidden or not folder.is_dir() or not name or name in known:
            continue
        seen = _seen(root, folder, name, entries)
        if seen is not None and seen.start is not None:
            known.add(name)
            yield seen


def _seen(root: Path, folder: Path, name: str, entries: Catalog) -> Seen | None:
    found = manifests.find(folder)
    if not found:
        return None
    starts = [frameworks.find(folder, manifest, entries) for manifest in found]
    first = next((at for at, start in enumerate(starts) if start is not None), 0)
    # A second stack is there for what it installs: a Django project with a package.json for its styles.
    further = (one for at, one in enumerate(found) if at != first and one.libraries and one.setup)
    where = folder.relative_to(root).as_posix()
    return Seen(name, where, (found[first], *further), starts[first], procfile.read(folder))
