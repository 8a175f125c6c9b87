"""Projects, pins and catalogs made from a few words, so that a test's whole world stands in its body."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from devenv import catalog, lockfile
from devenv.catalog import Catalog
from devenv.lockfile import wanted
from devenv.model.blueprint import Placement
from devenv.model.pins import DebianPins, Layer, LayerRequest, Lockfile, Package, Pins, RegistryPin, Source
from devenv.model.project import App, Project, Service, StackRequest

EPOCH = 1_760_000_000
CATALOG = Catalog((catalog.data_folder(),))


def package(name: str, version: str = "1.0-1") -> Package:
    digest = hashlib.sha256(f"{name} {version}".encode()).hexdigest()
    return Package(name, version, "amd64", digest, 1234, f"pool/main/{name[0]}/{name}/{name}_{version}_amd64.deb")


def layer(request: LayerRequest) -> Layer:
    return Layer(
        request.name, request.request, request.parent, (tuple(package(one) for one in request.request),), EPOCH
    )


def image(reference: str, version: str = "1.0") -> RegistryPin:
    digests = [f"sha256:{hashlib.sha256(f'{reference} {version} {what}'.encode()).hexdigest()}" for what in "imc"]
    return RegistryPin(reference, digests[0], digests[1], digests[2], version, EPOCH)


def pins(project: Project, entries: Catalog = CATALOG, **changes: Any) -> Pins:
    """Pins for all that the project wants."""
    asked = wanted.of(project, entries)
    source = Source("debian", "trixie", "main", EPOCH, "0" * 64)
    layers = {one.name: layer(one) for one in asked.layers}
    registry = {one: image(one) for one in asked.images}
    added = {
        one.name: replace(layer(one), name=f"packages/{one.name}", parent=registry[one.parent or ""].manifest)
        for one in asked.added
    }
    values: dict[str, Any] = {
        "architecture": "amd64",
        "debian": DebianPins("amd64", project.suite, (source,), layers) if layers else None,
        "registry": registry,
        "added": added,
    }
    return Pins(**(values | changes))


def layers(lock: Lockfile) -> Mapping[str, Layer]:
    debian = lock.platforms["amd64"].debian
    return debian.layers if debian else {}


def with_layers(lock: Lockfile, layers: Mapping[str, Layer]) -> Lockfile:
    """The lockfile with other layers of Debian packages."""
    pins = lock.platforms["amd64"]
    assert pins.debian is not None
    return replace(lock, platforms={"amd64": replace(pins, debian=replace(pins.debian, layers=layers))})


def lock(project: Project, entries: Catalog = CATALOG) -> Lockfile:
    return Lockfile(lockfile.meaning(project, entries), {"amd64": pins(project, entries)})


def app(name: str = "web", **changes: Any) -> App:
    values: dict[str, Any] = {"origin": "debian", "stacks": (StackRequest("python", "3.13"),)}
    return App(name, **(values | changes))


def service(name: str = "postgres", **changes: Any) -> Service:
    values: dict[str, Any] = {"use": name, "origin": "debian"}
    return Service(name, **(values | changes))


def project(root: Path, *, apps: tuple[App, ...] = (), services: tuple[Service, ...] = (), **changes: Any) -> Project:
    return Project(root, changes.pop("name", "shop"), apps=apps, services=services, **changes)


def placement(root: Path, **changes: Any) -> Placement:
    return Placement(**({"instance": "shop", "folder": str(root)} | changes))
