"""Where the background process of an instance keeps its files, and whether it lives."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from devenv import files
from devenv.errors import DevenvError
from devenv.model.machine import Machine
from devenv.values import dataclass

# The shortest limit of a kernel is 104 bytes, the ending zero included.
LONGEST_SOCKET = 100
# Who only looks whether the lock is held, holds it for a moment.
LOOKS, PAUSE = 50, 0.01


@dataclass(frozen=True, slots=True)
class Told:
    """What a living process says of itself.

    Args:
        mode: `bind` or `copy`.
        assignment: The hash of what it was started for.
        socket: Where it listens.
    """

    pid: int
    mode: str
    assignment: str
    socket: str


@dataclass(frozen=True, slots=True)
class Flushed:
    """Whether both sides are equal; when not, why."""

    done: bool
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Place:
    """The files of an instance's process on an engine.

    Args:
        folder: For this user alone.
    """

    folder: Path

    @property
    def log(self) -> Path:
        return self.folder / "log"

    @property
    def process(self) -> Path:
        """Locked by the process as long as it lives; says what `Told` does."""
        return self.folder / "pid"

    @property
    def ended(self) -> Path:
        """Why the last process ended, when it did so by itself."""
        return self.folder / "ended"

    def state(self, volume: str) -> Path:
        """Where a session keeps its state."""
        return self.folder / "sessions" / volume

    def forget(self) -> None:
        """Drop what sessions remember: of volumes that are gone there is nothing to remember."""
        import shutil

        shutil.rmtree(self.folder / "sessions", ignore_errors=True)

    def make(self) -> None:
        """Make the folder.

        Raises:
            DevenvError: It cannot be made.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self.folder.chmod(0o700)
        except OSError as error:
            raise DevenvError(f"cannot use the folder `{self.folder}`: {error.strerror}") from error

    def lives(self) -> bool:
        """Whether a process holds the lock; the kernel frees it however the process ends."""
        return self._looked() is not None

    def told(self) -> Told | None:
        """What the living process says; None when none lives, or it does not listen yet."""
        return _parsed(self._looked() or b"")

    def _looked(self) -> bytes | None:
        try:
            descriptor = os.open(self.process, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return os.read(descriptor, 65536)
        else:
            return None
        finally:
            os.close(descriptor)

    def why(self) -> str | None:
        """Why the last process ended by itself."""
        try:
            return self.ended.read_text(errors="replace").strip() or None
        except OSError:
            return None

    @contextmanager
    def hold(self) -> Iterator[int | None]:
        """Be the instance's process; None when another one is."""
        self.make()
        descriptor = os.open(self.process, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            yield descriptor if _taken(descriptor) else None
        finally:
            os.close(descriptor)

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Keep others from starting a process: a second one could come up after the first was ended again."""
        self.make()
        descriptor = os.open(self.folder / "starting", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def say(self, descriptor: int, told: Told | None) -> None:
        """Write down what a process says of itself, at once: readers see all of it or nothing."""
        data = json.dumps(asdict(told)).encode() if told else b""
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, data, 0)

    def give_reason(self, reason: str | None) -> None:
        """Keep why the process ended; None forgets it."""
        if reason is None:
            self.ended.unlink(missing_ok=True)
        else:
            files.write(self.ended, reason + "\n", mode=0o600)

    def socket(self, temporary: Path | None = None) -> Path:
        """A path for the socket, with its folder made.

        Args:
            temporary: A folder with a short name, for paths that are too long; None is the system's own.

        Raises:
            DevenvError: Somebody else has made a folder of that name there.
        """
        near = self.folder / "socket"
        if len(os.fsencode(near)) <= LONGEST_SOCKET:
            return near
        folder = (temporary or _temporary()) / f"devenv-{self.folder.name}"
        folder.mkdir(mode=0o700, exist_ok=True)
        if not is_own(folder):
            raise DevenvError(f"the folder `{folder}` belongs to somebody else", hint="remove it")
        return folder / "socket"


def of(machine: Machine, address: str, instance: str) -> Place:
    """The place of an instance on the engine at that address."""
    name = hashlib.sha256(f"{address}\0{instance}".encode()).hexdigest()[:16]
    return Place(machine.state / "sync" / name)


def _temporary() -> Path:
    import tempfile

    return Path(tempfile.gettempdir())


def is_own(folder: Path) -> bool:
    """Whether nobody else can put a socket there."""
    try:
        seen = folder.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(seen.st_mode) and seen.st_uid == os.getuid() and not seen.st_mode & 0o077


def _taken(descriptor: int) -> bool:
    for look in range(LOOKS):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if look > 0 and _parsed(os.pread(descriptor, 65536, 0)) is not None:
                return False
            time.sleep(PAUSE)
        else:
            # A dead process may have left its words.
            os.ftruncate(descriptor, 0)
            return True
    return False


def _parsed(data: bytes) -> Told | None:
    try:
        found = json.loads(data)
        return Told(int(found["pid"]), str(found["mode"]), str(found["assignment"]), str(found["socket"]))
    except (ValueError, KeyError, TypeError):
        return None
