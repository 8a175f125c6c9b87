"""Debian packages on top of a registry's image: chosen to fit what is installed there."""

from __future__ import annotations

import re
import tarfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, cast

from devenv import reference
from devenv.errors import ImageError
from devenv.images import index, mirror, order, relation, resolve, saved, stanza
from devenv.images.client import Client
from devenv.images.registry import Registry
from devenv.images.registry.manifest import Manifest
from devenv.images.resolve import Universe, Unmet
from devenv.images.stanza import Stanza
from devenv.model.machine import Machine
from devenv.model.pins import Layer, LayerRequest, RegistryPin
from devenv.model.progress import Progress, Report
from devenv.values import dataclass

_STATUS = "var/lib/dpkg/status"
_RELEASES = ("etc/os-release", "usr/lib/os-release")
# Also `hold ok installed`: what is wanted of a package does not say whether it is there.
_INSTALLED = re.compile(rb"^Status: \S+ ok installed$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class System:
    """What an image says of the system in it.

    Args:
        suite: Debian's code name.
        installed: By name.
    """

    suite: str
    installed: Mapping[str, Stanza]


def lock(
    request: LayerRequest, base: RegistryPin, architecture: str, *, registry: Registry, machine: Machine, report: Report
) -> Layer:
    """Pin the packages an app adds to its base; what the base has already moves only where it must.

    Raises:
        ImageError: The base is no Debian, a package does not exist, or relations cannot be met.
    """
    report(Progress(request.name, "resolving", 0, None, "steps"))
    system = look(base, registry)
    with Client(machine) as client:
        indexes = index.Reader(mirror.find(machine), architecture, client, machine, report).read(system.suite)
        universe = Universe(text for one in indexes for text in one.paragraphs())
    chosen = _resolved(universe, request.request, system)
    epoch = max(base.created, *(one.source.date for one in indexes))
    return Layer(f"packages/{request.name}", request.request, base.manifest, order.runs(chosen), epoch)


def look(base: RegistryPin, registry: Registry) -> System:
    """Read what is installed in an image, from its layers in the registry: they may be for another architecture.

    Raises:
        ImageError: It is no Debian.
    """
    found: dict[str, bytes] = {}
    wanted = reference.parse(base.reference).at(base.manifest)
    manifest = registry.manifest(wanted)
    if manifest is None:
        raise ImageError(f"`{base.reference}` does not exist any more at {base.manifest}")
    for path in _layers(manifest, base, registry):
        # From the top down, so that what a layer above says goes before.
        found = _files(path, {_STATUS, *_RELEASES} - found.keys()) | found
        if _STATUS in found and found.keys() & set(_RELEASES):
            break
    return _system(base, found)


def _layers(manifest: Manifest, base: RegistryPin, registry: Registry) -> Iterator[Path]:
    for layer in reversed(manifest.document.get("layers") or ()):
        subject = reference.parse(base.reference).repository.rpartition("/")[2]
        place = reference.parse(base.reference)
        yield registry.blob(place, str(layer["digest"]), int(layer["size"]), subject)


def _files(layer: Path, names: set[str]) -> dict[str, bytes]:
    """The named files of a layer, as far as it has them."""
    found: dict[str, bytes] = {}
    with layer.open("rb") as file:
        saved.refuse_zstd(file.read(4))
    with tarfile.open(layer, "r:*") as tar:
        for member in tar:
            name = member.name.removeprefix("./").lstrip("/")
            if name in names and member.isfile():
                found[name] = cast(IO[bytes], tar.extractfile(member)).read()
    return found


def _system(base: RegistryPin, files: Mapping[str, bytes]) -> System:
    text = next((files[name] for name in _RELEASES if name in files), b"").decode("utf-8", "replace")
    release = dict(line.partition("=")[::2] for line in text.splitlines())
    suite = release.get("VERSION_CODENAME", "").strip('"')
    if release.get("ID", "").strip('"') != "debian" or not suite or _STATUS not in files:
        raise ImageError(
            f"`{base.reference}` is no Debian, so `packages` cannot be added to it",
            hint='use an image that is based on Debian, or `images = "debian"`',
        )
    paragraphs = (one for one in files[_STATUS].split(b"\n\n") if _INSTALLED.search(one))
    return System(suite, {one.name: one for one in stanza.parse([b"\n\n".join(paragraphs)])})


def _resolved(universe: Universe, requested: tuple[str, ...], system: System) -> dict[str, Stanza]:
    """What to install: packages of the base that are in the way, or would be left broken, are brought up to date."""
    installed, names = dict(system.installed), list(requested)
    while True:
        try:
            chosen = resolve.resolve(universe, names, installed, system.suite)
        except Unmet as error:
            moving = [name for name in error.blocking if name in installed]
            if not moving:
                raise
        else:
            moving = _broken(installed, chosen)
            if not moving:
                return chosen
        for name in dict.fromkeys(moving):
            del installed[name]
            names.append(name)


def _broken(installed: Mapping[str, Stanza], chosen: Mapping[str, Stanza]) -> list[str]:
    """Installed packages that need a version of another which is being replaced."""
    together = resolve.Names([*installed.values(), *chosen.values()])
    return [
        name
        for name, one in installed.items()
        for group in relation.parse(one.pre_depends) + relation.parse(one.depends)
        if any(alternative.name in chosen for alternative in group)
        and not any(together.meets(alternative) for alternative in group)
    ]
