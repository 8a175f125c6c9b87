"""What of a project must be pinned: layers of Debian packages, images of registries, packages on top of these."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any, Literal

from devenv import catalog, reference
from devenv.catalog import Catalog
from devenv.errors import DevenvError
from devenv.model.catalog import EntryRegistry, ServiceEntry, StackEntry
from devenv.model.pins import LayerRequest
from devenv.model.project import App, Project, Service
from devenv.values import dataclass

BASE = "base"
# What every container gets: certificates for TLS, and the tools `devenv shell` is of no use without.
BASE_PACKAGES = ("ca-certificates", "less", "procps")
# What an app of origin registry stands on that has neither a stack nor an image.
BARE_IMAGE = "debian:{suite}-slim"


@dataclass(frozen=True, slots=True)
class Wanted:
    """Everything a project wants pinned.

    Args:
        layers: Of origin debian, parents first.
        images: References in full, each once.
        added: Packages by app on top of a registry's image; a layer's parent is the image's reference.
    """

    layers: tuple[LayerRequest, ...]
    images: tuple[str, ...]
    added: tuple[LayerRequest, ...]

    def __bool__(self) -> bool:
        return bool(self.layers or self.images)


def of(project: Project, entries: Catalog) -> Wanted:
    """Everything to pin for the project.

    Raises:
        DevenvError: The catalog does not have it.
    """
    images = dict.fromkeys(_images(project, entries))
    added = {app.like or app.name: app for app in project.apps if app.packages and app.origin == "registry"}
    requests = (
        LayerRequest(name, tuple(sorted(app.packages)), app_images(project, app, entries)[0])
        for name, app in added.items()
    )
    return Wanted(layers(project, entries), tuple(images), tuple(requests))


def meaning(project: Project, entries: Catalog) -> str:
    """SHA-256 of what the project asks to be pinned; comments, order and settings that pin nothing do not count."""
    wanted = of(project, entries)
    asked = {
        "suite": project.suite if wanted.layers else "",
        "layers": [asdict(request) for request in sorted(wanted.layers, key=lambda one: one.name)],
        "images": sorted(wanted.images),
        "added": [asdict(request) for request in sorted(wanted.added, key=lambda one: one.name)],
    }
    return hashlib.sha256(json.dumps(asked, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


# --- origin debian ---


def layers(project: Project, entries: Catalog) -> tuple[LayerRequest, ...]:
    """Every layer of Debian packages the project's images need, parents first."""
    found = {BASE: LayerRequest(BASE, BASE_PACKAGES, None)}
    for service in project.pinned:
        if service.origin == "debian" and service.use is not None:
            layer = service_layer(project, service, entries)
            found[layer.name] = layer
    apps = [app for app in project.apps if app.origin == "debian"]
    for app in apps:
        found |= {layer.name: layer for layer in app_layers(project, app, entries)}
    return tuple(found.values()) if len(found) > 1 or apps else ()


def named_packages(project: Project, entries: Catalog) -> dict[str, str]:
    """By a layer's name, the package whose version is that of the software it is about."""
    found: dict[str, str] = {}
    for service in project.pinned:
        if service.origin == "debian" and service.use is not None:
            layer = service_layer(project, service, entries).name
            found[layer] = _named(project, entries.service(service.use), service.version)
    for app in (one for one in project.apps if one.origin == "debian"):
        for stack, request in zip(app.stacks, app_layers(project, app, entries), strict=False):
            found[request.name] = _named(project, entries.stack(stack.name), stack.version)
    return found


def _named(project: Project, entry: ServiceEntry | StackEntry, version: str | None) -> str:
    chosen, names = catalog.packages(entry.debian, what="it", suite=project.suite, version=version, where=None)
    assert entry.debian is not None
    return catalog.named_package(entry.debian, chosen, names)


