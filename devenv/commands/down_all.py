"""`devenv down --all`: stops and removes what `up` made, of every instance of this machine."""

from __future__ import annotations

from devenv import census, entry
from devenv.census import Found
from devenv.engine.protocol import Engine
from devenv.errors import DevenvError, Problems
from devenv.instances import ledger
from devenv.model.blueprint import Step
from devenv.model.machine import Machine
from devenv.telling import Tell
from devenv.values import dataclass


@dataclass(frozen=True, slots=True)
class Lowered:
    """An instance that was taken down."""

    instance: str
    steps: tuple[Step, ...]
    volumes_kept: tuple[str, ...]


def chosen(engine: Engine, machine: Machine, *, volumes: bool) -> tuple[Found, ...]:
    """The instances of this machine that there is anything to remove of; the entry for names goes by `names off`."""
    host, names = ledger.host(machine), entry.find(machine, engine.address)
    kept = names.instance if names is not None else None
    found = (one for one in census.everything(engine, machine) if one.is_here(host) and one.name != kept)
    return tuple(one for one in found if volumes or one.observed.containers or one.observed.networks)


def run(
    engine: Engine, machine: Machine, found: tuple[Found, ...], *, volumes: bool, force: bool, tell: Tell
) -> tuple[Lowered, ...]:
    """Remove their containers and networks, and with `volumes` their data; one after the other.

    Raises:
        DevenvError: What stands in the way of some; the others are down.
    """
    done: list[Lowered] = []
    problems: list[DevenvError] = []
    cause = f"devenv down --all{' --volumes' if volumes else ''}"
    with entry.kept(machine, engine, tell):
        for one in found:
            try:
                steps = census.take_down(
                    engine, machine, one.name, volumes=volumes, force=force, tell=tell, cause=cause
                )
            except DevenvError as error:
                problems.append(error)
            else:
                kept = () if volumes else tuple(volume.name for volume in one.observed.volumes)
                done.append(Lowered(one.name, steps, kept))
    if len(problems) == 1:
        raise problems[0]
    if problems:
        raise Problems(problems)
    return tuple(done)
