"""`devenv prune`: removes instances whose folder is gone, and what this machine keeps for them."""

from __future__ import annotations

import shutil
from pathlib import Path

from devenv import census, entry, vault
from devenv.census import Found
from devenv.engine.protocol import Engine, Usage
from devenv.instances import ledger
from devenv.live import place
from devenv.model.machine import Machine
from devenv.telling import Tell
from devenv.values import dataclass


@dataclass(frozen=True, slots=True)
class Gone:
    """An instance without a folder.

    Args:
        volumes: Names of those that hold its data.
        size: Bytes of them and of its containers' own files; None where the engine does not tell.
    """

    name: str
    folder: str
    containers: int
    volumes: tuple[str, ...]
    size: int | None


@dataclass(frozen=True, slots=True)
class PruneResult:
    """What was removed.

    Args:
        forgotten: Names that checkouts had which are gone and of which the engine has nothing.
    """

    instances: tuple[Gone, ...]
    forgotten: tuple[str, ...]


def gone(engine: Engine, machine: Machine) -> tuple[Gone, ...]:
    """The instances of this machine whose folder is gone; another machine's never are among them."""
    host = ledger.host(machine)
    found = [one for one in census.everything(engine, machine) if one.is_gone(host)]
    usage = engine.usage() if found else Usage()
    return tuple(_told(one, usage) for one in found)


def run(engine: Engine, machine: Machine, chosen: tuple[Gone, ...], *, tell: Tell) -> PruneResult:
    """Remove these instances, unless their folder has come back meanwhile, and forget checkouts that are gone."""
    host, done = ledger.host(machine), []
    now = {one.name for one in census.everything(engine, machine) if one.is_gone(host)}
    with entry.kept(machine, engine, tell):
        for one in chosen:
            if one.name in now:
                census.take_down(engine, machine, one.name, volumes=True, force=True, tell=tell, cause="devenv prune")
                vault.drop(machine, Path(one.folder))
                done.append(one)
    forgotten = ledger.forget(machine)
    for name in {*forgotten, *(one.name for one in done)}:
        _clear(place.of(machine, engine.address, name))
    return PruneResult(tuple(done), tuple(sorted(set(forgotten) - {one.name for one in done})))


def _told(found: Found, usage: Usage) -> Gone:
    volumes = tuple(one.name for one in found.observed.volumes)
    sizes = [usage.volumes.get(name) for name in volumes]
    sizes += [usage.containers.get(one.name) for one in found.observed.containers]
    known = [one for one in sizes if one is not None]
    size = sum(known) if len(known) == len(sizes) else None
    return Gone(found.name, found.folder, len(found.observed.containers), volumes, size)


def _clear(there: place.Place) -> None:
    """Remove what a background process kept."""
    if not there.lives():
        shutil.rmtree(there.folder, ignore_errors=True)
