"""Built images in the team's registry: one repository, a tag for each pin."""

from __future__ import annotations

from devenv import reference
from devenv.engine.protocol import Engine
from devenv.errors import ImageError
from devenv.images import pull as pulling
from devenv.images.registry import Registry
from devenv.model.blueprint import Image
from devenv.model.progress import Report
from devenv.reference import Reference


def name(image: Image, repository: str) -> Reference:
    """Where a built image is kept: `ghcr.io/acme/devenv:postgres-1a2b3c4d5e6f7a8b`, whatever engine built it.

    Raises:
        DevenvError: The repository is none.
    """
    place = reference.parse(repository)
    short, _, key = image.reference.rpartition("/")[2].partition(":")
    return Reference(place.registry, place.repository, f"{short}-{key}")


def push(image: Image, repository: str, *, engine: Engine, registry: Registry, report: Report) -> str | None:
    """Push a built image; return the digest of its manifest there, None when the registry has it already.

    Raises:
        ImageError: The registry refuses, or has another image under that name.
        EngineError: The engine refused, or does not have the image.
    """
    target = name(image, repository)
    there = registry.manifest(target)
    if there is not None and image.digest is not None and there.config == image.digest:
        return None
    if there is not None:
        raise _other(target, there.config, image)
    return engine.push(image.reference, str(target), login=registry.login(target.registry), report=report)


def pull(image: Image, repository: str, *, engine: Engine, registry: Registry, report: Report) -> bool:
    """Pull a built image under its own name; False when the registry does not have it.

    The registry is not believed: the configuration must be the one that the lockfile names, before and after.

    Raises:
        ImageError: The registry refuses, or has another image under that name.
        EngineError: The engine refused.
    """
    assert image.digest is not None
    place = name(image, repository)
    there = registry.manifest(place)
    if there is None:
        return False
    if there.config != image.digest:
        raise _other(place, there.config, image)
    source = place.at(there.digest)
    pulling.attempt(source, image.reference, image.digest, engine=engine, registry=registry, report=report)
    pulling.check(engine, image.reference, image.digest, str(place))
    return True


def _other(place: Reference, found: str, image: Image) -> ImageError:
    wanted = f"`devenv.lock` says {image.digest}" if image.digest else "it is not the one built here"
    return ImageError(
        f"`{place}` is another image: its configuration is {found or 'none'}, {wanted}",
        hint="somebody has pushed something else under that name: ask who may write there",
    )