def service_layer(project: Project, service: Service, entries: Catalog) -> LayerRequest:
    """The layer of a service from the catalog."""
    assert service.use is not None
    entry = entries.service(service.use)
    version, names = catalog.packages(
        entry.debian, what=f"service `{service.use}`", suite=project.suite, version=service.version, where=None
    )
    more = _items(service, entry, "packages")
    names = (*names, *(name.replace("{version}", version) for packages in more.values() for name in packages))
    return LayerRequest("+".join([f"service/{service.use}@{version}", *more]), tuple(sorted(set(names))), BASE)


def _items(service: Service, entry: ServiceEntry, what: Literal["packages", "images"]) -> dict[str, Any]:
    """Items of lists that need something of their own, sorted, each with that."""
    found: dict[str, Any] = {}
    for name, option in entry.options.items():
        given = service.options.get(name)
        needed: Mapping[str, Any] = getattr(option, what)
        found |= {item: needed[item] for item in (given if isinstance(given, tuple) else ()) if item in needed}
    return dict(sorted(found.items()))


def app_layers(project: Project, app: App, entries: Catalog) -> tuple[LayerRequest, ...]:
    """An app's layers above the base: one for each stack, then its packages."""
    found: list[LayerRequest] = []
    parent = BASE
    for stack in app.stacks:
        entry = entries.stack(stack.name)
        version, names = catalog.packages(
            entry.debian, what=f"stack `{stack.name}`", suite=project.suite, version=stack.version, where=None
        )
        name = f"stack/{stack.name}@{version}"
        if parent != BASE:
            name = f"{parent}+{stack.name}@{version}"
        found.append(LayerRequest(name, tuple(sorted(names)), parent))
        parent = name
    if app.packages:
        found.append(LayerRequest(f"packages/{app.like or app.name}", tuple(sorted(app.packages)), parent))
    return tuple(found)


# --- origin registry ---


def _images(project: Project, entries: Catalog) -> Iterator[str]:
    for service in project.pinned:
        if service.dockerfile is not None:
            from devenv import dockerfile

            yield from dockerfile.read(project.root, service.dockerfile, service.args, service.target).images
        elif service.origin == "registry":
            yield service_image(service, entries)
    for app in project.apps:
        if app.origin == "registry":
            yield from app_images(project, app, entries)


def service_image(service: Service, entries: Catalog) -> str:
    """The full reference of a service's image.

    Raises:
        DevenvError: The catalog knows no image for it.
    """
    if service.image is not None:
        return str(reference.parse(service.image))
    assert service.use is not None
    entry = entries.service(service.use)
    special = _items(service, entry, "images")
    if len(set(special.values())) > 1:
        listed = " and ".join(f"`{item}`" for item in special)
        raise DevenvError(f"no image of `{service.use}` has both {listed}", hint='set `images = "debian"` for it')
    if special and entry.registry is not None:
        image = next(iter(special.values())).replace("{version}", service.version or entry.registry.default)
        return str(reference.parse(image))
    return _of_entry(entry.registry, f"service `{service.use}`", service.version)


def app_images(project: Project, app: App, entries: Catalog) -> tuple[str, ...]:
    """The full references of an app's images: its base, and for each further stack the one it is copied from.

    Raises:
        DevenvError: The catalog knows no image for a stack.
    """
    if app.image is not None:
        return (str(reference.parse(app.image)),)
    if not app.stacks:
        return (str(reference.parse(BARE_IMAGE.replace("{suite}", project.suite))),)
    return tuple(
        _of_entry(entries.stack(stack.name).registry, f"stack `{stack.name}`", stack.version) for stack in app.stacks
    )


def _of_entry(entry: EntryRegistry | None, what: str, version: str | None) -> str:
    if entry is None:
        raise DevenvError(f"no registry image is known for {what}", hint='set `images = "debian"` for it')
    tag = entry.tag.replace("{version}", version or entry.default)
    return str(reference.parse(f"{entry.image}:{tag}"))
