"""Which images the units run, and what decides their bytes."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from typing import Literal

from devenv import catalog, lockfile
from devenv.blueprint import hashing, substitute
from devenv.catalog import Catalog
from devenv.errors import LockfileError
from devenv.lockfile import wanted
from devenv.model.blueprint import Image
from devenv.model.catalog import EntryDebian
from devenv.model.pins import (
    DebianPins,
    DerivedRecipe,
    DockerfileRecipe,
    ImageConfig,
    ImageFile,
    ImageRecipe,
    Layer,
    Pins,
    RegistryPin,
)
from devenv.model.project import App, Project, Service, StackRequest

BUILD_FORMAT = 1
"""Raised whenever the builder would make other bytes from the same recipe."""
DERIVED_FORMAT = 1
"""The same for images on top of a registry's."""
DOCKERFILE_FORMAT = 1
"""The same for images by a Dockerfile of the project."""

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


def for_app(project: Project, app: App, entries: Catalog, pins: Pins | None) -> Image:
    """The image an app runs."""
    name = f"{project.name}-{app.like or app.name}"
    if app.origin == "registry":
        return _derived(name, project, app, entries, pins)
    requests = wanted.app_layers(project, app, entries)
    layers = (lockfile.BASE, *(one.name for one in requests))
    files: dict[str, tuple[ImageFile, ...]] = {}
    drop: dict[str, tuple[str, ...]] = {}
    for request, stack in zip(requests, app.stacks, strict=False):
        debian = entries.stack(stack.name).debian
        if debian is not None and (own := _entry_files(entries, "stack", stack.name, debian)):
            files[request.name], drop[request.name] = own, debian.drop
    return _debian(name, layers, pins, ImageConfig({"PATH": PATH}, working_dir=WORK), files=files, drop=drop)


def for_service(project: Project, service: Service, entries: Catalog, pins: Pins | None) -> Image:
    """The image a service runs."""
    if service.dockerfile is not None:
        return _by_dockerfile(project, service, service.dockerfile, pins)
    if service.origin == "registry":
        return pulled(_registry_pin(pins, wanted.service_image(service, entries)))
    assert service.use is not None
    entry = entries.service(service.use)
    assert entry.debian is not None
    version, _ = catalog.packages(
        entry.debian, what=f"service `{service.use}`", suite=project.suite, version=service.version, where=None
    )
    values = {"version": version}
    layer = wanted.service_layer(project, service, entries).name
    config = ImageConfig(
        env={"PATH": ":".join((*substitute.each(entry.debian.path, values), PATH))},
        entrypoint=substitute.each(entry.debian.entrypoint, values),
        user=entry.debian.user,
        ports=tuple(entry.ports.values()),
        volumes=tuple(entry.volumes.values()),
        stop_signal=entry.stop_signal,
    )
    files = _entry_files(entries, "service", service.use, entry.debian)
    layers = (lockfile.BASE, layer)
    return _debian(service.use, layers, pins, config, files={layer: files}, drop={layer: entry.debian.drop})


def pulled(pin: RegistryPin) -> Image:
    """A registry's image as it is."""
    name = pin.reference.partition("@")[0].rpartition("/")[2].partition(":")[0]
    return _image(name, hashing.of(["registry", pin.config]), pin, pin.config)


def derived_key(recipe: DerivedRecipe) -> str:
    """The identity of an image on top of a registry's: SHA-256 over everything that decides its bytes."""
    return hashing.of(
        [
            DERIVED_FORMAT,
            recipe.architecture,
            recipe.base.config,
            [[pin.config, paths] for pin, paths in recipe.copied],
            [recipe.layer.epoch, _contents(recipe.layer)] if recipe.layer else [],
            recipe.files,
        ]
    )


def _derived(name: str, project: Project, app: App, entries: Catalog, pins: Pins | None) -> Image:
    base, *others = (_registry_pin(pins, one) for one in wanted.app_images(project, app, entries))
    assert pins is not None
    folders = [_copied(entries, stack) for stack in app.stacks[1:]]
    recipe = DerivedRecipe(
        name=name,
        architecture=pins.architecture,
        base=base,
        copied=tuple(zip(others, folders, strict=True)),
        layer=_added(pins, app.like or app.name, base) if app.packages else None,
        files=_FOLDERS,
    )
    identity = derived_key(recipe)
    return _image(name, identity, recipe, pins.images.get(identity))


def _by_dockerfile(project: Project, service: Service, name: str, pins: Pins | None) -> Image:
    # Few projects have one, and all wait for what is imported.
    from devenv import dockerfile
    from devenv.blueprint import context

    written = dockerfile.read(project.root, name)
    recipe = DockerfileRecipe(
        name=f"{project.name}-{service.name}",
        dockerfile=name,
        place=posixpath.relpath(name, service.context),
        text=written.text,
        bases={image: _registry_pin(pins, image) for image in written.images},
        folder=str(project.root / service.context),
        files=context.files(project.root, service.context, name),
    )
    bases = {image: pin.config for image, pin in recipe.bases.items()}
    identity = hashing.of([DOCKERFILE_FORMAT, name, recipe.text, bases, recipe.files])
    return _image(recipe.name, identity, recipe, None)


def _copied(entries: Catalog, stack: StackRequest) -> tuple[str, ...]:
    entry = entries.stack(stack.name).registry
    return entry.copied if entry else ()


def _registry_pin(pins: Pins | None, name: str) -> RegistryPin:
    pin = pins.registry.get(name) if pins else None
    if pin is None:
        raise LockfileError(f"`{lockfile.NAME}` has no pin for `{name}`", hint="run `devenv lock`")
    return pin


def _added(pins: Pins, name: str, base: RegistryPin) -> Layer:
    layer = pins.added.get(name)
    if layer is None or layer.parent != base.manifest:
        raise LockfileError(f"`{lockfile.NAME}` has no packages for app `{name}`", hint="run `devenv lock`")
    return layer


def _entry_files(
    entries: Catalog, kind: Literal["service", "stack"], name: str, debian: EntryDebian
) -> tuple[ImageFile, ...]:
    return tuple(ImageFile(one.path, entries.content(kind, name, one), one.mode, one.early) for one in debian.files)


def _debian(
    name: str,
    layers: tuple[str, ...],
    pins: Pins | None,
    config: ImageConfig,
    *,
    files: Mapping[str, tuple[ImageFile, ...]],
    drop: Mapping[str, tuple[str, ...]],
) -> Image:
    if pins is None or pins.debian is None:
        raise LockfileError(f"`{lockfile.NAME}` has no Debian packages", hint="run `devenv lock`")
    debian = pins.debian
    recipe = ImageRecipe(
        name=name,
        architecture=pins.architecture,
        layers=tuple(_layer(debian, one) for one in layers),
        files={lockfile.BASE: _FOLDERS} | {name: own for name, own in files.items() if own},
        drop={name: own for name, own in drop.items() if own},
        config=config,
    )
    identity = key(recipe)
    return _image(name, identity, recipe, pins.images.get(identity))


def _image(
    name: str,
    identity: str,
    source: ImageRecipe | DerivedRecipe | DockerfileRecipe | RegistryPin,
    digest: str | None,
) -> Image:
    # No registry has this host name, so an engine that lacks the image cannot fetch a stranger's.
    return Image(f"localhost/devenv/{name}:{identity[:16]}", identity, source, digest)


def _layer(pins: DebianPins, name: str) -> Layer:
    layer = pins.layers.get(name)
    if layer is None:
        raise LockfileError(f"`{lockfile.NAME}` has no pin for `{name}`", hint="run `devenv lock`")
    return layer
