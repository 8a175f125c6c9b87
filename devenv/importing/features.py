"""What images and features of Dev Containers are in devenv: stacks and Debian packages.

https://containers.dev/features
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from devenv.catalog import Catalog
from devenv.importing.tree import Node
from devenv.model.project import Origin
from devenv.reference import Reference
from devenv.values import dataclass

IMAGES = "mcr.microsoft.com/devcontainers/"
FEATURES = "ghcr.io/devcontainers/features/"
STACKS: Mapping[str, str] = {
    "go": "go",
    "java": "java",
    "javascript-node": "node",
    "node": "node",
    "php": "php",
    "python": "python",
    "ruby": "ruby",
    "rust": "rust",
    "typescript-node": "node",
}
"""By the name of an image or a feature."""
BARE = frozenset({"base", "universal"})
PACKAGES: Mapping[str, tuple[str, ...]] = {
    "common-utils": (),
    "git": ("git",),
    "git-lfs": ("git-lfs",),
    "github-cli": ("gh",),
}
"""Features that are Debian packages."""
LISTS = frozenset({"ghcr.io/rocker-org/devcontainer-features/apt-packages"})
"""Features that install packages by name."""
ENGINES = frozenset({"docker-in-docker", "docker-outside-of-docker", "docker-from-docker"})
_PACKAGE = re.compile(r"[a-z0-9][a-z0-9+.-]+")
_VERSION = re.compile(r"\d+(?:\.\d+)*")
SUITE = "trixie"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What an image or a feature asks for."""

    stacks: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()


def of_image(image: Reference, entries: Catalog, images: Origin) -> Wanted | None:
    """The stack that an image of Dev Containers is; None for any other image."""
    if not image.name.startswith(IMAGES):
        return None
    name = image.name.removeprefix(IMAGES)
    if name in BARE:
        return Wanted()
    if name not in STACKS:
        return None
    numbers = [part for part in image.tag.split("-") if _VERSION.fullmatch(part)]
    return Wanted((_stack(STACKS[name], numbers[1] if len(numbers) > 1 else "".join(numbers), entries, images),))


def of_feature(name: str, options: Node, entries: Catalog, images: Origin) -> Wanted | None:
    """What a feature is; None for one that devenv knows nothing like."""
    plain = re.sub(r"(?::[\w.-]+)?(?:@[\w:]+)?$", "", name)
    if plain in LISTS:
        given = options.get("packages")
        packages = re.split(r"[\s,]+", given.as_text("packages").strip()) if given is not None else []
        return Wanted((), tuple(packages)) if packages and all(map(_PACKAGE.fullmatch, packages)) else None
    short = plain.removeprefix(FEATURES)
    if short in STACKS:
        version = options.get("version")
        asked = version.as_text("version") if version is not None else options.text or ""
        return Wanted((_stack(STACKS[short], asked, entries, images),))
    return Wanted((), PACKAGES[short]) if short in PACKAGES else None


def _stack(name: str, version: str, entries: Catalog, images: Origin) -> str:
    """The stack with the version, where the catalog has it."""
    has = set(_versions(name, entries, images))
    found = next((one for one in _shorter(version) if one in has), None)
    return f"{name}@{found}" if found else name


def _shorter(version: str) -> Iterator[str]:
    parts = version.split(".")
    yield from (".".join(parts[:length]) for length in range(len(parts), 0, -1))


def _versions(name: str, entries: Catalog, images: Origin) -> tuple[str, ...]:
    entry = entries.stack(name)
    if images == "debian":
        return tuple(entry.debian.packages.get(SUITE, ())) if entry.debian is not None else ()
    return entry.registry.versions if entry.registry is not None else ()
