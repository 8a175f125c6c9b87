"""An image as one tar that every engine loads: OCI layout with docker's `manifest.json`."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from devenv.engine.protocol import Engine
from devenv.errors import ImageError
from devenv.images import tarball
from devenv.images.tarball import Header
from devenv.model.pins import OCI_PLATFORMS, ImageConfig
from devenv.model.progress import Progress, Report
from devenv.values import dataclass

_PIECE = 1 << 20


@dataclass(frozen=True, slots=True)
class Blob:
    """A layer's uncompressed tar on disk; `sha256` is lower-case hex."""

    path: Path
    sha256: str
    size: int


def config(
    architecture: str, epoch: int, layers: Sequence[tuple[str, Blob]], settings: ImageConfig, labels: Mapping[str, str]
) -> bytes:
    """Write the image configuration; its SHA-256 is what identifies the image on every engine.

    Args:
        architecture: As Debian names it.
        layers: What each was made by, for people, and its tar.
    """
    created = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(epoch))
    return _json(
        {
            "architecture": OCI_PLATFORMS[architecture][0],
            "os": "linux",
            "created": created,
            "config": _settings(settings, labels),
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{blob.sha256}" for _, blob in layers]},
            "history": [{"created": created, "created_by": words} for words, _ in layers],
        }
    )


def archive(content: bytes, layers: Sequence[Blob], reference: str) -> Iterator[bytes]:
    """Write the image as a tar, piece by piece.

    Args:
        content: The image configuration.
        reference: The name it gets, with a tag.
    """
    config_digest = hashlib.sha256(content).hexdigest()
    manifest = _json(
        {
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": _descriptor("application/vnd.oci.image.config.v1+json", config_digest, len(content)),
            "layers": [
                _descriptor("application/vnd.oci.image.layer.v1.tar", blob.sha256, blob.size) for blob in layers
            ],
        }
    )
    digest = hashlib.sha256(manifest).hexdigest()
    described = _descriptor("application/vnd.oci.image.manifest.v1+json", digest, len(manifest))
    described["annotations"] = {
        "io.containerd.image.name": _full_name(reference),
        "org.opencontainers.image.ref.name": reference.rpartition(":")[2],
    }
    index = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": [described]}
    legacy = [
        {
            "Config": f"blobs/sha256/{config_digest}",
            "RepoTags": [reference],
            "Layers": [f"blobs/sha256/{blob.sha256}" for blob in layers],
        }
    ]
    small = {
        "oci-layout": _json({"imageLayoutVersion": "1.0.0"}),
        "index.json": _json(index),
        "manifest.json": _json(legacy),
        f"blobs/sha256/{config_digest}": content,
        f"blobs/sha256/{digest}": manifest,
    }
    return tarball.stream(_entries(small, layers))


def load(engine: Engine, content: bytes, layers: Sequence[Blob], reference: str, report: Report) -> None:
    """Load an image into an engine under a name, and see that it is there.

    Raises:
        ImageError: The engine has another image than was sent.
        EngineError: The engine refused.
    """
    report(Progress(reference.rpartition("/")[2].partition(":")[0], "loading", 0, None, "steps"))
    engine.load(archive(content, layers, reference))
    digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
    seen = engine.image(reference)
    if seen is None or seen.config_digest != digest:
        found = "nothing" if seen is None else f"`{seen.config_digest}`"
        raise ImageError(
            f"the engine was given the image `{digest}` and has {found} as `{reference}`",
            hint="another process may have used the same name; try again",
        )


def _entries(small: Mapping[str, bytes], layers: Iterable[Blob]) -> Iterator[tuple[Header, Iterable[bytes]]]:
    for path in ("blobs", "blobs/sha256"):
        yield Header(path, "folder"), ()
    for path, content in small.items():
        yield Header(path, "file", mode=0o644, size=len(content)), (content,)
    for blob in {blob.sha256: blob for blob in layers}.values():
        yield Header(f"blobs/sha256/{blob.sha256}", "file", mode=0o644, size=blob.size), _pieces(blob.path)


def _pieces(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            yield piece


def _settings(settings: ImageConfig, labels: Mapping[str, str]) -> dict[str, Any]:
    written: dict[str, Any] = {"Env": [f"{name}={value}" for name, value in sorted(settings.env.items())]}
    optional: dict[str, Any] = {
        "Entrypoint": list(settings.entrypoint),
        "Cmd": list(settings.command),
        "User": settings.user,
        "WorkingDir": settings.working_dir,
        "ExposedPorts": {f"{port}/tcp": {} for port in settings.ports},
        "Volumes": {path: {} for path in settings.volumes},
        "StopSignal": settings.stop_signal,
        "Labels": dict(labels),
    }
    return written | {name: value for name, value in optional.items() if value}


def _descriptor(media_type: str, digest: str, size: int) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": size}


def _full_name(reference: str) -> str:
    """The name containerd knows: with registry and namespace."""
    first, slash, _ = reference.partition("/")
    if not slash:
        return f"docker.io/library/{reference}"
    return reference if "." in first or ":" in first or first == "localhost" else f"docker.io/{reference}"


def _json(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()
