"""Carries out what a change of certain paths has as its consequence: setup, a restart, a rebuild."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence

from devenv.live.assignment import Followed
from devenv.live.news import News, printable
from devenv.model.project import Action
from devenv.sync.rules import Rules

QUIET = 0.3
"""Seconds without a further change after which a burst has ended."""
CHAINED = 3
"""So many runs in a row, each for a change of the same path made during the one before, are the most."""

Perform = Callable[[Sequence[str], Callable[[str], None]], int]
"""Runs devenv with these arguments, tells each line it prints, and gives its exit code."""

log = logging.getLogger(__name__)

_STRENGTH: Mapping[Action, int] = {"sync": 0, "setup": 1, "restart": 2, "rebuild": 3}


class Burst:
    """The strongest action for each app, gathered from changes that follow each other closely."""

    def __init__(self, followed: Sequence[Followed], quiet: float = QUIET) -> None:
        self._apps = [(one, Rules(one.rules)) for one in followed]
        self._quiet = quiet
        self._actions: dict[str, Action] = {}
        self._due = 0.0
        self.cause = ""

    def add(self, folder: str, paths: Iterable[str], now: float) -> bool:
        """Note changes in a folder; whether any of them has a consequence."""
        found = False
        for path in paths:
            for one, rules in self._apps:
                if one.folder == folder and (action := rules.action(path)) != "sync":
                    self._note(one.app, action, path if folder == "." else f"{folder}/{path}")
                    found = True
        if found:
            self._due = now + self._quiet
        return found

    def _note(self, app: str, action: Action, path: str) -> None:
        self.cause = self.cause or path
        if _STRENGTH[action] > _STRENGTH[self._actions.get(app, "sync")]:
            self._actions[app] = action

    def left(self, now: float) -> float | None:
        """Seconds until it has ended; None when there is none."""
        return max(0.0, self._due - now) if self._actions else None

    def take(self) -> tuple[dict[str, Action], str]:
        """The actions by app, and the first path that gave cause for one; the next burst begins."""
        taken, cause = self._actions, self.cause
        self._actions, self.cause = {}, ""
        return taken, cause


def commands(actions: Mapping[str, Action]) -> list[list[str]]:
    """What to run for these actions.

    A changed input changes the configuration of its app's container, so `up` makes that anew and setup runs. A rebuild
    brings everything to what is asked for, and starts the app anew whether something changed or not.
    """
    found = [["up", "-d"]] if {"setup", "rebuild"} & set(actions.values()) else []
    again = sorted(app for app, action in actions.items() if action in ("restart", "rebuild"))
    return [*found, ["restart", *again]] if again else found


class Actions:
    """Carries out actions, one at a time; changes during one of them make one more."""

    def __init__(
        self, followed: Sequence[Followed], perform: Perform, tell: Callable[[News], None], *, quiet: float = QUIET
    ) -> None:
        self._burst = Burst(followed, quiet)
        self._quiet = quiet
        self._perform = perform
        self._tell = tell
        self._changed = threading.Condition()
        self._stopped = False
        self._ended = float("-inf")
        self._begun = 0.0
        self._chain = 0
        self._cause = ""
        self.under_way = ""
        """The command that is carried out; stays until the last one of a burst has ended."""

    def changed(self, folder: str, paths: Iterable[str]) -> None:
        """Hear of changes in a folder (relative to the project), from any thread."""
        with self._changed:
            now = time.monotonic()
            first = self._burst.left(now) is None
            if self._burst.add(folder, paths, now):
                self._begun = now if first else self._begun
                self._changed.notify_all()

    def stop(self) -> None:
        """Begin nothing more; `run` returns when what is under way has ended."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    def run(self) -> None:
        """Carry out actions until `stop`."""
        while (taken := self._next()) is not None:
            actions, cause = taken
            if self._chain >= CHAINED:
                self._failed(f"{cause} changes whenever this runs, so it is not run again until the next change")
                self._ended, self._chain = float("-inf"), 0
                continue
            for arguments in commands(actions):
                self.under_way = " ".join(["devenv", *arguments])
                if self._stopped or not self._carried_out(arguments, cause):
                    break
            self.under_way = ""
            self._ended = time.monotonic()

    def _next(self) -> tuple[dict[str, Action], str] | None:
        """The next burst, when it has ended; None after `stop`."""
        with self._changed:
            while not self._stopped and (left := self._burst.left(time.monotonic())) != 0:
                self._changed.wait(left)
            if self._stopped:
                return None
            actions, cause = self._burst.take()
            # Whoever saves one file after another does not go round in circles.
            is_chained = self._begun < self._ended + self._quiet and cause == self._cause
            self._chain, self._cause = self._chain + 1 if is_chained else 0, cause
            return actions, cause

    def _carried_out(self, arguments: Sequence[str], cause: str) -> bool:
        command = self.under_way
        begun = time.monotonic()
        self._told(News("began", paths=(printable(cause),), count=1, text=command))
        code = self._perform(arguments, lambda line: self._told(News("line", text=printable(line))))
        if code != 0:
            self._failed(f"`{command}` failed with exit code {code}")
            return False
        self._told(News("done", text=command, seconds=time.monotonic() - begun))
        return True

    def _failed(self, words: str) -> None:
        self._told(News("failed", text=printable(words)))

    def _told(self, news: News) -> None:
        cause = f"{news.paths[0]} changed: " if news.paths else ""
        if news.kind == "line":
            log.info("| %s", news.text)
        else:
            log.log(logging.WARNING if news.kind == "failed" else logging.INFO, "%s: %s%s", news.kind, cause, news.text)
        self._tell(news)
