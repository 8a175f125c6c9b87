"""Gets images onto an engine: a registry has them, or they are built."""

from __future__ import annotations

import functools
import hashlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from devenv.blueprint import images as blueprint_images
from devenv.engine.protocol import Engine
from devenv.errors import EngineError, ImageError
from devenv.model.blueprint import Image
from devenv.model.machine import Login, Machine
from devenv.model.pins import DerivedRecipe, DockerfileRecipe, ImageRecipe, Package, RegistryPin
from devenv.model.progress import Report

if TYPE_CHECKING:
    from devenv.images.pack import Blob
    from devenv.images.registry import Registry

Say = Callable[[str], None]


@contextmanager
def registry(machine: Machine, report: Report, say: Say = lambda _line: None) -> Iterator[Registry]:
    """Registries as this machine reaches them, and as this user signs in to them by Docker's own configuration."""
    from devenv.engine import credentials
    from devenv.images.registry import Registry

    def login(name: str) -> Login | None:
        return credentials.find(name, os.environ, Path.home(), say)

    with Registry(machine, login, report) as opened:
        yield opened


class Supply:
    """Brings images onto one engine.

    Args:
        report: Hears the progress; what it raises ends the work.
        say: Hears what people should know though the work goes on.
    """

    def __init__(self, engine: Engine, machine: Machine, report: Report, say: Say) -> None:
        self._engine = engine
        self._machine = machine
        self._report = report
        self._say = functools.cache(say)

    def get(self, image: Image) -> str:
        """Pull the image, or take it from the team's registry, or build it; its config digest.

        Raises:
            ImageError: It cannot be had, or came out other than the lockfile says.
            EngineError: The engine refused.
        """
        if isinstance(image.source, RegistryPin):
            self.pull(image.source, image.reference)
            return image.source.config
        if isinstance(image.source, DockerfileRecipe):
            return self._written(image, image.source)
        return self._shared(image) or self.build(image)

    def pull(self, pin: RegistryPin, name: str) -> None:
        """Pull a pinned image under a name."""
        from devenv.images import pull

        with registry(self._machine, self._report, self._say) as opened:
            pull.fetch(
                pin,
                name,
                engine=self._engine,
                registry=opened,
                report=self._report,
            )

    def _written(self, image: Image, recipe: DockerfileRecipe) -> str:
        """Build by a Dockerfile of the project."""
        from devenv.images import written

        return written.build(
            recipe,
            image.key,
            image.reference,
            engine=self._engine,
            pulled=self._present,
            proxy=self._machine.proxy,
            report=self._report,
        )

    def _shared(self, image: Image) -> str | None:
        """Take a built image from the team's registry; one that cannot be had there is built."""
        try:
            return image.digest if self.shared(image) else None
        except (ImageError, EngineError) as error:
            self._say(f"built here: {error.message}")
            return None

    def shared(self, image: Image, repository: str | None = None) -> bool:
        """Take a built image from the team's registry; False when there is none, or it does not have the image.

        What the lockfile does not yet say the digest of is not taken: nothing would show that it is the right one.

        Raises:
            ImageError: The registry refuses, or has another image under that name.
            EngineError: The engine refused.
        """
        from devenv.images import share

        source = repository or self._machine.registry_images
        if source is None or image.digest is None:
            return False
        with registry(self._machine, self._report, self._say) as opened:
            return share.pull(image, source, engine=self._engine, registry=opened, report=self._report)

    def build(self, image: Image) -> str:
        """Build the image here and load it; its config digest.

        Raises:
            ImageError: It came out other than the lockfile says.
        """
        from devenv.images import pack

        config, layers = self.made(image)
        digest = f"sha256:{hashlib.sha256(config).hexdigest()}"
        if image.digest not in (None, digest):
            raise ImageError(
                f"image `{image.reference}` came out as {digest}, the lockfile says {image.digest}",
                hint="the same pins must give the same bytes: `devenv verify` lists what differs; please report this",
            )
        pack.load(self._engine, config, layers, image.reference, self._report)
        return digest

    def made(self, image: Image) -> tuple[bytes, tuple[Blob, ...]]:
        """Build the image as far as files in the cache: its configuration and layers, bottom first."""
        from devenv.images import debian, derived
        from devenv.images.store import Store

        if isinstance(image.source, ImageRecipe):
            return debian.build(image.source, engine=self._engine, machine=self._machine, report=self._report)
        assert isinstance(image.source, DerivedRecipe)
        fetch = functools.partial(self._packages, image.source)
        builder = derived.Builder(self._engine, Store(self._machine.cache), fetch, self._present, self._report)
        return builder.image(image.source)

    def _present(self, pin: RegistryPin, anew: bool = False) -> str:
        """The name of a pinned image on the engine, pulled if it is not there, or is to be had anew."""
        name = blueprint_images.pulled(pin).reference
        there = None if anew else self._engine.image(name)
        if there is None or there.config_digest != pin.config:
            self.pull(pin, name)
        return name

    def _packages(self, recipe: DerivedRecipe, packages: Sequence[Package]) -> Mapping[str, Path]:
        from devenv.images import debian

        assert recipe.layer is not None
        epochs = dict.fromkeys(packages, recipe.layer.epoch)
        return debian.download_packages(recipe.name, epochs, self._machine, self._report)
