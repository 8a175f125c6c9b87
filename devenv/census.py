"""Finds every instance that an engine has, whose it is, and whether its folder is still there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from devenv import environment, generations, instances, joining
from devenv.engine import lock
from devenv.engine.protocol import Engine
from devenv.errors import Conflict
from devenv.instances import ledger, state
from devenv.live import place
from devenv.live.client import Client
from devenv.model import labels
from devenv.model.blueprint import Observed, SeenContainer, Step
from devenv.model.machine import Machine
from devenv.telling import Remark, Tell
from devenv.values import dataclass

PATIENCE = 5.0
"""Seconds to wait until what was changed inside is outside."""


@dataclass(frozen=True, slots=True)
class Found:
    """An instance on an engine.

    Args:
        folders: Those that its objects tell; one, unless another checkout has taken over what a lost one left.
        hosts: The machines that they are on; none for what was made by a version that did not tell.
        is_held: Whether a checkout of this machine has the name.
    """

    name: str
    observed: Observed
    folders: tuple[str, ...]
    hosts: frozenset[str]
    is_held: bool = False

    @property
    def folder(self) -> str:
        """The one that still is there, else any."""
        there = [one for one in self.folders if ledger.is_there(Path(one))]
        return (there or list(self.folders) or [""])[0]

    def is_here(self, host: str) -> bool:
        """Whether it is this machine's, as far as that is known."""
        if not self.hosts:
            return any(ledger.is_there(Path(one)) for one in self.folders)
        return self.hosts == {host}

    def is_gone(self, host: str) -> bool:
        """Whether it surely is this machine's, and no checkout of it is there any more."""
        there = self.is_held or not self.folders or any(ledger.is_there(Path(one)) for one in self.folders)
        return self.hosts == {host} and not there


def everything(engine: Engine, machine: Machine) -> tuple[Found, ...]:
    """Every instance, by name."""
    seen = engine.observe(None)
    names = {_name(one.labels) for one in (*seen.networks, *seen.volumes)}
    names |= {_name(one.labels) for one in seen.containers}
    return tuple(_found(name, seen, machine) for name in sorted(names))


def _found(name: str, seen: Observed, machine: Machine) -> Found:
    mine = Observed(
        containers=tuple(one for one in seen.containers if _name(one.labels) == name),
        networks=tuple(one for one in seen.networks if _name(one.labels) == name),
        volumes=tuple(one for one in seen.volumes if _name(one.labels) == name),
    )
    told = [one.labels for one in mine.containers] + [one.labels for one in (*mine.networks, *mine.volumes)]
    return Found(name, mine, *_owners(told), is_held=instances.find(name, machine) is not None)


def _owners(told: Iterable[Mapping[str, str]]) -> tuple[tuple[str, ...], frozenset[str]]:
    """The folders and the machines that labels tell."""
    all_ = list(told)
    folders = dict.fromkeys(one[labels.FOLDER] for one in all_ if one.get(labels.FOLDER))
    return tuple(folders), frozenset(one[labels.HOST] for one in all_ if one.get(labels.HOST))


def _name(told: Mapping[str, str]) -> str:
    return told[labels.INSTANCE]


def own(found: Found) -> tuple[SeenContainer, ...]:
    """The containers of apps and services: not those that only hold files, or carry data for a while."""
    return tuple(
        one
        for one in found.observed.containers
        if one.labels.get(labels.KIND) != "files" and labels.FILLING not in one.labels
    )


def take_down(
    engine: Engine, machine: Machine, name: str, *, volumes: bool, force: bool, tell: Tell, cause: str
) -> tuple[Step, ...]:
    """Remove an instance's containers and network, and with `volumes` its data; end its background process.

    It needs none of the project's files.

    Args:
        force: Remove volumes even when what was changed inside is not outside.

    Raises:
        DevenvError: Something else works on it, or what was changed inside would be lost.
    """
    with lock.hold(machine, engine.info.address, name):
        observed = engine.observe(name)
        _end_process(engine, machine, name, observed, keeps=volumes and not force, tell=tell)
        if generations.sweep(engine, observed):
            observed = engine.observe(name)
        steps = environment.take_down(engine, observed, volumes=volumes, tell=tell, cause=cause).steps
        joining.leave(engine, name, joining.known((), observed))
        if volumes:
            place.of(machine, engine.address, name).forget()
        for folder in _folders(observed):
            _forget_numbers(Path(folder))
        return steps


def _folders(observed: Observed) -> set[str]:
    told = [one.labels for one in observed.containers] + [one.labels for one in (*observed.networks, *observed.volumes)]
    return {*_owners(told)[0]}


def _forget_numbers(folder: Path) -> None:
    """Let a checkout begin with as many replicas as `devenv.toml` says, as after its own `down`."""
    if ledger.is_there(folder) and (known := state.table(folder, "replicas")):
        state.record(folder, {"replicas": dict.fromkeys(known)})


def _end_process(engine: Engine, machine: Machine, name: str, observed: Observed, *, keeps: bool, tell: Tell) -> None:
    there = place.of(machine, engine.address, name)
    told = there.told()
    client = Client(there, told) if told is not None else None
    copied = any(one.labels.get(labels.KIND) == "files" and one.status == "running" for one in observed.containers)
    if copied:
        flushed = client.flush(PATIENCE) if client is not None else place.Flushed(False, "nothing kept the two equal")
        if not flushed.done:
            words = f"what was changed inside `{name}` is not outside yet: {flushed.reason}"
            if keeps:
                raise Conflict(words, hint="`--force` gives up what is in its volumes")
            tell(Remark(words))
    if client is not None:
        client.stop()
