"""Makes the host's folder like the volume, at one path."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress

from devenv.sync import rules
from devenv.sync.base import Agreed, Base
from devenv.sync.disk import Disk, Refused
from devenv.sync.entries import Seen
from devenv.sync.events import Event, Trouble
from devenv.sync.facts import UNSETTLED, Again, Facts
from devenv.sync.inwards import FOLDER_MODE, LATER


class Outwards:
    """Carries changes to the host; used by the session's thread alone.

    Args:
        again: See `Facts`.
        settled: Told each path that is equal now.
        aside: Asked to keep what is inside beside its place.
    """

    def __init__(
        self,
        disk: Disk,
        base: Base,
        *,
        again: Again,
        settled: Callable[[str], None],
        aside: Callable[[Facts], None],
        tell: Callable[[Event], None],
    ) -> None:
        self._disk = disk
        self._base = base
        self._again = again
        self._settled = settled
        self._aside = aside
        self._tell = tell
        self._emptied: set[str] = set()

    def make(self, facts: Facts) -> None:
        """Make the change, if it is allowed and the host still has what was thought."""
        reason = self._objection(facts)
        if reason:
            self._tell(Trouble(facts.path, reason))
            return
        try:
            is_made = self._change(facts)
        except Refused:
            self._again(facts.path, 0)
        except FileNotFoundError:
            with suppress(OSError, Refused):
                self._make_parents(facts.path)
            self._again(facts.path, 0)
        except OSError as error:
            self._tell(Trouble(facts.path, f"it cannot be written on the host: {error.strerror}"))
            self._again(facts.path, LATER)
        else:
            if is_made:
                self._settled(facts.path)
            else:
                self._aside(facts)

    def finish(self) -> None:
        """Remove folders that are gone inside and had to stay for what was in them, when that is gone."""
        for path in sorted(self._emptied, reverse=True):
            agreed = self._base.get(path)
            if agreed is not None and agreed.host and not agreed.inner:
                if self._base.has_shared_below(path):
                    continue
                with suppress(OSError, Refused):
                    self._disk.remove(path, expect=agreed.host)
                    self._base.drop(path)
                    self._settled(path)
            self._emptied.discard(path)

    def _objection(self, facts: Facts) -> str:
        """Why the host must not have it; empty when it may."""
        inner, seen = facts.inner, facts.inner_seen
        if inner is not None and inner.kind == "link":
            target = seen.target if seen is not None else os.fsdecode(inner.digest)
            if not rules.allows_link(facts.path, target):
                return f"the link made inside leads out of the project, to `{target}`"
        if facts.agreed is None and self._disk.folds_case and (other := self._same_name(facts.path)):
            return f"this computer does not tell its name from `{other}`"
        return ""

    def _same_name(self, path: str) -> str | None:
        folded = path.casefold()
        return next((one for one in self._base.paths if one != path and one.casefold() == folded), None)

    def _change(self, facts: Facts) -> bool:
        """Whether it could be done: a folder with something in it is not replaced by something else."""
        inner = facts.inner
        expect = facts.host_seen.signature.rstrip(UNSETTLED) if facts.host_seen is not None else None
        if inner is None:
            self._remove(facts, expect)
            return True
        if facts.host is not None and (facts.host.kind == "folder") != (inner.kind == "folder"):
            if not self._clear(facts, expect or ""):
                return False
            expect = None
        here = self._made(facts, expect)
        self._base.set(facts.path, Agreed(inner, here.signature, facts.inner_signature))
        return True

    def _made(self, facts: Facts, expect: str | None) -> Seen:
        inner, path = facts.inner, facts.path
        assert inner is not None
        if inner.kind == "folder":
            if expect is None:
                return self._disk.make_folder(path, inner.mode)
            return self._disk.set_mode(path, inner.mode, expect=expect)
        if inner.kind == "link":
            return self._disk.make_link(path, os.fsdecode(inner.digest), expect=expect)
        if facts.host is not None and facts.host.digest == inner.digest and expect is not None:
            return self._disk.set_mode(path, inner.mode, expect=expect)
        assert facts.fetched is not None
        mtime = facts.inner_seen.mtime if facts.inner_seen is not None else 0
        if expect is None and (content := facts.fetched.content) is not None:
            return self._disk.create(path, content, mode=inner.mode, mtime=mtime)
        stage = facts.fetched.staged(path.rpartition("/")[0])
        try:
            return self._disk.put(path, stage, expect=expect, mode=inner.mode, mtime=mtime)
        finally:
            stage.discard()

    def _remove(self, facts: Facts, expect: str | None) -> None:
        try:
            if expect is not None:
                self._disk.remove(facts.path, expect=expect)
        except Refused as refused:
            seen = refused.seen
            if seen is None or seen.kind != "folder" or seen.signature != expect or facts.host is None:
                raise
            # Not empty: it holds what is ignored, or what was just made in it, which makes it come back, or what is
            # about to be removed, too.
            self._base.set(facts.path, Agreed(facts.host, seen.signature, ""))
            self._emptied.add(facts.path)
        else:
            self._base.drop(facts.path)

    def _clear(self, facts: Facts, expect: str) -> bool:
        """Remove what is of another kind than what comes; False when it has to stay."""
        try:
            self._disk.remove(facts.path, expect=expect)
        except Refused as refused:
            seen = refused.seen
            if seen is not None and seen.kind == "folder" and seen.signature == expect:
                return False
            raise
        return True

    def _make_parents(self, path: str) -> None:
        """Make folders that were agreed to be inside only, for what is ignored in them."""
        parent = path.rpartition("/")[0]
        if not parent or self._disk.look(parent) is not None:
            return
        self._make_parents(parent)
        agreed = self._base.get(parent)
        here = self._disk.make_folder(parent, agreed.state.mode if agreed is not None else FOLDER_MODE)
        if agreed is not None:
            self._base.set(parent, Agreed(agreed.state, here.signature, agreed.inner))
