"""The host's hand: lists, reads and conditionally changes what is below one folder, and never leaves it.

Every access walks from that folder's descriptor part by part and follows no link, so no link put anywhere at any moment
leads out. No descriptor of a folder is kept from one access to the next: it would go on working, and tell of the
wrong folder, when the folder is moved away and another takes its place.
"""

from __future__ import annotations

import errno
import os
import stat
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path

from devenv.sync import content, renames
from devenv.sync.content import Content as Content
from devenv.sync.content import Unsteady as Unsteady
from devenv.sync.entries import TEMPORARY, Seen
from devenv.sync.swaps import Refused as Refused
from devenv.sync.swaps import Spot, Swaps, expected, seen_of, settled, temporary_name

Entries = list[tuple[str, Seen]]
Names = list[str]
Enter = Callable[[str, bool], bool]

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# A pipe nobody writes to must not hang the open, nor a terminal become ours.
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC

_ATTEMPTS = 5
_LEFT_BEHIND = 3600
"""Seconds after which a temporary file is one of a process that was killed."""


class Stage:
    """A temporary file that is to be put in place; leaving the context discards what was not."""

    def __init__(self, spot: Spot) -> None:
        self.spot = spot
        self.descriptor = os.open(spot.name, _NEW, 0o600, dir_fd=spot.folder)
        self._is_open = True

    def __enter__(self) -> Stage:
        return self

    def __exit__(self, *_: object) -> None:
        self.discard()

    def write(self, data: bytes) -> None:
        _write(self.descriptor, data)

    def discard(self) -> None:
        if self._is_open:
            self._is_open = False
            self.spot.unlink()
            os.close(self.descriptor)
            os.close(self.spot.folder)


