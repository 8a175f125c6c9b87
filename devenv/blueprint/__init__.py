"""Resolves a project, its lockfile and its place on a machine into everything that must exist. Pure."""

from __future__ import annotations

import graphlib
import hashlib
import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from devenv import catalog
from devenv.blueprint import (
    apps,
    balancer,
    editors,
    hashing,
    hidden,
    images,
    joined,
    limits,
    mounts,
    reaches,
    scripts,
    services,
)
from devenv.blueprint.hidden import Hidden, Value
from devenv.catalog import Catalog
from devenv.model import labels
from devenv.model.blueprint import Blueprint, Container, Image, Mount, Network, Placement, Volume
from devenv.model.catalog import ServiceEntry
from devenv.model.pins import Pins
from devenv.model.project import BALANCER, App, Project, Service, reached

COMPOSE_FILE = ".devenv/compose.yaml"
_BRIDGE = {"com.docker.network.bridge.host_binding_ipv4": "127.0.0.1"}

# Fields that the engine fixes when it creates a container: a change of one means a new container.
_FIXED = (
    "image",
    "entrypoint",
    "command",
    "env",
    "user",
    "working_dir",
    "mounts",
    "secrets",
    "ports",
    "health",
    "limits",
    "stop_signal",
    "stop_grace",
)


def make(project: Project, entries: Catalog, pins: Pins | None, placement: Placement) -> Blueprint:
    """Resolve everything that must exist.

    Args:
        pins: The lockfile's for the engine's architecture.

    Raises:
        DevenvError: The catalog or the lockfile lacks something, or a path leads out of the project.
    """
    found: dict[str, Image] = {}
    units: dict[str, Container] = {}
    numbers: dict[str, int] = {}
    if project.balancer is not None and balancer.apps(project, placement):
        image = found.setdefault(f"service {BALANCER}", images.for_service(project, project.balancer, entries, pins))
        units[BALANCER] = balancer.make(project, image, placement)
    for service in project.services:
        image = found.setdefault(f"service {service.name}", images.for_service(project, service, entries, pins))
        made = services.for_service(project, service, entries, image, placement)
        units[service.name] = reaches.extended(made, service.reach, project, placement)
    for app in project.apps:
        image = found.setdefault(f"app {app.name}", images.for_app(project, app, entries, pins))
        if placement.copies:
            units.setdefault(apps.files_unit(project, app), apps.for_files(project, app, image, placement))
        provided = variables(project, entries, needs(project, app)) | apps.brought(project, app, placement.secrets)
        made = apps.for_app(project, app, entries, image, placement, provided)
        units[app.name] = reaches.extended(made, app.reach, project, placement)
        numbers[app.name] = balancer.replicas(project, app, placement)
    names, edited = _names(project, placement), editors.labels(project, placement)
    units = {name: limits.bounded(joined.joins(unit, project.joins, placement)) for name, unit in units.items()}
    return Blueprint(
        project=project.name,
        instance=placement.instance,
        folder=placement.folder,
        images=tuple({image.reference: image for image in found.values()}.values()),
        network=_network(placement),
        volumes=_volumes(placement, units.values(), _data(project, entries, placement)),
        containers=tuple(
            replica
            for name in _ordered(units)
            for replica in _replicas(
                labelled(units[name], placement, names.get(name), edited.get(name)), numbers.get(name, 1)
            )
        ),
        shared=joined.networks(project.joins, _BRIDGE),
    )


def needs(project: Project, app: App) -> tuple[Service, ...]:
    """The services among an app's needs."""
    return tuple(service for service in project.services if service.name in app.needs)


def variables(
    project: Project, entries: Catalog, chosen: tuple[Service, ...], ports: Mapping[str, int] | None = None
) -> dict[str, Value]:
    """What services provide, the later of two of a kind under names with its own name in front.

    Args:
        ports: Host ports by `<service>/<port>`: the variables for programs on the host; None: for apps.
    """
    merged: dict[str, Value] = {}
    for service in chosen:
        here = {} if ports is None else _ports_of(service, ports)
        host = service.name if ports is None else reached(service.reach.address)
        provided = services.provides(project, service, entries, host=host, ports=here)
        prefix = f"{service.name.upper().replace('-', '_')}_" if merged.keys() & provided.keys() else ""
        merged |= {prefix + key: value for key, value in provided.items()}
    return merged


