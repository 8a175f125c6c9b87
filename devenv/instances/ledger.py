"""The machine's ledger: which checkout has which name and which ports; changed under one lock, lost without harm."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from devenv import config, files
from devenv.model.machine import Machine
from devenv.values import dataclass

PLACE = "instances"
FILE = "ledger.json"
HOST = "host"
_MACHINE_IDS = ("/etc/machine-id", "/var/lib/dbus/machine-id")


@dataclass(frozen=True, slots=True)
class Entry:
    """What the ledger says of a name."""

    folder: str
    project: str
    ports: frozenset[int]

    @property
    def counts(self) -> bool:
        """Whether there is still a project in that folder."""
        return is_there(Path(self.folder) / config.NAME)


Ledger = Mapping[str, Entry]


def read(machine: Machine) -> Ledger:
    """What is known of all checkouts, by name; a ledger that nobody can read knows of none."""
    try:
        told = json.loads((machine.state / PLACE / FILE).read_bytes())
        return {name: _entry(one) for name, one in told.items()}
    except (OSError, ValueError, AttributeError, KeyError, TypeError):
        return {}


def _entry(told: Mapping[str, Any]) -> Entry:
    return Entry(str(told["folder"]), str(told["project"]), frozenset(filter(is_port, told["ports"])))


def write(machine: Machine, ledger: Ledger) -> None:
    """Replace it; only for who is `alone`.

    Raises:
        DevenvError: It cannot be written.
    """
    told = {
        name: {"folder": one.folder, "project": one.project, "ports": sorted(one.ports)} for name, one in ledger.items()
    }
    files.write(machine.state / PLACE / FILE, json.dumps(told, indent=1) + "\n", mode=0o600)


def others(ledger: Ledger, folder: Path) -> dict[str, Entry]:
    """All but those of a folder."""
    return {name: entry for name, entry in ledger.items() if not is_same(entry.folder, folder)}


@contextmanager
def alone(machine: Machine) -> Iterator[None]:
    """Keep other devenv processes of this user from choosing at the same time; the kernel frees a dead one's lock."""
    import fcntl

    path = machine.state / PLACE / "lock"
    with files.named(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        held = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield
    finally:
        os.close(held)


def forget(machine: Machine) -> dict[str, str]:
    """Drop checkouts that are gone from the ledger; return their folders by name."""
    with alone(machine):
        ledger = read(machine)
        gone = {name: entry.folder for name, entry in ledger.items() if not is_there(Path(entry.folder))}
        if gone:
            write(machine, {name: entry for name, entry in ledger.items() if name not in gone})
        return gone


def host(machine: Machine, *, records: bool = False) -> str:
    """What tells this machine from others that use the same engine; it stays the same once it is recorded."""
    path = machine.state / HOST
    try:
        kept = path.read_text().strip()
    except (OSError, ValueError):
        kept = ""
    if re.fullmatch("[0-9a-f]{16}", kept):
        return kept
    made = hashlib.sha256(f"devenv {_machine_id()}".encode()).hexdigest()[:16]
    if records:
        files.write(path, made + "\n")
    return made


def _machine_id() -> str:
    for path in _MACHINE_IDS:
        try:
            if found := Path(path).read_text().strip():
                return found
        except OSError:
            continue
    return os.uname().nodename


def is_same(one: str, other: Path) -> bool:
    """Whether both lead to one folder."""
    if one == str(other):
        return True
    try:
        return other.samefile(one)
    except OSError:
        return False


def is_there(path: Path) -> bool:
    """Whether there is something; what this user may not look at counts as there."""
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except (OSError, ValueError):
        return True
    return True


def is_port(value: object) -> bool:
    """Whether it can be one."""
    return isinstance(value, int) and 0 < value < 65536
