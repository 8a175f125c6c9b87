"""Images fixed to bytes: what the lockfile holds and the image builder reads."""

from __future__ import annotations

from collections.abc import Mapping

from devenv.values import dataclass


@dataclass(frozen=True, slots=True)
class Package:
    """One Debian package, to the byte.

    Args:
        sha256: Of the `.deb`, lower-case hex.
        size: Of the `.deb`, bytes.
        path: In the archive, `pool/…`; never with a host.
    """

    name: str
    version: str
    architecture: str
    sha256: str
    size: int
    path: str


@dataclass(frozen=True, slots=True)
class Source:
    """A signed package index that packages were chosen from.

    Args:
        archive: `debian` or `debian-security`: the folder on a mirror.
        suite: `trixie`, `trixie-updates`, `trixie-security`.
        component: `main`.
        date: Of its InRelease, seconds since 1970, UTC.
        sha256: Of the uncompressed package index, lower-case hex.
    """

    archive: str
    suite: str
    component: str
    date: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Layer:
    """The packages that one image layer adds to the layers below it.

    Args:
        name: `base`, `stack/python@3.13`, `service/postgres@17`, `packages/<app>`.
        request: The packages asked for by name, sorted.
        parent: The layer below; None for `base`.
        runs: dpkg runs in order, the packages of each in install order.
        epoch: Date of the newest index it was resolved from, seconds since 1970: no file in the layer is younger.
            It is the layer's own, so that locking another layer later leaves this one's bytes alone.
    """

    name: str
    request: tuple[str, ...]
    parent: str | None
    runs: tuple[tuple[Package, ...], ...]
    epoch: int = 0


@dataclass(frozen=True, slots=True)
class DebianPins:
    """Everything locked for one architecture from Debian packages.

    Args:
        architecture: As Debian names it.
        sources: The indexes, in the order they were read.
        layers: By name.
        images: Config digest (`sha256:…`) of each image built so far, by its key.
    """

    architecture: str
    suite: str
    sources: tuple[Source, ...]
    layers: Mapping[str, Layer]
    images: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Lockfile:
    """`devenv.lock`, read.

    Args:
        meaning: SHA-256 of what `devenv.toml` asks to be pinned, lower-case hex.
        debian: Pins by architecture.
    """

    meaning: str
    debian: Mapping[str, DebianPins]


@dataclass(frozen=True, slots=True)
class LayerRequest:
    """A layer that needs packages; the same fields as in `Layer`."""

    name: str
    request: tuple[str, ...]
    parent: str | None


@dataclass(frozen=True, slots=True)
class ImageFile:
    """A file or folder that devenv puts into an image itself.

    Args:
        path: Absolute, inside.
        content: None for a folder.
        mode: Permission bits.
        early: Laid down before the packages are configured, so that their scripts see it.
    """

    path: str
    content: bytes | None
    mode: int
    early: bool = False


@dataclass(frozen=True, slots=True)
class ImageConfig:
    """The run-time defaults an image carries, as the OCI image configuration names them."""

    env: Mapping[str, str]
    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    user: str = ""
    working_dir: str = ""
    ports: tuple[int, ...] = ()
    volumes: tuple[str, ...] = ()
    stop_signal: str = ""


@dataclass(frozen=True, slots=True)
class ImageRecipe:
    """A Debian-origin image: all that decides its bytes.

    Args:
        name: For people: `postgres`, `bookshop-web`.
        layers: Bottom first.
        files: By layer name; laid into that layer.
        drop: Paths removed after the packages are configured, by layer name; of a path that ends with `/` only what
            is in the folder.
    """

    name: str
    architecture: str
    layers: tuple[Layer, ...]
    files: Mapping[str, tuple[ImageFile, ...]]
    drop: Mapping[str, tuple[str, ...]]
    config: ImageConfig

    @property
    def epoch(self) -> int:
        """When the image counts as created: the newest layer's date."""
        return max(layer.epoch for layer in self.layers)