def secrets(project: Project, entries: Catalog, known: Collection[str] = ()) -> dict[str, dict[str, Hidden]]:
    """The variables with secrets that each service and app gets as files, by its name.

    Args:
        known: Names of the secrets there are; of those that people bring, an app may do without some.
    """
    found: dict[str, dict[str, Hidden]] = {}
    for service in project.services:
        if service.use is not None:
            env = services.variables(project, service, entries.service(service.use))
            found[service.name] = hidden.only(env)
    for app in project.apps:
        found[app.name] = apps.app_secrets(
            app, variables(project, entries, needs(project, app)) | apps.brought(project, app, known)
        )
    return {name: own for name, own in found.items() if own}


def inside(project: Project, entries: Catalog, unit: str) -> tuple[str, ...]:
    """What a command in a running container begins with to have the variables that the container's own program has."""
    own = secrets(project, entries, [one.name for one in project.secrets]).get(unit, {})
    service = next((one for one in project.services if one.name == unit), None)
    if service is None:
        return scripts.exported(mounts.APP_SECRETS) if own else ()
    entry = entries.service(service.use) if service.use else None
    return scripts.exported(mounts.SECRETS_INSIDE) if entry is not None and services.are_exported(own, entry) else ()


def service_ports(project: Project, entries: Catalog) -> dict[str, int | None]:
    """Every service's ports to publish, by `<service>/<port>`, with the host port where it is fixed."""
    ports: dict[str, int | None] = {}
    for service in project.services:
        declared = tuple(entries.service(service.use).ports.values()) if service.use else service.ports
        for index, port in enumerate(declared):
            ports[f"{service.name}/{port}"] = service.port if index == 0 else None
    return ports


def _ports_of(service: Service, ports: Mapping[str, int]) -> dict[int, int]:
    prefix = f"{service.name}/"
    return {int(key.removeprefix(prefix)): host for key, host in ports.items() if key.startswith(prefix)}


def _ordered(units: Mapping[str, Container]) -> tuple[str, ...]:
    graph = {name: [one for one in unit.needs if one in units] for name, unit in units.items()}
    return tuple(graphlib.TopologicalSorter(graph).static_order())


def _network(placement: Placement) -> Network:
    return Network(
        name=f"{placement.instance}_default",
        labels=_common(placement) | {labels.COMPOSE_NETWORK: "default"},
        options=_BRIDGE,
    )


def _volumes(
    placement: Placement, units: Collection[Container], data: Mapping[str, Mapping[str, str]]
) -> tuple[Volume, ...]:
    names = {mount.source for unit in units for mount in unit.mounts if mount.kind == "volume"}
    prefix = f"{placement.instance}_"
    own = {name: dict(data.get(name, {})) for name in names}
    for unit in units:
        if (generation := placement.generations.get(unit.unit, 1)) > 1 and unit.kind == "service":
            for mount in unit.mounts:
                if mount.kind == "volume":
                    own[mount.source] |= {labels.GENERATION: str(generation)}
    return tuple(
        Volume(name, _common(placement) | {labels.COMPOSE_VOLUME: name.removeprefix(prefix)} | own[name])
        for name in sorted(names)
    )


def _data(project: Project, entries: Catalog, placement: Placement) -> dict[str, dict[str, str]]:
    """The labels of volumes, by their names, that tell what can use the data in them."""
    found: dict[str, dict[str, str]] = {}
    for service in project.services:
        if service.use is not None:
            entry = entries.service(service.use)
            own = _versions(project, service, entry) | _secrets(project, service, entry, placement)
            generation = placement.generations.get(service.name, 1)
            found |= {services.volume(service, placement.instance, name, generation): own for name in entry.volumes}
    return found


def _versions(project: Project, service: Service, entry: ServiceEntry) -> dict[str, str]:
    """Where not every version can: `postgres 17`."""
    if entry.data == "any":
        return {}
    number = re.match(r"\d+", catalog.chosen_version(entry, service.origin, project.suite, service.version))
    return {labels.DATA: f"{service.use} {number.group()}"} if number is not None else {}


def _secrets(project: Project, service: Service, entry: ServiceEntry, placement: Placement) -> dict[str, str]:
    """Where not every password does: fingerprints of the secrets that the data keeps, by option."""
    used = {name for one in hidden.only(services.variables(project, service, entry)).values() for name in one.secrets}
    kept = {name: f"{service.name}.{name}" for name, option in entry.options.items() if option.kept}
    found = {name: placement.secrets[one] for name, one in kept.items() if one in used and one in placement.secrets}
    if not found:
        return {}
    told = {name: f"{one.origin} {one.key} {one.value}" for name, one in found.items()}
    return {labels.SECRETS: json.dumps(told, separators=(",", ":"))}


