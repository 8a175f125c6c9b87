"""Reads a file as it was at one moment, or says that there was none."""

from __future__ import annotations

import errno
import os
import stat
import sys
import time
from collections.abc import Iterator

from devenv.sync.entries import Seen
from devenv.sync.swaps import seen_of, signature_of

_PIECE = 256 << 10


class Unsteady(Exception):
    """A file changed while it was read."""


class Content:
    """A file as it was at one moment; leaving the context closes it.

    Args:
        seen: Of the file that was opened.
        data: All of it, when it is small.
        settled: Whether any later write changes the signature. The system's clock of files ticks every few
            milliseconds, so one right after the read may not: then the signature is none to remember.
    """

    def __init__(self, seen: Seen, data: bytes | None, settled: bool, descriptor: int | None = None) -> None:
        self.seen = seen
        self.data = data
        self.settled = settled
        self._descriptor = descriptor

    def __enter__(self) -> Content:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def chunks(self) -> Iterator[bytes]:
        """The content in pieces, once.

        Raises:
            Unsteady: At the end, when it was written to meanwhile.
        """
        if self.data is not None:
            yield self.data
        elif self._descriptor is not None:
            yield from self._pieces(self._descriptor)

    def close(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _pieces(self, descriptor: int) -> Iterator[bytes]:
        # Not until its end: a log that grows faster than it is read has none.
        left = self.seen.size
        while left and (piece := os.read(descriptor, min(left, _PIECE))):
            left -= len(piece)
            yield piece
        if seen_of(os.fstat(descriptor)).signature != self.seen.signature:
            raise Unsteady


def read(descriptor: int, limit: int) -> Content | None:
    """Read an opened file up to `limit` bytes, or leave a larger one open; None when it changes meanwhile.

    Raises:
        FileNotFoundError: It is no regular file.
    """
    is_handed_on = False
    try:
        now = clock_of_files()
        before = os.fstat(descriptor)
        if not stat.S_ISREG(before.st_mode):
            raise FileNotFoundError(errno.ENOENT, "no regular file")
        seen, is_settled = seen_of(before), before.st_ctime_ns < now
        if before.st_size > limit:
            is_handed_on = True
            return Content(seen, None, is_settled, descriptor)
        data = os.read(descriptor, before.st_size + 1)
        if len(data) != before.st_size or not _is_unchanged(before, os.fstat(descriptor)):
            return None
        return Content(seen, data, is_settled)
    finally:
        if not is_handed_on:
            os.close(descriptor)


def read_seen(descriptor: int, seen: Seen, now: int) -> bytes | None:
    """All of an opened file, which is closed; None when it is not, or may not be, as it was seen to be.

    Args:
        now: What the clock of files said before it was opened.
    """
    try:
        data = os.read(descriptor, seen.size + 1)
        after = os.fstat(descriptor)
    finally:
        os.close(descriptor)
    changed = after.st_ctime_ns
    is_same = changed < now and len(data) == seen.size and signature_of(after, changed) == seen.signature
    return data if is_same else None


def _is_unchanged(before: os.stat_result, after: os.stat_result) -> bool:
    return (before.st_size, before.st_mtime_ns, before.st_ctime_ns) == (
        after.st_size,
        after.st_mtime_ns,
        after.st_ctime_ns,
    )


def clock_of_files() -> int:
    """Nanoseconds since 1970, no later than the time a change gets that is made now."""
    # On Linux CLOCK_REALTIME_COARSE, which Python has no name for.
    return time.clock_gettime_ns(5) if sys.platform == "linux" else time.time_ns()
