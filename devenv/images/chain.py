"""What decides the bytes of each layer of an image."""

from __future__ import annotations

import hashlib
import json

from devenv.blueprint import images
from devenv.model.pins import ImageFile, ImageRecipe, Package
from devenv.values import dataclass


@dataclass(frozen=True, slots=True)
class Link:
    """One layer of a recipe with all that decides its bytes.

    Args:
        key: SHA-256 over this layer and all below it; 64 hex digits.
        name: For people.
        runs: dpkg runs in order.
        drop: Paths removed in the end.
    """

    key: str
    name: str
    runs: tuple[tuple[Package, ...], ...]
    files: tuple[ImageFile, ...]
    drop: tuple[str, ...]
    epoch: int

    @property
    def packages(self) -> tuple[Package, ...]:
        return tuple(package for run in self.runs for package in run)


def links(recipe: ImageRecipe) -> tuple[Link, ...]:
    """The recipe's layers, bottom first, without those that hold nothing."""
    found: list[Link] = []
    below = ""
    for layer in recipe.layers:
        files = tuple(sorted(recipe.files.get(layer.name, ()), key=lambda file: file.path))
        drop = tuple(sorted(set(recipe.drop.get(layer.name, ()))))
        runs = tuple(run for run in layer.runs if run)
        if not (runs or files or drop):
            continue
        below = _digest(
            {
                "format": images.BUILD_FORMAT,
                "architecture": recipe.architecture,
                "below": below,
                "epoch": layer.epoch,
                "runs": [[[package.name, package.version, package.sha256] for package in run] for run in runs],
                "files": [[file.path, file.mode, file.early, _content(file)] for file in files],
                "drop": drop,
            }
        )
        found.append(Link(below, layer.name, runs, files, drop, layer.epoch))
    return tuple(found)


def _content(file: ImageFile) -> str | None:
    return None if file.content is None else hashlib.sha256(file.content).hexdigest()


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
