"""One connection to an agent: who is there, what may be trusted of it, and the work until it is lost."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from devenv.sync import moves, volumes, wire
from devenv.sync.base import Base
from devenv.sync.dirty import Dirty
from devenv.sync.disk import Disk
from devenv.sync.entries import Seen
from devenv.sync.events import Event, Stage, Trouble
from devenv.sync.inbox import Delivered, Request
from devenv.sync.inner import Answer, Inner
from devenv.sync.rules import GITIGNORE, Ignore
from devenv.sync.settle import Settler
from devenv.sync.survey import Survey
from devenv.sync.volumes import Trust
from devenv.sync.wire import Hello, Message

if TYPE_CHECKING:
    from devenv.sync.session import Connect

GREETING = 30.0
"""Seconds an agent may take to say who it is."""
SILENCE = 30.0
"""Seconds after which an agent that does not answer is given up."""
HEARTBEAT = 10.0
BURST = 400
"""Hints at once after which the whole folder is looked at: a watcher that is told so much may have lost some."""
AFTER_BURST = 0.5
SLEPT = 1.0
"""Seconds longer than it meant to wait, after which the computer or this process must have been asleep."""
SWEEP = 60.0
"""Seconds between looks at the whole host folder though nothing hints at one; at least 200 times what it takes."""
COOKIE = 0.3
"""Seconds in which a watcher tells of a change."""
HOPELESS = 1.0
"""Seconds until a path is tried again from which on nobody should wait for it."""
LAST_TRIES = (0.05, 0.15, 0.3)
"""Seconds between a few tries more before nobody does: it may have come to rest just now."""


class Lost(Exception):
    """The connection ended; the next one goes on where it was."""


class Contact:
    """One connection; used by the session's thread alone.

    Args:
        inbox: All that happens: messages, sets of hints, requests.
        held: Set while the session is paused.
        blind: Set when nothing hints at changes on the host.
    """

    def __init__(
        self,
        inbox: queue.SimpleQueue[object],
        connect: Connect,
        disk: Disk,
        base: Base,
        ignore: Ignore,
        *,
        app: str,
        tell: Callable[[Event], None],
        staged: Callable[[Stage, str], None],
        held: threading.Event,
        blind: threading.Event,
    ) -> None:
        self._inbox = inbox
        self._held = held
        self._disk = disk
        self._base = base
        self._tell = tell
        self._staged = staged
        self._hello: Hello | None = None
        self._trust: Trust | None = None
        self._hints: set[str] = set()
        self._records: list[tuple[str, Seen | None]] = []
        self._requests: list[Request] = []
        self._heard = time.monotonic()
        self._pinged = False
        self._paused = False
        self._halted = ""
        self._cookie = ""
        self._blind = blind
        self._host_due: float | None = None
        self._sweep_due = 0.0
        self._inner_due: float | None = None
        self._link = connect(lambda messages: inbox.put(Delivered(self, messages)))
        self._inner = Inner(self._link, lambda: self._take(1.0))
        self._dirty = Dirty(base)
        self._survey = Survey(disk, self._inner, base, ignore, self._dirty, tell)
        self._settler = Settler(
            disk,
            self._inner,
            base,
            app=app,
            tell=tell,
            again=self._dirty.again,
            known=self._dirty.inside,
            moved=self._look_at_moved,
        )

    @property
    def waiting(self) -> int:
        """Paths known to differ."""
        return len(self._dirty)

    def close(self) -> None:
        """End the connection; nobody waits for an answer any more."""
        self._link.close()
        for request in self._requests:
            request.answer(well=False)

    def greet(self) -> str:
        """Wait until the agent has said who it is; return that."""
        deadline = time.monotonic() + GREETING
        self._look_at_host(self._copy_early)  # while it begins
        while self._hello is None:
            if time.monotonic() > deadline:
                raise Lost("the agent does not answer")
            self._take(1.0)
        if not self._hello.writable:
            self._tell(Trouble("", "the agent may not write in the volume"))
        return self._hello.agent

    def run(self, stopped: threading.Event) -> None:
        """Bring both sides together, then keep them so.

        Raises:
            Lost: The connection ended.
        """
        while self._held.is_set() and not stopped.is_set():
            self._hold()
        if not stopped.is_set():
            self._begin()
        while not stopped.is_set():
            self._take(self._patience())
            while not self._inbox.empty():
                self._take(0)
            self._answer_requests()
            if not (self._paused or self._halted):
                self._look()
                self._settle()
            self._keep_alive()
        self._inner.wait()

    # --- the beginning ---

    def _hold(self) -> None:
        """Do nothing: a pause outlives the connection in which it was asked for."""
        self._staged("paused", "")
        self._take(HEARTBEAT)
        for request in self._requests:
            request.answer(well=False)
        self._requests.clear()
        self._keep_alive()

    def _begin(self) -> None:
        if self._trust is None:
            self._trust = self._meet()
        if self._trust == "new":  # all there is to copy is here: it need not wait
            self._settle()
        self._look_inside()
        self._settle()
        self._settler.fresh = False
        self._base.tell("copying", "no")
        if self._settler.careful:
            self._end_of_care()
        if not self._halted:
            self._staged("live", "")

    def _copy_early(self) -> None:
        """Begin a first copy while the host is still looked at: the agent has something to do then."""
        if self._hello is None:
            self._take(0)
        hello, is_free = self._hello, len(self._base) == 0 and not self._held.is_set()
        if self._trust is None and hello is not None and hello.empty and hello.bulk and is_free:
            self._trust = self._meet()
        if self._trust is not None and (batch := self._dirty.take()) is not None:
            self._settler.settle(batch, waits=False)

    def _meet(self) -> Trust:
        """Find out what the volume is to us, and prepare for that."""
        assert self._hello is not None
        self._staged("copying", "")
        self._settler.bulk = self._hello.bulk
        trust = volumes.judge(self._hello, self._base)
        if trust != "known":
            had_agreements = len(self._base) > 0
            self._base.clear()
            if had_agreements:
                self._look_at_host()  # all of it differs now
        self._settler.careful = trust == "unknown"
        if self._settler.careful:
            self._base.tell("unknown", "yes")
        self._settler.fresh = trust == "new" or self._base.told("copying") == "yes"
        if self._settler.fresh:
            self._base.tell("copying", "yes")
        volumes.mark(self._inner, self._base)
        return trust

    def _end_of_care(self) -> None:
        """Of a volume that is not known: go on only when nothing in it would be touched, and nothing here."""
        self._settler.careful = False
        if not self._settler.withheld:
            self._base.tell("unknown", "no")
        if withheld := self._settler.withheld:
            self._halt(
                f"the volume holds {len(withheld)} files of its own, such as `{min(withheld)}`: `devenv sync resume` "
                "brings both together and keeps both sides of what differs, `devenv down --volumes` begins anew"
            )

    # --- what happens ---

    def _take(self, seconds: float) -> None:
        """Wait for the next thing that happens, and note it.

        Raises:
            Lost: It is the end of the connection, or the agent is silent for too long.
        """
        began = _now()
        try:
            item = self._inbox.get(timeout=seconds) if seconds > 0 else self._inbox.get_nowait()
        except queue.Empty:
            item = None
        if _now() - began > seconds + SLEPT:
            self._heard = time.monotonic()
            self._look_at_host_in(0)
            self._inner_due = time.monotonic()
        if isinstance(item, Delivered):
            if item.source is self:
                self._hear(item.messages)
        elif isinstance(item, set):
            self._note_hints(item)
        elif isinstance(item, Request):
            self._requests.append(item)
        elif isinstance(item, OSError):
            self._look_at_host_in(0)
            self._tell(Trouble("", f"the system refuses to watch the folder, so it is looked through: {item}"))
        if (self._inner.under_way or self._hello is None) and time.monotonic() - self._heard > SILENCE:
            raise Lost("the agent does not answer")

    def _hear(self, messages: Sequence[Message]) -> None:
        if not messages:
            raise Lost("the agent has ended")
        self._heard = time.monotonic()
        for message in messages:
            self._deal_with(message)

    def _deal_with(self, message: Message) -> None:
        match message.words[0]:
            case "hello":
                # It comes again when the agent can watch no more.
                self._hello, again = wire.hello(message.payload), self._hello is not None
                self._inner_due = time.monotonic() if again else None
            case "changed":
                self._records += wire.records(message.payload)
            case "overflow":
                self._inner_due = time.monotonic()
            case "bye":
                raise Lost(message.payload.decode(errors="replace"))
            case _:
                self._inner.hear(message)

    def _note_hints(self, paths: set[str]) -> None:
        if self._cookie and self._cookie in paths:
            self._cookie = ""
        self._hints |= paths
        if len(paths) > BURST or "" in paths:
            self._look_at_host_in(AFTER_BURST)

    def _look_at_host_in(self, seconds: float) -> None:
        due = time.monotonic() + seconds
        self._host_due = due if self._host_due is None else min(due, self._host_due)

    def _patience(self) -> float:
        """Seconds until there is something to do though nothing happens."""
        if self._requests:
            return 0.0
        now = time.monotonic()
        waits = [HEARTBEAT]
        if not (self._paused or self._halted):
            if self._hints or self._records:
                return 0.0
            waits += [due - now for due in (self._host_due, self._inner_due, self._sweep_due) if due is not None]
            waits += [one for one in (self._dirty.due(), self._survey.second_looks()) if one is not None]
        return max(0.0, min(waits))

    # --- the work ---

    def _look(self) -> None:
        """Follow every hint."""
        hints, self._hints = self._hints, set()
        if len(hints) > BURST and 3 * len(hints) > len(self._base):
            # To look at everything takes less than to look at each.
            self._survey.host_hints(path for path in hints if path.endswith(GITIGNORE))
            self._look_at_host()
            self._look_at_host_in(AFTER_BURST)
        else:
            self._survey.host_hints(hints)
        records, self._records = self._records, []
        self._survey.inner_hints(records)
        now = time.monotonic()
        if self._survey.rules_changed:
            self._survey.rules_changed = False
            self._host_due = self._inner_due = now
        if (self._host_due is not None and now >= self._host_due) or now >= self._sweep_due:
            self._look_at_host()
        if self._inner_due is not None and now >= self._inner_due:
            self._look_inside()

    def _look_at_all(self) -> None:
        self._look_at_host()
        self._look_inside()

    def _look_at_host(self, meanwhile: Callable[[], None] = lambda: None) -> None:
        began, self._host_due = time.monotonic(), None
        self._survey.host(meanwhile)
        took = time.monotonic() - began
        least = max(1.0, 20 * took) if self._blind.is_set() else max(SWEEP, 200 * took)
        self._sweep_due = time.monotonic() + least

    def _look_inside(self) -> None:
        began, self._inner_due = time.monotonic(), None
        self._survey.inner()
        if self._hello is not None and not self._hello.watching:
            took = time.monotonic() - began
            self._inner_due = time.monotonic() + max(2.0, 20 * took)

    def _look_at_moved(self, path: str) -> None:
        agreed = self._base.get(path)
        if agreed is not None and agreed.state.kind == "folder":
            self._survey.host_folder(path)
            self._survey.inner_folder(path)

    def _settle(self, *, all_of_it: bool = False) -> None:
        batch = self._dirty.take(all_of_it=all_of_it)
        while batch is not None:
            if not self._disk.is_there():
                raise Lost("the folder is gone")  # nothing that is missing in it was removed
            gone = moves.without(batch.inner, self._base)
            if gone and (reason := volumes.objection(gone, self._base, self._disk)):
                for path in gone:
                    self._base.drop(path)  # what the host has of it comes back, when somebody says so
                self._halt(reason)
                return
            self._settler.settle(batch)
            self._survey.settled(batch.inner)
            batch = self._dirty.take() if self._dirty.due() == 0.0 else None

    def _halt(self, reason: str) -> None:
        self._halted = reason
        self._staged("halted", reason)

    def _keep_alive(self) -> None:
        silent = time.monotonic() - self._heard
        if silent >= HEARTBEAT and not self._pinged:
            self._pinged = True
            self._inner.ping(self._ponged)

    def _ponged(self, _answer: Answer) -> None:
        self._pinged = False

    # --- requests ---

    def _answer_requests(self) -> None:
        requests, self._requests = self._requests, []
        for request in requests:
            match request.what:
                case "pause":
                    self._paused = True
                    self._staged("paused", "")
                case "resume":
                    self._paused, self._halted = False, ""
                    self._staged("copying", "")
                    request.answer(well=True)
                    self._resume()
                case "flush":
                    request.answer(well=self._flush(request.deadline))

    def _resume(self) -> None:
        if self._settler.withheld:
            self._base.tell("unknown", "no")
        self._settler.withheld.clear()
        volumes.mark(self._inner, self._base)  # who emptied the volume took the marker, too
        self._look_at_all()
        self._settle()
        if not self._halted:
            self._staged("live", "")

    def _flush(self, deadline: float) -> bool:
        """Settle all that was changed before now."""
        if self._paused or self._halted:
            return False
        self._await_watcher()
        self._inner.ping(self._ponged)
        self._inner.wait()
        if self._hello is not None and not self._hello.watching:
            self._look_inside()
        self._look()
        self._settle(all_of_it=True)
        last_tries = list(LAST_TRIES)
        while not self._halted and time.monotonic() < deadline:
            due = self._dirty.due()
            if not (self._hints or self._records):
                if due is None:
                    return True
                if due > HOPELESS:
                    if not last_tries:
                        return False
                    due = last_tries.pop(0)
                    time.sleep(due)
            self._take(0.02 if due is None else min(due, 0.02))
            self._look()
            self._settle(all_of_it=due is None or due <= HOPELESS)
        return False

    def _await_watcher(self) -> None:
        """Make a change and wait until the watcher tells of it; what was changed before is told by then."""
        try:
            with self._disk.stage("") as made:
                self._cookie = made.spot.name
        except OSError:
            self._look_at_host()
            return
        deadline = time.monotonic() + COOKIE
        while self._cookie and time.monotonic() < deadline:
            self._take(0.05)
        if self._cookie:
            self._look_at_host()


def _now() -> float:
    """A clock that goes on while the computer sleeps."""
    boot = getattr(time, "CLOCK_BOOTTIME", None)
    return time.time() if boot is None else time.clock_gettime(boot)