class Disk:
    """One folder of the host, and nothing outside it.

    Paths that are not plainly below it are a ValueError. Changes raise Refused when something else is there than
    expected, FileNotFoundError when the parent folder is missing, and any other OSError as it comes.
    """

    def __init__(
        self,
        root: Path,
        *,
        exchange: renames.Rename = renames.exchange,
        move_exclusively: renames.Rename = renames.move_exclusively,
    ) -> None:
        self._path = root
        self._root = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self._swaps = Swaps(exchange, move_exclusively)

    def close(self) -> None:
        os.close(self._root)

    def is_there(self) -> bool:
        """Whether the folder's path still leads to the folder that was opened."""
        try:
            return os.path.samestat(self._path.stat(), os.fstat(self._root))
        except (FileNotFoundError, NotADirectoryError):
            return False

    @cached_property
    def folds_case(self) -> bool:
        """Whether the file system takes `a` and `A` for one name."""
        probe = Spot(self._root, f"{temporary_name()}a")
        try:
            os.close(os.open(probe.name, _NEW, 0o600, dir_fd=self._root))
        except OSError:
            return sys.platform == "darwin"
        try:
            return probe.named(probe.name[:-1] + "A").stat() is not None
        finally:
            probe.unlink()

    def look(self, path: str) -> Seen | None:
        """What is at a path, a link itself; None when nothing is, or nothing can be reached without a link."""
        if not path:
            return seen_of(os.fstat(self._root))
        try:
            with self._spot(path) as spot:
                return spot.look()
        except FileNotFoundError:
            return None

    def walk(
        self, path: str, enter: Enter, *, unreadable: Callable[[str, OSError], None] | None = None
    ) -> Iterator[tuple[str, Seen]]:
        """Everything below a folder, parents before children.

        Args:
            path: The folder; it is left out itself.
            enter: Path and whether it is a folder; false leaves out the entry and what is below it.
            unreadable: Told of a folder that cannot be listed; what is below it is unknown, not gone. Without this it
                is raised.
        """
        waiting = [path]
        while waiting:
            folder = waiting.pop()
            try:
                entries = self._entries(folder, enter)
            except OSError as error:
                if unreadable is None:
                    raise
                unreadable(folder, error)
                continue
            yield from entries
            waiting += [below for below, seen in entries if seen.kind == "folder"]

    def read(self, path: str, limit: int = 1 << 20) -> Content:
        """Read a file up to `limit` bytes, or open a larger one for its `chunks`.

        Raises:
            FileNotFoundError: It is gone, or no regular file.
            Unsteady: It was written to each time it was read.
        """
        with self._spot(path) as spot:
            return _read(spot, limit)

    def look_all(self, paths: Iterable[str]) -> dict[str, Seen | None]:
        """`look` at many paths, each folder opened once."""
        found: dict[str, Seen | None] = {}
        for folder, inside in _by_folder(paths).items():
            try:
                with self._kept(folder) as opened:
                    found |= {path: Spot(opened, path.rpartition("/")[2]).look() for path in inside}
            except (Unsteady, FileNotFoundError):
                found |= {path: self.look(path) for path in inside}
        return found

    def read_all(self, paths: Iterable[str], limit: int = 1 << 20) -> dict[str, Content | OSError | Unsteady]:
        """`read` many files, each folder opened once; what `read` would raise stands in the place of the content."""
        found: dict[str, Content | OSError | Unsteady] = {}
        for folder, inside in _by_folder(paths).items():
            read: dict[str, Content | OSError | Unsteady] = {}
            try:
                with self._kept(folder) as opened:
                    read = {path: _tried(Spot(opened, path.rpartition("/")[2]), limit) for path in inside}
            except (Unsteady, OSError) as error:
                for one in read.values():
                    if isinstance(one, Content):
                        one.close()
                read = dict.fromkeys(inside, error)
            found |= read
        return found

    def read_seen(self, folder: str, files: Iterable[tuple[str, Seen]]) -> dict[str, bytes]:
        """The contents of small files in a folder, by name; of those only that are as they were seen, for certain."""
        found = {}
        try:
            with self._kept(folder) as opened:
                now = content.clock_of_files()
                for name, seen in files:
                    data = content.read_seen(os.open(name, _FILE, dir_fd=opened), seen, now)
                    if data is not None:
                        found[name] = data
        except (Unsteady, OSError):
            return {}
        return found

    @contextmanager
    def _kept(self, folder: str) -> Iterator[int]:
        """A folder kept open for several accesses.

        Raises:
            Unsteady: In the end another folder has that path: what was seen in this one is not what was asked for.
        """
        opened = self._open(folder) if folder else os.dup(self._root)
        try:
            yield opened
            if not self._leads_to(folder, opened):
                raise Unsteady
        finally:
            os.close(opened)

    def _leads_to(self, folder: str, opened: int) -> bool:
        try:
            again = self._open(folder)
        except OSError:
            return False
        try:
            return os.path.samestat(os.fstat(again), os.fstat(opened))
        finally:
            os.close(again)

    def create(self, path: str, data: bytes, *, mode: int, mtime: int) -> Seen:
        """Make a file where nothing is; otherwise as `stage` and `put`."""
        with self._spot(path) as spot:
            mine = spot.named(temporary_name())
            descriptor = os.open(mine.name, _NEW, 0o600, dir_fd=mine.folder)
            try:
                _write(descriptor, data)
                return self._place(descriptor, mine, spot, None, mode, mtime)
            except BaseException:
                mine.unlink()
                raise
            finally:
                os.close(descriptor)

    def stage(self, folder: str) -> Stage:
        """Make a temporary file in a folder."""
        opened = self._open(folder)
        try:
            return Stage(Spot(opened, temporary_name()))
        except BaseException:
            os.close(opened)
            raise

    def put(self, path: str, stage: Stage, *, expect: str | None, mode: int, mtime: int) -> Seen:
        """Put a staged file in place; when it is refused, the stage can be put elsewhere.

        Args:
            path: In the folder of the stage.
            stage: Of which nothing is left afterwards but to discard it.
            expect: Signature of the file or link it replaces; None: nothing may be there.
            mode: Permission bits.
            mtime: Nanoseconds since 1970.
        """
        with self._spot(path) as spot:
            return self._place(stage.descriptor, stage.spot, spot, expect, mode, mtime)

    def _place(self, descriptor: int, mine: Spot, spot: Spot, expect: str | None, mode: int, mtime: int) -> Seen:
        os.fchmod(descriptor, mode & 0o777)
        os.utime(descriptor, ns=(mtime, mtime))
        before = os.fstat(descriptor)
        # No fsync, for speed: what a power cut takes here is still on the other side.
        self._swaps.place(mine, spot, expect)
        return settled(before, os.fstat(descriptor))

    def make_folder(self, path: str, mode: int) -> Seen:
        with self._spot(path) as spot:
            try:
                os.mkdir(spot.name, 0o700, dir_fd=spot.folder)
            except FileExistsError:
                raise Refused(spot.look()) from None
            descriptor = os.open(spot.name, _FOLDER, dir_fd=spot.folder)
            try:
                os.fchmod(descriptor, mode & 0o777)
                return seen_of(os.fstat(descriptor))
            finally:
                os.close(descriptor)

    def make_link(self, path: str, target: str, *, expect: str | None) -> Seen:
        """Make a link, or replace the file or link of a signature by it."""
        with self._spot(path) as spot:
            mine = spot.named(temporary_name())
            os.symlink(target, mine.name, dir_fd=mine.folder)
            try:
                before = os.stat(mine.name, dir_fd=mine.folder, follow_symlinks=False)
                self._swaps.place(mine, spot, expect)
            except BaseException:
                mine.unlink()
                raise
            return settled(before, spot.stat(), target)

    def remove(self, path: str, *, expect: str) -> None:
        """Remove a file, a link or an empty folder; nothing there is fine."""
        try:
            with self._spot(path) as spot:
                there = spot.look()
                if there is None or there.kind != "folder":
                    self._swaps.remove(spot, expect)
                elif there.signature != expect or not self._remove_folder(path, spot):
                    raise Refused(there)
        except FileNotFoundError:
            return

    def set_mode(self, path: str, mode: int, *, expect: str) -> Seen:
        """Change the permission bits of a file or folder."""
        with self._spot(path) as spot:
            if stat.S_ISLNK(expected(spot, expect).st_mode):
                raise Refused(spot.look())
            descriptor = _open_any(spot)
            try:
                before = os.fstat(descriptor)
                if seen_of(before).signature != expect:
                    raise Refused(spot.look())
                _change_mode(descriptor, mode & 0o777)
                return _with_mode(before, os.fstat(descriptor))
            finally:
                os.close(descriptor)

    def move(self, source: str, target: str, *, expect: str) -> Seen:
        """Move anything, a folder with all that is in it, to where nothing is."""
        with self._spot(source) as old, self._spot(target) as new:
            return self._swaps.move(old, new, expect)

    def sweep(self, path: str) -> int:
        """Remove temporary files that a killed process left in a folder long ago; say how many there were."""
        try:
            folder = self._open(path)
        except FileNotFoundError:
            return 0
        try:
            names = os.listdir(folder)  # noqa: PTH208 -- of a descriptor
            return sum(_sweep(Spot(folder, name)) for name in names if name.startswith(TEMPORARY))
        finally:
            os.close(folder)

    def _open(self, path: str) -> int:
        """Open a folder, following no link; a parent that is none is a FileNotFoundError, too."""
        return self._descend(_parts(path) if path else ["."])

    def _spot(self, path: str) -> Spot:
        *folders, name = _parts(path)
        return Spot(self._descend(folders or ["."]), name)

    def _descend(self, folders: Iterable[str]) -> int:
        opened = self._root
        for folder in folders:
            outer = opened
            try:
                opened = os.open(folder, _FOLDER, dir_fd=outer)
            except OSError as error:
                raise _as_missing(error, errno.ENOTDIR, errno.ELOOP) from None
            finally:
                if outer != self._root:
                    os.close(outer)
        return opened

    def _entries(self, path: str, enter: Enter) -> Entries:
        try:
            opened = self._open(path)
        except FileNotFoundError:
            return []
        try:
            return _listed(opened, f"{path}/" if path else "", enter)
        finally:
            os.close(opened)

    def _remove_folder(self, path: str, spot: Spot) -> bool:
        for is_swept in (False, True):
            try:
                os.rmdir(spot.name, dir_fd=spot.folder)
                return True
            except OSError as error:
                if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                    raise
            if not is_swept and not self.sweep(path):
                break
        return False


