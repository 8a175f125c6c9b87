"""What the two sides last agreed on, path by path; it outlives the process."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from devenv.errors import DevenvError
from devenv.sync.entries import Kind

_SCHEMA = """
CREATE TABLE IF NOT EXISTS agreed (
  path BLOB PRIMARY KEY, kind TEXT, mode INTEGER, digest BLOB, host TEXT, inner TEXT
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS told (name TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID;
"""


class State(NamedTuple):
    """What a path is, the same on every side.

    Args:
        mode: Permission bits; 0 for a link.
        digest: SHA-256 of a file's content, a link's target, nothing for a folder.
    """

    kind: Kind
    mode: int
    digest: bytes


class Agreed(NamedTuple):
    """An agreement on a path.

    Args:
        host: The host's signature of it; empty when the agreement is that it is not there.
        inner: The volume's, likewise.
    """

    state: State
    host: str
    inner: str


class Base:
    """All agreements of one folder and one volume.

    What is set or dropped is in effect at once, and on disk after `commit`. An agreement that was lost, in a power cut,
    makes the next look at its path dearer and never wrong: without one nothing is deleted or overwritten.

    Args:
        file: Where they are kept; one that is damaged is begun anew.
    """

    def __init__(self, file: Path) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        self._file = file
        try:
            self._open()
        except sqlite3.DatabaseError:
            for name in (file, Path(f"{file}-wal"), Path(f"{file}-shm")):
                name.unlink(missing_ok=True)
            self._open()

    def _open(self) -> None:
        # One thread at a time uses it: the session's own.
        self._connection = sqlite3.connect(self._file, isolation_level=None, check_same_thread=False)
        # In this mode a commit is a write without a flush, and what a power cut leaves is whole but may be older.
        self._connection.execute("PRAGMA journal_mode=WAL")
        self._connection.execute("PRAGMA synchronous=NORMAL")
        self._connection.executescript(_SCHEMA)
        rows = self._connection.execute("SELECT path, kind, mode, digest, host, inner FROM agreed")
        self._paths = {
            os.fsdecode(path): Agreed(State(kind, mode, digest), host, inner)
            for path, kind, mode, digest, host, inner in rows
        }
        self._told: dict[str, str] = dict(self._connection.execute("SELECT name, value FROM told"))
        self._changed: set[str] = set()

    @property
    def paths(self) -> Mapping[str, Agreed]:
        """The agreements by path; to be read only."""
        return self._paths

    def __len__(self) -> int:
        return len(self._paths)

    def get(self, path: str) -> Agreed | None:
        return self._paths.get(path)

    def set(self, path: str, agreed: Agreed) -> None:
        if self._paths.get(path) != agreed:
            self._paths[path] = agreed
            self._changed.add(path)

    def drop(self, path: str) -> None:
        if self._paths.pop(path, None) is not None:
            self._changed.add(path)

    def below(self, folder: str) -> Iterator[str]:
        """Every path below a folder, without itself."""
        prefix = f"{folder}/" if folder else ""
        return iter([path for path in self._paths if path.startswith(prefix)])

    def has_shared_below(self, folder: str) -> bool:
        """Whether anything below a folder is agreed to be on both sides."""
        below = (self._paths[path] for path in self.below(folder))
        return any(agreed.host and agreed.inner for agreed in below)

    def move(self, source: str, target: str) -> None:
        """Give what is at and below `source` the place `target`."""
        for path in (source, *self.below(source)):
            agreed = self._paths.pop(path, None)
            if agreed is not None:
                self._changed.add(path)
                self.set(target + path[len(source) :], agreed)

    def told(self, name: str) -> str | None:
        """A note that was kept with the agreements."""
        return self._told.get(name)

    def tell(self, name: str, value: str) -> None:
        """Keep a note; it is on disk at once."""
        self._told[name] = value
        with self._transaction():
            self._connection.execute("INSERT OR REPLACE INTO told VALUES (?, ?)", (name, value))

    def clear(self) -> None:
        """Drop every agreement and note."""
        self._paths.clear()
        self._told.clear()
        self._changed.clear()
        with self._transaction():
            self._connection.execute("DELETE FROM agreed")
            self._connection.execute("DELETE FROM told")

    def commit(self) -> None:
        """Write what changed to disk, all of it or nothing.

        Raises:
            DevenvError: The disk is full, or fails.
        """
        if not self._changed:
            return
        gone = [(os.fsencode(path),) for path in self._changed if path not in self._paths]
        rows = [
            (os.fsencode(path), *agreed.state, agreed.host, agreed.inner)
            for path in self._changed
            if (agreed := self._paths.get(path)) is not None
        ]
        with self._transaction():
            self._connection.executemany("DELETE FROM agreed WHERE path = ?", gone)
            self._connection.executemany("INSERT OR REPLACE INTO agreed VALUES (?, ?, ?, ?, ?, ?)", rows)
        self._changed.clear()

    def close(self) -> None:
        """Write what changed and let go of the file."""
        try:
            self.commit()
        finally:
            self._connection.close()

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        try:
            self._connection.execute("BEGIN")
            yield
            self._connection.execute("COMMIT")
        except sqlite3.Error as error:
            with suppress(sqlite3.Error):  # some failures end the transaction by themselves
                self._connection.execute("ROLLBACK")
            raise DevenvError(f"cannot write `{self._file}`: {error}") from error
