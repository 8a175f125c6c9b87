"""Networks that projects share: what they are, who is in them, when the last one is gone."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from contextlib import suppress
from dataclasses import replace

from devenv.blueprint import joined
from devenv.engine.protocol import Engine
from devenv.errors import Conflict
from devenv.model import labels
from devenv.model.blueprint import Blueprint, Observed, SeenContainer


def seen(engine: Engine, wanted: Blueprint, observed: Observed) -> Observed:
    """What was observed, with the networks that projects share where this one is in any; else nothing is asked."""
    return replace(observed, shared=engine.shared()) if wanted.shared else observed


def left(wanted: Blueprint, observed: Observed) -> set[str]:
    """The shared networks that containers were in and the project no longer joins."""
    return _used(observed.containers) - {one.name for one in wanted.shared}


def known(names: Iterable[str], observed: Observed) -> set[str]:
    """The shared networks, by the engine's names, that a project names or that its containers are in."""
    return {joined.network(name) for name in names} | _used(observed.containers)


def leave(engine: Engine, instance: str, names: Collection[str]) -> tuple[str, ...]:
    """Remove those of these networks that no other instance's container is in, running or not; return their names.

    What has such a name and is not ours stays, and so does what somebody else's container uses.
    """
    return tuple(_left(engine, instance, names)) if names else ()


def _left(engine: Engine, instance: str, names: Collection[str]) -> Iterator[str]:
    others = [one for one in engine.observe(None).containers if one.labels.get(labels.INSTANCE) != instance]
    held = _used(others)
    for one in engine.shared():
        if one.name in names and one.name not in held:
            with suppress(Conflict):  # a container that is not devenv's is in it
                engine.remove("network", one.id)
                yield one.name


def _used(containers: Iterable[SeenContainer]) -> set[str]:
    return {name for one in containers for name in one.networks if joined.is_shared(name)}
