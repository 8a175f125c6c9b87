"""A session between two folders of this machine: the agent runs as a process here, without a container."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from devenv.engine.protocol import Engine
from devenv.errors import DevenvError
from devenv.sync import wire
from devenv.sync.entries import TEMPORARY
from devenv.sync.events import Event
from devenv.sync.link import Deliver
from devenv.sync.session import Session
from devenv.sync.wire import Message


class LocalLink:
    """An agent as a process of this machine; `sent` is how many bytes it was told."""

    def __init__(self, root: Path, environ: dict[str, str], before: tuple[str, ...], deliver: Deliver) -> None:
        self.sent = 0
        self._process = subprocess.Popen(
            (*before, *wire.command(str(root))),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
            env=os.environ | environ,
            start_new_session=True,
        )
        self._deliver = deliver
        threading.Thread(target=self._read, daemon=True).start()

    @property
    def process(self) -> int:
        return self._process.pid

    def send(self, data: bytes) -> None:
        assert self._process.stdin is not None
        self.sent += len(data)
        try:
            view = memoryview(data)
            while view:
                view = view[self._process.stdin.write(view) :]
        except (OSError, ValueError) as error:
            raise ConnectionError(str(error)) from error

    def close(self) -> None:
        assert self._process.stdin is not None
        with suppress(OSError):
            self._process.stdin.close()

    def kill(self) -> None:
        with_group = os.getpgid(self._process.pid)
        os.killpg(with_group, signal.SIGKILL)

    def _read(self) -> None:
        assert self._process.stdout is not None
        parser = wire.Parser()
        while data := self._process.stdout.read(1 << 18):
            self._deliver(messages) if (messages := parser.feed(data)) else None
        self._process.stdout.close()
        self._process.wait()
        self._deliver(())


@dataclass
class Sides:
    """Two folders and the session between them.

    Args:
        before: Words before the agent's own command.
        heard: What of the agent's messages arrives.
    """

    host: Path
    inner: Path
    state: Path
    ignore: tuple[str, ...] = ()
    environ: dict[str, str] = field(default_factory=dict)
    before: tuple[str, ...] = ()
    heard: Callable[[Sequence[Message]], Sequence[Message]] = tuple
    events: list[Event] = field(default_factory=list)
    session: Session | None = None
    link: LocalLink | None = None
    failure: BaseException | None = None
    _thread: threading.Thread | None = None

    def start(self) -> None:
        def connect(deliver: Deliver) -> LocalLink:
            def hear(messages: Sequence[Message]) -> None:
                arriving = self.heard(messages)
                if arriving or not messages:  # none is the end
                    deliver(arriving)

            self.link = LocalLink(self.inner, self.environ, self.before, hear)
            return self.link

        self.session = Session(
            engine=_no_engine,
            container="web.files-1",
            volume="web-files",
            app="web",
            folder=self.host,
            state=self.state,
            ignore=self.ignore,
            tell=self.events.append,
            connect=connect,
        )
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        if self.session is not None and self._thread is not None:
            self.session.stop()
            self._thread.join(20)
            assert not self._thread.is_alive(), "the session does not end"
            self._thread = None

    def _run(self) -> None:
        assert self.session is not None
        try:
            self.session.run()
        except BaseException as error:
            self.failure = error
            if not isinstance(error, DevenvError):
                raise

    def settled(self, seconds: float = 10.0) -> None:
        """Wait until everything that was changed so far is equal."""
        assert self.session is not None
        assert self.session.ready(seconds), self.session.status()
        assert self.session.flush(seconds), self.session.status()

    def tree(self, root: Path) -> dict[str, tuple[str, int, bytes]]:
        """All that is in a folder, but what is never synced."""
        found: dict[str, tuple[str, int, bytes]] = {}
        for path in root.rglob("*"):
            relative, mode = path.relative_to(root).as_posix(), path.lstat().st_mode & 0o777
            # What an agent that is killed had in hand stays: it may hold what somebody wrote.
            if relative.partition("/")[0] == ".devenv" or path.name.startswith(TEMPORARY):
                continue
            if path.is_symlink():
                found[relative] = ("link", 0, os.fsencode(path.readlink()))
            elif path.is_dir():
                found[relative] = ("folder", mode, b"")
            else:
                found[relative] = ("file", mode, path.read_bytes())
        return found

    def equal(self) -> bool:
        try:
            return self.tree(self.host) == self.tree(self.inner)
        except FileNotFoundError:  # something was just removed
            return False


@contextmanager
def sides(folder: Path, *, ignore: tuple[str, ...] = (), start: bool = True, **environ: str) -> Iterator[Sides]:
    pair = Sides(folder / "host", folder / "inner", folder / "state", ignore, dict(environ))
    pair.host.mkdir(parents=True, exist_ok=True)
    pair.inner.mkdir(exist_ok=True)
    if start:
        pair.start()
    try:
        yield pair
    finally:
        pair.stop()


def until(condition: Callable[[], object], *, seconds: float = 10.0, every: float = 0.002) -> None:
    """Wait for a condition."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come true"
        time.sleep(every)


def _no_engine() -> Engine:
    raise AssertionError("there is no engine")


def _alone(host: str, inner: str, state: str) -> None:
    """A session in a process of its own, which says what stage it is in and ends with its input."""
    pair = Sides(Path(host), Path(inner), Path(state))
    pair.start()
    assert pair.session is not None
    assert pair.session.ready(20)
    sys.stdout.write("live\n")
    sys.stdout.flush()
    sys.stdin.read()
    pair.stop()


if __name__ == "__main__":
    _alone(*sys.argv[1:])
