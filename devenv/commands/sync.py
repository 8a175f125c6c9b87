"""`devenv sync`: how the background process is, and what it is to do."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from devenv import workspace
from devenv.errors import NotReady
from devenv.live import Background
from devenv.live.client import Client, Report
from devenv.values import dataclass

PATIENCE = 60.0
"""Seconds that `flush` waits."""
INTERVAL = 0.2
"""Seconds between two looks at whether the log has grown."""


@dataclass(frozen=True, slots=True)
class SyncResult:
    """How the process is.

    Args:
        copies: Whether files are copied; else the engine shares them.
        report: None when no process runs.
        ended: Why the last one ended by itself.
    """

    instance: str
    copies: bool
    report: Report | None
    ended: str | None


def status(background: Background) -> SyncResult:
    """How the process is."""
    project, client = background.project, background.find()
    copies = client.copies if client is not None else workspace.has_copies(project, background.address)
    report = client.report() if client is not None else None
    return SyncResult(project.instance, copies, report, background.place.why() if client is None else None)


def pause(background: Background) -> None:
    """Let sessions change nothing until `resume`."""
    _running(background).pause()


def resume(background: Background) -> None:
    """Let sessions go on, also where one had halted."""
    _running(background).resume()


def flush(background: Background, seconds: float = PATIENCE) -> None:
    """Wait until everything changed so far is equal on both sides.

    Raises:
        NotReady: It is not, and why.
    """
    flushed = _running(background).flush(seconds)
    if not flushed.done:
        raise NotReady(f"files inside and outside are not equal: {flushed.reason}", hint="see `devenv sync status`")


def log(background: Background, *, follow: bool) -> Iterator[str]:
    """The lines of its log; with `follow` also those that come."""
    path = background.place.log
    if not path.is_file() and not follow:
        raise NotReady(
            "there is no log: no background process has run here", hint="`devenv up` starts one where needed"
        )
    yield from _followed(path) if follow else path.read_text(errors="replace").splitlines()


def _running(background: Background) -> Client:
    client = background.find()
    if client is None:
        why = background.place.why()
        raise NotReady(f"no background process runs{f': {why}' if why else ''}", hint="`devenv up -d` starts it")
    return client


def _followed(path: Path) -> Iterator[str]:
    import time

    inode, position, rest = 0, 0, ""
    while True:
        try:
            with path.open(errors="replace") as file:
                # A log that grew too large was renamed, and another one begun.
                now = path.stat().st_ino
                position = position if now == inode else 0
                inode = now
                file.seek(position)
                *lines, rest = (rest + file.read()).split("\n")
                position = file.tell()
        except FileNotFoundError:
            lines = []
        yield from lines
        time.sleep(INTERVAL)
