"""An app's image on top of a registry's: built by the engine from its Dockerfile, then made the same everywhere.

No builder gives the same bytes twice. So only the file system that comes out of the build is taken, normalised like
everything devenv builds itself, and laid as one layer over the base's own layers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from devenv import render
from devenv.blueprint import images
from devenv.engine import transfers
from devenv.engine.protocol import Engine
from devenv.errors import ImageError
from devenv.images import install, normalise, pack, saved, tarball, tree
from devenv.images.layers import instance
from devenv.images.pack import Blob
from devenv.images.store import Store
from devenv.images.tarball import Header, Writer
from devenv.images.tree import Node, Spool, Tree
from devenv.model import labels
from devenv.model.blueprint import Container
from devenv.model.pins import DerivedRecipe, ImageConfig, Package, RegistryPin
from devenv.model.progress import Progress, Report

_PIECE = 1 << 18


class Builder:
    """Builds on one engine into one store.

    Args:
        packages: Fetches packages: a path by each one's hash.
        pulled: Brings a pinned image onto the engine and returns its name there; with True, though it is there.
    """

    def __init__(
        self,
        engine: Engine,
        store: Store,
        packages: Callable[[Sequence[Package]], Mapping[str, Path]],
        pulled: Callable[[RegistryPin, bool], str],
        report: Report,
    ) -> None:
        self._engine = engine
        self._store = store
        self._packages = packages
        self._pulled = pulled
        self._report = report

    def image(self, recipe: DerivedRecipe) -> tuple[bytes, tuple[Blob, ...]]:
        """The image's configuration and layers, bottom first; the base's layers are kept in the store too.

        Raises:
            ImageError: The base is not what is pinned, or packages cannot be installed.
            EngineError: The engine refused.
        """
        key = images.derived_key(recipe)
        with self._store.claim(key, self._engine.info.address):
            base = self._pulled(recipe.base, False)
            try:
                config, below = self._base(base, recipe.base)
            except ImageError:
                # Engines with the containerd image store can lose parts of an image, and still list it.
                base = self._pulled(recipe.base, True)
                config, below = self._base(base, recipe.base)
            top = self._store.find(key) or self._build(key, recipe, base, below)
        return _config(recipe, key, config, (*below, top)), (*below, top)

    def _base(self, name: str, pin: RegistryPin) -> tuple[bytes, tuple[Blob, ...]]:
        """The base's configuration, and its layers as files of the store."""
        self._report(Progress(transfers.short_name(name), "reading", 0, None, "steps"))
        with saved.opened(self._engine.save(name), self._store.folder) as image:
            if image.digest != pin.config or image.damaged:
                raise ImageError(
                    f"the engine's copy of `{pin.reference}` is damaged",
                    hint=f"remove it with `docker rmi {name}` and try again",
                )
            return image.config, tuple(self._kept(blob) for blob in image.layers)

    def _kept(self, blob: Blob) -> Blob:
        return self._store.find(blob.sha256) or self._store.keep(blob.sha256, blob.path, blob.sha256, blob.size)

    def _build(self, key: str, recipe: DerivedRecipe, base: str, below: Sequence[Blob]) -> Blob:
        lower = {path: node for path, node in _read(below).items() if not normalise.is_dropped(path)}
        epoch = epoch_of(recipe)
        temporary = self._store.temporary(key, "layer")
        with Spool(self._store.temporary(key, "spool")) as spool:
            upper = dict(lower)
            if recipe.layer is not None or recipe.copied:
                upper = self._built(key, recipe, base, lower, spool, epoch)
            tree.lay(upper, recipe.files, spool, epoch)
            tree.finish(upper, epoch)
            spool.flush()
            self._report(Progress(recipe.name, "packing", 0, None, "steps"))
            with temporary.open("wb") as file:
                writer = Writer(file)
                tree.write(upper, lower, writer, epoch)
                digest = writer.close()
        return self._store.keep(key, temporary, digest, writer.size)

    def _built(
        self, key: str, recipe: DerivedRecipe, base: str, lower: Mapping[str, Node], spool: Spool, epoch: int
    ) -> Tree:
        """What the Dockerfile makes of the base."""
        owner = instance(self._store)
        name = f"{owner}-{key[:12]}"
        install.remove(self._engine, name)
        others = {
            render.argument(number): self._pulled(pin, False) for number, (pin, _) in enumerate(recipe.copied, start=1)
        }
        try:
            arguments = {"BASE": base} | others
            with transfers.naming(f"the image of `{recipe.name}` could not be built"):
                self._engine.build(
                    self._context(recipe), install.reference(name), arguments=arguments, report=self._renamed(recipe)
                )
            container = Container(name, "build", "app", install.reference(name), entrypoint=("/bin/true",), command=())
            self._engine.create(replace(container, labels={labels.INSTANCE: owner}))
            with install.files(self._engine, name) as tar:
                return tree.read(tar, lower, spool, epoch)
        finally:
            install.remove(self._engine, name)

    def _renamed(self, recipe: DerivedRecipe) -> Report:
        """Reports of a build under the app's name, not under that of its temporary image."""
        return lambda progress: self._report(replace(progress, subject=recipe.name))

    def _context(self, recipe: DerivedRecipe) -> Iterator[bytes]:
        packages = [package for run in recipe.layer.runs for package in run] if recipe.layer else []
        paths = self._packages(packages) if packages else {}
        return tarball.stream(_context_entries(render.base_dockerfile(recipe).encode(), packages, paths))


def epoch_of(recipe: DerivedRecipe) -> int:
    """When the image counts as made, seconds since 1970: no file of its own layer is younger."""
    pins = (recipe.base, *(pin for pin, _ in recipe.copied))
    return max(*(pin.created for pin in pins), recipe.layer.epoch if recipe.layer else 0)


def _read(layers: Iterable[Blob]) -> Tree:
    return tree.read_layers(blob.path for blob in layers)


def _config(recipe: DerivedRecipe, key: str, base: bytes, layers: Sequence[Blob]) -> bytes:
    below = [("base", blob) for blob in layers[:-1]]
    settings = ImageConfig(saved.env(base), working_dir=images.WORK)
    named = [*below, (f"devenv: {recipe.name}", layers[-1])]
    return pack.config(recipe.architecture, epoch_of(recipe), named, settings, {labels.PIN: key})


def _context_entries(
    dockerfile: bytes, packages: Sequence[Package], paths: Mapping[str, Path]
) -> Iterator[tuple[Header, Iterable[bytes]]]:
    yield Header("Dockerfile", "file", 0o644, size=len(dockerfile)), (dockerfile,)
    if packages:
        yield Header("packages", "folder"), ()
    for package in packages:
        # As apt itself names what it keeps: a colon would end the name in some places.
        name = f"{package.name}_{package.version.replace(':', '%3a')}_{package.architecture}.deb"
        yield Header(f"packages/{name}", "file", 0o644, size=package.size), _pieces(paths[package.sha256])


def _pieces(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            yield piece