def _common(placement: Placement) -> dict[str, str]:
    own = {
        labels.INSTANCE: placement.instance,
        labels.FOLDER: placement.folder,
        labels.COMPOSE_PROJECT: placement.instance,
    }
    return own | ({labels.HOST: placement.host} if placement.host else {})


def labelled(
    container: Container,
    placement: Placement,
    names: Mapping[str, int] | None = None,
    others: Mapping[str, str] | None = None,
) -> Container:
    """Add the labels that tell devenv and compose what this container is, the hash of its configuration included.

    Args:
        names: What its published ports are called, where that does not follow from the rest.
        others: Labels for further tools.
    """
    parts = {name: hashing.of(getattr(container, name))[:8] for name in _FIXED}
    parts["limits"] = hashing.of(limits.given(container))[:8]
    copied = [mount for mount in container.mounts if mount.kind == "copy"]
    if container.restart != "no":
        parts["restart"] = hashing.of(container.restart)[:8]
    if copied:
        parts["mounts"] = hashing.of([container.mounts, _copied(container, copied)])[:8]
    if container.networks:  # containers of projects that join none keep the hash they have
        parts["networks"] = hashing.of(container.networks)[:8]
    for name in ("privileged", "capabilities"):
        if value := getattr(container, name):
            parts[name] = hashing.of(value)[:8]
    if container.network == "host":
        parts["network"] = hashing.of(container.network)[:8]
    if others:
        parts["tools"] = hashing.of(sorted(others))[:8]
    config = hashing.of(parts)
    own = {
        labels.UNIT: container.unit,
        labels.KIND: container.kind,
        labels.CONFIG: config,
        labels.GRACE: str(container.stop_grace),
        labels.PARTS: json.dumps(parts, separators=(",", ":")),
        labels.COMPOSE_SERVICE: container.unit,
        labels.COMPOSE_NUMBER: str(container.replica),
        labels.COMPOSE_ONEOFF: "False",
        labels.COMPOSE_CONFIG_HASH: config,
        labels.COMPOSE_WORKING_DIR: placement.folder,
        labels.COMPOSE_CONFIG_FILES: f"{placement.folder}/{COMPOSE_FILE}",
        labels.COMPOSE_DEPENDS_ON: ",".join(f"{name}:service_healthy:false" for name in container.needs),
    }
    if names:
        own[labels.NAMES] = json.dumps(names, separators=(",", ":"))
    if copied:
        own[labels.COPIED] = json.dumps([mount.target for mount in copied], separators=(",", ":"))
    return replace(container, labels=_common(placement) | own | dict(others or {}), config_hash=config)


def _names(project: Project, placement: Placement) -> dict[str, dict[str, int]]:
    """What published ports are called, by unit, where no engine tells: which is an app's first, and whose it is."""
    behind = balancer.apps(project, placement)
    found = {app.name: _named(app) for app in project.apps if len(app.ports) > 1 and app not in behind}
    return found | ({BALANCER: {name: port for app in behind for name, port in _named(app).items()}} if behind else {})


def _named(app: App) -> dict[str, int]:
    """An app's own name is that of its first port."""
    first, *further = app.ports
    return {app.name: first} | {f"{app.name}-{port}": port for port in further}


def _replicas(container: Container, number: int) -> Iterator[Container]:
    """So many of it, equal but for name and number."""
    yield container
    for replica in range(2, number + 1):
        name = f"{container.name.removesuffix('-1')}-{replica}"
        own = dict(container.labels) | {labels.COMPOSE_NUMBER: str(replica)}
        yield replace(container, name=name, replica=replica, labels=own)


def _copied(container: Container, copied: Iterable[Mount]) -> dict[str, str]:
    """Hashes of the project's own files among those: a mounted one shows a change by itself, a copied one does not.

    The machine's are named by what they hold, secrets have fingerprints, and passwd is made only when the container is.
    """
    others = {mounts.USERS, mounts.CERTIFICATES}
    secret = {one.source for one in container.secrets}
    own = (mount for mount in copied if mount.target not in others and mount.source not in secret)
    return {mount.target: hashlib.sha256(Path(mount.source).read_bytes()).hexdigest() for mount in own}
