"""Which images the units run, and what decides their bytes."""

from __future__ import annotations

from devenv import catalog, lockfile
from devenv.blueprint import hashing, substitute
from devenv.catalog import Catalog
from devenv.errors import DevenvError, LockfileError
from devenv.model.blueprint import Image
from devenv.model.catalog import EntryDebian
from devenv.model.pins import DebianPins, ImageConfig, ImageFile, ImageRecipe, Layer
from devenv.model.project import App, Project, Service

BUILD_FORMAT = 1
"""Raised whenever the builder would make other bytes from the same recipe."""

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
HOME = "/home/dev"
WORK = "/work"

# The mode passes on to the volume mounted at the home folder, so that any user may live there.
_FOLDERS = (ImageFile(HOME, None, 0o1777), ImageFile(WORK, None, 0o755))


def key(recipe: ImageRecipe) -> str:
    """The recipe's identity: SHA-256 over everything that decides the image's bytes, and nothing else."""
    return hashing.of(
        [
            BUILD_FORMAT,
            recipe.architecture,
            recipe.config,
            [
                [_contents(layer), layer.epoch, recipe.files.get(layer.name, ()), recipe.drop.get(layer.name, ())]
                for layer in recipe.layers
            ],
        ]
    )


def _contents(layer: Layer) -> list[list[str]]:
    """The packages by what they are, not by where a mirror keeps them."""
    return [[f"{one.name} {one.version} {one.architecture} {one.sha256}" for one in run] for run in layer.runs]


def for_app(project: Project, app: App, entries: Catalog, pins: DebianPins | None) -> Image:
    """The image an app runs."""
    _refuse_registry(app.origin, app.image, f"app `{app.name}`")
    requests = lockfile.app_layers(project, app, entries)
    layers = (lockfile.BASE, *(one.name for one in requests))
    name = f"{project.name}-{app.like or app.name}"
    return _debian(name, layers, pins, ImageConfig({"PATH": PATH}, working_dir=WORK))


def for_service(project: Project, service: Service, entries: Catalog, pins: DebianPins | None) -> Image:
    """The image a service runs."""
    _refuse_registry(service.origin, service.image, f"service `{service.name}`")
    assert service.use is not None
    entry = entries.service(service.use)
    assert entry.debian is not None
    version, _ = catalog.packages(
        entry.debian, what=f"service `{service.use}`", suite=project.suite, version=service.version, where=None
    )
    values = {"version": version}
    layer = lockfile.service_layer(project, service, entries).name
    config = ImageConfig(
        env={"PATH": ":".join((*substitute.each(entry.debian.path, values), PATH))},
        entrypoint=substitute.each(entry.debian.entrypoint, values),
        user=entry.debian.user,
        ports=tuple(entry.ports.values()),
        volumes=tuple(entry.volumes.values()),
        stop_signal=entry.stop_signal,
    )
    files = _entry_files(entries, service.use, entry.debian)
    return _debian(service.use, (lockfile.BASE, layer), pins, config, files=files, drop=entry.debian.drop)


def _refuse_registry(origin: str, image: str | None, what: str) -> None:
    if origin == "registry" or image is not None:
        raise DevenvError(
            f"{what} comes from a registry, which this version of devenv cannot pull from",
            hint='set `images = "debian"` at the top of `devenv.toml`, or a `stack` instead of an `image`',
        )


def _entry_files(entries: Catalog, name: str, debian: EntryDebian) -> tuple[ImageFile, ...]:
    return tuple(
        ImageFile(one.path, entries.content("service", name, one), one.mode, one.early) for one in debian.files
    )


def _debian(
    name: str,
    layers: tuple[str, ...],
    pins: DebianPins | None,
    config: ImageConfig,
    *,
    files: tuple[ImageFile, ...] = (),
    drop: tuple[str, ...] = (),
) -> Image:
    if pins is None:
        raise LockfileError(f"`{lockfile.NAME}` has no Debian packages", hint="run `devenv lock`")
    recipe = ImageRecipe(
        name=name,
        architecture=pins.architecture,
        layers=tuple(_layer(pins, one) for one in layers),
        files={lockfile.BASE: _FOLDERS} | ({layers[-1]: files} if files else {}),
        drop={layers[-1]: drop} if drop else {},
        config=config,
    )
    identity = key(recipe)
    # No registry has this host name, so an engine that lacks the image cannot fetch a stranger's.
    return Image(f"localhost/devenv/{name}:{identity[:16]}", identity, recipe, pins.images.get(identity))


def _layer(pins: DebianPins, name: str) -> Layer:
    layer = pins.layers.get(name)
    if layer is None:
        raise LockfileError(f"`{lockfile.NAME}` has no pin for `{name}`", hint="run `devenv lock`")
    return layer
