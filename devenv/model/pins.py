"""Images fixed to bytes: what the lockfile holds and the image builder reads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Literal

from devenv.values import dataclass

OCI_PLATFORMS: Mapping[str, tuple[str, str]] = {
    "amd64": ("amd64", ""),
    "arm64": ("arm64", "v8"),
    "armhf": ("arm", "v7"),
    "i386": ("386", ""),
    "ppc64el": ("ppc64le", ""),
    "riscv64": ("riscv64", ""),
    "s390x": ("s390x", ""),
}
"""Architecture and variant as image manifests name them, by Debian's name."""


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
    """The images of origin debian, locked for one architecture.

    Args:
        architecture: As Debian names it.
        sources: The indexes, in the order they were read.
        layers: By name.
    """

    architecture: str
    suite: str
    sources: tuple[Source, ...]
    layers: Mapping[str, Layer]


@dataclass(frozen=True, slots=True)
class RegistryPin:
    """One image of a registry, fixed for one architecture.

    Args:
        reference: As asked for, in full: `docker.io/library/redis:8`.
        digest: Of what the tag named, `sha256:…`: the manifest list, or the only manifest.
        manifest: Digest of this architecture's manifest.
        config: Digest of this architecture's image configuration, which is what identifies the image on every engine.
        version: What the image says its content's version is, for people; empty when it does not say.
        created: When the image says it was made, seconds since 1970; 0 when it does not say.
    """

    reference: str
    digest: str
    manifest: str
    config: str
    version: str = ""
    created: int = 0


@dataclass(frozen=True, slots=True)
class Pins:
    """Everything locked for one architecture.

    Args:
        architecture: As Debian names it.
        debian: None when no image is of origin debian.
        registry: By the reference asked for.
        added: Debian packages on top of a registry's image, by app; a layer's parent is the base's manifest digest.
        images: Config digest (`sha256:…`) of each image built so far, by its key.
    """

    architecture: str
    debian: DebianPins | None = None
    registry: Mapping[str, RegistryPin] = field(default_factory=dict)
    added: Mapping[str, Layer] = field(default_factory=dict)
    images: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SeedPin:
    """The file that empty volumes are filled from.

    Args:
        file: Relative to the project, as `devenv.toml` has it.
        sha256: Of its bytes, lower-case hex.
    """

    file: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Lockfile:
    """`devenv.lock`, read.

    Args:
        meaning: SHA-256 of what `devenv.toml` asks to be pinned, lower-case hex.
        platforms: Pins by architecture.
        seed: None when the project has none.
    """

    meaning: str
    platforms: Mapping[str, Pins]
    seed: SeedPin | None = None


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


@dataclass(frozen=True, slots=True)
class DerivedRecipe:
    """An app's image of origin registry: a base, more stacks copied in, Debian packages on top.

    Args:
        name: For people: `bookshop-web`.
        base: The image it stands on.
        copied: Further images, each with the folders that are copied from it.
        layer: Packages added by apt; None for none.
        files: Files and folders that devenv puts in.
    """

    name: str
    architecture: str
    base: RegistryPin
    copied: tuple[tuple[RegistryPin, tuple[str, ...]], ...] = ()
    layer: Layer | None = None
    files: tuple[ImageFile, ...] = ()


@dataclass(frozen=True, slots=True)
class ContextFile:
    """What a Dockerfile may copy.

    Args:
        path: In the context.
        executable: Of a file, whether it is; nothing else of its mode reaches every machine.
        content: Of a file, the SHA-256 of what is in it, lower-case hex; of a link, what it points to.
    """

    path: str
    kind: Literal["file", "folder", "symlink"]
    executable: bool = False
    content: str = ""


@dataclass(frozen=True, slots=True)
class DockerfileRecipe:
    """A service's image by a Dockerfile of the project. What its commands fetch is fixed by nothing.

    Args:
        name: For people: `bookshop-search`.
        dockerfile: Its path in the project.
        place: Its path in the context; it need not be there.
        text: As it was written.
        bases: The pins of the images that it builds on or copies from, by their full references.
        folder: Absolute path of the context.
        files: The context, sorted by path.
        args: Values for its `ARG`s.
    """

    name: str
    dockerfile: str
    place: str
    text: str
    bases: Mapping[str, RegistryPin]
    folder: str
    files: tuple[ContextFile, ...]
    args: Mapping[str, str] = field(default_factory=dict)

    @property
    def arguments(self) -> tuple[tuple[str, str], ...]:
        """Those values, sorted by name."""
        return tuple(sorted(self.args.items()))
