"""Keeps one folder of the host and one volume equal, for as long as both are there."""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from devenv.engine.protocol import Engine
from devenv.errors import DevenvError, EngineError, EngineUnreachable
from devenv.sync.base import Base
from devenv.sync.contact import Contact, Lost
from devenv.sync.disk import Disk
from devenv.sync.events import Conflict, Event, Stage, Staged, Status, Synced, Trouble
from devenv.sync.inbox import Request
from devenv.sync.link import Deliver, Link
from devenv.sync.rules import Ignore
from devenv.sync.watch import Watch

ROOT = "/work"
PAUSES = (*[0.02] * 50, 0.1, 0.2, 0.5, 1.0, 2.0)
"""Seconds between attempts to reach the agent; the last one over and over. `up` starts a session with its container."""
STARTING = 1.0
"""Seconds in which it is nothing to tell of that a container does not run."""
GONE = 45.0
"""Seconds after which a container that is not there, or does not run, is taken to be gone for good."""
RESUMING = 5.0
"""Seconds in which a session that is connected hears that it is to go on."""
TOLD = 100
"""How many conflicts and times are remembered."""

log = logging.getLogger("devenv.sync")


class Connection(Protocol):
    """What carries messages to an agent."""

    def send(self, data: bytes) -> None: ...

    def close(self) -> None: ...


Connect = Callable[[Deliver], Connection]


