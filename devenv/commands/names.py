"""`devenv names`: gives every app a name in place of a port."""

from __future__ import annotations

import shutil

from devenv import entry as entries
from devenv import environment
from devenv.engine import lock
from devenv.engine.protocol import Engine
from devenv.entry import Entry, making, names, refreshing
from devenv.entry.names import Route
from devenv.errors import DevenvError
from devenv.model.blueprint import Step
from devenv.model.machine import Machine
from devenv.model.project import Origin, Project
from devenv.telling import Tell
from devenv.values import dataclass

# Another `names on` may be building the image.
PATIENCE = 1800.0
HTTP = (80, 8080)
HTTPS = (443, 8443)


@dataclass(frozen=True, slots=True)
class Name:
    """A name and where it leads."""

    name: str
    url: str
    https: str
    instance: str
    unit: str
    port: int


@dataclass(frozen=True, slots=True)
class EntryState:
    """The proxy behind the names.

    Args:
        instance: What to look for in the engine.
        running: Whether it runs; where it does not, the next `up` starts it.
        notes: Why it listens on other ports than the usual ones.
    """

    instance: str
    http: int
    https: int
    running: bool
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class NamesResult:
    """All names of an engine; `entry` is None where names are off."""

    entry: EntryState | None
    names: tuple[Name, ...]


@dataclass(frozen=True, slots=True)
class OffResult:
    """What was removed; `volumes_kept` holds the certificate authority."""

    instance: str
    steps: tuple[Step, ...]
    volumes_kept: tuple[str, ...]


def on(machine: Machine, engine: Engine, project: Project | None, *, tell: Tell) -> NamesResult:
    """Bring the entry up and tell it all names; from then on `up` and `down` do.

    Args:
        project: The one at hand, which says where images come from.

    Raises:
        Conflict: A port that the user's settings name is taken.
        EngineError: The engine is on another computer.
    """
    shared = making.shares_network(engine.info)
    folder = entries.place(machine, engine.address)
    with lock.hold(machine, engine.address, entries.instance(folder), patience=PATIENCE):
        before = entries.find(machine, engine.address)
        if before is None:
            _take_away(engine, entries.instance(folder), tell)  # what a killed `names on` may have left
        chosen, notes = _chosen(machine, engine, before, shared=shared)
        try:
            making.start(machine, engine, chosen, _origin(project), tell)
        except DevenvError:
            if before is None:
                _take_away(engine, chosen.instance, tell)
            raise
        # What it was told last may be gone with its volume.
        (folder / refreshing.TOLD).unlink(missing_ok=True)
        # First the record, then the look: an `up` that saw no record has made its containers by then.
        entries.record(chosen)
        found = refreshing.bring(engine, chosen, engine.observe(None))
    return NamesResult(EntryState(chosen.instance, chosen.http, chosen.https, True, notes), _names(chosen, found))


def off(machine: Machine, engine: Engine, *, volumes: bool, tell: Tell) -> OffResult:
    """Remove the entry, and with `volumes` its certificate authority."""
    folder = entries.place(machine, engine.address)
    instance = entries.instance(folder)
    with lock.hold(machine, engine.address, instance, patience=PATIENCE):
        (folder / entries.FILE).unlink(missing_ok=True)
        observed = engine.observe(instance)
        done = environment.take_down(engine, observed, volumes=volumes, tell=tell, cause="devenv names off")
        (folder / refreshing.TOLD).unlink(missing_ok=True)
        if volumes:
            shutil.rmtree(folder, ignore_errors=True)
    return OffResult(instance, done.steps, () if volumes else tuple(one.name for one in observed.volumes))


def listed(machine: Machine, engine: Engine) -> NamesResult:
    """All names there are now; changes nothing."""
    entry = entries.find(machine, engine.address)
    if entry is None:
        return NamesResult(None, ())
    observed = engine.observe(None)
    state = EntryState(entry.instance, entry.http, entry.https, refreshing.running(observed, entry) is not None)
    return NamesResult(state, _names(entry, names.routes(observed.containers)))


def _take_away(engine: Engine, instance: str, tell: Tell) -> None:
    environment.take_down(engine, engine.observe(instance), volumes=False, tell=tell, cause="devenv names on")


def _names(entry: Entry, found: tuple[Route, ...]) -> tuple[Name, ...]:
    return tuple(
        Name(one.name, entry.url(one.name), entry.url(one.name, secure=True), one.instance, one.unit, one.port)
        for one in found
    )


def _chosen(machine: Machine, engine: Engine, before: Entry | None, *, shared: bool) -> tuple[Entry, tuple[str, ...]]:
    """The entry with its ports: those of the settings, else those it had, else the usual ones, else free ones."""
    folder = entries.place(machine, engine.address)
    instance = entries.instance(folder)
    runs = any(one.status == "running" for one in engine.observe(instance).containers)
    own = frozenset((before.http, before.https) if before is not None and runs else ())
    low = engine.info.routable or not engine.info.local
    usual = HTTP if before is None else (before.http, *HTTP)
    http, why = making.choose(machine.entry_http, usual, own=own, low=low)
    notes = [f"HTTP has port {http}, for {why}"] if why is not None else []
    usual = HTTPS if before is None else (before.https, *HTTPS)
    https, why = making.choose(machine.entry_https, usual, own=own, low=low, besides=http)
    notes += [f"HTTPS has port {https}, for {why}"] if why is not None else []
    return Entry(folder, http, https, shared, making.has_ipv6()), tuple(notes)


def _origin(project: Project | None) -> Origin | None:
    """Debian where that is what the project at hand builds on."""
    if project is None:
        return None
    origins = [*(one.origin for one in project.apps), *(one.origin for one in project.services)]
    return "debian" if "debian" in origins else None
