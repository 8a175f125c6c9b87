"""Reads, writes and judges `devenv.lock`: every image of a project fixed to bytes."""

from __future__ import annotations

import functools
import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from devenv import catalog, files, toml
from devenv.catalog import Catalog
from devenv.errors import DevenvError, LockfileError
from devenv.model.pins import DebianPins, Layer, LayerRequest, Lockfile, Package, Source
from devenv.model.project import App, Project, Service

NAME = "devenv.lock"
BASE = "base"
FORMAT = 1
LIMIT = 16 * 1024 * 1024
HEADER = """\
# Written by `devenv lock`: the bytes of every image. Commit it; change it by `devenv lock` only.
"""
# What every container gets: certificates for TLS, and the tools `devenv shell` is of no use without.
BASE_PACKAGES = ("ca-certificates", "less", "procps")

_PACKAGE = re.compile(
    r"(?P<name>[a-z0-9][a-z0-9+.-]+) (?P<version>[A-Za-z0-9.+:~-]+) (?P<architecture>[a-z0-9-]+) "
    r"(?P<sha256>[0-9a-f]{64}) (?P<size>[0-9]+) (?P<path>pool/[A-Za-z0-9%+~_./:-]+\.deb)"
)
_HEX = re.compile(r"[0-9a-f]{64}")


def requests(project: Project, entries: Catalog) -> tuple[LayerRequest, ...]:
    """Every layer of Debian packages the project's images need, parents first."""
    found = {BASE: LayerRequest(BASE, BASE_PACKAGES, None)}
    for service in project.services:
        if service.origin == "debian" and service.use is not None:
            layer = service_layer(project, service, entries)
            found[layer.name] = layer
    for app in project.apps:
        if app.origin == "debian" and app.image is None:
            found |= {layer.name: layer for layer in app_layers(project, app, entries)}
    return tuple(found.values()) if len(found) > 1 or _wants_base(project) else ()


def _wants_base(project: Project) -> bool:
    return any(app.origin == "debian" and app.image is None for app in project.apps)


def service_layer(project: Project, service: Service, entries: Catalog) -> LayerRequest:
    """The layer of a service from the catalog."""
    assert service.use is not None
    entry = entries.service(service.use)
    version, names = catalog.packages(
        entry.debian, what=f"service `{service.use}`", suite=project.suite, version=service.version, where=None
    )
    return LayerRequest(f"service/{service.use}@{version}", tuple(sorted(names)), BASE)


def app_layers(project: Project, app: App, entries: Catalog) -> tuple[LayerRequest, ...]:
    """An app's layers above the base: one for each stack, then its packages."""
    layers: list[LayerRequest] = []
    parent = BASE
    for stack in app.stacks:
        entry = entries.stack(stack.name)
        version, names = catalog.packages(
            entry.debian, what=f"stack `{stack.name}`", suite=project.suite, version=stack.version, where=None
        )
        name = f"stack/{stack.name}@{version}"
        if parent != BASE:
            name = f"{parent}+{stack.name}@{version}"
        layers.append(LayerRequest(name, tuple(sorted(names)), parent))
        parent = name
    if app.packages:
        layers.append(LayerRequest(f"packages/{app.like or app.name}", tuple(sorted(app.packages)), parent))
    return tuple(layers)


