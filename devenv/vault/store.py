"""What this machine keeps of a project's secrets, outside the repository and for this user alone."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import field
from pathlib import Path

from devenv import files, worktree
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
        allowed: Names that may be read from this machine's variables and by the user's command.
    """

    values: Mapping[str, str] = field(default_factory=dict, repr=False)
    keyring: frozenset[str] = frozenset()
    allowed: frozenset[str] = frozenset()


def whose(folder: Path) -> Path:
    """The folder that a project goes by on this machine, the same for all worktrees of a repository.

    It is nothing that the project's own files can say: a name could be another project's. So a worktree counts as one
    only where the repository knows it too.
    """
    here = folder.resolve()
    linked = worktree.linked(here)
    if linked is None or not _is_mutual(linked.folder):
        return here
    return (linked.main / here.relative_to(linked.folder)).resolve()


def _is_mutual(root: Path) -> bool:
    place = root / (worktree.pointer(root / ".git", "gitdir:") or "")
    back = worktree.pointer(place / "gitdir", "")
    try:
        return back is not None and (place / back).samefile(root / ".git")
    except OSError:
        return False


def read(machine: Machine, folder: Path) -> Kept:
    """What is kept for the project in a folder.

    Raises:
        DevenvError: It is damaged, or belongs to somebody else.
    """
    path = _path(machine, folder)
    try:
        told = json.loads(path.read_bytes())
        values = {str(name): str(value) for name, value in told["values"].items()}
        return Kept(values, frozenset(map(str, told["keyring"])), frozenset(map(str, told["allowed"])))
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
            "folder": str(whose(folder)),
            "values": dict(after.values),
            "keyring": sorted(after.keyring),
            "allowed": sorted(after.allowed),
        }
        files.write(_path(machine, folder), json.dumps(told, indent=1) + "\n", mode=0o600)


def _path(machine: Machine, folder: Path) -> Path:
    name = hashlib.sha256(os.fsencode(whose(folder))).hexdigest()[:16]
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
