"""What this machine keeps of a project's secrets, outside the repository and for this user alone."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import field
from pathlib import Path

from devenv import files, trust
from devenv.errors import DevenvError
from devenv.model.machine import Machine
from devenv.values import dataclass

PLACE = "secrets"


@dataclass(frozen=True, slots=True)
class Kept:
    """What is kept for one project.

    Args:
        values: By name.
        keyring: Names whose values the system's keyring has.
    """

    values: Mapping[str, str] = field(default_factory=dict, repr=False)
    keyring: frozenset[str] = frozenset()


def read(machine: Machine, folder: Path) -> Kept:
    """What is kept for the project in a folder.

    Raises:
        DevenvError: It is damaged, or belongs to somebody else.
    """
    path = _path(machine, folder)
    try:
        told = json.loads(path.read_bytes())
        values = {str(name): str(value) for name, value in told["values"].items()}
        return Kept(values, frozenset(map(str, told["keyring"])))
    except FileNotFoundError:
        return Kept()
    except OSError as error:
        raise DevenvError(
            f"cannot read `{path}`: {error.strerror}", hint="it belongs to whoever runs devenv"
        ) from error
    except (ValueError, AttributeError, KeyError, TypeError):
        hint = "remove it, and give the secrets again: `devenv secrets set NAME`"
        raise DevenvError(f"`{path}`, which keeps the project's secrets, is damaged", hint=hint) from None


def change(machine: Machine, folder: Path, edit: Callable[[Kept], Kept]) -> None:
    """Replace what is kept by what `edit` makes of it, one process after the other.

    Raises:
        DevenvError: It cannot be read or written.
    """
    with _alone(machine):
        before = read(machine, folder)
        after = edit(before)
        if after == before:
            return
        told = {
            "folder": str(trust.repository(folder)),
            "values": dict(after.values),
            "keyring": sorted(after.keyring),
        }
        files.write(_path(machine, folder), json.dumps(told, indent=1) + "\n", mode=0o600)


def remove(machine: Machine, folder: Path) -> None:
    """Keep nothing any more.

    Raises:
        DevenvError: It cannot be removed.
    """
    path = _path(machine, folder)
    with files.named(path):
        path.unlink(missing_ok=True)


def _path(machine: Machine, folder: Path) -> Path:
    name = hashlib.sha256(os.fsencode(trust.repository(folder))).hexdigest()[:16]
    return machine.state / PLACE / f"{name}.json"


@contextmanager
def _alone(machine: Machine) -> Iterator[None]:
    import fcntl

    path = machine.state / PLACE / "lock"
    with files.named(path):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.parent.chmod(0o700)
        held = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield
    finally:
        os.close(held)
