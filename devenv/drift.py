"""How what runs differs from the blueprint, each difference explained."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from typing import Literal

from devenv import plan
from devenv.engine.protocol import Change, ContainerState, Engine, SeenImage, Settings
from devenv.errors import NotFound
from devenv.model import labels
from devenv.model.blueprint import Blueprint, Container, Image, Mount, Observed, SeenContainer
from devenv.model.project import MOST_PIDS
from devenv.values import dataclass

What = Literal["container", "state", "image", "env", "setting", "network", "file"]

ANEW = "`devenv up` makes it anew"
BY_HAND = "altered by hand after it was created; `devenv down` and `devenv up` make it anew"

# Where the image's own files are; everything else is for programs to write to.
_SYSTEM = re.compile(r"/(?:usr|etc|opt|bin|sbin|lib[^/]*|boot|var/lib/dpkg)(?:/|$)")
# The engine's own, and what programs leave behind as they run.
_PASSING = re.compile(r"^/etc/(?:mtab|hosts|hostname|resolv\.conf|\.pwd\.lock)$|/__pycache__(?:/|$)|\.pyc$")
_SECRET = re.compile(r"PASS|SECRET|TOKEN|KEY|CREDENTIAL", re.IGNORECASE)
_LOGIN = re.compile(r"(?<=://)[^/\s]*@")


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that is not as it should be.

    Args:
        unit: The app or service.
        name: Of the variable, setting or path; empty where `what` says it all.
        wanted: As the blueprint has it; None where it should not be.
        found: As it is; None where it is not there.
        explanation: Why, and what to do.
    """

    unit: str
    what: What
    name: str
    wanted: str | None
    found: str | None
    explanation: str


def of(engine: Engine, wanted: Blueprint, observed: Observed) -> tuple[Difference, ...]:
    """Everything that differs, container by container."""
    seen = {one.name: one for one in observed.containers}
    images = {image.reference: image for image in wanted.images}
    found: list[Difference] = []
    for container in wanted.containers:
        there = seen.pop(container.name, None)
        networks = (wanted.network.name, *(one.network for one in container.networks)) if container.is_attached else ()
        found += _of(engine, container, images[container.image], networks, there)
    units = {container.unit for container in wanted.containers}
    return (*found, *(_orphan(one, units) for one in seen.values()))


def _orphan(seen: SeenContainer, units: Collection[str]) -> Difference:
    unit = seen.labels.get(labels.UNIT, seen.name)
    cause = plan.orphaned(seen, units)
    why = f"{cause}; `devenv up` removes it"
    return Difference(unit, "container", seen.name, None, seen.status, why)


def _of(
    engine: Engine, container: Container, image: Image, networks: Collection[str], seen: SeenContainer | None
) -> Iterator[Difference]:
    if seen is None:
        yield Difference(container.unit, "container", container.name, "running", None, "`devenv up` creates it")
        return
    try:
        state = engine.look(container.name)
        changes = engine.changes(container.name)
    except NotFound:  # it went away this moment
        yield Difference(container.unit, "container", container.name, "running", None, "`devenv up` creates it")
        return
    if not state.running:
        yield Difference(container.unit, "state", "", "running", seen.status, "`devenv up` starts it")
    there = engine.image(container.image)
    yield from _image(container, image, state, there)
    why = BY_HAND if seen.labels.get(labels.CONFIG) == container.config_hash else f"devenv.toml has changed; {ANEW}"
    if state.settings is not None:
        own = there
        if there is None or there.id != state.settings.image:  # another bears the name now: it was not made from that
            own = engine.image(state.settings.image) or there
        yield from _env(container, state.settings, own, why)
        yield from _settings(container, state.settings, own, why)
        for network in networks if state.running else ():
            if network not in state.settings.networks:
                found = ", ".join(state.settings.networks) or None
                yield Difference(container.unit, "network", "", network, found, why)
    for change in system_changes(changes):
        why = f"written inside; {BY_HAND}"
        yield Difference(container.unit, "file", change.path, "as in the image", change.kind, why)


# --- image ---


