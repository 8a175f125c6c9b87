"""Reads images from registries: what a tag names now, for which architectures, and the bytes.

https://github.com/opencontainers/distribution-spec
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

from devenv import reference
from devenv.errors import ImageError
from devenv.images.registry import blob, failures, manifest
from devenv.images.registry.http import Answer, Connection
from devenv.images.registry.manifest import Manifest
from devenv.model.machine import Login, Machine
from devenv.model.pins import RegistryPin
from devenv.model.progress import Report, silence
from devenv.reference import DOCKER_HUB, Reference

Found = TypeVar("Found")


class Registry:
    """Asks registries, the user's mirror before Docker Hub; usable from several threads at once.

    Args:
        login: Returns how to sign in to a registry (`docker.io`, `127.0.0.1:5000`); called once for each.
    """

    def __init__(
        self,
        machine: Machine,
        login: Callable[[str], Login | None],
        report: Report = silence,
        *,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._machine = machine
        self._report = report
        self._connection = Connection(machine, login, sleep, clock)

    def __enter__(self) -> Registry:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the connections."""
        self._connection.close()

    def login(self, registry: str) -> Login | None:
        """How to sign in to a registry, for an engine that asks it itself."""
        return self._connection.login(registry)

    def places(self, wanted: Reference) -> tuple[Reference, ...]:
        """Where an image may be pulled from, in the order to try."""
        mirror = urlsplit(self._machine.registry_mirror or "")
        if wanted.registry != DOCKER_HUB or not mirror.netloc:
            return (wanted,)
        repository = f"{mirror.path.strip('/')}/{wanted.repository}".lstrip("/")
        return (replace(wanted, registry=mirror.netloc.rpartition("@")[2], repository=repository), wanted)

    def resolve(self, text: str, architectures: Sequence[str], *, digest: str | None = None) -> dict[str, RegistryPin]:
        """Fix an image for architectures (Debian's names).

        Args:
            digest: Of the index, to keep it instead of asking what the tag names now.

        Raises:
            DevenvError: The text is no image's name.
            ImageError: The image does not exist or has nothing for an architecture; the registry refuses.
        """
        named = reference.parse(text)
        fixed = digest or named.digest
        wanted = named.at(fixed) if fixed else named
        top = self._required(wanted)
        return {architecture: self._pin(named, top, architecture) for architecture in architectures}

    def manifest(self, wanted: Reference) -> Manifest | None:
        """Return a manifest or an index; None when it does not exist.

        Raises:
            ImageError: A registry refuses, cannot be reached, or sends something else.
        """

        def ask(place: Reference) -> Manifest | None:
            path = f"manifests/{place.digest or place.tag}"
            answer = self._connection.read(place, path, (*manifest.INDEXES, *manifest.SINGLES))
            return None if answer is None else _checked(answer, place)

        return self._first(wanted, ask)

    def config(self, wanted: Reference, digest: str) -> dict[str, Any]:
        """Return the image configuration of a digest.

        Raises:
            ImageError: No registry has it, one refuses, or sends something else.
        """

        def ask(place: Reference) -> dict[str, Any] | None:
            answer = self._connection.read(place, f"blobs/{digest}")
            if answer is None:
                return None
            found = manifest.digest_of(answer.content)
            if found != digest:
                raise failures.lied(place.registry, place, found)
            return manifest.document_of(answer.content, place.registry)

        return self._existing(wanted.at(digest), ask)

    def blob(self, wanted: Reference, digest: str, size: int, subject: str) -> Path:
        """Fetch a blob into the cache and return its path; what a broken download has left is gone on with.

        Args:
            size: In bytes.
            subject: What the progress is reported of.

        Raises:
            ImageError: No registry has it, its content is wrong, or the disk is full.
        """
        folder = self._machine.cache / "blobs"

        def ask(place: Reference) -> Path | None:
            return blob.fetch(place, size, folder, self._connection, self._report, subject)

        return self._existing(wanted.at(digest), ask)

    def limit(self, wanted: Reference) -> float | None:
        """Return the seconds until the registry's rate limit ends, infinity when it does not say; None without one.

        Only the registry that is named is asked, once, and no mirror.
        """
        limited = self._connection.limit(wanted, f"manifests/{wanted.digest or wanted.tag}")
        return None if limited is None else limited.seconds

    def _pin(self, named: Reference, top: Manifest, architecture: str) -> RegistryPin:
        own = self._of_platform(named, top, architecture)
        if not own.config:
            raise ImageError(f"`{named}` is no image: it has no configuration")
        config = self.config(named, own.config)
        if not top.is_index and not manifest.is_for(config, architecture):
            raise _no_platform(named, architecture, [manifest.name_of(manifest.platform_of(config))])
        version = manifest.version(config, named.repository)
        return RegistryPin(str(named), top.digest, own.digest, own.config, version, manifest.created(config))

    def _of_platform(self, named: Reference, top: Manifest, architecture: str) -> Manifest:
        if not top.is_index:
            return top
        digest = manifest.choose(top, architecture)
        if digest is None:
            raise _no_platform(named, architecture, manifest.offered(top))
        return self._required(named.at(digest))

    def _required(self, wanted: Reference) -> Manifest:
        found = self.manifest(wanted)
        if found is None:
            raise failures.absent(wanted, self.places(wanted))
        return found

    def _existing(self, wanted: Reference, ask: Callable[[Reference], Found | None]) -> Found:
        found = self._first(wanted, ask)
        if found is None:
            raise failures.absent(wanted, self.places(wanted))
        return found

    def _first(self, wanted: Reference, ask: Callable[[Reference], Found | None]) -> Found | None:
        """Ask each place until one has it; None when the last one, whose image it is, says there is none."""
        errors: list[ImageError] = []
        for place in self.places(wanted):
            try:
                found = ask(place)
            except ImageError as error:
                errors.append(error)
                continue
            if found is not None or place == wanted:
                return found
            errors.append(ImageError(f"`{place.registry}` does not have it"))
        raise failures.together(wanted, errors)


def _checked(answer: Answer, place: Reference) -> Manifest:
    read = manifest.read(answer.content, answer.media_type, place.registry)
    told = answer.digest if answer.digest.startswith("sha256:") else ""
    if read.digest != (place.digest or told or read.digest):
        raise failures.lied(place.registry, place, read.digest)
    return read


def _no_platform(named: Reference, architecture: str, offered: Sequence[str]) -> ImageError:
    known = ", ".join(name for name in offered if name)
    return ImageError(f"`{named}` has no image for {architecture}", hint=f"it has: {known}" if known else None)
