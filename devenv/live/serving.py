"""Makes the background process of an instance and runs it to its end."""

from __future__ import annotations

import logging
import os
import posixpath
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path, PurePosixPath

from devenv import git, live
from devenv.engine import address
from devenv.engine.protocol import Engine
from devenv.errors import DevenvError, EngineError
from devenv.live import journal
from devenv.live.assignment import Errand, Folder
from devenv.live.place import Place
from devenv.live.process import Hands, Process, Session
from devenv.sync.events import Event
from devenv.sync.watch import Watch

Connect = Callable[[], Engine]

log = logging.getLogger(__name__)


def run(errand: Errand) -> None:
    """Be the background process; return at once when there is one already.

    Why it cannot be, stands in its log and is given as the reason of its end.
    """
    here = Place(Path(errand.place))
    here.make()
    journal.begin(here.log)
    try:
        process = _made(errand, here)
        signal.signal(signal.SIGTERM, lambda *_: process.stop())
        process.run()
    except DevenvError as error:
        log.warning("did not begin: %s", error.message)
        if not here.lives():
            here.give_reason(error.message)
    except BaseException:
        log.exception("it broke")
        raise


def _made(errand: Errand, here: Place) -> Process:
    def connect() -> Engine:
        return address.connect(address.chosen(errand.address, os.environ, Path.home()), Path(errand.cache))

    def session(folder: Folder, tell: Callable[[Event], None]) -> Session:
        return _session(errand, connect, folder, here, tell)

    runner = Runner(errand.command, here.folder)
    return Process(
        here,
        errand.assignment,
        Hands(session, Watch, runner.perform, runner.cease, _Needed(errand, connect).gone),
    )


def _session(errand: Errand, connect: Connect, folder: Folder, here: Place, tell: Callable[[Event], None]) -> Session:
    from devenv.sync import session

    root = Path(errand.assignment.root)
    return session.Session(
        engine=connect,
        container=folder.container,
        volume=folder.volume,
        app=folder.app,
        folder=root / folder.path,
        state=here.state(folder.volume),
        ignore=errand.assignment.ignore,
        above=tuple(above(root, folder.path)),
        user=errand.user,
        tell=tell,
    )


def above(root: Path, folder: str) -> Iterator[tuple[str, str]]:
    """What folders above a synced one ignore: where that is, seen from them, and their patterns; outermost first.

    Args:
        root: The project's folder; what is above it is not the project's.
        folder: The synced one, relative to `root`.
    """
    inside = "" if folder == "." else folder
    yield from ((inside, text) for text in _text(git.exclude(root)))
    for parent in reversed(PurePosixPath(folder).parents):
        seen = posixpath.relpath(folder, parent)
        yield from ((seen, text) for text in _text(root / parent / ".gitignore"))


def _text(path: Path) -> Iterator[str]:
    try:
        yield path.read_text(errors="surrogateescape")
    except OSError:
        return


class Runner:
    """Runs devenv in processes of its own, one at a time.

    Args:
        command: Its command line, up to the command's name.
        folder: Where it runs; nobody else's Python files are there.
    """

    def __init__(self, command: Sequence[str], folder: Path) -> None:
        self._command = tuple(command)
        self._folder = folder
        self._lock = threading.Lock()
        self._over = False
        self._running: subprocess.Popen[str] | None = None

    def perform(self, arguments: Sequence[str], hear: Callable[[str], None]) -> int:
        """Run it to its end; return its exit code."""
        with self._lock:
            if self._over:
                return -signal.SIGINT
            self._running = self._started(arguments)
        assert self._running.stdout is not None
        with self._running as process:
            for line in self._running.stdout:
                hear(line.rstrip("\r\n"))
        return process.returncode

    def cease(self) -> None:
        """Interrupt what runs, as ^C does, and run nothing more."""
        with self._lock:
            self._over = True
            if self._running is not None:
                self._running.send_signal(signal.SIGINT)

    def _started(self, arguments: Sequence[str]) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [*self._command, *arguments],
            cwd=self._folder,
            env=os.environ | {live.OWN: str(os.getpid()), "NO_COLOR": "1"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )


class _Needed:
    """Sees whether there is still anything to follow."""

    def __init__(self, errand: Errand, connect: Connect) -> None:
        self._file = Path(errand.file)
        self._todo = errand.assignment
        self._connect = connect
        self._engine: Engine | None = None
        self._empty = 0

    def gone(self) -> str | None:
        """Why there is nothing left to do; None while there is."""
        if not self._file.is_file():
            return f"`{self._file.name}` is gone"
        if self._todo.mode == "copy":
            # The sessions see for themselves what becomes of their containers.
            return None
        # Between the removal of a container and its creation there is none for a moment.
        self._empty = 0 if self._has_containers() else self._empty + 1
        return f"no container of `{self._todo.instance}` is there any more" if self._empty > 1 else None

    def _has_containers(self) -> bool:
        try:
            self._engine = self._engine or self._connect()
            return bool(self._engine.observe(self._todo.instance).containers)
        except EngineError:
            # An engine that is gone may come back.
            self._engine = None
            return True