def _parts(path: str) -> list[str]:
    parts = path.split("/")
    # C's functions take what is before a zero byte for the whole name.
    if "" in parts or "." in parts or ".." in parts or "\0" in path:
        raise ValueError(f"no path below the folder: {path!r}")
    return parts


def _by_folder(paths: Iterable[str]) -> dict[str, Names]:
    folders: dict[str, Names] = {}
    for path in paths:
        _parts(path)
        folders.setdefault(path.rpartition("/")[0], []).append(path)
    return folders


def _as_missing(error: OSError, *codes: int) -> OSError:
    return FileNotFoundError(errno.ENOENT, error.strerror, error.filename) if error.errno in codes else error


def _listed(folder: int, prefix: str, enter: Enter) -> Entries:
    entries: Entries = []
    with os.scandir(folder) as scanned:
        for entry in scanned:
            name = entry.name
            path = prefix + name
            if name.startswith(TEMPORARY) or not enter(path, entry.is_dir(follow_symlinks=False)):
                continue
            try:
                there = entry.stat(follow_symlinks=False)
            except FileNotFoundError:
                continue
            seen = Spot(folder, name).look() if stat.S_ISLNK(there.st_mode) else seen_of(there)
            if seen is not None:
                entries.append((path, seen))
    return entries


def _open_file(spot: Spot) -> int:
    try:
        return os.open(spot.name, _FILE, dir_fd=spot.folder)
    except OSError as error:
        # A link, or a socket.
        raise _as_missing(error, errno.ELOOP, errno.ENXIO, errno.EOPNOTSUPP) from None


