"""A pinned image's layers as its registry has them now, each checked."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from devenv import reference
from devenv.errors import ImageError
from devenv.images import saved
from devenv.images.pack import Blob
from devenv.images.registry import Registry
from devenv.images.registry.manifest import Manifest
from devenv.model.pins import RegistryPin


def layers(pin: RegistryPin, registry: Registry, folder: Path) -> tuple[bytes, tuple[Blob, ...]]:
    """Download an image: its configuration, and its layers as plain tars, bottom first.

    Args:
        folder: Where the tars are put.

    Raises:
        ImageError: No registry has it, or sends something else than is pinned; the message names the blob.
    """
    place = reference.parse(pin.reference)
    manifest = registry.manifest(place.at(pin.manifest))
    if manifest is None or manifest.config != pin.config:
        raise ImageError(f"`{pin.reference}` does not exist any more as it is pinned: {pin.manifest}")
    subject = place.repository.rpartition("/")[2]
    described = manifest.document["config"]
    config = registry.blob(place, pin.config, int(described["size"]), subject).read_bytes()
    paths = [registry.blob(place, str(one["digest"]), int(one["size"]), subject) for one in _layers(manifest)]
    found = tuple(saved.plain(path, folder / f"{number}.tar") for number, path in enumerate(paths))
    diff_ids = json.loads(config)["rootfs"]["diff_ids"]
    if [f"sha256:{blob.sha256}" for blob in found] != diff_ids:
        raise ImageError(f"the layers of `{pin.reference}` are not what its configuration says")
    return config, found


def _layers(manifest: Manifest) -> list[Any]:
    return list(manifest.document.get("layers") or ())
