"""Makes paths equal on both sides: decides what to do about each, in the right order, and has it carried out."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from devenv.sync import moves, rules
from devenv.sync.additions import Additions
from devenv.sync.arrivals import Arrivals
from devenv.sync.base import Agreed, Base
from devenv.sync.decide import Decision, decide
from devenv.sync.dirty import Batch
from devenv.sync.disk import Disk, Refused
from devenv.sync.entries import Seen
from devenv.sync.events import Conflict, Event, Synced, Trouble
from devenv.sync.facts import UNSETTLED, Again, Facts, Finder
from devenv.sync.inner import Answer, Inner
from devenv.sync.inwards import Inwards
from devenv.sync.outwards import Outwards

JUST = 0.5
"""Seconds since a file's modification within which that is taken for the change that was hinted at."""
GROUP = 256
"""Paths that are looked at before any of them is changed; bounds what is held in memory."""

Hints = Mapping[str, Seen | None]


class Settler:
    """Settles paths; used by the session's thread alone.

    Args:
        app: The one whose name the other side of a conflict bears.
        tell: Hears what was settled, and what was not.
        again: See `Facts`.
        known: Told what the volume was found to have.
        moved: Told each folder that was renamed on one side because it was on the other, by its new name; what is in it
            may have changed on either side before.
    """

    def __init__(
        self,
        disk: Disk,
        inner: Inner,
        base: Base,
        *,
        app: str,
        tell: Callable[[Event], None],
        again: Again,
        known: Callable[[str, Seen | None], None],
        moved: Callable[[str], None],
    ) -> None:
        self._disk = disk
        self._inner = inner
        self._base = base
        self._app = app
        self._tell = tell
        self._known = known
        self._moved = moved
        self._finder = Finder(disk, inner, base, again)
        self._inwards = Inwards(
            disk, inner, base, again=again, known=known, settled=self._settled_in, aside=self._put_aside, tell=tell
        )
        self._additions = Additions(
            disk, inner, base, again=again, settled=self._settled_in, make_parents=self._inwards.make_parents
        )
        self._outwards = Outwards(disk, base, again=again, settled=self._settled_out, aside=self._put_aside, tell=tell)
        self._arrivals = Arrivals(disk, inner, base, again=again, settled=self._settled_out)
        self._in: list[str] = []
        self._changed = 0
        self._out: list[str] = []
        self.bulk = False
        """The agent reads and writes many files with one message."""
        self.fresh = False
        """Nobody but us has written in the volume: files need no care, and the host is right in all."""
        self.careful = False
        """Nothing inside is touched but what is not there, and nothing here at all."""
        self.withheld: set[str] = set()
        """What was not done for being careful."""

    def settle(self, batch: Batch, *, waits: bool = True) -> None:
        """Make the paths of a batch equal on both sides.

        Args:
            waits: Until they are; without, the next batch may be settled meanwhile.
        """
        paths, inner = batch.paths, batch.inner
        host = batch.host | self._disk.look_all(path for path in paths if path not in batch.host)
        if not self.careful and (moved := self._move(host, inner)):
            paths = paths - moved
            # What is below a folder that was moved is elsewhere now.
            host = self._disk.look_all(paths)
        added = self._additions.among(paths, host, inner) if self.bulk else {}
        arrived = self._arrivals.among(host, inner) if self.bulk and not self.careful else {}
        paths = paths - added.keys() - arrived.keys()
        gone = [path for path in paths if self._is_removal(path, host, inner)]
        # What is removed goes first, the deepest before its folder; then the rest, a folder before what is in it.
        order = [*sorted(gone, reverse=True), *sorted(paths.difference(gone))]
        for start in range(0, len(order), GROUP):
            try:
                for facts in self._finder.find(order[start : start + GROUP], host, inner):
                    self._settle(facts)
            finally:
                self._finder.discard()
        self._additions.make(added, direct=self.fresh)
        self._arrivals.make(arrived)
        if not waits:
            return
        self._inner.wait()
        self._inwards.finish()
        self._outwards.finish()
        self._base.commit()
        self._report(batch.since)

    def _is_removal(self, path: str, host: Hints, inner: Hints) -> bool:
        agreed = self._base.get(path)
        if agreed is None:
            return False
        return bool(agreed.host and host[path] is None) or bool(agreed.inner and path in inner and inner[path] is None)

    # --- one path ---

    def _settle(self, facts: Facts) -> None:
        protected = rules.is_protected(facts.path)
        decision = decide(
            facts.path,
            host=facts.host,
            inner=facts.inner,
            host_before=facts.host_before,
            inner_before=facts.inner_before,
            protected=protected,
        )
        if decision == "out" and facts.inner is None and not self._is_untouched(facts):
            # To remove what somebody has just written again, though with the same content, could not be undone.
            decision = "in"
        if self.fresh and decision == "aside":
            decision = "in"
        if self.careful and (decision in ("out", "aside") or (decision == "in" and facts.inner is not None)):
            self.withheld.add(facts.path)
            decision = "leave"
        self._carry_out(decision, facts)

    def _carry_out(self, decision: Decision, facts: Facts) -> None:
        match decision:
            case "agree":
                self._agree(facts)
            case "in":
                self._inwards.make(facts)
            case "out":
                self._outwards.make(facts)
            case "aside":
                self._put_aside(facts)
            case "leave":
                self._leave(facts)

    def _leave(self, facts: Facts) -> None:
        """Note what is on the host alone, and say why files stay different."""
        agreed = facts.agreed
        if agreed is not None and agreed.host and agreed.inner and not facts.inner_signature:
            self._base.set(facts.path, agreed._replace(inner=""))  # so that it comes back for what changes in it
        for state, seen, where in ((facts.host, facts.host_seen, ""), (facts.inner, facts.inner_seen, " inside")):
            if state is not None and state.kind == "other" and seen is not None and seen.kind == "file":
                self._tell(Trouble(facts.path, f"it may not be read{where}"))

    @staticmethod
    def _is_untouched(facts: Facts) -> bool:
        seen, agreed = facts.host_seen, facts.agreed
        return seen is None or (agreed is not None and seen.signature == agreed.host)

    def _agree(self, facts: Facts) -> None:
        self._tell(Trouble(facts.path, ""))
        if facts.host is None or facts.host_seen is None:
            self._base.drop(facts.path)
            return
        if self._is_touched(facts):
            self._inwards.make(facts)
        else:
            self._base.set(facts.path, Agreed(facts.host, facts.host_seen.signature, facts.inner_signature))

    @staticmethod
    def _is_touched(facts: Facts) -> bool:
        """Whether it was written again with the same content: programs that wait for a change inside want to know."""
        agreed, seen = facts.agreed, facts.host_seen
        if agreed is None or seen is None or facts.content is None or facts.inner_signature != agreed.inner:
            return False
        return agreed.host.rstrip(UNSETTLED) != seen.signature.rstrip(UNSETTLED)

    def _put_aside(self, facts: Facts) -> None:
        """Keep what is inside beside its place; then the host's takes the place."""
        kept = self._free_name(facts.path)

        def done(answer: Answer) -> None:
            if answer.verb != "done":
                self._inwards.refused(facts, answer)
                return
            self._known(kept, answer.seen)
            for path in self._base.below(facts.path):
                self._known(path, None)
            self._tell(Conflict(facts.path, kept))
            facts.inner, facts.inner_signature = None, ""
            self._inwards.make(facts)

        self._inner.move(facts.path, kept, done, expect=facts.inner_signature)

    def _free_name(self, path: str) -> str:
        name = f"{path}{rules.ASIDE}{self._app}-{time.strftime('%Y%m%d-%H%M%S')}"
        number, free = 1, name
        while self._base.get(free) is not None or self._disk.look(free) is not None:
            number += 1
            free = f"{name}-{number}"
        return free

    # --- renames ---

    def _move(self, host: dict[str, Seen | None], inner: Hints) -> set[str]:
        """Repeat renames of one side on the other; return the paths that are thereby settled."""
        settled: set[str] = set()
        for source, target in moves.on_host(host, inner, self._base):
            if self._move_inside(source, target, host):
                settled |= {source, target}
                self._moved(target)
        for source, target in moves.inside(host, inner, self._base):
            if self._move_here(source, target, inner):
                settled |= {source, target}
                self._moved(target)
        return settled

    def _move_inside(self, source: str, target: str, host: Mapping[str, Seen | None]) -> bool:
        agreed, seen = self._base.get(source), host[target]
        assert agreed is not None
        assert seen is not None
        answers: list[Answer] = []
        self._inner.move(source, target, answers.append, expect=agreed.inner)
        self._inner.wait()
        if answers[0].verb != "done" or answers[0].seen is None:
            return False
        self._base.move(source, target)
        self._base.set(target, Agreed(agreed.state, seen.signature, answers[0].seen.signature))
        self._in += [source, target]
        return True

    def _move_here(self, source: str, target: str, inner: Hints) -> bool:
        agreed, seen = self._base.get(source), inner[target]
        assert agreed is not None
        assert seen is not None
        now = self._finder.seen_inside([source, target])
        if now.get(source) is not None or now.get(target) != seen:
            return False
        try:
            here = self._disk.move(source, target, expect=agreed.host)
        except (OSError, Refused):
            return False
        self._base.move(source, target)
        self._base.set(target, Agreed(agreed.state, here.signature, seen.signature))
        self._out += [source, target]
        return True

    # --- telling ---

    def _settled_in(self, path: str, mtime: int) -> None:
        self._in.append(path)
        self._changed = mtime

    def _settled_out(self, path: str) -> None:
        self._out.append(path)

    def _report(self, since: float) -> None:
        since_hint = time.monotonic() - since
        inwards, outwards, self._in, self._out = self._in, self._out, [], []
        if inwards:
            # A hint comes a while after the change; of a file that was just saved it is known when that was.
            since_saved = time.time() - self._changed / 1e9
            is_plausible = len(inwards) == 1 and since_hint < since_saved < JUST
            seconds = since_saved if is_plausible else since_hint
            self._tell(Synced(tuple(inwards), "in", seconds, self._removed(inwards)))
        if outwards:
            self._tell(Synced(tuple(outwards), "out", since_hint, self._removed(outwards)))

    def _removed(self, paths: list[str]) -> int:
        agreements = map(self._base.get, paths)
        return sum(agreed is None or not agreed.host for agreed in agreements)
