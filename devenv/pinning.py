"""Chooses versions: completes a project's lockfile."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from devenv import blueprint, lockfile, supply, workspace
from devenv.lockfile import wanted
from devenv.model.pins import Layer, LayerRequest, Lockfile, Pins, RegistryPin
from devenv.model.progress import Report
from devenv.workspace import Workspace

if TYPE_CHECKING:
    from devenv.images.registry import Registry

Forget = Callable[[Pins], Pins]
"""Takes out of pins what is to be chosen anew."""


def complete(
    project: Workspace,
    architectures: Iterable[str],
    *,
    previous: Lockfile | None,
    forget: Forget = lambda pins: pins,
    report: Report,
) -> Lockfile:
    """A lockfile that covers the project: pins that still satisfy it stay, missing ones are chosen.

    Args:
        architectures: All that the lockfile is to cover.
    """
    # Each `up` imports this module, and hardly ever locks.
    from devenv import seeds

    asked = wanted.of(project.project, project.entries)
    seed = seeds.lock(project, previous)
    if not asked:
        return Lockfile(lockfile.meaning(project.project, project.entries), {}, seed)
    old = {} if previous is None else {name: forget(pins) for name, pins in previous.platforms.items()}
    names = tuple(dict.fromkeys(architectures))
    with supply.registry(project.machine, report) as registry:
        images = _images(asked.images, names, old, registry)
        pins = {
            name: _pins(project, asked, old.get(name, Pins(name)), images[name], registry, report) for name in names
        }
    return Lockfile(lockfile.meaning(project.project, project.entries), pins, seed)


def begin(project: Workspace, own: str, report: Report) -> bool:
    """Write the lockfile where the project needs one and has none yet; an existing one is never touched.

    Args:
        own: The engine's architecture.
    """
    if not workspace.needs_lock(project) or lockfile.read(project.folder) is not None:
        return False
    lockfile.write(project.folder, complete(project, architectures(project, None, own), previous=None, report=report))
    return True


def architectures(project: Workspace, before: Lockfile | None, own: str) -> tuple[str, ...]:
    """What the lockfile is to cover: the platforms the team names, else what it covers already and `own`."""
    known = () if before is None else tuple(before.platforms)
    return project.project.platforms or tuple(dict.fromkeys((*known, own)))


def _images(
    asked: Sequence[str], architectures: Sequence[str], old: Mapping[str, Pins], registry: Registry
) -> dict[str, dict[str, RegistryPin]]:
    """Each image's pins by architecture; one digest of a manifest list serves all of them."""
    found: dict[str, dict[str, RegistryPin]] = {name: {} for name in architectures}
    for image in asked:
        kept = {name: pins.registry[image] for name, pins in old.items() if image in pins.registry}
        missing = [name for name in architectures if name not in kept]
        if missing:
            digest = next((pin.digest for pin in kept.values()), None)
            kept |= registry.resolve(image, missing, digest=digest)
        for name in architectures:
            found[name][image] = kept[name]
    return found


def _pins(
    project: Workspace,
    asked: wanted.Wanted,
    old: Pins,
    images: Mapping[str, RegistryPin],
    registry: Registry,
    report: Report,
) -> Pins:
    """What is locked for one architecture."""
    debian = None
    if asked.layers:
        from devenv.images import debian as packages

        suite = project.project.suite
        debian = packages.lock(
            asked.layers,
            suite=suite,
            architecture=old.architecture,
            machine=project.machine,
            previous=old.debian if old.debian is not None and old.debian.suite == suite else None,
            report=report,
        )
    added = {
        request.name: _added(project, request, old, images[request.parent or ""], registry, report)
        for request in asked.added
    }
    return _pruned(project, replace(old, debian=debian, registry=images, added=added))


def _added(
    project: Workspace, request: LayerRequest, old: Pins, base: RegistryPin, registry: Registry, report: Report
) -> Layer:
    """Packages on top of a registry's image."""
    from devenv.images import added

    kept = old.added.get(request.name)
    if kept is not None and (kept.request, kept.parent) == (request.request, base.manifest):
        return kept
    return added.lock(request, base, old.architecture, registry=registry, machine=project.machine, report=report)


def _pruned(project: Workspace, pins: Pins) -> Pins:
    """Pins without the digests of images that the project no longer has."""
    made = blueprint.make(project.project, project.entries, pins, workspace.nowhere(project))
    keys = {image.key for image in made.images}
    return replace(pins, images={key: digest for key, digest in pins.images.items() if key in keys})
