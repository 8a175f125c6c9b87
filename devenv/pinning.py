"""Chooses versions: completes a project's lockfile."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from devenv import blueprint, lockfile, workspace
from devenv.errors import UsageError
from devenv.model.pins import DebianPins, Layer, Lockfile
from devenv.model.progress import Report
from devenv.values import dataclass
from devenv.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Move:
    """What changed for one package: None on the side where it is not there.

    Args:
        layer: The layer it belongs to.
    """

    architecture: str
    layer: str
    package: str
    before: str | None
    after: str | None


def complete(
    workspace_: Workspace,
    architectures: Sequence[str],
    *,
    previous: Lockfile | None,
    upgrade: Sequence[str] | None = None,
    report: Report,
) -> Lockfile:
    """A lockfile that covers the project: pins that still satisfy it stay, missing ones are chosen.

    Args:
        upgrade: Names of services, stacks, apps or layers to choose anew; () means everything, None nothing.
    """
    from devenv.images import debian

    project = workspace_.project
    requests = lockfile.requests(project, workspace_.entries)
    kept = {} if previous is None else dict(previous.debian)
    if upgrade is not None:
        kept = {name: forget(pins, upgrade) for name, pins in kept.items()}
    if requests:
        for name in architectures:
            old = kept.get(name)
            usable = old if old is not None and old.suite == project.suite else None
            pins = debian.lock(
                requests,
                suite=project.suite,
                architecture=name,
                machine=workspace_.machine,
                previous=usable,
                report=report,
            )
            kept[name] = _pruned(workspace_, pins)
    meaning = lockfile.meaning(project, workspace_.entries)
    return Lockfile(meaning, kept if requests else {})


def _pruned(workspace_: Workspace, pins: DebianPins) -> DebianPins:
    """Pins without the digests of images that the project no longer has."""
    wanted = blueprint.make(workspace_.project, workspace_.entries, pins, workspace.nowhere(workspace_))
    keys = {image.key for image in wanted.images}
    return replace(pins, images={key: digest for key, digest in pins.images.items() if key in keys})


def moves(before: Lockfile | None, after: Lockfile) -> tuple[Move, ...]:
    """What differs between two lockfiles, package by package."""
    return tuple(
        Move(architecture, layer, name, old.get(name), new.get(name))
        for architecture, pins in sorted(after.debian.items())
        for layer, new, old in _pairs(pins, None if before is None else before.debian.get(architecture))
        for name in sorted(new.keys() | old.keys())
        if new.get(name) != old.get(name)
    )


def _pairs(after: DebianPins, before: DebianPins | None) -> list[tuple[str, dict[str, str], dict[str, str]]]:
    old = {} if before is None else dict(before.layers)
    names = sorted(after.layers.keys() | old.keys())
    return [(name, _versions(after.layers.get(name)), _versions(old.get(name))) for name in names]


def _versions(layer: Layer | None) -> dict[str, str]:
    return {} if layer is None else {one.name: one.version for run in layer.runs for one in run}


def forget(pins: DebianPins, names: Sequence[str]) -> DebianPins:
    """Pins without the named layers and every layer above one of them; without names, none are left."""
    if not names:
        return replace(pins, layers={}, images={})
    dropped = {layer for layer in pins.layers if any(_is(layer, name) for name in names)}
    if not dropped:
        have = ", ".join(f"`{layer}`" for layer in sorted(pins.layers))
        raise UsageError(f"no pin is called {', '.join(f'`{name}`' for name in names)}", hint=f"there are: {have}")
    while above := {name for name, layer in pins.layers.items() if layer.parent in dropped and name not in dropped}:
        dropped |= above
    return replace(pins, layers={name: layer for name, layer in pins.layers.items() if name not in dropped})


def _is(layer: str, name: str) -> bool:
    """Whether `name` means the layer: `postgres` and `service/postgres` mean `service/postgres@17`."""
    parts = layer.replace("+", "/").split("/")
    return name == layer or name in {part.partition("@")[0] for part in parts} or layer.partition("@")[0] == name