class Session:
    """One folder of the host and one volume.

    `run` does the work; everything else may be called from any thread.

    Args:
        engine: Makes a connection to the engine; called again after one was lost.
        container: One that runs and has the volume at `/work`.
        app: Whose name the other side of a conflict bears.
        folder: Absolute.
        state: Folder for what has to be remembered.
        ignore: Patterns on top of `.gitignore`.
        above: See `Ignore`.
        tell: Hears what happens, from the session's thread.
        user: `uid:gid` the agent works as.
        connect: Reaches an agent in another way.
    """

    def __init__(
        self,
        *,
        engine: Callable[[], Engine],
        container: str,
        volume: str,
        app: str,
        folder: Path,
        state: Path,
        ignore: Sequence[str],
        tell: Callable[[Event], None],
        above: Sequence[tuple[str, str]] = (),
        user: str | None = None,
        connect: Connect | None = None,
    ) -> None:
        self._container = container
        self._volume = volume
        self._app = app
        self._folder = folder
        self._state = state
        self._patterns = tuple(ignore)
        self._above = tuple(above)
        self._tell = tell
        self._connect = connect or (lambda deliver: Link(engine(), container, ROOT, user, deliver))
        self._inbox: queue.SimpleQueue[object] = queue.SimpleQueue()
        self._stopped = threading.Event()
        self._was_live = threading.Event()
        self._held = threading.Event()
        self._blind = threading.Event()
        self._stage: Stage = "connecting"
        self._reason = ""
        self._agent = ""
        self._watch = Watch(folder)
        self._is_watching = False
        self._contact: Contact | None = None
        self._base: Base | None = None
        self._conflicts: deque[Conflict] = deque(maxlen=TOLD)
        self._troubles: dict[str, Trouble] = {}
        self._seconds: deque[float] = deque(maxlen=TOLD)

    # --- from any thread ---

    def stop(self) -> None:
        """Make `run` return; what is under way is brought to its end."""
        self._stopped.set()
        self._inbox.put(Request("stop"))

    def pause(self) -> None:
        """Change nothing on either side until `resume`."""
        self._held.set()
        self._inbox.put(Request("pause"))

    def resume(self) -> None:
        """Go on, also where it halted; return when it does, or cannot be reached."""
        self._held.clear()
        request = Request("resume")
        self._inbox.put(request)
        request.done.wait(RESUMING)

    def flush(self, seconds: float) -> bool:
        """Wait until all that was changed on either side so far is equal; False when it is not, in that time."""
        if self._stage not in ("copying", "live"):
            return False
        request = Request("flush", time.monotonic() + seconds)
        self._inbox.put(request)
        return request.done.wait(seconds + 1) and request.well

    def ready(self, seconds: float) -> bool:
        """Wait until both sides have been equal once."""
        return self._was_live.wait(seconds)

    def status(self) -> Status:
        """How it is."""
        contact, base = self._contact, self._base
        return Status(
            volume=self._volume,
            app=self._app,
            folder=str(self._folder),
            stage=self._stage,
            reason=self._reason,
            agent=self._agent if contact is not None else "",
            paths=len(base) if base is not None else 0,
            waiting=contact.waiting if contact is not None else 0,
            conflicts=tuple(self._conflicts),
            troubles=tuple(self._troubles.copy().values()),
            seconds=tuple(self._seconds),
        )

    # --- the session's thread ---

    def run(self) -> None:
        """Work until `stop`.

        Raises:
            DevenvError: It cannot go on: the folder or the container is gone for good.
        """
        disk = self._open()
        self._base = base = Base(self._state / "agreed.sqlite")
        try:
            self._keep_connected(disk, base)
        finally:
            self._watch.stop()
            base.close()
            disk.close()

    def _open(self) -> Disk:
        try:
            return Disk(self._folder)
        except OSError as error:
            raise DevenvError(f"cannot open `{self._folder}`: {error.strerror}") from error

    def _begin_to_watch(self) -> None:
        """Watch the folder, once; what was changed in it before is found by the look that follows."""
        if not self._is_watching:
            self._is_watching = True
            threading.Thread(target=self._run_watch, name="devenv-sync-watch", daemon=True).start()

    def _run_watch(self) -> None:
        try:
            self._watch.run(self._inbox.put)
        except OSError as error:
            self._blind.set()
            self._inbox.put(error)

    def _keep_connected(self, disk: Disk, base: Base) -> None:
        attempt, gone_since = 0, None
        while not self._stopped.is_set():
            if not disk.is_there():
                raise DevenvError(f"the folder `{self._folder}` is gone", hint="run `devenv up` where it is now")
            try:
                self._work(disk, base)
            except (Lost, ConnectionError) as error:
                self._set_stage("connecting", str(error))
                attempt, gone_since = 0, None
            except EngineUnreachable as error:
                self._set_stage("connecting", error.message)
            except EngineError as error:
                gone_since = gone_since or time.monotonic()
                if time.monotonic() - gone_since > STARTING:
                    self._set_stage("connecting", error.message)
                if time.monotonic() - gone_since > GONE:
                    raise DevenvError(
                        f"`{self._container}` does not run: {error.message}", hint="run `devenv up`"
                    ) from error
            self._stopped.wait(PAUSES[min(attempt, len(PAUSES) - 1)])
            attempt += 1

    def _work(self, disk: Disk, base: Base) -> None:
        """One connection, from its beginning to its end."""
        ignore = Ignore(self._patterns, lambda path: _text(disk, path), above=self._above)
        contact = Contact(
            self._inbox,
            self._connect,
            disk,
            base,
            ignore,
            app=self._app,
            tell=self._heard,
            staged=self._set_stage,
            held=self._held,
            blind=self._blind,
        )
        try:
            self._contact = contact
            self._agent = contact.greet()
            # Not earlier: to begin takes a large folder's first look and copy the processor.
            self._begin_to_watch()
            contact.run(self._stopped)
        finally:
            self._contact = None
            contact.close()
            base.commit()

    def _set_stage(self, stage: Stage, reason: str = "") -> None:
        if (stage, reason) != (self._stage, self._reason):
            self._stage, self._reason = stage, reason
            self._tell(Staged(stage, reason))
        if stage == "live":
            self._was_live.set()

    def _heard(self, event: Event) -> None:
        """Keep for `status` what is told."""
        if isinstance(event, Conflict):
            self._conflicts.append(event)
        elif isinstance(event, Trouble) and not event.reason:
            self._troubles.pop(event.path, None)
            return
        elif isinstance(event, Trouble):
            if self._troubles.get(event.path) == event:
                return
            self._troubles[event.path] = event
        elif isinstance(event, Synced):
            for path in event.paths if self._troubles else ():
                self._troubles.pop(path, None)
            if len(event.paths) == 1:
                self._seconds.append(event.seconds)
        self._tell(event)


def _text(disk: Disk, path: str) -> str | None:
    try:
        with disk.read(path) as content:
            data = content.data
    except Exception:  # a `.gitignore` that cannot be read ignores nothing
        return None
    return None if data is None else data.decode(errors="surrogateescape")
