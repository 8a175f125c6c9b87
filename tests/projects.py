"""Projects, pins and catalogs made from a few words, so that a test's whole world stands in its body."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from devenv import catalog, lockfile
from devenv.catalog import Catalog
from devenv.model.blueprint import Placement
from devenv.model.pins import DebianPins, Layer, LayerRequest, Lockfile, Package, Source
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


def pins(project: Project, **changes: Any) -> DebianPins:
    layers = {one.name: layer(one) for one in lockfile.requests(project, CATALOG)}
    source = Source("debian", "trixie", "main", EPOCH, "0" * 64)
    values: dict[str, Any] = {
        "architecture": "amd64",
        "suite": project.suite,
        "sources": (source,),
        "layers": layers,
        "images": {},
    }
    return DebianPins(**(values | changes))


def lock(project: Project) -> Lockfile:
    return Lockfile(lockfile.meaning(project, CATALOG), {"amd64": pins(project)})


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