def _write(descriptor: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def _tried(spot: Spot, limit: int) -> Content | OSError | Unsteady:
    try:
        return _read(spot, limit)
    except (OSError, Unsteady) as error:
        return error


def _read(spot: Spot, limit: int) -> Content:
    for _ in range(_ATTEMPTS):
        if found := content.read(_open_file(spot), limit):
            return found
    raise Unsteady


def _open_any(spot: Spot) -> int:
    """Open a file or folder for its mode to be changed, on Linux even one that must not be read."""
    if sys.platform == "linux":
        return os.open(spot.name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=spot.folder)
    return os.open(spot.name, _FILE, dir_fd=spot.folder)


def _change_mode(descriptor: int, mode: int) -> None:
    if sys.platform == "linux":
        # What was opened by O_PATH has its mode changed by this name alone.
        Path(f"/proc/self/fd/{descriptor}").chmod(mode)
    else:
        os.fchmod(descriptor, mode)


def _with_mode(before: os.stat_result, after: os.stat_result) -> Seen:
    """What has its mode changed; by the old signature when somebody wrote to it at once, so that this is seen later."""
    was_written = (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns)
    return seen_of(before if was_written and not stat.S_ISDIR(after.st_mode) else after)


def _sweep(spot: Spot) -> bool:
    there = spot.stat()
    if there is None or stat.S_ISDIR(there.st_mode) or time.time() - there.st_ctime < _LEFT_BEHIND:
        return False
    spot.unlink()
    return True
