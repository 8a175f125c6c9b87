"""Manifests of images: what they are, which one is for an architecture, what they say of themselves."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from devenv.errors import ImageError
from devenv.model.pins import OCI_PLATFORMS
from devenv.reference import DIGEST
from devenv.values import dataclass

LARGEST = 4 * 1024 * 1024
"""Bytes of a manifest or an image configuration; registries have the same limit."""

INDEXES = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
)
SINGLES = (
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)


@dataclass(frozen=True, slots=True)
class Manifest:
    """A manifest, or an index of several, as the registry has it.

    Args:
        digest: Of the content, checked.
        document: The content, read.
    """

    digest: str
    media_type: str
    document: Mapping[str, Any]
    content: bytes

    @property
    def is_index(self) -> bool:
        """Whether it names a manifest for each platform."""
        return self.media_type in INDEXES

    @property
    def config(self) -> str:
        """Digest of the image configuration; empty when there is none."""
        described = self.document.get("config")
        return _digest(described) if isinstance(described, dict) else ""


def digest_of(content: bytes) -> str:
    """The name of content: `sha256:…`."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def read(content: bytes, media_type: str, source: str) -> Manifest:
    """Read a manifest.

    Args:
        media_type: As the answer's header has it; what the content itself says goes before.
        source: Of whom an error speaks.

    Raises:
        ImageError: It is no manifest, or of a kind that is no longer in use.
    """
    document = document_of(content, source)
    kind = document.get("mediaType") or media_type.partition(";")[0].strip()
    if kind not in (*INDEXES, *SINGLES):
        kind = _guess(document)
    if kind is None:
        raise ImageError(f"`{source}` sent a manifest of a kind that devenv does not know: `{media_type}`")
    return Manifest(digest_of(content), kind, document, content)


def document_of(content: bytes, source: str) -> dict[str, Any]:
    """Read a JSON object.

    Raises:
        ImageError: It is none.
    """
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        raise ImageError(f"`{source}` sent something that is no manifest", hint="is it a registry, or a proxy's page?")
    return document


def choose(index: Manifest, architecture: str) -> str | None:
    """Return the digest of the manifest for an architecture (Debian's name); None when the index has none."""
    name, variant = OCI_PLATFORMS.get(architecture, (architecture, ""))
    wanted = [("linux", name, variant), ("linux", name, "")]
    named = dict(reversed(list(_platforms(index))))  # the first of several goes before the others
    return next((named[one] for one in wanted if one in named), None)


def offered(index: Manifest) -> tuple[str, ...]:
    """The architectures of an index, in Debian's names as far as it has them."""
    return tuple(dict.fromkeys(name_of(platform) for platform, _ in _platforms(index)))


def is_for(config: Mapping[str, Any], architecture: str) -> bool:
    """Whether an image configuration is one for an architecture (Debian's name)."""
    name, variant = OCI_PLATFORMS.get(architecture, (architecture, ""))
    system, found, found_variant = platform_of(config)
    return (system, found) == ("linux", name) and found_variant in ("", variant)


def platform_of(document: Mapping[str, Any]) -> tuple[str, str, str]:
    """System, architecture and variant, of an image configuration or of an index's entry."""
    return (str(document.get("os", "")), str(document.get("architecture", "")), str(document.get("variant") or ""))


def name_of(platform: tuple[str, str, str]) -> str:
    """What people call a platform: Debian's name for the architecture, else `windows/amd64`."""
    system, name, variant = platform
    for debian, (known, known_variant) in OCI_PLATFORMS.items():
        if (system, name) == ("linux", known) and variant in ("", known_variant):
            return debian
    return "/".join(part for part in (system, name, variant) if part)


def version(config: Mapping[str, Any], repository: str) -> str:
    """What an image configuration says its content's version is; empty when it does not say."""
    inner = config.get("config")
    if not isinstance(inner, dict):
        return ""
    labels = inner.get("Labels") or {}
    env = dict(str(one).partition("=")[::2] for one in inner.get("Env") or ())
    own = f"{repository.rpartition('/')[2].upper().replace('-', '_')}_VERSION"
    return str(labels.get("org.opencontainers.image.version") or env.get(own) or env.get("PG_VERSION") or "")


def created(config: Mapping[str, Any]) -> int:
    """When an image configuration says it was made, seconds since 1970; 0 when it does not say."""
    try:
        moment = datetime.fromisoformat(str(config.get("created", "")))
        return max(0, int(moment.timestamp())) if moment.tzinfo else 0
    except (ValueError, OverflowError):
        return 0


def _platforms(index: Manifest) -> Iterator[tuple[tuple[str, str, str], str]]:
    """Platforms with their manifests' digests; attestations say `unknown/unknown`."""
    entries = index.document.get("manifests")
    for entry in entries if isinstance(entries, list) else ():
        if not isinstance(entry, dict) or not isinstance(entry.get("platform"), dict):
            continue
        platform, digest = platform_of(entry["platform"]), _digest(entry)
        if digest and "unknown" not in platform:
            yield platform, digest


def _digest(described: Mapping[str, Any]) -> str:
    """The digest of a descriptor; empty when it is none, for it becomes part of an address and a path."""
    found = described.get("digest")
    return found if isinstance(found, str) and DIGEST.fullmatch(found) else ""


def _guess(document: Mapping[str, Any]) -> str | None:
    if isinstance(document.get("manifests"), list):
        return INDEXES[0]
    return SINGLES[0] if isinstance(document.get("config"), dict) and "layers" in document else None
