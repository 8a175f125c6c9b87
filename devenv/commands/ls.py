"""`devenv ls`: every instance on the engine."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from devenv import census, entry
from devenv.addresses import Address
from devenv.census import Found
from devenv.engine.protocol import Engine, Usage
from devenv.entry import Entry, names
from devenv.instances import ledger
from devenv.model import labels
from devenv.model.blueprint import SeenContainer
from devenv.model.machine import Machine
from devenv.values import dataclass

State = Literal["running", "stopped", "data", "empty"]


@dataclass(frozen=True, slots=True)
class Row:
    """An instance.

    Args:
        folder: The checkout's; empty where nothing tells.
        is_gone: Whether the folder is not there any more.
        is_foreign: Whether it may be another machine's.
        is_this: Whether it is the one that the command was run in.
        state: `data`: nothing but volumes; `empty`: not even those.
        running: Containers of apps and services that run, of so many.
        size: Bytes of its volumes and of the containers' own files; None where the engine does not tell.
    """

    name: str
    folder: str
    is_gone: bool
    is_foreign: bool
    is_this: bool
    state: State
    running: int
    containers: int
    addresses: tuple[Address, ...]
    size: int | None


def run(engine: Engine, machine: Machine, here: Path | None) -> tuple[Row, ...]:
    """Every instance, by name; it needs no project.

    Args:
        here: The folder of the project that the command was run in.
    """
    host, found = ledger.host(machine), census.everything(engine, machine)
    usage = engine.usage() if found else Usage()
    named = entry.find(machine, engine.address)
    return tuple(row(one, host, usage, here, named) for one in found)


def row(found: Found, host: str, usage: Usage, here: Path | None = None, named: Entry | None = None) -> Row:
    """What there is to say of one."""
    containers = census.own(found)
    running = [one for one in containers if one.status == "running"]
    addresses = [address for one in containers for address in _addresses(one, named)]
    return Row(
        name=found.name,
        folder=found.folder,
        is_gone=found.is_gone(host),
        is_foreign=not found.is_here(host),
        is_this=here is not None and any(ledger.is_same(one, here) for one in found.folders),
        state=_state(found, running=bool(running)),
        running=len(running),
        containers=len(containers),
        addresses=tuple(sorted(addresses, key=lambda one: (one.kind, one.unit, one.port))),
        size=_size(found, usage),
    )


def _state(found: Found, *, running: bool) -> State:
    if found.observed.containers:
        return "running" if running else "stopped"
    return "data" if found.observed.volumes else "empty"


def _addresses(one: SeenContainer, named: Entry | None) -> list[Address]:
    """What it publishes; a balancer's ports are those of the apps behind it."""
    apps = {route.port: route for route in names.of(one)}
    found = []
    for port in one.ports:
        app, where = apps.get(port.host), f"{port.address}:{port.host}"
        if app is None:
            unit, kind = one.labels.get(labels.UNIT, one.name), one.labels.get(labels.KIND, "")
            found.append(Address(unit, where, port.container, kind))
        else:
            called = (named.url(app.name),) if named is not None else ()
            found.append(Address(app.unit, f"http://{where}", port.container, "app", called))
    return found


def _size(found: Found, usage: Usage) -> int | None:
    """All of it, or None when something was not measured."""
    sizes = [usage.volumes.get(one.name) for one in found.observed.volumes]
    sizes += [usage.containers.get(one.name) for one in found.observed.containers]
    known = [one for one in sizes if one is not None]
    return sum(known) if len(known) == len(sizes) else None
