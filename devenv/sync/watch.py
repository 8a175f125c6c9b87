"""Hints of what changes below a folder of the host."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

QUIET = 5
"""Milliseconds without a further event after which hints are told."""
LONGEST = 12
"""Milliseconds after which a burst's hints are told though it goes on."""
IDLE = 60_000
"""Milliseconds after which it says that nothing happened; it looks at whether to stop every `QUIET`."""
AGAIN = 0.1
"""Seconds between a failure and the next attempt."""


class Watch:
    """Watches a folder and everything below it.

    Hints may be lost and may be too many; they are never the truth about a file.

    Args:
        folder: Absolute.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._stopped = threading.Event()

    def run(self, changed: Callable[[set[str]], None]) -> None:
        """Tell paths relative to the folder, until `stop`; "" is the folder itself: anything in it.

        Raises:
            OSError: The system refuses to watch: its limit on watches, the folder is gone.
        """
        from watchfiles._rust_notify import WatchfilesRustInternalError

        while not self._stopped.is_set():
            try:
                self._watch(changed)
            except WatchfilesRustInternalError:
                # It cannot name a path that is no UTF-8, and says so again and again instead of anything else.
                self._stopped.wait(AGAIN)

    def _watch(self, changed: Callable[[set[str]], None]) -> None:
        from watchfiles._rust_notify import RustNotify, WatchfilesRustInternalError

        # watchfiles.watch wraps each change in an enumeration's member, which for a burst takes longer than all else.
        root = str(self._folder)
        below = root.rstrip("/") + "/"
        try:
            watcher = RustNotify([root], False, False, 0, True, True)
        except (WatchfilesRustInternalError, FileNotFoundError) as error:
            raise OSError(str(error)) from error
        changed({""})
        with watcher:
            while not self._stopped.is_set():
                told = watcher.watch(LONGEST, QUIET, IDLE, self._stopped)
                if isinstance(told, set):
                    changed({path.removeprefix(below) if path != root else "" for _, path in told})

    def stop(self) -> None:
        """Make `run` return, soon."""
        self._stopped.set()
