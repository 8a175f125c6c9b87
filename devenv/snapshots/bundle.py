"""A snapshot as one file, for colleagues: a plain tar, `snapshot.json` first, its streams as they are.

Only what `write` can have written is read: each member a file of the name and size that `snapshot.json` tells, in its
order, with the header that `write` gives it. So there are no paths, links or doubles to be careful about.
"""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

from devenv import files
from devenv.errors import DevenvError, UsageError
from devenv.model.progress import Report
from devenv.model.snapshot import Snapshot, Stream
from devenv.snapshots import form, packing, store
from devenv.snapshots.store import Source
from devenv.toml import printable

SUFFIX = ".devenv-snapshot"
_BLOCK = tarfile.BLOCKSIZE
_END = 2 * _BLOCK


def write(source: Source, path: Path, report: Report) -> int:
    """Write a snapshot as one file, whole or not at all; return its size.

    Raises:
        UsageError: Something else is there.
        DevenvError: The snapshot is damaged, or the disk is full.
    """
    if path.exists() and not _is_bundle(path):
        raise UsageError(f"`{printable(str(path))}` exists and is no exported snapshot", hint="choose another name")
    text = form.text(source.snapshot).encode()

    def fill(file: BinaryIO) -> None:
        file.write(_header(form.FILE, len(text)) + text + _padding(len(text)))
        for part in source.snapshot.parts:
            for stream in part.streams:
                file.write(_header(stream.file, stream.size))
                moved = store.progress(report, part.name, "exporting", stream.size)
                with source.open(stream) as content:
                    for piece in packing.check(content, stream, source.what, moved):
                        file.write(piece)
                file.write(_padding(stream.size))
        file.write(bytes(_END))

    files.write_by(path, fill)
    return path.stat().st_size


@contextmanager
def opened(path: Path, what: str | None = None) -> Iterator[Source]:
    """Open an exported snapshot and see that it is complete; `store.verify` looks into its streams.

    Args:
        what: What to call it.

    Raises:
        DevenvError: It is not there, none, damaged or cut off.
    """
    what = what or f"`{printable(str(path))}`"
    try:
        with path.open("rb") as file:
            snapshot, places = _layout(file, what)
            yield Source(snapshot, what, lambda one: io.BufferedReader(_Slice(path, places[one.file], one.size)))
    except OSError as error:
        raise DevenvError(f"cannot read {what}: {(error.strerror or str(error)).lower()}") from error


def bring_in(source: Source, folder: Path, name: str, report: Report) -> Snapshot:
    """Make an opened one a snapshot of the checkout in `folder`, once all of it has been checked.

    Raises:
        UsageError: The name is taken.
        DevenvError: It is damaged, or the disk is full.
    """
    snapshot = replace(source.snapshot, name=name)
    with store.draft(folder, name) as draft:
        for part in snapshot.parts:
            for stream in part.streams:
                moved = store.progress(report, part.name, "importing", stream.size)
                draft.add(stream.file, lambda file, one=stream, to=moved: _copied(source, one, file, to))  # type: ignore[misc]
        draft.describe(snapshot)
    return snapshot


def _copied(source: Source, stream: Stream, file: BinaryIO, moved: packing.Moved) -> Stream:
    with source.open(stream) as content:
        for piece in packing.check(content, stream, source.what, moved):
            file.write(piece)
    return stream


def _layout(file: BinaryIO, what: str) -> tuple[Snapshot, dict[str, int]]:
    """What the file says of itself, and where each stream begins."""
    size = _member(file, form.FILE)
    if size is None or size > form.LIMIT:
        raise DevenvError(f"{what} is no exported snapshot", hint="`devenv snapshot export` makes one")
    snapshot = form.read(file.read(size), what)
    padding, places = _padding(size), {}
    for part in snapshot.parts:
        for stream in part.streams:
            if file.read(len(padding)) != padding or _member(file, stream.file) != stream.size:
                raise form.damaged(what, f"`{stream.file}` is missing or cut off")
            places[stream.file] = file.tell()
            file.seek(stream.size, io.SEEK_CUR)
            padding = _padding(stream.size)
    end = padding + bytes(_END)
    if file.read(len(end) + 1) != end:
        raise form.damaged(what, "it ends too early, or too late")
    return snapshot, places


def _member(file: BinaryIO, name: str) -> int | None:
    """Size of the member that begins here; None when it is not that one, as `_header` begins it."""
    block = file.read(_BLOCK)
    try:
        size = tarfile.TarInfo.frombuf(block, "utf-8", "strict").size
    except (tarfile.TarError, UnicodeDecodeError):
        return None
    return size if size >= 0 and block == _header(name, size) else None


def _header(name: str, size: int) -> bytes:
    entry = tarfile.TarInfo(name)
    entry.size = size
    return entry.tobuf(tarfile.GNU_FORMAT)


def _padding(size: int) -> bytes:
    return bytes(-size % _BLOCK)


def _is_bundle(path: Path) -> bool:
    if not path.is_file():
        return False
    with files.named(path), path.open("rb") as file:
        return _member(file, form.FILE) is not None


class _Slice(io.RawIOBase):
    """A part of a file, as a file of its own."""

    def __init__(self, path: Path, start: int, size: int) -> None:
        self._file = path.open("rb")
        self._file.seek(start)
        self._left = size

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # the base class takes any buffer
        data = self._file.read(min(len(buffer), self._left))
        buffer[: len(data)] = data
        self._left -= len(data)
        return len(data)

    def close(self) -> None:
        self._file.close()
        super().close()
