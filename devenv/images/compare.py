"""Which paths differ between two images."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from devenv.images import tree
from devenv.images.tree import Node
from devenv.values import dataclass

_PARTS = {
    "kind": "kind",
    "mode": "permissions",
    "user": "owner",
    "group": "group",
    "mtime": "time",
    "size": "size",
    "target": "target",
    "attributes": "attributes",
    "device": "device",
}


@dataclass(frozen=True, slots=True)
class PathDifference:
    """A path that is not the same.

    Args:
        what: `content`, `permissions`, …, joined by commas; `only in the first`, `only in the second`.
    """

    path: str
    what: str


def paths(first: Iterable[Path], second: Iterable[Path]) -> tuple[PathDifference, ...]:
    """Compare the file systems that two images' layers, bottom first, make up."""
    ours, theirs = tree.read_layers(first), tree.read_layers(second)
    return tuple(
        PathDifference(f"/{path}", what)
        for path in sorted({*ours, *theirs})
        if (what := ", ".join(_differing(ours.get(path), theirs.get(path))))
    )


def _differing(ours: Node | None, theirs: Node | None) -> Iterator[str]:
    if ours is None or theirs is None:
        yield "only in the first" if theirs is None else "only in the second"
        return
    if ours.digest != theirs.digest:
        yield "content"
    first, second = (replace(one.header, path="") for one in (ours, theirs))
    yield from (word for name, word in _PARTS.items() if getattr(first, name) != getattr(second, name))
