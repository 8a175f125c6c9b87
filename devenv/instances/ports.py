"""The host ports of a checkout: told once, to nobody else, and recorded."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from pathlib import Path

from devenv.errors import Conflict
from devenv.instances import ledger, state
from devenv.instances.ledger import Entry, Ledger, is_port
from devenv.model.machine import Machine

# Below the range that kernels give to outgoing connections (32768 and up).
RANGE = range(20000, 30000)


def of(folder: Path, machine: Machine, wanted: Mapping[str, int | None], *, records: bool) -> dict[str, int]:
    """Host ports by their keys: fixed ones, then recorded ones, then free ones, which are recorded.

    Args:
        wanted: By key, with the port where it is fixed.
        records: Else they are what they would be.

    Raises:
        Conflict: None is free.
    """
    known = recorded(folder)
    found = {key: fixed or known.get(key, 0) for key, fixed in wanted.items()}
    if all(found.values()):
        return found
    if not records:
        return found | _chosen(folder, found, ledger.read(machine))
    with ledger.alone(machine):
        known = recorded(folder)
        found = {key: fixed or known.get(key, 0) for key, fixed in wanted.items()}
        book = ledger.read(machine)
        chosen = _chosen(folder, found, book)
        _tell(folder, machine, book, chosen)
        return found | chosen


def move(folder: Path, machine: Machine, key: str, taken: int) -> int:
    """Choose and record another port in place of one that something else has."""
    with ledger.alone(machine):
        now = recorded(folder).get(key, taken)
        if now != taken:  # somebody was faster
            return now
        book = ledger.read(machine)
        chosen = _chosen(folder, {key: 0}, book, {taken, *recorded(folder).values()})
        _tell(folder, machine, book, chosen)
        return chosen[key]


def _tell(folder: Path, machine: Machine, book: Ledger, chosen: Mapping[str, int]) -> None:
    if not chosen:
        return
    for name, entry in book.items():
        if ledger.is_same(entry.folder, folder):
            grown = Entry(entry.folder, entry.project, entry.ports | set(chosen.values()))
            ledger.write(machine, {**book, name: grown})
    state.record(folder, {"ports": dict(chosen)})


def recorded(folder: Path) -> dict[str, int]:
    """Those that were chosen for a checkout, by key."""
    return {key: port for key, port in state.table(folder, "ports").items() if is_port(port)}


def _chosen(folder: Path, found: Mapping[str, int], book: Ledger, avoided: Collection[int] = ()) -> dict[str, int]:
    """A port for each key that has none, which no checkout of this machine was ever told."""
    taken = {*found.values(), *avoided, *(port for entry in book.values() if entry.counts for port in entry.ports)}
    chosen: dict[str, int] = {}
    for key in (key for key, port in found.items() if not port):
        chosen[key] = _free_port(f"{folder}/{key}", taken)
        taken.add(chosen[key])
    return chosen


def _free_port(seed: str, taken: set[int]) -> int:
    start = int.from_bytes(hashlib.sha256(seed.encode()).digest()[:4])
    for offset in range(len(RANGE)):
        port = RANGE[(start + offset) % len(RANGE)]
        if port not in taken and _is_free(port):
            return port
    hint = "stop what listens there; `devenv prune` forgets checkouts that are gone"
    raise Conflict(f"no free port between {RANGE[0]} and {RANGE[-1]}", hint=hint)


def _is_free(port: int) -> bool:
    import socket

    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
