"""Carries new files into the volume, very many of them at a time: a first copy, a checkout, an unpacked archive.

Of a file that only the host has, nothing is to be decided. So it needs none of what other changes do: it is read once,
goes inside with many others in one message, and what cannot go so is left to be settled like any other path.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping

from devenv.sync.base import Agreed, Base, State
from devenv.sync.disk import Disk
from devenv.sync.entries import Seen
from devenv.sync.facts import Again
from devenv.sync.inner import Answer, Inner, New

SMALL = 64 << 10
"""Bytes up to which a file goes with others."""
MESSAGE = 128 << 10
"""Bytes of content from which on a message is sent."""
GROUP = 256
"""Files of one folder that are read before any of them is sent."""


class Additions:
    """Used by the session's thread alone.

    Args:
        again: See `Facts`.
        settled: Told each path that is equal now, and when the host's was last changed (see `Seen.mtime`).
        make_parents: Asked to make the folders of a path that are on the host only.
    """

    def __init__(
        self,
        disk: Disk,
        inner: Inner,
        base: Base,
        *,
        again: Again,
        settled: Callable[[str, int], None],
        make_parents: Callable[[str], None],
    ) -> None:
        self._disk = disk
        self._inner = inner
        self._base = base
        self._again = again
        self._settled = settled
        self._make_parents = make_parents
        self._direct = False
        self._files: list[New] = []
        self._agreements: list[tuple[State, str]] = []
        self._length = 0
        self._left: set[str] = set()

    def among(self, paths: Iterable[str], host: Mapping[str, Seen | None], inner: Iterable[str]) -> dict[str, Seen]:
        """The paths that are files to be added.

        Args:
            host: What the host has.
            inner: Where the volume may have something that is not agreed on.
        """
        agreed, left = self._base.paths, self._left
        found = {}
        for path in paths:
            seen = host[path]
            if seen is None or seen.kind != "file" or seen.size > SMALL or path in agreed:
                continue
            if path in left:
                left.discard(path)
            else:
                found[path] = seen
        for path in inner:
            found.pop(path, None)
        return found

    def make(self, files: Mapping[str, Seen], *, direct: bool) -> None:
        """Write them inside; what comes of it is dealt with when the answers come.

        Args:
            direct: In place: nobody reads them yet.
        """
        self._direct = direct
        folders: dict[str, list[tuple[str, Seen]]] = {}
        for path in sorted(files):
            folder, _, name = path.rpartition("/")
            folders.setdefault(folder, []).append((name, files[path]))
        for folder, entries in folders.items():
            self._make_parents(f"{folder}/" if folder else "")
            for start in range(0, len(entries), GROUP):
                self._make_in(folder, entries[start : start + GROUP])
        self._send()

    def _make_in(self, folder: str, entries: list[tuple[str, Seen]]) -> None:
        contents = self._disk.read_seen(folder, entries)
        prefix = f"{folder}/" if folder else ""
        for name, seen in entries:
            data = contents.get(name)
            if data is None:
                self._leave(prefix + name)
                continue
            self._files.append(New(prefix + name, seen.mode, seen.mtime, data))
            self._agreements.append((State("file", seen.mode, hashlib.sha256(data).digest()), seen.signature))
            self._length += len(data)
            if self._length >= MESSAGE or len(self._files) >= GROUP:
                self._send()

    def _send(self) -> None:
        if not self._files:
            return
        sent = [(one.path, one.mtime) for one in self._files]
        agreements = self._agreements

        def done(answer: Answer) -> None:
            signatures = answer.signatures or [""] * len(sent)
            for (path, mtime), (state, here), inside in zip(sent, agreements, signatures, strict=True):
                if inside:
                    self._base.set(path, Agreed(state, here, inside))
                    self._settled(path, mtime)
                else:
                    self._leave(path)

        self._inner.add(self._files, done, direct=self._direct)
        self._files, self._agreements, self._length = [], [], 0

    def _leave(self, path: str) -> None:
        """Let it come up again as any other path does, which also tells why it cannot be written."""
        self._left.add(path)
        self._again(path, 0)
