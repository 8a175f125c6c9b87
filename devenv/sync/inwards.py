"""Makes the volume like the host's folder, at one path."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator

from devenv.sync.base import Agreed, Base, State
from devenv.sync.disk import Disk, Unsteady
from devenv.sync.entries import Seen
from devenv.sync.events import Event, Trouble
from devenv.sync.facts import NO_PARENT, SMALL, SOON, Again, Facts
from devenv.sync.inner import Answer, Done, Inner

LATER = 5.0
"""Seconds after which something that failed is tried again: a disk may have room by then."""
FOLDER_MODE = 0o755


class Inwards:
    """Carries changes into the volume; used by the session's thread alone.

    Args:
        again: See `Facts`.
        known: Told what the volume was found to have.
        settled: Told each path that is equal now, and when the host's was last changed (see `Seen.mtime`; 0 if gone).
        aside: Asked to keep what is inside beside its place.
    """

    def __init__(
        self,
        disk: Disk,
        inner: Inner,
        base: Base,
        *,
        again: Again,
        known: Callable[[str, Seen | None], None],
        settled: Callable[[str, int], None],
        aside: Callable[[Facts], None],
        tell: Callable[[Event], None],
    ) -> None:
        self._disk = disk
        self._inner = inner
        self._base = base
        self._again = again
        self._known = known
        self._settled = settled
        self._aside = aside
        self._tell = tell
        self._emptied: set[str] = set()

    def make(self, facts: Facts) -> None:
        """Ask for the change; what comes of it is dealt with when the answer comes."""
        host, inner = facts.host, facts.inner
        if host is None:
            self._inner.remove(facts.path, self._removed(facts), expect=facts.inner_signature)
            return
        self.make_parents(facts.path)
        if inner is not None and (inner.kind == "folder") != (host.kind == "folder"):
            self._inner.remove(facts.path, self._cleared(facts), expect=facts.inner_signature)
        elif host.kind == "folder":
            self._folder(facts, host)
        elif host.kind == "link":
            assert facts.host_seen is not None
            self._inner.make_link(
                facts.path, facts.host_seen.target, self._made(facts, host), expect=facts.inner_signature
            )
        elif facts.content is not None:
            self._small(facts, host, facts.content)
        else:
            self._file(facts, host)

    def finish(self) -> None:
        """Remove folders that are gone on the host and had to stay for what was in them, when that is gone."""
        for path in sorted(self._emptied, reverse=True):
            agreed = self._base.get(path)
            if agreed is not None and agreed.inner and not agreed.host:
                if self._base.has_shared_below(path):
                    continue
                self._inner.remove(path, self._finished(path), expect=agreed.inner)
            self._emptied.discard(path)
        self._inner.wait()

    def _finished(self, path: str) -> Done:
        def done(answer: Answer) -> None:
            if answer.verb == "done":
                self._base.drop(path)
                self._settled(path, 0)

        return done

    def refused(self, facts: Facts, answer: Answer) -> None:
        """Something else is there than was thought, or it failed."""
        if answer.verb == "refused":
            self._known(facts.path, answer.seen)
            self._again(facts.path, 0)
        elif answer.words in NO_PARENT and "/" in facts.path:
            self._look_above(facts.path)
        else:
            self._tell(Trouble(facts.path, f"it cannot be written inside: {answer.words}"))
            self._again(facts.path, LATER)

    def _look_above(self, path: str) -> None:
        """A folder that the path is in is not what was thought: find out which, and what is there."""

        def done(answer: Answer) -> None:
            for folder, seen in answer.records:
                agreed = self._base.get(folder)
                if agreed is None or (seen.signature if seen is not None else "") != agreed.inner:
                    self._known(folder, seen)
            self._again(path, 0)

        parts = path.split("/")
        self._inner.look(["/".join(parts[:length]) for length in range(1, len(parts))], done)

    # --- ways ---

    def _folder(self, facts: Facts, host: State) -> None:
        done = self._made(facts, host)
        if facts.inner is None:
            self._inner.make_folder(facts.path, host.mode, done)
        else:
            self._inner.set_mode(facts.path, host.mode, done, expect=facts.inner_signature)

    def _small(self, facts: Facts, host: State, content: bytes) -> None:
        seen = facts.host_seen
        assert seen is not None
        self._inner.put(
            facts.path,
            content,
            self._made(facts, host),
            expect=facts.inner_signature,
            mode=host.mode,
            mtime=seen.mtime,
            size=len(content),
        )
        facts.content = None  # not to be held until the answer comes

    def _file(self, facts: Facts, host: State) -> None:
        """A file whose content is not at hand: unchanged but for its mode, or large."""
        inner = facts.inner
        if inner is not None and inner.kind == "file" and inner.digest == host.digest:
            self._inner.set_mode(facts.path, host.mode, self._made(facts, host), expect=facts.inner_signature)
            return
        try:
            with self._disk.read(facts.path, SMALL) as content:
                facts.host_seen = content.seen
                if content.data is not None:
                    state = State("file", content.seen.mode, hashlib.sha256(content.data).digest())
                    self._small(facts, state, content.data)
                else:
                    self._stream(facts, content.seen, content.chunks())
        except (OSError, Unsteady):
            self._again(facts.path, SOON)

    def _stream(self, facts: Facts, seen: Seen, pieces: Iterator[bytes]) -> None:
        """Send a large file piece by piece; the last piece only when the file did not change meanwhile."""
        digest, request, held = hashlib.sha256(), "", b""

        def done(answer: Answer) -> None:
            if answer.verb == "dropped":
                self._again(facts.path, SOON)
            else:
                self._made(facts, State("file", seen.mode, digest.digest()))(answer)

        try:
            for piece in pieces:
                if held:
                    request = self._piece(request, facts, seen, held, done)
                digest.update(piece)
                held = piece
        except (OSError, Unsteady):
            if request:
                self._inner.abandon(request)
            else:
                self._again(facts.path, SOON)
        else:
            self._piece(request, facts, seen, held, done)

    def _piece(self, request: str, facts: Facts, seen: Seen, data: bytes, done: Done) -> str:
        if request:
            self._inner.more(request, data)
            return request
        return self._inner.put(
            facts.path, data, done, expect=facts.inner_signature, mode=seen.mode, mtime=seen.mtime, size=seen.size
        )

    def make_parents(self, path: str) -> None:
        """Make folders that were agreed to be on the host only, for what is ignored in them."""
        parent = path.rpartition("/")[0]
        agreed = self._base.get(parent) if parent else None
        if agreed is None or agreed.inner:
            return
        self.make_parents(parent)
        facts = Facts(parent, agreed, host=agreed.state, host_seen=self._disk.look(parent))
        self._inner.make_folder(parent, agreed.state.mode, self._made(facts, agreed.state))

    # --- answers ---

    def _made(self, facts: Facts, state: State) -> Done:
        def done(answer: Answer) -> None:
            if answer.verb != "done" or answer.seen is None or facts.host_seen is None:
                self.refused(facts, answer)
                return
            self._base.set(facts.path, Agreed(state, facts.host_seen.signature, answer.seen.signature))
            self._settled(facts.path, facts.host_seen.mtime)

        return done

    def _removed(self, facts: Facts) -> Done:
        def done(answer: Answer) -> None:
            if answer.verb == "done":
                self._base.drop(facts.path)
                self._settled(facts.path, 0)
            elif answer.verb == "refused" and facts.inner is not None and _is_folder(answer, facts.inner_signature):
                # Not empty: it holds what is ignored, or what was just made in it, which makes it come back, or what is
                # about to be removed, too.
                self._base.set(facts.path, Agreed(facts.inner, "", facts.inner_signature))
                self._emptied.add(facts.path)
                self._settled(facts.path, 0)
            else:
                self.refused(facts, answer)

        return done

    def _cleared(self, facts: Facts) -> Done:
        """What is of another kind is gone: now the host's can come."""

        def done(answer: Answer) -> None:
            if answer.verb == "done":
                facts.inner, facts.inner_signature = None, ""
                self.make(facts)
            elif answer.verb == "refused" and _is_folder(answer, facts.inner_signature):
                self._aside(facts)  # not empty
            else:
                self.refused(facts, answer)

        return done


def _is_folder(answer: Answer, signature: str) -> bool:
    seen = answer.seen
    return seen is not None and seen.kind == "folder" and seen.signature == signature
