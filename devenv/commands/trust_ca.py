"""`devenv trust-ca`: lets this machine believe the certificates that names have over HTTPS."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

from devenv import entry as entries
from devenv.engine.protocol import Engine
from devenv.entry import Entry, authority
from devenv.errors import DevenvError, UsageError
from devenv.model.machine import Machine
from devenv.values import dataclass

Run = Callable[[Sequence[str]], None]
_NOTES = (
    "Firefox, and Chromium on Linux, have stores of their own: import {file} under certificate authorities, or "
    "`certutil -d sql:$HOME/.pki/nssdb -A -t C,, -n devenv -i {file}` for Chromium",
    "Node.js: `export NODE_EXTRA_CA_CERTS={file}`; curl: `--cacert {file}`",
)


@dataclass(frozen=True, slots=True)
class Authority:
    """The authority that is to be trusted.

    Args:
        file: Where its certificate is on this machine; the key never leaves the entry's volume.
    """

    pem: str
    fingerprint: str
    file: str


@dataclass(frozen=True, slots=True)
class TrustResult:
    """What came of it.

    Args:
        done: What was done, in words.
        commands: What has to be typed as root.
        notes: For programs with a store of their own.
    """

    done: tuple[str, ...]
    commands: tuple[str, ...]
    notes: tuple[str, ...] = ()


def find(machine: Machine, engine: Engine) -> Authority:
    """The authority of the entry to an engine.

    Raises:
        UsageError: Names are off.
        NotReady: The entry does not run.
    """
    entry = _entry(machine, engine.address)
    pem = authority.read(engine, entry)
    return Authority(pem, authority.fingerprint(pem), str(authority.file(entry)))


def install(
    found: Authority, *, root: Path = Path("/"), run: Run | None = None, is_root: bool | None = None
) -> TrustResult:
    """Put it into the system's store, or tell how where that takes root's rights.

    Raises:
        DevenvError: The system's own command fails.
    """
    store, path = authority.store(root), Path(found.file)
    notes = tuple(note.format(file=found.file) for note in _NOTES)
    if store is None or not _is_root(is_root):
        return TrustResult((), authority.commands(path, store, remove=False), notes)
    store.file.write_text(found.pem)
    (run or _run)(store.update)
    return TrustResult((f"this machine trusts it now: `{store.file}`",), (), notes)


def remove(
    machine: Machine, address: str, *, root: Path = Path("/"), run: Run | None = None, is_root: bool | None = None
) -> TrustResult:
    """Take it out again; names need not be on."""
    store = authority.store(root)
    path = entries.place(machine, address) / authority.FILE
    if store is None or not _is_root(is_root):
        return TrustResult((), authority.commands(path, store, remove=True))
    if not store.file.exists():
        return TrustResult(("this machine does not trust it",), ())
    store.file.unlink()
    (run or _run)(store.update)
    return TrustResult((f"removed `{store.file}`",), ())


def _entry(machine: Machine, address: str) -> Entry:
    found = entries.find(machine, address)
    if found is None:
        raise UsageError("names are off, and so there is no certificate authority", hint="run `devenv names on`")
    return found


def _is_root(told: bool | None) -> bool:
    return os.geteuid() == 0 if told is None else told


def _run(argv: Sequence[str]) -> None:
    try:
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
    except OSError as error:
        raise DevenvError(f"`{argv[0]}` cannot be run: {error.strerror}") from error
    if done.returncode != 0:
        raise DevenvError(f"`{argv[0]}` failed: {done.stderr.strip() or done.returncode}")
