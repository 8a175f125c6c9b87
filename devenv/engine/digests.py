"""The digest of an image's configuration, equal on every engine, whatever the engine calls the image's id.

The classic store's image id is that digest. The containerd store reports the manifest's digest and its API nowhere
tells the configuration's, so it is read from the beginning of an export, once for each image.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from devenv.engine.streams import Stream
from devenv.errors import EngineError

_SMALL = 4 * 1024 * 1024
"""Manifests are smaller; larger blobs are layers and are skipped."""


class Memory:
    """Remembers configuration digests by image id, in a folder when there is one: the two never part."""

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder
        self._known: dict[str, str] = {}

    def find(self, entry: dict[str, Any], export: Callable[[], Iterator[bytes]]) -> str:
        """Return the digest for an image as the engine tells it; `export` streams it as one tar."""
        image: str = entry["Id"]
        if not is_manifest(entry):
            return image
        found = self._known.get(image) or self._recall(image) or _from_export(image, export())
        self.learn(image, found)
        return found

    def learn(self, image: str, config: str) -> None:
        """Take it from the caller that a manifest of the digest `image` leads to the configuration `config`."""
        self._known[image] = config
        self._remember(image, config)

    def _recall(self, image: str) -> str | None:
        if self._folder is None:
            return None
        with suppress(OSError):
            text = (self._folder / image.replace(":", "-")).read_text(encoding="ascii")
            return text if text.startswith("sha256:") and len(text) == 71 else None
        return None

    def _remember(self, image: str, digest: str) -> None:
        if self._folder is None:
            return
        with suppress(OSError):
            self._folder.mkdir(parents=True, exist_ok=True)
            (self._folder / image.replace(":", "-")).write_text(digest, encoding="ascii")


def is_manifest(entry: dict[str, Any]) -> bool:
    """Whether the id is a manifest's digest: only then can it be a repository digest too."""
    if "Descriptor" in entry:
        return True
    return any(digest.endswith(f"@{entry['Id']}") for digest in entry.get("RepoDigests") or ())


def is_hollow(entry: dict[str, Any]) -> bool:
    """Whether only the manifest of an image is there.

    So it is in a containerd store after a pull, when an image that was loaded has the same layers in another form.
    """
    return is_manifest(entry) and not (entry.get("Os") or (entry.get("RootFS") or {}).get("Layers"))


def _from_export(image: str, export: Iterator[bytes]) -> str:
    """Read the export until it has shown the way from the image's id to its configuration."""
    import tarfile

    blobs: dict[str, dict[str, Any]] = {}
    with tarfile.open(fileobj=Stream.buffered(export), mode="r|") as tar:
        for member in tar:
            if not member.isfile() or member.size > _SMALL:
                continue
            content = tar.extractfile(member)
            with suppress(ValueError):
                read = json.loads(content.read()) if content else None
                if isinstance(read, dict):
                    blobs[f"sha256:{Path(member.name).name}"] = read
            if (found := _follow(image, blobs)) is not None:
                return found
    raise EngineError(f"the engine does not tell the configuration of image `{image}`")


def _follow(digest: str, blobs: dict[str, dict[str, Any]]) -> str | None:
    blob = blobs.get(digest, {})
    if "config" in blob:
        return str(blob["config"]["digest"])
    manifests = (entry["digest"] for entry in blob.get("manifests", ()) if not _is_attestation(entry))
    return next((found for manifest in manifests if (found := _follow(manifest, blobs)) is not None), None)


def _is_attestation(entry: dict[str, Any]) -> bool:
    """Whether an index's entry tells about another one (provenance, a list of contents) and is no image itself."""
    platform = entry.get("platform") or {}
    return "vnd.docker.reference.type" in (entry.get("annotations") or {}) or platform.get("os") == "unknown"
