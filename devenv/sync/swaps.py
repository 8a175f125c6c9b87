"""Changes names in opened folders on condition: what is there is as expected, or nothing is changed.

Looking first is not enough: somebody may save the file between the look and the rename. So what was there is taken
away under a temporary name in one step, looked at once more, and put back when it is not what was expected.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import stat

from devenv.sync import renames
from devenv.sync.entries import TEMPORARY, Kind, Seen
from devenv.values import dataclass

_KINDS: dict[int, Kind] = {stat.S_IFREG: "file", stat.S_IFDIR: "folder", stat.S_IFLNK: "link"}


class Refused(Exception):
    """Something else is there than was expected; nothing was changed.

    Args:
        seen: What is there.
    """

    def __init__(self, seen: Seen | None) -> None:
        super().__init__("nothing is there" if seen is None else f"a {seen.kind} with signature {seen.signature}")
        self.seen = seen


@dataclass(frozen=True, slots=True)
class Spot:
    """A name in an opened folder; leaving the context closes the folder."""

    folder: int
    name: str

    def __enter__(self) -> Spot:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self.folder)

    def stat(self) -> os.stat_result | None:
        """What is there itself, a link not followed."""
        try:
            return os.stat(self.name, dir_fd=self.folder, follow_symlinks=False)
        except FileNotFoundError:
            return None

    def look(self) -> Seen | None:
        while there := self.stat():
            if not stat.S_ISLNK(there.st_mode):
                return seen_of(there)
            # It may have become something else by now: then look again.
            with contextlib.suppress(OSError):
                return seen_of(there, os.readlink(self.name, dir_fd=self.folder))
        return None

    def named(self, name: str) -> Spot:
        """Another name in the same folder."""
        return Spot(self.folder, name)

    def unlink(self) -> None:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.name, dir_fd=self.folder)


def temporary_name() -> str:
    """A name nobody has, never listed."""
    return TEMPORARY + os.urandom(8).hex()


def seen_of(there: os.stat_result, target: str = "", *, changed: int | None = None) -> Seen:
    """What the system says, as an entry; `changed` stands in for the time of change it says."""
    mode, inode, size, mtime = there.st_mode, there.st_ino, there.st_size, there.st_mtime_ns
    kind = _KINDS.get(mode & 0o170000, "other")
    if kind == "folder":
        return Seen(kind, mode & 0o777, 0, mtime, f"{inode}.{mode}", inode)
    signature = signature_of(there, there.st_ctime_ns if changed is None else changed)
    return Seen(kind, mode & 0o777, size if kind == "file" else 0, mtime, signature, inode, target)


def signature_of(there: os.stat_result, changed: int) -> str:
    """The signature of anything but a folder; `changed` is its time of change."""
    return f"{there.st_ino}.{there.st_size}.{there.st_mtime_ns}.{changed}.{there.st_mode}"


def settled(before: os.stat_result, after: os.stat_result | None, target: str = "") -> Seen:
    """What we made, after its rename.

    A rename changes the time of change, which is all that is believed of `after`: somebody may have written to it
    since, and a signature that takes this in would pass their content off as agreed upon.
    """
    ours = after is not None and after.st_ino == before.st_ino
    return seen_of(before, target, changed=after.st_ctime_ns if after is not None and ours else None)


class Swaps:
    """Conditional changes, by the two renames given."""

    def __init__(self, exchange: renames.Rename, move_exclusively: renames.Rename) -> None:
        self._exchange = exchange
        self._move = move_exclusively

    def place(self, mine: Spot, target: Spot, expect: str | None) -> None:
        """Move `mine` to where nothing is, or in place of the file or link with a signature.

        Raises:
            Refused: `mine` is where it was.
        """
        if expect is not None:
            self._replace(mine, target, expect)
            return
        try:
            self._to(mine, target)
        except FileExistsError:
            raise Refused(target.look()) from None

    def remove(self, target: Spot, expect: str) -> None:
        """Remove the file or link with a signature; nothing there is fine."""
        there = target.stat()
        if there is None:
            return
        if seen_of(there).signature != expect:
            raise Refused(target.look())
        taken = target.named(temporary_name())
        try:
            self._to(target, taken)
        except FileNotFoundError:
            return
        if not _same(taken.stat(), there):
            self._give_back(taken, target)
            raise Refused(target.look())
        taken.unlink()

    def move(self, source: Spot, target: Spot, expect: str) -> Seen:
        """Move what has a signature to where nothing is."""
        there = expected(source, expect)
        try:
            self._to(source, target)
        except FileExistsError:
            raise Refused(target.look()) from None
        except FileNotFoundError:
            raise Refused(source.look()) from None
        moved = target.stat()
        if moved is not None and not _same(moved, there):
            with contextlib.suppress(FileExistsError, FileNotFoundError):
                self._to(target, source)
            raise Refused(source.look())
        link = target.look() if stat.S_ISLNK(there.st_mode) else None
        return settled(there, moved, link.target if link else "")

    def _replace(self, mine: Spot, target: Spot, expect: str) -> None:
        there, ours = expected(target, expect), mine.stat()
        if stat.S_ISDIR(there.st_mode):
            raise Refused(seen_of(there))
        try:
            self._exchange(mine.folder, mine.name, target.folder, target.name)
        except FileNotFoundError:
            raise Refused(target.look()) from None
        except renames.Unsupported:
            expected(target, expect)
            os.rename(mine.name, target.name, src_dir_fd=mine.folder, dst_dir_fd=target.folder)
            return
        if not _same(mine.stat(), there):
            self._exchange_back(mine, target, ours)
            raise Refused(target.look())
        mine.unlink()

    def _exchange_back(self, mine: Spot, target: Spot, ours: os.stat_result | None) -> None:
        """Return what somebody put there between look and exchange; what they put there since is kept beside it."""
        try:
            self._exchange(mine.folder, mine.name, target.folder, target.name)
        except FileNotFoundError:
            self._give_back(mine, target)
            return
        if not _same(mine.stat(), ours):
            self._keep(mine, target)

    def _give_back(self, taken: Spot, target: Spot) -> None:
        try:
            self._to(taken, target)
        except FileExistsError:
            self._keep(taken, target)

    def _keep(self, taken: Spot, target: Spot) -> None:
        # Room for the ending: a name has at most 255 bytes.
        stem = os.fsdecode(os.fsencode(target.name)[:240])
        for number in itertools.count(1):
            with contextlib.suppress(FileExistsError):
                self._to(taken, target.named(f"{stem}.kept-{number}"))
                return

    def _to(self, source: Spot, target: Spot) -> None:
        self._move(source.folder, source.name, target.folder, target.name)


def expected(spot: Spot, expect: str) -> os.stat_result:
    """What is there, if it has this signature.

    Raises:
        Refused: It has another one, or nothing is there.
    """
    there = spot.stat()
    if there is None or seen_of(there).signature != expect:
        raise Refused(spot.look())
    return there


def _same(one: os.stat_result | None, other: os.stat_result | None) -> bool:
    """The same thing with the same content; a rename changes the time of change, so that one is left out."""
    if one is None or other is None or (one.st_ino, one.st_mode) != (other.st_ino, other.st_mode):
        return False
    return stat.S_ISDIR(one.st_mode) or (one.st_size, one.st_mtime_ns) == (other.st_size, other.st_mtime_ns)
