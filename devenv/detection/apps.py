"""Finds a project's apps: its own folder, or several below it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from devenv.catalog import Catalog
from devenv.config import units
from devenv.detection import frameworks, manifests, procfile
from devenv.detection.frameworks import Start
from devenv.detection.hints import Hint
from devenv.detection.manifests import Manifest
from devenv.values import dataclass

PLACES = ("*", "apps/*", "services/*", "packages/*")
"""Where the apps of a repository with several are."""
IGNORED = frozenset(
    {"build", "dist", "doc", "docs", "e2e", "examples", "node_modules", "scripts", "test", "tests", "vendor"}
)
ALONE = "web"
"""What the app of a project with one is called."""
PORT = 8000
"""Of an app that tells of none."""
PHP_PORT = 8000


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


def find(root: Path, entries: Catalog, told: Sequence[Hint] = ()) -> tuple[Seen, ...]:
    """The apps of the project in `root`.

    Args:
        told: What goes where the apps' own files are silent.
    """
    own = _seen(root, root, ALONE, entries)
    if own is not None and (own.start is not None or own.processes):
        return (_advised(own, told),)
    below = tuple(_versioned(one, told) for one in _below(root, entries))
    return below or tuple(_advised(one, told) for one in (own or _supposed(told),) if one is not None)


def _supposed(told: Sequence[Hint]) -> Seen | None:
    """The app of a project of which only another tool's file says what it is written in."""
    for hint in told:
        first = next((stack for stack in hint.stacks), None)
        if first is not None:
            return Seen(ALONE, ".", (Manifest(first, hint.file, frozenset()),), None, {})
    return None


def _advised(app: Seen, told: Sequence[Hint]) -> Seen:
    """The project's own app with all that is known of it from elsewhere."""
    start = app.start
    for hint in told:
        if start is None and hint.docroot and app.manifests[0].stack == "php":
            start = Start("PHP", f"php -S 0.0.0.0:{PHP_PORT} -t ./{hint.docroot}", PHP_PORT)
        if start is None and hint.run and not app.processes:
            start = Start(f"as {hint.file} says", hint.run, hint.port or PORT, is_sure=hint.port is not None)
        if start is not None and not start.is_sure and hint.port is not None:
            start = replace(start, port=hint.port, is_sure=True)
    return _versioned(replace(app, start=start), told)


def _versioned(app: Seen, told: Sequence[Hint]) -> Seen:
    """An app whose stacks have the versions that others name, where its own files name none."""

    def version(manifest: Manifest) -> str | None:
        named = (hint.stacks.get(manifest.stack) for hint in told)
        return manifest.version or next((one for one in named if one is not None), None)

    return replace(app, manifests=tuple(replace(one, version=version(one)) for one in app.manifests))


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
