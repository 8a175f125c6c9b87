"""Brings out new files, very many of them at a time: what a build or an installer makes inside.

The counterpart of `devenv.sync.additions`: of a file that only the volume has, nothing is to be decided either.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping

from devenv.sync import rules
from devenv.sync.base import Agreed, Base, State
from devenv.sync.disk import Disk, Refused
from devenv.sync.entries import Seen
from devenv.sync.facts import Again
from devenv.sync.inner import Answer, Inner

SMALL = 64 << 10
"""Bytes up to which a file comes with others."""
MESSAGE = 256 << 10
"""Bytes of content that are asked for at once."""
GROUP = 128
"""Files that are asked for at once."""
AHEAD = 2
"""Messages that the agent prepares while one is written here."""


class Arrivals:
    """Used by the session's thread alone.

    Args:
        again: See `Facts`.
        settled: Told each path that is equal now.
    """

    def __init__(self, disk: Disk, inner: Inner, base: Base, *, again: Again, settled: Callable[[str], None]) -> None:
        self._disk = disk
        self._inner = inner
        self._base = base
        self._again = again
        self._settled = settled
        self._left: set[str] = set()

    def among(self, host: Mapping[str, Seen | None], inner: Mapping[str, Seen | None]) -> dict[str, Seen]:
        """The paths that are files to be brought out.

        Args:
            host: What the host has.
            inner: What the volume was seen to have.
        """
        agreed, left = self._base.paths, self._left
        found = {}
        for path, seen in inner.items():
            if seen is None or seen.kind != "file" or seen.size > SMALL or path in agreed:
                continue
            if path not in host or host[path] is not None:
                continue
            if path in left:
                left.discard(path)
            elif not rules.is_protected(path):
                found[path] = seen
        # Where names that differ in case are one, each has to be compared with all.
        return {} if found and self._disk.folds_case else found

    def make(self, files: Mapping[str, Seen]) -> None:
        """Write them on the host."""
        asked: list[str] = []
        length = 0
        for path in sorted(files):
            if asked and (len(asked) == GROUP or length + files[path].size > MESSAGE):
                self._ask(asked)
                asked, length = [], 0
            asked.append(path)
            length += files[path].size
        if asked:
            self._ask(asked)
        self._inner.wait()

    def _ask(self, paths: Iterable[str]) -> None:
        self._inner.fetch(paths, self._fetched)
        self._inner.wait(AHEAD)

    def _fetched(self, answer: Answer) -> None:
        start = 0
        for path, seen in answer.records:
            if seen is None or seen.kind != "file":
                self._leave(path)
                continue
            data = answer.data[start : start + seen.size]
            start += seen.size
            try:
                here = self._disk.create(path, data, mode=seen.mode, mtime=seen.mtime)
            except (OSError, Refused):
                self._leave(path)
                continue
            state = State("file", seen.mode, hashlib.sha256(data).digest())
            self._base.set(path, Agreed(state, here.signature, seen.signature))
            self._settled(path)

    def _leave(self, path: str) -> None:
        """Let it come up again as any other path does, which also tells why it cannot be written."""
        self._left.add(path)
        self._again(path, 0)
