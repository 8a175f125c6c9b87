"""Compares what must exist with what is there, and orders the steps from one to the other. Pure."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace

from devenv.model import labels
from devenv.model.blueprint import Blueprint, Container, Image, Observed, Plan, SeenContainer, Step, StepKind, StepVerb
from devenv.model.pins import RegistryPin


def make(
    blueprint: Blueprint,
    observed: Observed,
    *,
    images: Mapping[str, str],
    again: Mapping[str, str] | None = None,
) -> Plan:
    """The steps that turn `observed` into `blueprint`.

    Args:
        images: The engine's id of each image it has, by reference.
        again: Containers to start anew although nothing about them changed, with the cause.
    """
    seen = {one.name: one for one in observed.containers}
    parts = [*_builds(blueprint.images, images), *_network(blueprint, observed), *_volumes(blueprint, observed)]
    steps, made_of = list(parts), {(one.kind, one.target): one.id for one in parts}
    ready: dict[str, list[str]] = {}
    kept: list[str] = []
    alone = blueprint.network.name not in {one.name for one in observed.networks}
    shared = {one.name: one.id for one in observed.shared}
    balanced = _balanced(blueprint, seen, images, shared, alone=alone)
    rolled: dict[str, str] = {}
    for container in blueprint.containers:
        cause = _difference(container, seen.get(container.name), images, shared, alone=alone)
        mine = list(_container(container, seen.get(container.name), cause, (again or {}).get(container.name), ready))
        if all(step.verb == "wait" for step in mine):
            kept.append(container.name)
        if container.unit in balanced and any(step.verb == "stop" for step in mine):
            mine = list(_rolling(mine, rolled))
        steps += _ordered(mine, [made_of[one] for one in _concerning(blueprint, container) if one in made_of])
        ready.setdefault(container.unit, []).extend(one.id for one in mine if one.verb == "wait")
    steps += _orphans(blueprint, observed.containers, balanced, rolled)
    return Plan(tuple(_handed_over(blueprint, observed.containers, steps)), tuple(kept))


def teardown(observed: Observed, *, volumes: bool, cause: str = "devenv down") -> Plan:
    """The steps that remove everything observed; data stays unless `volumes`.

    Args:
        cause: The command that asks for it.
    """
    containers = [
        Step("remove", "container", one.name, f"`{cause}`", unit=one.labels.get(labels.UNIT))
        for one in observed.containers
    ]
    stops = [
        Step("stop", "container", one.name, f"`{cause}`", unit=one.labels.get(labels.UNIT))
        for one in observed.containers
        if one.status in ("running", "paused", "restarting")
    ]
    halted = {one.target: one.id for one in stops}
    containers = [
        Step(one.verb, one.kind, one.target, one.cause, (halted[one.target],) if one.target in halted else (), one.unit)
        for one in containers
    ]
    gone = tuple(one.id for one in containers)
    rest = [Step("remove", "network", one.name, f"`{cause}`", gone) for one in observed.networks]
    if volumes:
        rest += [Step("remove", "volume", one.name, f"`{cause}`", gone) for one in observed.volumes]
    return Plan((*stops, *containers, *rest))


def _builds(wanted: Iterable[Image], images: Mapping[str, str]) -> Iterator[Step]:
    for image in wanted:
        if image.reference not in images:
            verb: StepVerb = "pull" if isinstance(image.source, RegistryPin) else "build"
            yield Step(verb, "image", image.reference, "missing")


def bring(wanted: Iterable[Image], images: Mapping[str, str]) -> Plan:
    """The steps that bring images and do no more.

    Args:
        images: The engine's id of each image it has, by reference.
    """
    return Plan(tuple(_builds(wanted, images)))


def _network(blueprint: Blueprint, observed: Observed) -> Iterator[Step]:
    there = {one.name for one in (*observed.networks, *observed.shared)}
    used = not blueprint.containers or any(one.is_attached for one in blueprint.containers)
    for network in (*((blueprint.network,) if used else ()), *blueprint.shared):
        if network.name not in there:
            yield Step("create", "network", network.name, "missing")


def _volumes(blueprint: Blueprint, observed: Observed) -> Iterator[Step]:
    there = {one.name for one in observed.volumes}
    for volume in blueprint.volumes:
        if volume.name not in there:
            yield Step("create", "volume", volume.name, "missing")


def _concerning(blueprint: Blueprint, container: Container) -> Iterator[tuple[StepKind, str]]:
    """What the container's creation has to wait for."""
    yield "image", container.image
    networks = (blueprint.network.name, *(one.network for one in container.networks)) if container.is_attached else ()
    yield from (("network", name) for name in networks)
    yield from dict.fromkeys(("volume", mount.source) for mount in container.mounts if mount.kind == "volume")


def _difference(
    container: Container,
    seen: SeenContainer | None,
    images: Mapping[str, str],
    shared: Mapping[str, str],
    *,
    alone: bool,
) -> str | None:
    """Why the container has to be made anew; None when what is there is right.

    Args:
        shared: The engine's id of each network that projects share, by name.
        alone: Whether the network it was made for is gone.
    """
    if seen is None:
        return "missing"
    if seen.labels.get(labels.CONFIG) != container.config_hash:
        return _changed(container.labels.get(labels.PARTS), seen.labels.get(labels.PARTS))
    if container.image in images and seen.image != images[container.image]:
        return "image rebuilt"
    if alone and container.is_attached:
        return "its network is gone"
    for one in container.networks:
        # Whoever created it may have ended before it was in all of them.
        if one.network not in seen.networks:
            return f"it is not in network {one.network}"
        if one.network not in shared or seen.networks[one.network] not in ("", shared[one.network]):
            return f"network {one.network} is gone"
    if seen.status == "created" and any(mount.kind == "copy" for mount in container.mounts):
        # Whoever created it may have ended before the files were in it.
        return "it was never started"
    # A paused one cannot be asked to stop, and nobody says how long ago the world stood still for it.
    return f"it is {seen.status}" if seen.status in ("dead", "paused", "removing") else None