def meaning(project: Project, entries: Catalog) -> str:
    """SHA-256 of what the project asks to be pinned; comments, order and settings that pin nothing do not count."""
    asked = [asdict(request) for request in sorted(requests(project, entries), key=lambda one: one.name)]
    text = json.dumps({"suite": project.suite, "layers": asked}, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def stale(lock: Lockfile, project: Project, entries: Catalog, architecture: str) -> tuple[str, ...]:
    """Why the lockfile does not cover the project on this architecture; nothing when it does."""
    wanted = requests(project, entries)
    if not wanted:
        return ()
    pins = lock.debian.get(architecture)
    if pins is None:
        return (f"it has no pins for {architecture}",)
    if pins.suite != project.suite:
        return (f"it is for Debian {pins.suite}, `devenv.toml` asks for {project.suite}",)
    return tuple(reason for request in wanted for reason in _missing(request, pins.layers.get(request.name)))


def _missing(request: LayerRequest, layer: Layer | None) -> Iterator[str]:
    if layer is None:
        yield f"`{request.name}` has no pin"
    elif (layer.request, layer.parent) != (request.request, request.parent):
        added = sorted(set(request.request) - set(layer.request))
        gone = sorted(set(layer.request) - set(request.request))
        words = [f"`{name}` was added" for name in added] + [f"`{name}` was removed" for name in gone]
        yield f"`{request.name}`: {', '.join(words) or 'it stands on another layer'}"


def read(folder: Path) -> Lockfile | None:
    """Read the project's lockfile; None when there is none.

    Raises:
        LockfileError: It is another tool's, damaged, or was changed by hand.
    """
    path = folder / NAME
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise LockfileError(f"cannot read `{NAME}`: {error}", hint="restore it from version control") from error
    if not text.startswith(HEADER):
        raise LockfileError(
            f"`{NAME}` is not a lockfile of this devenv, so it stays as it is",
            hint=f"another tool of that name writes one too; move it away, then run `devenv lock`{_guess(text)}",
        )
    return _parse(text)


def _guess(text: str) -> str:
    return " (it looks like JSON)" if text.lstrip().startswith("{") else ""


@functools.lru_cache(maxsize=4)
def _parse(text: str) -> Lockfile:
    hint = f"restore it from version control, or remove `{NAME}` and run `devenv lock`"
    try:
        data = toml.read_text(text, name=NAME, limit=LIMIT).data
    except DevenvError as error:
        raise LockfileError(f"`{NAME}` is damaged: {error.message}", hint=hint, where=error.where) from error
    if data.get("format") != FORMAT:
        raise LockfileError(
            f"`{NAME}` has format {data.get('format')!r}, this devenv reads {FORMAT}", hint="update devenv"
        )
    try:
        lock = Lockfile(
            str(data["meaning"]),
            {name: _pins(name, table) for name, table in data.get("debian", {}).items()},
        )
        written = str(data["checksum"])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise LockfileError(f"`{NAME}` is damaged: {error}", hint=hint) from error
    if written != _checksum(lock):
        raise LockfileError(f"`{NAME}` was changed by hand: its checksum does not fit", hint=hint)
    return lock


def _pins(architecture: str, table: Mapping[str, Any]) -> DebianPins:
    return DebianPins(
        architecture=architecture,
        suite=str(table["suite"]),
        sources=tuple(_source(line) for line in str(table["sources"]).split("\n") if line),
        layers={name: _layer(name, layer) for name, layer in table.get("layers", {}).items()},
        images={str(key): str(digest) for key, digest in table.get("images", {}).items()},
    )


def _source(line: str) -> Source:
    archive, suite, component, date, sha256 = line.split(" ")
    return Source(archive, suite, component, int(date), sha256)


def _layer(name: str, table: Mapping[str, Any]) -> Layer:
    body = str(table["packages"]).strip("\n")
    runs = tuple(tuple(_package(line) for line in run.split("\n")) for run in body.split("\n\n")) if body else ()
    parent = table.get("parent")
    return Layer(name, tuple(table["request"]), None if parent is None else str(parent), runs, int(table["epoch"]))


def _package(line: str) -> Package:
    match = _PACKAGE.fullmatch(line)
    if match is None or ".." in match["path"]:
        raise ValueError(f"no package: {line[:80]!r}")
    return Package(
        match["name"], match["version"], match["architecture"], match["sha256"], int(match["size"]), match["path"]
    )


def write(folder: Path, lock: Lockfile) -> None:
    """Write the lockfile, whole or not at all.

    Raises:
        LockfileError: What stands there is not ours.
    """
    read(folder)
    files.write(folder / NAME, text(lock))


def text(lock: Lockfile) -> str:
    """The lockfile's content: one line a package, in an order that does not depend on how it came about."""
    return "\n".join(
        [
            HEADER.rstrip("\n"),
            f"format = {FORMAT}",
            f'meaning = "{lock.meaning}"',
            f'checksum = "{_checksum(lock)}"',
            *(_body(lock)),
            "",
        ]
    )


def _body(lock: Lockfile) -> Iterator[str]:
    for architecture, pins in sorted(lock.debian.items()):
        yield ""
        yield f"[debian.{architecture}]"
        yield f'suite = "{pins.suite}"'
        yield "sources = '''"
        for one in pins.sources:
            yield f"{one.archive} {one.suite} {one.component} {one.date} {one.sha256}"
        yield "'''"
        for name, layer in sorted(pins.layers.items()):
            yield from _layer_lines(architecture, name, layer)
        if pins.images:
            yield ""
            yield f"[debian.{architecture}.images]"
            yield from (f'{key} = "{digest}"' for key, digest in sorted(pins.images.items()))


def _layer_lines(architecture: str, name: str, layer: Layer) -> Iterator[str]:
    yield ""
    yield f'[debian.{architecture}.layers."{name}"]'
    yield f"request = [{', '.join(json.dumps(one) for one in layer.request)}]"
    if layer.parent is not None:
        yield f'parent = "{layer.parent}"'
    yield f"epoch = {layer.epoch}"
    yield "packages = '''"
    yield "\n\n".join("\n".join(_package_line(one) for one in run) for run in layer.runs)
    yield "'''"


def _package_line(one: Package) -> str:
    return f"{one.name} {one.version} {one.architecture} {one.sha256} {one.size} {one.path}"


def _checksum(lock: Lockfile) -> str:
    """SHA-256 over the meaning and the body: tells a lockfile edited by hand or merged badly."""
    return hashlib.sha256("\n".join([lock.meaning, *_body(lock)]).encode()).hexdigest()