def _image(container: Container, image: Image, state: ContainerState, there: SeenImage | None) -> Iterator[Difference]:
    unit, pinned = container.unit, image.digest
    if there is None:
        yield Difference(unit, "image", container.image, pinned, None, "removed from the engine; `devenv up` brings it")
    elif pinned is not None and there.config_digest != pinned:
        why = "another image has its name; `devenv up` brings the right one"
        yield Difference(unit, "image", container.image, pinned, there.config_digest, why)
    elif state.settings is not None and state.settings.image != there.id:
        why = f"the container runs another image than the one pinned; {ANEW}"
        yield Difference(unit, "image", container.image, there.id, state.settings.image, why)


# --- settings ---


def _env(container: Container, found: Settings, image: SeenImage | None, why: str) -> Iterator[Difference]:
    own = image.env if image else {}
    for name in sorted({*container.env, *found.env}):
        wanted, there = container.env.get(name), found.env.get(name)
        if wanted is None and there == own.get(name):
            continue
        if wanted != there:
            yield Difference(container.unit, "env", name, shown(name, wanted), shown(name, there), why)


def shown(name: str, value: str | None) -> str | None:
    """A variable's value for people: of what looks like a secret only that it is there."""
    if value is None or not _SECRET.search(name):
        return value and _LOGIN.sub("…@", value)
    return "(hidden)"


def _settings(container: Container, found: Settings, image: SeenImage | None, why: str) -> Iterator[Difference]:
    for name, wanted, there in _pairs(container, found, image.volumes if image else ()):
        if wanted != there:
            yield Difference(container.unit, "setting", name, wanted, there, why)


def _pairs(container: Container, found: Settings, volumes: Collection[str]) -> Iterator[tuple[str, str, str]]:
    """Each setting by name, as it is wanted and as it is found; what is left to the image is not compared."""
    for name in ("entrypoint", "command"):
        wanted = getattr(container, name)
        if wanted is not None:
            yield name, " ".join(wanted), " ".join(getattr(found, name))
    for name in ("user", "working_dir"):
        if getattr(container, name) is not None:
            yield name.replace("_", " "), getattr(container, name), getattr(found, name)
    # What was copied in is no mount for the engine.
    mounted = [mount for mount in container.mounts if mount.kind != "copy"]
    targets = {mount.target for mount in mounted}
    mounts = [one for one in found.mounts if one.target in targets or one.target not in volumes]
    yield "mounts", _lines(map(_mount, mounted)), _lines(map(_mount, mounts))
    ports = [[f"{one.address}:{one.host} to {one.container}" for one in side.ports] for side in (container, found)]
    yield "ports", _lines(ports[0]), _lines(ports[1])
    yield "privileged", str(container.privileged).lower(), str(found.privileged).lower()
    yield "capabilities", _lines(container.capabilities), _lines(found.capabilities)
    for name in ("cpus", "memory", "pids"):
        if name == "pids" and container.limits.pids == MOST_PIDS and found.limits.pids is None:
            continue  # it was made before there was a bound for those that ask for none
        yield f"limit of {name}", str(getattr(container.limits, name)), str(getattr(found.limits, name))


def _mount(mount: Mount) -> str:
    source = f" of {mount.source}" if mount.source else ""
    owner = f" for {mount.owner}" if mount.owner else ""
    return f"{mount.kind}{source} at {mount.target}{owner}{' (read only)' if mount.read_only else ''}"


def _lines(items: Collection[str] | map[str]) -> str:
    return ", ".join(sorted(items)) or "none"


# --- files ---


def system_changes(changes: Collection[Change]) -> tuple[Change, ...]:
    """What of a container's own layer stands where the image's files are, without the folders above it."""
    above = {parent for one in changes for parent in list(_upwards(one.path))[1:]}
    return tuple(
        one
        for one in sorted(changes, key=lambda one: one.path)
        if _SYSTEM.match(one.path)
        and not _PASSING.search(one.path)
        and not (one.path in above and one.kind == "changed")
    )


def _upwards(path: str) -> Iterator[str]:
    while path not in ("", "/"):
        yield path
        path = path.rpartition("/")[0]
