"""The snapshots of a checkout: a folder each in `.devenv/snapshots/`, which is there as a whole or not at all."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

from devenv import catalog, files, render
from devenv.errors import UsageError
from devenv.model.progress import Progress, Report
from devenv.model.snapshot import Part, Snapshot, Stream
from devenv.snapshots import form, packing
from devenv.toml import printable
from devenv.values import dataclass

FOLDER = ".devenv/snapshots"


@dataclass(frozen=True, slots=True)
class Source:
    """A snapshot that can be read, wherever it is.

    Args:
        what: For people: ``snapshot `base` ``.
        open: Opens a stream's packed bytes.
    """

    snapshot: Snapshot
    what: str
    open: Callable[[Stream], BinaryIO]


def check_name(name: str) -> None:
    """Refuse what cannot name a snapshot.

    Raises:
        UsageError: With what can.
    """
    if form.NAME.fullmatch(name) is None:
        hint = "lower-case letters, digits, `.`, `_` and `-`, a letter or digit first"
        raise UsageError(f"`{printable(name)}` cannot name a snapshot", hint=hint)


def names(folder: Path) -> tuple[str, ...]:
    """Every snapshot of the checkout in `folder`, sorted."""
    place = folder / FOLDER
    found = (one.name for one in place.iterdir()) if place.is_dir() else ()
    return tuple(sorted(name for name in found if form.NAME.fullmatch(name)))


def find(folder: Path, name: str) -> Source:
    """Open a snapshot.

    Raises:
        UsageError: There is none of that name.
        DevenvError: Its description is damaged or gone.
    """
    path = folder / FOLDER / name
    if form.NAME.fullmatch(name) is None or not path.is_dir():
        known = names(folder)
        error = catalog.unknown("snapshot", name, known)
        raise UsageError(error.message, hint=error.hint if known else "`devenv snapshot save` makes one")
    what = f"snapshot `{name}`"
    try:
        with (path / form.FILE).open("rb") as file:
            snapshot = form.read(file.read(form.LIMIT + 1), what)
    except OSError as error:
        raise form.damaged(what, f"its `{form.FILE}` cannot be read") from error

    def opened(stream: Stream) -> BinaryIO:
        try:
            return (path / stream.file).open("rb")
        except OSError as error:
            raise form.damaged(what, f"`{stream.file}` cannot be read") from error

    return Source(replace(snapshot, name=name), what, opened)


def verify(source: Source, parts: tuple[Part, ...], report: Report) -> None:
    """See that every byte of these parts is as it was saved.

    Raises:
        DevenvError: One is not.
    """
    for part in parts:
        for stream in part.streams:
            with source.open(stream) as file:
                for _ in packing.check(file, stream, source.what, progress(report, part.name, "checking", stream.size)):
                    pass


def progress(report: Report, subject: str, action: str, total: int | None) -> packing.Moved:
    """Report bytes of a service."""
    return lambda done: report(Progress(subject, action, done, total, "bytes"))


# --- making and removing ---


class Draft:
    """A snapshot that is being written."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def source(self, snapshot: Snapshot, what: str) -> Source:
        """The snapshot to read from as long as the draft is there."""
        return Source(snapshot, what, lambda stream: (self._path / stream.file).open("rb"))

    def add(self, name: str, fill: Callable[[BinaryIO], Stream]) -> Stream:
        """Write one file; it is on the disk when this returns."""
        with (self._path / name).open("xb") as file:
            stream = fill(file)
            file.flush()
            os.fsync(file.fileno())
        return stream

    def describe(self, snapshot: Snapshot) -> None:
        """Write what the snapshot says of itself."""
        files.write(self._path / form.FILE, form.text(snapshot))
        _flush(self._path)


def refuse_taken(folder: Path, name: str) -> None:
    """Refuse a name that is not to be used, or is in use.

    Raises:
        UsageError: With the way out.
    """
    check_name(name)
    if (folder / FOLDER / name).exists():
        hint = f"choose another name, or `devenv snapshot delete {name}` first"
        raise UsageError(f"there is a snapshot `{name}` already", hint=hint)


@contextmanager
def draft(folder: Path, name: str) -> Iterator[Draft]:
    """Write a snapshot, which appears under its name when the block ends well, and leaves nothing otherwise.

    Raises:
        UsageError: The name is taken, or none.
        DevenvError: The disk is full, or the folder is not writable.
    """
    refuse_taken(folder, name)
    place = folder / FOLDER
    with files.named(place), _begun(folder, name) as path:
        yield Draft(path)
        try:
            path.rename(place / name)
        except OSError:
            refuse_taken(folder, name)
            raise
        _flush(place)


@contextmanager
def passing(folder: Path, name: str) -> Iterator[Draft]:
    """Write a snapshot that is only there as long as the block lasts.

    Raises:
        DevenvError: The disk is full, or the folder is not writable.
    """
    with _begun(folder, name) as path:
        yield Draft(path)


@contextmanager
def _begun(folder: Path, name: str) -> Iterator[Path]:
    """A folder to write a snapshot in, gone afterwards unless it has another name by then."""
    place = folder / FOLDER
    with files.named(place):
        files.write(folder / ".devenv" / ".gitignore", render.IGNORED)
        place.mkdir(parents=True, exist_ok=True)
        path, held = _begin(place, name)
    try:
        yield path
    finally:
        try:
            shutil.rmtree(path, ignore_errors=True)
        finally:
            os.close(held)


def delete(folder: Path, name: str) -> None:
    """Remove a snapshot, at once as a whole.

    Raises:
        UsageError: There is none of that name.
    """
    place = folder / FOLDER
    if name not in names(folder):
        find(folder, name)
    with files.named(place):
        away, held = _begin(place, name)
        try:
            (place / name).rename(away / name)
            shutil.rmtree(away)
        finally:
            os.close(held)


def sweep(folder: Path) -> None:
    """Remove what those left behind who were killed while they wrote or removed a snapshot."""
    place = folder / FOLDER
    for path in place.glob(".*") if place.is_dir() else ():
        with suppress(OSError):
            held = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
            try:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(path)
            finally:
                os.close(held)


def _begin(place: Path, name: str) -> tuple[Path, int]:
    """A hidden folder, held by a lock that ends with this process; a sweep may come before the lock, so look again."""
    while True:
        path = Path(tempfile.mkdtemp(prefix=f".{name}.", dir=place))
        held = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        with suppress(BlockingIOError, FileNotFoundError):
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if path.stat().st_ino == os.fstat(held).st_ino:
                return path, held
        os.close(held)


def _flush(folder: Path) -> None:
    """See that a folder's names are on the disk."""
    held = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(held)
    finally:
        os.close(held)
