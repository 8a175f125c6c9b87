"""The text of `devenv.lock`: one line a package, in an order that does not depend on how it came about."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from devenv.model.pins import DebianPins, Layer, Lockfile, Package, Pins, RegistryPin, SeedPin, Source

FORMAT = 2
HEADER = """\
# Written by `devenv lock`: the bytes of every image. Commit it; change it by `devenv lock` only.
"""

_PACKAGE = re.compile(
    r"(?P<name>[a-z0-9][a-z0-9+.-]+) (?P<version>[A-Za-z0-9.+:~-]+) (?P<architecture>[a-z0-9-]+) "
    r"(?P<sha256>[0-9a-f]{64}) (?P<size>[0-9]+) (?P<path>pool/[A-Za-z0-9%+~_./:-]+\.deb)"
)
_DIGEST = r"sha256:[0-9a-f]{64}"
_PLATFORM = re.compile(
    rf"(?P<architecture>[a-z0-9]+) (?P<manifest>{_DIGEST}) (?P<config>{_DIGEST}) (?P<created>[0-9]+) (?P<version>\S+)"
)
_NO_VERSION = "-"


def text(lock: Lockfile) -> str:
    """The lockfile's content."""
    head = (HEADER.rstrip("\n"), f"format = {FORMAT}", f'meaning = "{lock.meaning}"', f'checksum = "{checksum(lock)}"')
    return "\n".join((*head, *_body(lock), ""))


def checksum(lock: Lockfile) -> str:
    """SHA-256 over the meaning and the body: tells a lockfile edited by hand or merged badly."""
    return hashlib.sha256("\n".join([lock.meaning, *_body(lock)]).encode()).hexdigest()


# --- writing ---


def _body(lock: Lockfile) -> Iterator[str]:
    if lock.seed is not None:
        file = json.dumps(lock.seed.file, ensure_ascii=False)
        yield from ("", "[data]", f"seed = {file}", f'sha256 = "{lock.seed.sha256}"')
    platforms = sorted(lock.platforms.items())
    for name in sorted({name for _, pins in platforms for name in pins.registry}):
        yield from _registry_lines(
            name, [(one, pins.registry[name]) for one, pins in platforms if name in pins.registry]
        )
    for architecture, pins in platforms:
        if pins.debian is not None:
            yield from _debian_lines(architecture, pins.debian)
        for name, layer in sorted(pins.added.items()):
            yield from _layer_lines(f'added.{architecture}."{name}"', layer)
        if pins.images:
            yield from ("", f"[images.{architecture}]")
            yield from (f'{key} = "{digest}"' for key, digest in sorted(pins.images.items()))


def _registry_lines(name: str, pins: Sequence[tuple[str, RegistryPin]]) -> Iterator[str]:
    lines = [f"{one} {pin.manifest} {pin.config} {pin.created} {_word(pin.version)}" for one, pin in pins]
    (digest,) = {pin.digest for _, pin in pins}
    yield from ("", f'[registry."{name}"]', f'digest = "{digest}"', "platforms = '''", *lines, "'''")


def _word(version: str) -> str:
    """What an image says of itself may be anything."""
    return re.sub(r"[^A-Za-z0-9.+:~_-]", "_", version) or _NO_VERSION


def _debian_lines(architecture: str, pins: DebianPins) -> Iterator[str]:
    yield from ("", f"[debian.{architecture}]", f'suite = "{pins.suite}"', "sources = '''")
    yield from (f"{one.archive} {one.suite} {one.component} {one.date} {one.sha256}" for one in pins.sources)
    yield "'''"
    for name, layer in sorted(pins.layers.items()):
        yield from _layer_lines(f'debian.{architecture}.layers."{name}"', layer)


def _layer_lines(table: str, layer: Layer) -> Iterator[str]:
    yield from ("", f"[{table}]", f"request = [{', '.join(json.dumps(one) for one in layer.request)}]")
    if layer.parent is not None:
        yield f'parent = "{layer.parent}"'
    yield from (f"epoch = {layer.epoch}", "packages = '''")
    yield "\n\n".join("\n".join(_package_line(one) for one in run) for run in layer.runs)
    yield "'''"


def _package_line(one: Package) -> str:
    return f"{one.name} {one.version} {one.architecture} {one.sha256} {one.size} {one.path}"


# --- reading ---


def lockfile(data: Mapping[str, Any]) -> Lockfile:
    """Read a parsed lockfile.

    Raises:
        KeyError, TypeError, ValueError, AttributeError: Something is not as `text` writes it.
    """
    registry: dict[str, dict[str, RegistryPin]] = {}
    for name, table in data.get("registry", {}).items():
        for architecture, pin in _platforms(name, table):
            registry.setdefault(architecture, {})[name] = pin
    tables = [data.get(key, {}) for key in ("debian", "added", "images")]
    debian, added, images = tables
    architectures = sorted({*registry, *(one for table in tables for one in table)})
    return Lockfile(
        str(data["meaning"]),
        {
            one: Pins(
                architecture=one,
                debian=_debian(one, debian[one]) if one in debian else None,
                registry=registry.get(one, {}),
                added={name: _layer(f"packages/{name}", table) for name, table in added.get(one, {}).items()},
                images={str(key): _digest(digest) for key, digest in images.get(one, {}).items()},
            )
            for one in architectures
        },
        _seed(data["data"]) if "data" in data else None,
    )


def _seed(table: Mapping[str, Any]) -> SeedPin:
    if re.fullmatch("[0-9a-f]{64}", table["sha256"]) is None:
        raise ValueError(f"no SHA-256: {table['sha256'][:80]!r}")
    return SeedPin(str(table["seed"]), table["sha256"])


def _platforms(name: str, table: Mapping[str, Any]) -> Iterator[tuple[str, RegistryPin]]:
    digest = _digest(table["digest"])
    for line in str(table["platforms"]).split("\n"):
        if not line:
            continue
        match = _PLATFORM.fullmatch(line)
        if match is None:
            raise ValueError(f"no platform: {line[:80]!r}")
        version = "" if match["version"] == _NO_VERSION else match["version"]
        pin = RegistryPin(name, digest, match["manifest"], match["config"], version, int(match["created"]))
        yield match["architecture"], pin


def _debian(architecture: str, table: Mapping[str, Any]) -> DebianPins:
    return DebianPins(
        architecture=architecture,
        suite=str(table["suite"]),
        sources=tuple(_source(line) for line in str(table["sources"]).split("\n") if line),
        layers={name: _layer(name, layer) for name, layer in table.get("layers", {}).items()},
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


def _digest(value: object) -> str:
    if not isinstance(value, str) or re.fullmatch(_DIGEST, value) is None:
        raise ValueError(f"no digest: {str(value)[:80]!r}")
    return value
