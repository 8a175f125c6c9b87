"""Finds out what both sides have at a path."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Mapping

from devenv.sync.base import Agreed, Base, State
from devenv.sync.disk import Content, Disk, Stage, Unsteady
from devenv.sync.entries import Seen
from devenv.sync.inner import Answer, Inner
from devenv.values import dataclass

SMALL = 1 << 20
"""Bytes up to which a file is held in memory; larger ones are streamed."""
SOON = 0.05
"""Seconds after which a file that changed while it was read is looked at again."""
NO_PARENT = ("No such file or directory", "Not a directory")
"""What the system says when a folder in the path is not there (any more)."""
UNSETTLED = "?"
"""Ends a signature that a later write need not change: it equals none, so that the file is looked at again."""

Again = Callable[[str, float], None]
"""Asked to bring a path up again after so many seconds."""


class Fetched:
    """A file's content from inside: in memory when it is small, else in a temporary file of the host's folder."""

    def __init__(self, disk: Disk, seen: Seen) -> None:
        self._before = seen
        self._disk = disk
        self._is_small = seen.size <= SMALL
        self._stage = None if self._is_small else disk.stage("")
        self._pieces: list[bytes] = []
        self._digest = hashlib.sha256()

    @property
    def digest(self) -> bytes:
        return self._digest.digest()

    def is_of(self, seen: Seen | None) -> bool:
        """Whether what is there after reading is what was there before."""
        return seen is not None and seen.signature == self._before.signature

    def write(self, data: bytes) -> None:
        self._digest.update(data)
        if self._stage is not None:
            self._stage.write(data)
        else:
            self._pieces.append(data)

    @property
    def content(self) -> bytes | None:
        """All of it, when it is in memory."""
        return b"".join(self._pieces) if self._is_small else None

    def staged(self, folder: str) -> Stage:
        """The content as a temporary file, to be put in place; once."""
        if self._stage is not None:
            stage, self._stage = self._stage, None
            return stage
        stage = self._disk.stage(folder)
        stage.write(b"".join(self._pieces))
        return stage

    def discard(self) -> None:
        """Remove the temporary file, if it was not put in place."""
        if self._stage is not None:
            self._stage.discard()
            self._stage = None


@dataclass(slots=True)
class Facts:
    """What is known of a path.

    Args:
        inner_signature: What the volume is to have there when it is changed; empty for nothing.
        content: The host's, where it was read and is small.
        fetched: The volume's, where it was read.
    """

    path: str
    agreed: Agreed | None
    host: State | None = None
    host_seen: Seen | None = None
    inner: State | None = None
    inner_signature: str = ""
    inner_seen: Seen | None = None
    content: bytes | None = None
    fetched: Fetched | None = None

    @property
    def host_before(self) -> State | None:
        return self.agreed.state if self.agreed is not None and self.agreed.host else None

    @property
    def inner_before(self) -> State | None:
        return self.agreed.state if self.agreed is not None and self.agreed.inner else None


class Finder:
    """Looks at both sides; used by the session's thread alone."""

    def __init__(self, disk: Disk, inner: Inner, base: Base, again: Again) -> None:
        self._disk = disk
        self._inner = inner
        self._base = base
        self._again = again
        self._fetched: list[Fetched] = []

    def discard(self) -> None:
        """Remove the temporary files that were not put in place."""
        for fetched in self._fetched:
            fetched.discard()
        self._fetched.clear()

    def find(
        self, paths: Iterable[str], host: Mapping[str, Seen | None], inner: Mapping[str, Seen | None]
    ) -> list[Facts]:
        """The facts about paths; one that changes just now is left out, and comes up again.

        Args:
            host: What the host has.
            inner: What the volume has; a path that is not here is there as last agreed on.
        """
        found = {path: Facts(path, self._base.get(path)) for path in paths}
        hints = {path: inner[path] for path in found if path in inner}
        hints |= self.seen_inside([path for path, seen in hints.items() if seen is None or seen.kind != "file"])
        for facts in list(found.values()):
            if self._look_inside(facts, hints):
                self._fetch(facts, found)
        if any(facts.inner is None and facts.inner_signature for facts in found.values()):
            self._inner.wait()
        self._look_here(found, host)
        return list(found.values())

    # --- the volume ---

    def seen_inside(self, paths: list[str]) -> dict[str, Seen | None]:
        """What the volume has now. A hint may be older than what we have changed since; of files, reading tells it."""
        if not paths:
            return {}
        answers: list[Answer] = []
        self._inner.look(paths, answers.append)
        self._inner.wait()
        return dict(answers[0].records)

    def _look_inside(self, facts: Facts, hints: Mapping[str, Seen | None]) -> bool:
        """Fill in what the volume has; whether its content has to be read for that."""
        agreed = facts.agreed
        if facts.path not in hints:
            if agreed is not None and agreed.inner:
                facts.inner, facts.inner_signature = agreed.state, agreed.inner
            return False
        seen = hints[facts.path]
        if seen is None:
            return False
        facts.inner_seen, facts.inner_signature = seen, seen.signature
        if agreed is not None and seen.signature == agreed.inner:
            facts.inner = agreed.state
        elif seen.kind != "file":
            facts.inner = plain(seen)
        return facts.inner is None

    def _fetch(self, facts: Facts, found: dict[str, Facts]) -> None:
        def sink(seen: Seen) -> Fetched:
            facts.fetched = Fetched(self._disk, seen)
            self._fetched.append(facts.fetched)
            return facts.fetched

        def done(answer: Answer) -> None:
            seen, fetched = answer.seen, facts.fetched
            if answer.verb == "failed" and answer.words not in NO_PARENT:
                facts.inner = State("other", 0, b"")  # what may not be read is not synced, nor replaced
                return
            if answer.verb != "read" or (fetched is not None and not fetched.is_of(seen)):
                del found[facts.path]
                self._again(facts.path, SOON)
                return
            facts.inner_seen, facts.inner_signature = seen, seen.signature if seen is not None else ""
            if seen is not None:
                facts.inner = plain(seen) if fetched is None else State("file", seen.mode, fetched.digest)

        self._inner.get(facts.path, sink, done)

    # --- the host ---

    def _look_here(self, found: dict[str, Facts], host: Mapping[str, Seen | None]) -> None:
        """Fill in what the host has; what cannot be told just now is taken out."""
        unread = []
        # What follows from its being gone cannot be undone: it must be so now.
        now = self._disk.look_all(path for path in found if host[path] is None)
        for path, facts in found.items():
            seen = host[path] or now[path]
            facts.host_seen, agreed = seen, facts.agreed
            if seen is not None and agreed is not None and seen.signature == agreed.host:
                facts.host = agreed.state
            elif seen is not None and seen.kind == "file":
                unread.append(path)
            elif seen is not None:
                facts.host = plain(seen)
        for path, content in self._disk.read_all(unread, SMALL).items():
            if isinstance(content, Unsteady | FileNotFoundError) or not self._read(found[path], content):
                del found[path]
                self._again(path, SOON)

    def _read(self, facts: Facts, content: Content | OSError) -> bool:
        if isinstance(content, OSError):
            facts.host = State("other", 0, b"")  # what may not be read is not synced, nor replaced
            return True
        with content:
            facts.host_seen = seen = content.seen
            if not content.settled:
                facts.host_seen = seen._replace(signature=seen.signature + UNSETTLED)
                self._again(facts.path, SOON)
            if content.data is not None:
                facts.content = content.data
                facts.host = State("file", seen.mode, hashlib.sha256(content.data).digest())
            elif facts.agreed is None and facts.inner is None:
                # To be told while it is streamed: it is copied in any case.
                facts.host = State("file", seen.mode, b"")
            else:
                return self._read_large(facts, content)
        return True

    @staticmethod
    def _read_large(facts: Facts, content: Content) -> bool:
        digest = hashlib.sha256()
        try:
            for piece in content.chunks():
                digest.update(piece)
        except (OSError, Unsteady):
            return False
        facts.host = State("file", content.seen.mode, digest.digest())
        return True


def plain(seen: Seen) -> State:
    """What is told by a look alone: anything but a file."""
    return State(seen.kind, 0 if seen.kind == "link" else seen.mode, os.fsencode(seen.target))
