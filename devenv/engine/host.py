"""What the doctor asks of this computer: its system, programs, files, and to run a command."""

from __future__ import annotations

import os
import platform
import pwd
import shutil
import socket
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from devenv.engine import ports
from devenv.model.blueprint import Port
from devenv.model.machine import Machine
from devenv.values import dataclass

# Daemons and their tools live in `sbin`, which users other than root often lack in their PATH.
_SYSTEM_PATH = "/usr/local/sbin:/usr/sbin:/sbin"

_NOT_RUN = 127


@dataclass(frozen=True, slots=True)
class Done:
    """A command that has ended: its exit code, and stdout and stderr together."""

    code: int
    output: str


@dataclass(frozen=True, slots=True)
class Heard:
    """What came of asking a server.

    Args:
        why: The reason why it could not be reached; empty when it was.
        date: Its clock, in seconds since 1970.
        at: This machine's at that moment.
    """

    why: str = ""
    date: float | None = None
    at: float | None = None


class Host(Protocol):
    """A computer.

    Args:
        system: `Linux`, `Darwin`, …
        distributions: The Linux distribution and those it derives from, nearest first: `ubuntu`, `debian`.
        user: Who runs devenv.
        root: Whether that is root.
    """

    @property
    def system(self) -> str: ...

    @property
    def distributions(self) -> tuple[str, ...]: ...

    @property
    def user(self) -> str: ...

    @property
    def root(self) -> bool: ...

    def has(self, program: str) -> bool:
        """Whether the program is in the PATH, or where the system keeps its daemons."""
        ...

    def read(self, path: Path) -> str | None:
        """A file's text; None when it is not there or may not be read."""
        ...

    def exists(self, path: Path) -> bool: ...

    def free(self, path: Path) -> int | None:
        """Bytes free for this user where the path is, or would be made; None when that cannot be told."""
        ...

    def run(self, command: Sequence[str]) -> Done:
        """Run to the end with empty input; a program that is not there gives code 127."""
        ...

    def pause(self, seconds: float) -> None: ...

    def now(self) -> float:
        """Seconds since 1970."""
        ...

    def folders(self, path: Path, most: int) -> int:
        """How many folders there are below a path; counting ends at `most`."""
        ...

    def holder(self, port: int) -> str | None:
        """Who listens on a port of loopback, in words; None when nobody does."""
        ...

    def resolve(self, name: str) -> tuple[str, ...]:
        """The addresses that a name leads to."""
        ...

    def ask(self, url: str, machine: Machine, seconds: float) -> Heard:
        """Ask a server for anything, as the machine's proxy and certificates have it; any answer will do."""
        ...


class ThisHost:
    """The computer that devenv runs on."""

    @property
    def system(self) -> str:
        return platform.system()

    @property
    def distributions(self) -> tuple[str, ...]:
        try:
            release = platform.freedesktop_os_release()
        except OSError:
            return ()
        return (release.get("ID", "linux"), *release.get("ID_LIKE", "").split())

    @property
    def user(self) -> str:
        try:
            return pwd.getpwuid(os.getuid()).pw_name
        except KeyError:
            return str(os.getuid())

    @property
    def root(self) -> bool:
        return os.geteuid() == 0

    def has(self, program: str) -> bool:
        return shutil.which(program, path=_path()) is not None

    def read(self, path: Path) -> str | None:
        try:
            return path.read_text(errors="replace")
        except OSError:
            return None

    def exists(self, path: Path) -> bool:
        return path.exists()

    def free(self, path: Path) -> int | None:
        for folder in (path, *path.parents):
            try:
                return shutil.disk_usage(folder).free
            except FileNotFoundError:
                continue
            except OSError:
                return None
        return None

    def run(self, command: Sequence[str]) -> Done:
        try:
            done = subprocess.run(
                command,
                env={**os.environ, "PATH": _path()},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                check=False,
            )
        except OSError as error:
            return Done(_NOT_RUN, str(error))
        return Done(done.returncode, done.stdout)

    def pause(self, seconds: float) -> None:
        time.sleep(seconds)

    def now(self) -> float:
        return time.time()

    def folders(self, path: Path, most: int) -> int:
        count = 0
        for _, inside, _ in os.walk(path):
            count += len(inside)
            if count >= most:
                break
        return count

    def holder(self, port: int) -> str | None:
        found = ports.taken([Port(port, port)])
        return found.holder if found else None

    def resolve(self, name: str) -> tuple[str, ...]:
        try:
            found = socket.getaddrinfo(name, 80, type=socket.SOCK_STREAM)
        except OSError:
            return ()
        return tuple(dict.fromkeys(str(one[4][0]) for one in found))

    def ask(self, url: str, machine: Machine, seconds: float) -> Heard:
        from devenv.images import client

        why, date = client.asked(url, machine, seconds)
        return Heard(why, _date(date), time.time())


def _date(text: str) -> float | None:
    from email.utils import parsedate_to_datetime

    try:
        return parsedate_to_datetime(text).timestamp()
    except ValueError:
        return None


def _path() -> str:
    return f"{os.environ.get('PATH', os.defpath)}:{_SYSTEM_PATH}"
