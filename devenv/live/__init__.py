"""The background process of an instance, as commands see it: finds it, starts it, waits for it."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from devenv.errors import DevenvError, NotReady
from devenv.live import place
from devenv.live.place import Flushed as Flushed

# What is here is imported by the process itself, too, whose start is waited for.
if TYPE_CHECKING:
    import subprocess

    from devenv.live.assignment import Assignment, Errand
    from devenv.live.client import Client, Readiness
    from devenv.live.news import News
    from devenv.model.blueprint import Blueprint, Container
    from devenv.model.progress import Report
    from devenv.workspace import Workspace

OWN = "DEVENV_SYNC_PROCESS"
"""Tells a devenv that a background process runs which one that is: it must not end its own parent."""

START = 30.0
"""Seconds it may take to listen."""
CONNECT = 60.0
"""Seconds a session may take to reach its container."""
NEXT = 5.0
"""Seconds in which another process takes the place of one that was ended."""
SLICE = 1.0
"""Seconds between two reports of a first copy."""

PROCESS = (sys.executable, "-P", "-m", "devenv.live")
"""The background process; `-P`: the folder it runs in must not count as a place of Python modules."""

# Python warns of children that are forgotten before they end.
_CHILDREN: list[subprocess.Popen[bytes]] = []

Say = Callable[[str], None]


class Background:
    """The background process of one instance on one engine.

    Args:
        address: The engine's.
        profile: As named on the command line.
    """

    def __init__(self, project: Workspace, address: str, profile: str | None = None) -> None:
        self.project = project
        self.address = address
        self._profile = profile
        self.place = place.of(project.machine, address, project.instance)

    def find(self) -> Client | None:
        """The process, when one runs; costs next to nothing when none does."""
        told = self.place.told()
        if told is None:
            return None
        from devenv.live.client import Client

        return Client(self.place, told)

    def ensure(self, wanted: Blueprint) -> Client | None:
        """Make sure that a process runs for this environment and no other; None when it needs none.

        Raises:
            NotReady: It does not start.
        """
        from devenv.live import assigning

        todo = assigning.of(self.project, wanted, self._profile)
        if not todo.is_needed(watch=self.project.machine.watch):
            self.stop()
            return None
        if (found := self._fitting(todo)) is not None:
            return found
        with self.place.alone():
            if (found := self._fitting(todo)) is not None:
                return found
            self.stop()
            return self._start(todo)

    def begin(self, wanted: Blueprint) -> None:
        """`ensure`, without waiting for it; who asks next hears of what went wrong."""

        def ensure() -> None:
            with suppress(DevenvError):
                self.ensure(wanted)

        threading.Thread(target=ensure, name="devenv-begin", daemon=True).start()

    def _fitting(self, todo: Assignment) -> Client | None:
        """The process, if it does what is wanted now; or runs this devenv itself, and so must not be ended by it."""
        found = self._listening()
        return found if found is not None and (found.told.assignment == todo.hash or _is_parent(found)) else None

    def bring(
        self, wanted: Blueprint, container: Container, off: threading.Event, report: Report, *, seconds: float = CONNECT
    ) -> int:
        """Wait until the volume that a files container holds is equal to its folder; return how many paths it has.

        Args:
            off: Set when nobody waits for it any more.

        Raises:
            NotReady: With the session's reason.
        """
        from devenv.engine.apply import CalledOff
        from devenv.live import assigning
        from devenv.model.progress import Progress

        volume, begun = assigning.volume(container), time.monotonic()
        client = self._sound(wanted, volume)
        while not (now := client.ready(volume, SLICE)).done:
            if off.is_set():
                raise CalledOff
            if _is_stuck(now, time.monotonic() - begun, seconds):
                raise _not_ready(container.unit, now)
            report(Progress(container.unit, now.stage, now.paths, None, "paths"))
        # It may have been live before and be connecting anew, after its container was started again.
        flushed = client.flush(seconds, volume)
        if not flushed.done:
            raise NotReady(f"`{container.unit}` is not in step: {flushed.reason}", hint=REMEDY)
        return now.paths

    def filling(self, wanted: Blueprint, report: Report) -> Callable[[Container, threading.Event], int]:
        """`bring`, for the containers of one environment."""
        return lambda container, off: self.bring(wanted, container, off, report)

    def _sound(self, wanted: Blueprint, volume: str) -> Client:
        """The process; another one where the volume's session in it has ended, which it does not begin again."""
        client = self.ensure(wanted)
        assert client is not None
        if client.ready(volume, 0).ended and not _is_parent(client):
            self.stop()
            client = self.ensure(wanted)
            assert client is not None
        return client

    def flush(self, seconds: float) -> Flushed | None:
        """Wait until both sides are equal; None when no process keeps them so."""
        client = self.find()
        return client.flush(seconds) if client is not None and client.copies else None

    def follow(self) -> Iterator[News]:
        """What the process tells, and the one that takes its place, until there is none.

        Raises:
            NotReady: It has ended by itself, for this reason.
        """
        client = self.find()
        while client is not None:
            with suppress(DevenvError):  # it may end while it is asked
                yield from client.follow()
            if (why := self.place.why()) is not None:
                raise NotReady(f"nothing is synced any more: {why}", hint="`devenv up -d` starts it again")
            client = self._next()

    def _next(self) -> Client | None:
        deadline = time.monotonic() + NEXT
        while (client := self.find()) is None and time.monotonic() < deadline:
            time.sleep(0.05)
        return client

    def stop(self) -> bool:
        """End the process, if one runs; whether one did."""
        client = self._listening()
        if client is None:
            return False
        client.stop()
        for one in _CHILDREN:
            one.poll()
        return True

    def forget(self) -> None:
        """Drop what it remembers of volumes, when they are gone."""
        self.place.forget()

    def _listening(self) -> Client | None:
        """`find`, but one that begins or ends at this moment is waited for."""
        deadline = time.monotonic() + START
        while (client := self.find()) is None and self.place.lives():
            if time.monotonic() > deadline:
                raise NotReady("a background process runs and does not listen", hint=REMEDY)
            time.sleep(0.01)
        return client

    def _start(self, todo: Assignment) -> Client:
        import subprocess

        self.place.make()
        with self.place.log.open("ab") as log:
            started = subprocess.Popen(
                PROCESS,
                cwd=self.place.folder,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        _CHILDREN.append(started)
        assert started.stdin is not None
        with suppress(BrokenPipeError), started.stdin:  # one that has ended already is seen below
            started.stdin.write(self._errand(todo).text().encode())
        deadline = time.monotonic() + START
        while (client := self.find()) is None:
            ended = started.poll() is not None and not self.place.lives()
            if ended or time.monotonic() > deadline:
                reason = self.place.why() or "it ended without a word" if ended else f"not within {START:.0f} s"
                raise NotReady(f"the background process did not start: {reason}", hint=REMEDY)
            time.sleep(0.01)
        return client

    def _errand(self, todo: Assignment) -> Errand:
        from devenv import config
        from devenv.live.assignment import Errand

        return Errand(
            assignment=todo,
            address=self.address,
            command=tuple(command(self.project, self.address, self._profile)),
            place=str(self.place.folder),
            file=str(self.project.folder / config.NAME),
            cache=str(self.project.machine.cache),
            user=self.project.machine.user,
        )


REMEDY = "`devenv sync status` and `devenv sync log` tell more"


def command(project: Workspace, address: str, profile: str | None) -> Sequence[str]:
    """The command line of this devenv for a project, up to the command's name.

    `-P`: the folder it runs in must not count as a place of Python modules, for a repository could have some.
    """
    chosen = ("--profile", profile) if profile is not None else ()
    return (
        *(sys.executable, "-P", "-m", "devenv", "-C", str(project.folder)),
        *(*chosen, "--engine", address),
    )


def in_step(background: Background, remark: Say, *, copies: bool, seconds: float = 10.0) -> Callable[[], None]:
    """Bring what was changed outside in; what is returned brings out what was changed inside.

    Args:
        remark: Hears what did not work.
        copies: Whether the app's files are copies.
    """
    if background.find() is None:
        if copies:
            remark("nothing keeps the files inside and outside equal; `devenv up -d` starts it again")
        return lambda: None

    def flush() -> None:
        flushed = background.flush(seconds)
        if flushed is not None and not flushed.done:
            remark(f"files inside and outside are not equal: {flushed.reason}")

    flush()
    return flush


def _is_parent(client: Client) -> bool:
    """Whether this devenv was started by it, as the consequence of a change."""
    with suppress(ValueError):
        return int(os.environ.get(OWN, "0")) == client.told.pid
    return False


def _is_stuck(now: Readiness, waited: float, seconds: float) -> bool:
    return now.ended or now.stage in ("paused", "halted") or (now.stage == "connecting" and waited > seconds)


def _not_ready(unit: str, now: Readiness) -> DevenvError:
    reason = f"{now.stage}: {now.reason}" if now.reason else now.stage
    return NotReady(f"the files of `{unit}` did not come in: {reason}", hint=REMEDY)
