"""Compares what each side has with what was agreed on, in all or in part, and notes what may differ."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

from devenv.sync import rules
from devenv.sync.base import Base
from devenv.sync.dirty import Dirty
from devenv.sync.disk import Disk
from devenv.sync.entries import Seen
from devenv.sync.events import Event, Trouble
from devenv.sync.inner import Answer, Inner, Records
from devenv.sync.rules import Ignore

AT_ONCE = 256
"""Folders listed with one request."""
MEANWHILE = 1000
"""Paths of the host that are looked at before something else may be done."""
SECOND_LOOK = 0.5
"""Seconds after which a new folder is looked at again: a watcher may have come too late for what was made in it."""


class Survey:
    """Looks at the sides; used by the session's thread alone."""

    def __init__(
        self, disk: Disk, inner: Inner, base: Base, ignore: Ignore, dirty: Dirty, tell: Callable[[Event], None]
    ) -> None:
        self._disk = disk
        self._inner = inner
        self._base = base
        self._ignore = ignore
        self._dirty = dirty
        self._tell = tell
        self._watched: dict[str, str] = {}
        self._second: dict[str, float] = {}
        self.rules_changed = False
        """Whether a `.gitignore` changed since this was last set to False."""

    def skips(self, path: str, is_folder: bool) -> bool:
        """Whether a path takes no part."""
        return rules.is_private(path) or self._ignore(path, is_folder)

    # --- the host ---

    def host(self, meanwhile: Callable[[], None] = lambda: None) -> None:
        """Look at the whole folder.

        Args:
            meanwhile: Called from time to time, when there is something new to settle.
        """
        unreadable: list[str] = []
        seen = set(self._host_below("", unreadable, meanwhile))
        for path, agreed in list(self._base.paths.items()):
            if path in seen or _is_below(path, unreadable):
                continue
            if self.skips(path, agreed.state.kind == "folder"):
                self._base.drop(path)  # both sides keep what they have
            elif agreed.host:
                self._dirty.on_host(path)

    def host_hints(self, paths: Iterable[str]) -> None:
        """Look where something may have changed; the rules first, for they say where else."""
        seen = self._disk.look_all(path for path in paths if path and not rules.is_private(path))
        for path in sorted(seen, key=lambda path: not _is_rules(path)):
            self._host_hint(path, seen[path])

    def settled(self, paths: Iterable[str]) -> None:
        """Take rules that came from inside into account."""
        for path in paths:
            if _is_rules(path):
                self._forget_rules(path)

    def second_looks(self) -> float | None:
        """Look again where it is time for it; return the seconds until the next."""
        now = time.monotonic()
        for path in [path for path, at in self._second.items() if at <= now]:
            del self._second[path]
            self._host_below(path)
        return min(self._second.values()) - now if self._second else None

    def host_folder(self, folder: str) -> None:
        """Look at all below a folder, and at what should be there."""
        found = set(self._host_below(folder))
        for path in self._base.below(folder):
            if path not in found:
                self._dirty.on_host(path)

    def _host_hint(self, path: str, seen: Seen | None) -> None:
        if _is_rules(path):
            self._forget_rules(path)
        agreed = self._base.get(path)
        was_folder = agreed is not None and agreed.state.kind == "folder"
        is_folder = seen.kind == "folder" if seen is not None else was_folder
        if self.skips(path, is_folder):
            return
        if (seen.signature if seen is not None else "") != (agreed.host if agreed is not None else ""):
            self._dirty.on_host(path, seen)
        if was_folder and not (seen is not None and is_folder):
            self._ignore.forget(path)
            for below in self._base.below(path):
                self._dirty.on_host(below)
        elif seen is not None and is_folder:  # one that was made anew may have the signature of the old one
            self._host_below(path)
            self._second[path] = time.monotonic() + SECOND_LOOK

    def _host_below(
        self, folder: str, unreadable: list[str] | None = None, meanwhile: Callable[[], None] = lambda: None
    ) -> list[str]:
        """Compare what is below a folder; return the paths. What is in an unreadable one is unknown, and not gone."""

        def skip(path: str, error: OSError) -> None:
            self._tell(Trouble(path, f"it may not be read: {error.strerror}"))
            if unreadable is not None:
                unreadable.append(path)

        found = []
        for path, seen in self._disk.walk(folder, lambda *one: not self.skips(*one), unreadable=skip):
            found.append(path)
            if len(found) % MEANWHILE == 0:
                meanwhile()
            agreed = self._base.get(path)
            if agreed is None or agreed.host != seen.signature:
                self._dirty.on_host(path, seen)
                if agreed is not None and _is_rules(path):
                    self._forget_rules(path)
        return found

    def _forget_rules(self, path: str) -> None:
        self._ignore.forget(path)
        self.rules_changed = True

    # --- the volume ---

    def inner(self) -> None:
        """Look at the whole volume, and watch it."""
        self._watched.clear()
        self.inner_folder("")

    def inner_folder(self, folder: str) -> None:
        """Look at all below a folder, and at what should be there."""
        found, unreadable = self._list([folder])
        for path in self._base.below(folder):
            agreed = self._base.get(path)
            if agreed is None or not agreed.inner or path in found or _is_below(path, unreadable):
                continue
            if not self.skips(path, agreed.state.kind == "folder"):
                self._dirty.inside(path, None)

    def inner_hints(self, records: Records) -> None:
        """Look where the agent saw something change."""
        folders = []
        for path, seen in records:
            agreed = self._base.get(path)
            was_folder = agreed is not None and agreed.state.kind == "folder"
            if not path or self.skips(path, seen.kind == "folder" if seen is not None else was_folder):
                continue
            self._compare(path, seen)
            if seen is None or seen.kind != "folder":
                self._unwatch(path)
                if was_folder:
                    for below in self._base.below(path):
                        self._dirty.inside(below, None)
            elif self._watched.get(path) != seen.signature:
                self._watched[path] = seen.signature
                folders.append(path)
        self._list(folders)

    def _list(self, folders: list[str]) -> tuple[set[str], list[str]]:
        """List folders and all below, level by level; return every path found, and the folders that may not be read."""
        found: set[str] = set()
        unreadable: list[str] = []
        while folders:
            records: list[tuple[str, Seen | None]] = []

            def done(answer: Answer, records: list[tuple[str, Seen | None]] = records) -> None:
                records.extend(answer.records)

            for start in range(0, len(folders), AT_ONCE):
                self._inner.list(folders[start : start + AT_ONCE], done)
            self._inner.wait()
            level, folders = set(folders), []
            for path, seen in records:
                is_folder = seen is not None and seen.kind == "folder"
                if path in level and is_folder:  # answered by itself and not by what is in it
                    unreadable.append(path)
                    self._tell(Trouble(path, "it may not be read inside"))
                elif path and not self.skips(path, is_folder):
                    found.add(path)
                    self._compare(path, seen)
                    if seen is not None and is_folder:
                        folders.append(path)
                        self._watched[path] = seen.signature
                    else:
                        self._unwatch(path)
        return found, unreadable

    def _compare(self, path: str, seen: Seen | None) -> None:
        agreed = self._base.get(path)
        if (seen.signature if seen is not None else "") != (agreed.inner if agreed is not None else ""):
            self._dirty.inside(path, seen)
        else:
            self._dirty.correct(path, seen)

    def _unwatch(self, path: str) -> None:
        if self._watched.pop(path, None) is not None:
            for below in [one for one in self._watched if one.startswith(f"{path}/")]:
                del self._watched[below]


def _is_rules(path: str) -> bool:
    return path.rpartition("/")[2] == rules.GITIGNORE


def _is_below(path: str, folders: list[str]) -> bool:
    return any(path.startswith(f"{folder}/") for folder in folders)
