"""One devenv at a time on an instance: a lock of the operating system, outside the project."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shlex
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import IO

from devenv.errors import Busy, DevenvError
from devenv.model.machine import Machine
from devenv.values import dataclass

INTERVAL = 0.05


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds a lock.

    Args:
        pid: 0 when it has not written it down yet.
        command: As typed.
        since: Seconds since 1970.
    """

    pid: int = 0
    command: str = "devenv"
    since: float = 0.0

    def __str__(self) -> str:
        return f"`{self.command}` (process {self.pid})" if self.pid else "another devenv"


@contextmanager
def hold(
    machine: Machine,
    address: str,
    instance: str,
    *,
    patience: float = 60.0,
    tell: Callable[[Holder], None] | None = None,
    command: str | None = None,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[None]:
    """Keep other devenv processes of this user off an instance on an engine.

    The kernel frees the lock when its holder ends, however that happens; what the file says is for people only.

    Args:
        patience: Seconds to wait for another holder.
        tell: Called once when there is something to wait for.

    Raises:
        Busy: Another process held it for so long.
    """
    with _open(_path(machine, address, instance)) as file:
        deadline, told = clock() + patience, False
        while not _take(file):
            holder = _read(file)
            if tell is not None and not told:
                tell(holder)
                told = True
            if clock() >= deadline:
                raise _busy(instance, holder)
            sleep(INTERVAL)
        _write(file, Holder(os.getpid(), command or shlex.join(["devenv", *sys.argv[1:]]), time.time()))
        try:
            yield
        finally:
            file.truncate(0)


def _path(machine: Machine, address: str, instance: str) -> Path:
    name = hashlib.sha256(f"{address}\0{instance}".encode()).hexdigest()
    return machine.state / "locks" / f"{name}.lock"


def _open(path: Path) -> IO[str]:
    """Open without emptying it: it may tell of a holder. The file is never removed, or two could lock one name."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), "r+", encoding="utf-8")
    except OSError as error:
        raise DevenvError(f"the lock file `{path}` cannot be opened: {error.strerror}") from error


def _take(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _read(file: IO[str]) -> Holder:
    try:
        file.seek(0)
        told = json.loads(file.read())
        return Holder(int(told["pid"]), str(told["command"]), float(told["since"]))
    except (ValueError, KeyError, TypeError):
        return Holder()


def _write(file: IO[str], holder: Holder) -> None:
    file.seek(0)
    file.truncate(0)
    file.write(json.dumps(asdict(holder)))
    file.flush()


def _busy(instance: str, holder: Holder) -> Busy:
    hint = "try again when it is done"
    if holder.pid:
        hint += f", or end it with `kill {holder.pid}`"
    return Busy(f"{holder} works on `{instance}`", hint=hint)
