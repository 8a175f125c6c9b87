"""Which pins an upgrade is to move, and which have moved between two lockfiles."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Literal

from devenv import dockerfile
from devenv.catalog import Catalog
from devenv.errors import UsageError
from devenv.lockfile import wanted
from devenv.model.pins import DebianPins, Layer, Lockfile, Pins, RegistryPin
from devenv.model.project import Project
from devenv.values import dataclass

_UPSTREAM = re.compile(r"(?:[0-9]+:)?(?P<version>.*?)(?:\+dfsg[0-9.]*|\+ds[0-9.]*)?(?:-[^-]*)?")


@dataclass(frozen=True, slots=True)
class Move:
    """What changed for one thing that is locked: None on the side where it is not there.

    Args:
        subject: A layer such as `service/postgres@17`, or an image's reference.
        what: `version` is the software's own, `digest` an image's, `package` a Debian package's version.
        name: The package's, or the subject's for people: `postgres`.
    """

    architecture: str
    subject: str
    what: Literal["version", "digest", "package"]
    name: str
    before: str | None
    after: str | None


# --- what is to move ---


def forgetting(project: Project, entries: Catalog, lock: Lockfile, names: Sequence[str]) -> Callable[[Pins], Pins]:
    """What takes the pins of `names` out of an architecture's; without names, all.

    Args:
        names: Services, stacks, apps, layers, or images' references.

    Raises:
        UsageError: Nothing that is locked is called so.
    """
    if not names:
        return lambda pins: Pins(pins.architecture)
    images = {image for image, called in _called(project, entries).items() if called & set(names)}
    layers = {
        layer for pins in lock.platforms.values() for layer in _layers(pins) if any(_is(layer, name) for name in names)
    }
    added = {name for pins in lock.platforms.values() for name in pins.added if _is(f"packages/{name}", *names)}
    found = {name for name in names if _hits(name, project, entries, lock)}
    if missing := [name for name in names if name not in found]:
        raise _unknown(missing, project, entries, lock)
    return lambda pins: _forgotten(pins, images, layers, added)


def _forgotten(pins: Pins, images: Collection[str], layers: Collection[str], added: Collection[str]) -> Pins:
    debian = pins.debian and replace(pins.debian, layers=_without(pins.debian, layers))
    return replace(
        pins,
        debian=debian,
        registry={name: pin for name, pin in pins.registry.items() if name not in images},
        added={name: layer for name, layer in pins.added.items() if name not in added},
    )


def _without(pins: DebianPins, layers: Collection[str]) -> dict[str, Layer]:
    """The layers but those named and every one above them."""
    dropped = set(layers) & pins.layers.keys()
    while above := {name for name, one in pins.layers.items() if one.parent in dropped and name not in dropped}:
        dropped |= above
    return {name: layer for name, layer in pins.layers.items() if name not in dropped}


def _called(project: Project, entries: Catalog) -> dict[str, set[str]]:
    """What each image of a registry may be called: by its reference, its repository, and whom it serves."""
    called: dict[str, set[str]] = {}
    for service in project.pinned:
        if service.dockerfile is not None:
            for image in dockerfile.read(project.root, service.dockerfile, service.args, service.target).images:
                called.setdefault(image, {image, _short(image)}).add(service.name)
        elif service.origin == "registry":
            image = wanted.service_image(service, entries)
            called.setdefault(image, {image, _short(image)}).update({service.name, service.use or service.name})
    for app in project.apps:
        if app.origin == "registry":
            stacks = [stack.name for stack in app.stacks] or [app.name]
            for image, stack in zip(wanted.app_images(project, app, entries), stacks, strict=True):
                called.setdefault(image, {image, _short(image)}).update({app.name, stack})
    return called


def _short(image: str) -> str:
    return image.partition("@")[0].rpartition("/")[2].partition(":")[0]


def _layers(pins: Pins) -> Collection[str]:
    return pins.debian.layers if pins.debian else ()


def _is(layer: str, *names: str) -> bool:
    """Whether a name means the layer: `postgres` and `service/postgres` mean `service/postgres@17`."""
    parts = {part.partition("@")[0] for part in layer.rpartition("/")[2].split("+")}
    return any(name == layer or name in parts or layer.partition("@")[0] == name for name in names)


def _hits(name: str, project: Project, entries: Catalog, lock: Lockfile) -> bool:
    pins = lock.platforms.values()
    in_layers = any(_is(layer, name) for one in pins for layer in _layers(one))
    in_added = any(_is(f"packages/{app}", name) for one in pins for app in one.added)
    return in_layers or in_added or any(name in called for called in _called(project, entries).values())


def _unknown(missing: Sequence[str], project: Project, entries: Catalog, lock: Lockfile) -> UsageError:
    layers = {layer for pins in lock.platforms.values() for layer in _layers(pins)}
    have = ", ".join(f"`{one}`" for one in sorted(layers | set(_called(project, entries))))
    return UsageError(
        f"no pin is called {', '.join(f'`{name}`' for name in missing)}", hint=f"there are: {have}" if have else None
    )


# --- what has moved ---


def moves(before: Lockfile | None, after: Lockfile, named: Mapping[str, str]) -> tuple[Move, ...]:
    """What differs between two lockfiles.

    Args:
        named: By a layer's name, the package whose version is the software's own; without one, the first asked for.
    """
    old = {} if before is None else dict(before.platforms)
    names = sorted({*old, *after.platforms})
    return tuple(
        move
        for name in names
        for move in _moves(old.get(name, Pins(name)), after.platforms.get(name, Pins(name)), named)
    )


def _moves(before: Pins, after: Pins, named: Mapping[str, str]) -> Iterator[Move]:
    architecture = after.architecture
    for image in sorted({*before.registry, *after.registry}):
        yield from _image_moves(architecture, image, before.registry.get(image), after.registry.get(image))
    old, new = _all_layers(before), _all_layers(after)
    for layer in sorted({*old, *new}):
        yield from _layer_moves(architecture, layer, old.get(layer), new.get(layer), named.get(layer))


def _all_layers(pins: Pins) -> dict[str, Layer]:
    debian: Mapping[str, Layer] = pins.debian.layers if pins.debian else {}
    return dict(debian) | {layer.name: layer for layer in pins.added.values()}


def _image_moves(architecture: str, image: str, old: RegistryPin | None, new: RegistryPin | None) -> Iterator[Move]:
    before, after = (one.version if one and one.version else None for one in (old, new))
    if before != after:
        yield Move(architecture, image, "version", _short(image), before, after)
    was, now = (one.digest if one else None for one in (old, new))
    if was != now:
        yield Move(architecture, image, "digest", _short(image), was, now)


def _layer_moves(
    architecture: str, layer: str, old: Layer | None, new: Layer | None, named: str | None
) -> Iterator[Move]:
    name = layer.rpartition("/")[2].rpartition("+")[2].partition("@")[0]
    versions = (_own_version(old, named), _own_version(new, named))
    if versions[0] != versions[1] and not layer.startswith(("packages/", wanted.BASE)):
        yield Move(architecture, layer, "version", name, *versions)
    before, after = _versions(old), _versions(new)
    for package in sorted({*before, *after}):
        if before.get(package) != after.get(package):
            yield Move(architecture, layer, "package", package, before.get(package), after.get(package))


def _versions(layer: Layer | None) -> dict[str, str]:
    return {} if layer is None else {one.name: one.version for run in layer.runs for one in run}


def _own_version(layer: Layer | None, named: str | None) -> str | None:
    """The version of the software that a layer is about, as its authors number it."""
    if layer is None or not layer.request:
        return None
    versions = _versions(layer)
    version = versions.get(named or "") or versions.get(layer.request[0])
    match = _UPSTREAM.fullmatch(version) if version else None
    return match["version"] if match else None