def _changed(wanted: str | None, there: str | None) -> str:
    try:
        new, old = json.loads(wanted or "{}"), json.loads(there or "{}")
        names = [name.replace("_", " ") for name in {**new, **old} if new.get(name) != old.get(name)]
    except (ValueError, AttributeError, TypeError):
        names = []
    return f"{', '.join(names)} changed" if names else "its configuration is unknown"


def _container(
    container: Container,
    seen: SeenContainer | None,
    cause: str | None,
    again: str | None,
    ready: Mapping[str, Collection[str]],
) -> Iterator[Step]:
    name, unit = container.name, container.unit
    running = seen is not None and seen.status in ("running", "restarting")
    if seen is not None and running and (cause or again):
        yield Step("stop", "container", name, cause or again or "", unit=unit)
    if seen is not None and cause:
        yield Step("remove", "container", name, cause, unit=unit)
    if cause:
        yield Step("create", "container", name, cause, unit=unit)
    if not (cause or again) and running and container.health and seen and "(healthy)" not in seen.status_text:
        yield Step("wait", "container", name, "until it is ready", unit=unit)
    if cause or again or not running:
        after = tuple(one for need in container.needs for one in ready.get(need, ()))
        yield Step("start", "container", name, cause or again or "not running", after, unit)
        yield Step("wait", "container", name, "until it is ready", unit=unit)


def _ordered(mine: list[Step], first: list[str]) -> Iterator[Step]:
    """Chain one container's steps; its creation waits for what it is made of, its stop for nothing."""
    previous: tuple[str, ...] = ()
    for step in mine:
        waits = (*previous, *step.after, *(first if step.verb in ("create", "start", "drain") else ()))
        yield Step(step.verb, step.kind, step.target, step.cause, waits, step.unit)
        previous = (step.id,)


def _orphans(
    blueprint: Blueprint, there: tuple[SeenContainer, ...], balanced: Collection[str], rolled: Mapping[str, str]
) -> Iterator[Step]:
    wanted = {one.name for one in blueprint.containers}
    units = {one.unit for one in blueprint.containers}
    for one in there:
        if one.name in wanted:
            continue
        unit, cause = one.labels.get(labels.UNIT), orphaned(one, units)
        running = one.status in ("running", "restarting")
        mine = [Step("remove", "container", one.name, cause, unit=unit)]
        if unit is not None and unit in units and running:
            mine.insert(0, Step("stop", "container", one.name, cause, unit=unit))
        if unit is not None and unit in balanced and running:
            after = (rolled[unit],) if unit in rolled else ()
            mine.insert(0, Step("drain", "container", one.name, cause, after, unit))
        yield from _ordered(mine, [])


def orphaned(seen: SeenContainer, units: Collection[str]) -> str:
    """Why a container is not wanted any more, which are of these units."""
    if seen.labels.get(labels.UNIT) in units:
        return "fewer replicas are wanted"
    return "files are no longer copied" if seen.labels.get(labels.KIND) == "files" else "no longer in `devenv.toml`"


# --- replicas ---


def _balanced(
    blueprint: Blueprint,
    seen: Mapping[str, SeenContainer],
    images: Mapping[str, str],
    shared: Mapping[str, str],
    *,
    alone: bool,
) -> frozenset[str]:
    """Units with several replicas behind a balancer that stays: one of them can leave while others serve."""
    balancer = next((one for one in blueprint.containers if one.kind == "balancer"), None)
    there = None if balancer is None else seen.get(balancer.name)
    if balancer is None or there is None or there.status != "running":
        return frozenset()
    if _difference(balancer, there, images, shared, alone=alone) is not None:
        return frozenset()
    serving = Counter(one.labels.get(labels.UNIT) for one in seen.values() if one.status == "running")
    return frozenset(one.unit for one in blueprint.containers if one.behind and serving[one.unit] > 1)


def _rolling(mine: list[Step], rolled: dict[str, str]) -> Iterator[Step]:
    """Let a replica's requests end before it stops, and begin with it only when the one before it serves again."""
    first = mine[0]
    after = (rolled[first.unit],) if first.unit in rolled else ()
    yield Step("drain", "container", first.target, first.cause, after, first.unit)
    yield from mine
    if first.unit is not None:
        rolled[first.unit] = mine[-1].id


def _handed_over(blueprint: Blueprint, there: tuple[SeenContainer, ...], steps: list[Step]) -> Iterator[Step]:
    """Let who begins to publish a port wait for who has published it until now: an app, or the balancer."""
    behind = {one.unit for one in blueprint.containers if one.behind}
    publishing = {one.name for one in blueprint.containers if one.ports}
    balancer = next((one.name for one in blueprint.containers if one.kind == "balancer"), None)
    leaving = {one.name for one in there if one.labels.get(labels.KIND) == "balancer" and one.name != balancer}
    apps = tuple(one.id for one in steps if one.verb == "stop" and one.unit in behind)
    other = tuple(one.id for one in steps if one.verb == "remove" and one.target in {*leaving, balancer})
    for step in steps:
        if step.verb == "start" and step.target in publishing:
            yield replace(step, after=(*step.after, *(apps if step.target == balancer else other)))
        else:
            yield step
