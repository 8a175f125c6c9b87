"""The background process of an instance: runs its sessions, follows changes, answers."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

from devenv.errors import DevenvError
from devenv.live import client, news
from devenv.live.actions import Actions, Perform
from devenv.live.assignment import Assignment, Folder
from devenv.live.client import Report
from devenv.live.control import Server
from devenv.live.news import Followers, News, printable
from devenv.live.place import Place, Told
from devenv.sync.events import Conflict, Event, Staged, Status, Synced, Trouble
from devenv.values import dataclass

LOOK = 60.0
"""Seconds between two looks at whether there is still anything to do."""
CONNECT = 5.0
"""Seconds in which a session that connects may come to it while somebody waits for both sides to be equal."""
CONNECTING = 0.05
"""Seconds between two looks at whether a session is connected."""
ENDING = 5.0
"""Seconds a session may take to stop."""

log = logging.getLogger(__name__)


class Session(Protocol):
    """What keeps a folder and a volume equal: `devenv.sync.session.Session`."""

    def run(self) -> None: ...
    def stop(self) -> None: ...
    def pause(self) -> None: ...
    def resume(self) -> None: ...
    def flush(self, seconds: float) -> bool: ...
    def ready(self, seconds: float) -> bool: ...
    def status(self) -> Status: ...


class Watch(Protocol):
    """What hears of changes in a folder: `devenv.sync.watch.Watch`."""

    def run(self, changed: Callable[[set[str]], None]) -> None: ...
    def stop(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Hands:
    """With what it works on the world.

    Args:
        session: Makes a folder's session, which is to tell what happens.
        watch: Makes a folder's watch.
        perform: Runs devenv.
        cease: Ends what `perform` runs now.
        gone: Why there is nothing left to do; None while there is.
    """

    session: Callable[[Folder, Callable[[Event], None]], Session]
    watch: Callable[[Path], Watch]
    perform: Perform
    cease: Callable[[], None]
    gone: Callable[[], str | None]


class Process:
    """One for each instance.

    Args:
        place: Where its files are.
        look: Seconds between two looks at whether there is still anything to do.
    """

    def __init__(self, place: Place, assignment: Assignment, hands: Hands, *, look: float = LOOK) -> None:
        self._place = place
        self._assignment = assignment
        self._hands = hands
        self._look = look
        self._root = Path(assignment.root)
        self._over = threading.Event()
        self._reason: str | None = None
        self._followers = Followers()
        self._actions = Actions(assignment.followed, hands.perform, self._followers.tell)
        self._sessions = {one.volume: hands.session(one, self._hearing(one)) for one in assignment.folders}
        self._ended: dict[str, str] = {}
        self._watches = {} if assignment.folders else self._watched()

    def stop(self) -> None:
        """Let `run` return, soon; also from a signal handler."""
        self._over.set()

    def run(self) -> bool:
        """Work until there is nothing left to do, or `stop`; whether this was the instance's process at all."""
        with self._place.hold() as held:
            if held is None:
                return False
            self._place.give_reason(None)
            socket = self._place.socket()
            server = Server(socket, self._answer, self._followers)
            try:
                with self._working():
                    mode, identity = self._assignment.mode, self._assignment.hash
                    self._place.say(held, Told(os.getpid(), mode, identity, str(socket)))
                    log.info("began: %s of %s, devenv %s", mode, self._root, self._assignment.version)
                    self._wait()
            finally:
                self._place.say(held, None)
                self._followers.tell(None)
                server.close()
                self._leave()
        return True

    # --- its life ---

    def _working(self) -> _Threads:
        works = {f"session {volume}": self._session(volume) for volume in self._sessions}
        works |= {f"watch {folder}": self._watch(folder) for folder in self._watches}
        return _Threads({**works, "actions": self._actions.run}, self._cease)

    def _wait(self) -> None:
        while not self._over.wait(self._look):
            self._reason = self._hands.gone()
            if self._reason is not None:
                return

    def _cease(self) -> None:
        self._actions.stop()
        self._hands.cease()
        for session in self._sessions.values():
            session.stop()
        for watch in self._watches.values():
            watch.stop()

    def _leave(self) -> None:
        if self._sessions and len(self._ended) == len(self._sessions):
            self._reason = "; ".join(dict.fromkeys(self._ended.values()))
        if self._reason is not None:
            self._place.give_reason(printable(self._reason))
        log.info("ended: %s", self._reason or "as asked")

    def _session(self, volume: str) -> Callable[[], None]:
        def run() -> None:
            try:
                self._sessions[volume].run()
            except DevenvError as error:
                self._lost(volume, error.message)
            except Exception as error:
                log.exception("the session of %s broke", volume)
                self._lost(volume, f"this is a bug in devenv: {type(error).__name__}: {error}")

        return run

    def _lost(self, volume: str, reason: str) -> None:
        log.warning("the session of %s ended: %s", volume, reason)
        self._ended[volume] = reason
        self._followers.tell(News("trouble", app=self._app(volume), text=printable(reason)))
        if len(self._ended) == len(self._sessions):
            self._over.set()

    def _watched(self) -> dict[str, Watch]:
        folders = dict.fromkeys(one.folder for one in self._assignment.followed)
        return {folder: self._hands.watch(self._root / folder) for folder in folders}

    def _watch(self, folder: str) -> Callable[[], None]:
        def run() -> None:
            try:
                self._watches[folder].run(lambda paths: self._actions.changed(folder, paths))
            except Exception as error:
                log.warning(
                    "changes in %s are not followed: %s", folder, error, exc_info=not isinstance(error, OSError)
                )
                text = printable(f"changes in `{folder}` are not followed: {error}")
                self._followers.tell(News("trouble", text=text))

        return run

    # --- what happens ---

    def _hearing(self, folder: Folder) -> Callable[[Event], None]:
        was_live = False

        def hear(event: Event) -> None:
            nonlocal was_live
            was_live = was_live or (isinstance(event, Staged) and event.stage == "live")
            # What came in before is what `up` itself has seen.
            if was_live and isinstance(event, Synced) and event.direction == "in":
                self._actions.changed(folder.path, event.paths)
            made = news.of(event, folder.app, folder.path)
            log.log(logging.INFO if made.kind in ("synced", "stage") else logging.WARNING, "%s", _logged(made))
            self._followers.tell(made)

        return hear

    # --- answers ---

    def _answer(self, asked: Mapping[str, Any]) -> Mapping[str, Any]:
        match asked["do"]:
            case "version":
                return {"version": self._assignment.version, "pid": os.getpid()}
            case "status":
                return client.data(self._report())
            case "pause" | "resume" as verb:
                for session in self._sessions.values():
                    getattr(session, verb)()
                return {"done": True}
            case "flush":
                return self._flushed(float(asked["seconds"]), asked.get("volume"))
            case "ready":
                return self._readied(str(asked["volume"]), float(asked["seconds"]))
            case "stop":
                self.stop()
                return {"done": True}
        raise DevenvError(f"`{asked['do']}` is no question")

    def _report(self) -> Report:
        return Report(
            pid=os.getpid(),
            mode=self._assignment.mode,
            version=self._assignment.version,
            sessions=tuple(self._status(volume) for volume in self._sessions),
            followed=tuple(one.app for one in self._assignment.followed),
            action=self._actions.under_way,
        )

    def _status(self, volume: str) -> Status:
        """A session's, with names that can be printed anywhere."""
        now = self._sessions[volume].status()
        ended = self._ended.get(volume)
        return replace(
            now,
            stage="halted" if ended is not None else now.stage,
            reason=printable(ended if ended is not None else now.reason),
            folder=printable(now.folder),
            conflicts=tuple(Conflict(printable(one.path), printable(one.kept)) for one in now.conflicts),
            troubles=tuple(Trouble(printable(one.path), printable(one.reason)) for one in now.troubles),
        )

    def _flushed(self, seconds: float, only: str | None) -> Mapping[str, Any]:
        now = time.monotonic()
        # Who waits for one volume has just started its container; an engine that is gone may stay away for long.
        connected = now + (seconds if only is not None else min(seconds, CONNECT))
        for volume in self._sessions:
            if only in (None, volume) and not self._is_equal(volume, now + seconds, connected):
                return {"done": False, "reason": self._why_not(volume, seconds)}
        return {"done": True}

    def _is_equal(self, volume: str, deadline: float, connected: float) -> bool:
        """Whether a session brings both sides together until a deadline; until `connected` it may still connect."""
        session = self._sessions[volume]
        while volume not in self._ended:
            if session.flush(max(0.0, deadline - time.monotonic())):
                return True
            if session.status().stage != "connecting" or time.monotonic() >= connected:
                break
            self._over.wait(CONNECTING)
        return False

    def _why_not(self, volume: str, seconds: float) -> str:
        now = self._status(volume)
        if now.stage == "live":
            return f"it is not done after {seconds:.0f} s"
        return f"it is {now.stage}: {now.reason}" if now.reason else f"it is {now.stage}"

    def _readied(self, volume: str, seconds: float) -> Mapping[str, Any]:
        if volume not in self._sessions:
            raise DevenvError(f"it has no session for the volume `{volume}`")
        done = volume not in self._ended and self._sessions[volume].ready(seconds)
        now = self._status(volume)
        return {
            "done": done,
            "ended": volume in self._ended,
            "stage": now.stage,
            "reason": now.reason,
            "paths": now.paths,
        }

    def _app(self, volume: str) -> str:
        return next(one.app for one in self._assignment.folders if one.volume == volume)


class _Threads:
    """Runs works side by side, and waits a while for their end."""

    def __init__(self, works: Mapping[str, Callable[[], None]], cease: Callable[[], None]) -> None:
        self._threads = [threading.Thread(target=work, name=name, daemon=True) for name, work in works.items()]
        self._cease = cease

    def __enter__(self) -> None:
        for one in self._threads:
            one.start()

    def __exit__(self, *error: object) -> None:
        self._cease()
        deadline = time.monotonic() + ENDING
        for one in self._threads:
            one.join(max(0.0, deadline - time.monotonic()))


def _logged(told: News) -> str:
    if told.kind == "stage":
        return f"{told.app}: {told.text}"
    if told.kind == "synced":
        return f"{told.app}: {told.count} {told.direction} in {told.seconds * 1000:.0f} ms: {', '.join(told.paths[:3])}"
    return f"{told.app}: {told.kind}: {', '.join(told.paths)}: {told.text}"
