"""Puts the two sides of a merge of `devenv.lock` together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from devenv import git, lockfile
from devenv.errors import LockfileError
from devenv.model.pins import DebianPins, Lockfile, Pins

Value = TypeVar("Value")

_OURS, _THEIRS = 2, 3


def merged(folder: Path) -> Lockfile:
    """Our side, completed by what only theirs has; both as git keeps them, so that each is whole.

    What no longer satisfies the project is chosen anew by `pinning.complete`, which is to follow.

    Raises:
        LockfileError: Git does not have the two sides any more.
    """
    sides = [git.side(folder, lockfile.NAME, stage) for stage in (_OURS, _THEIRS)]
    found = [lockfile.parse(one) for one in sides if one is not None]
    if len(found) != len(sides):
        raise LockfileError(
            f"`{lockfile.NAME}` holds both sides of a merge, and git does not have them any more",
            hint=f"take one side, `git checkout HEAD -- {lockfile.NAME}`, then run `devenv lock`",
        )
    ours, theirs = found
    names = {*ours.platforms, *theirs.platforms}
    platforms = {name: _pins(name, ours, theirs) for name in sorted(names)}
    return replace(ours, platforms=platforms, seed=ours.seed or theirs.seed)


def _pins(name: str, ours: Lockfile, theirs: Lockfile) -> Pins:
    mine, yours = ours.platforms.get(name, Pins(name)), theirs.platforms.get(name, Pins(name))
    known = {image: pin for pins in ours.platforms.values() for image, pin in pins.registry.items()}
    # One manifest list serves all architectures, so theirs counts only where ours has none at all.
    registry = {image: pin for image, pin in yours.registry.items() if image not in known}
    return replace(
        mine,
        debian=_debian(mine.debian, yours.debian),
        registry=registry | dict(mine.registry),
        added=_union(mine.added, yours.added),
        images=_union(mine.images, yours.images),
    )


def _debian(mine: DebianPins | None, yours: DebianPins | None) -> DebianPins | None:
    if mine is None or yours is None or mine.suite != yours.suite:
        return mine or yours
    # A layer holds what is on top of those below it: theirs fits only where it stands on the same.
    fitting = {name: layer for name, layer in yours.layers.items() if _stands_alike(layer.parent, mine, yours)}
    return replace(mine, layers=_union(mine.layers, fitting))


def _stands_alike(parent: str | None, mine: DebianPins, yours: DebianPins) -> bool:
    while parent is not None:
        below = yours.layers.get(parent)
        if below is None or mine.layers.get(parent, below) != below:
            return False
        parent = below.parent
    return True


def _union(mine: Mapping[str, Value], yours: Mapping[str, Value]) -> dict[str, Value]:
    return {**yours, **mine}
