"""Proves an image: makes it once more from its pin, apart from everything made before, and compares every byte."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from devenv import supply
from devenv.engine.protocol import Engine
from devenv.errors import EngineError, ImageError
from devenv.images import compare, fresh, saved
from devenv.images.compare import PathDifference
from devenv.images.pack import Blob
from devenv.images.saved import Saved
from devenv.model import labels
from devenv.model.blueprint import Image
from devenv.model.machine import Machine
from devenv.model.pins import DerivedRecipe, DockerfileRecipe, ImageRecipe, Package, RegistryPin
from devenv.model.progress import Report
from devenv.supply import Say, Supply
from devenv.values import dataclass


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was found of one image.

    Args:
        image: Its reference.
        digest: Of the configuration, as it was made anew.
        found: The same in the engine; None when the engine cannot give the image.
        pinned: The same by the lockfile; None when no build has told yet.
        paths: Those that differ between the image made anew, the first, and the engine's, the second.
        damages: What else is wrong, in words.
        unproven: What nothing can show of this image, in words; empty when its bytes are proven.
    """

    image: str
    digest: str
    found: str | None
    pinned: str | None
    paths: tuple[PathDifference, ...] = ()
    damages: tuple[str, ...] = ()
    unproven: str = ""

    @property
    def holds(self) -> bool:
        """Whether everything is as it should be."""
        return self.digest == self.found and self.pinned in (None, self.digest) and not (self.paths or self.damages)


def image(wanted: Image, engine: Engine, machine: Machine, report: Report, say: Say) -> Verdict:
    """Make the image anew in an empty cache and compare it with the one in use.

    One by a Dockerfile of the project would not come out the same: of it, only what it was built from is compared.

    Raises:
        ImageError: It cannot be made.
        EngineError: The engine refused.
    """
    if isinstance(wanted.source, DockerfileRecipe):
        return _by_dockerfile(wanted, wanted.source, engine)
    with _scratch(machine) as scratch:
        damages = tuple(_seeded(wanted, machine.cache / "packages", scratch.cache / "packages"))
        config, layers = _made(wanted, engine, scratch, report, say)
        digest = f"sha256:{hashlib.sha256(config).hexdigest()}"
        verdict = Verdict(wanted.reference, digest, None, wanted.digest, damages=damages)
        try:
            with saved.opened(engine.save(wanted.reference), scratch.cache) as there:
                return _compared(verdict, layers, there)
        except (EngineError, ImageError) as error:
            return replace(verdict, damages=(*damages, f"the engine cannot give it: {error.message}"))


def _by_dockerfile(wanted: Image, recipe: DockerfileRecipe, engine: Engine) -> Verdict:
    there = engine.image(wanted.reference)
    if there is None:
        raise ImageError(f"`{wanted.reference}` is not there", hint="run `devenv up`")
    same = there.labels.get(labels.PIN) == wanted.key
    return Verdict(
        wanted.reference,
        there.config_digest,
        there.config_digest,
        None,
        damages=() if same else (f"it was not built from `{recipe.dockerfile}` as it is now",),
        unproven=f"what the commands of `{recipe.dockerfile}` fetch",
    )


def _compared(verdict: Verdict, layers: Sequence[Blob], there: Saved) -> Verdict:
    damages = [f"layer {number + 1} in the engine is not what its configuration says" for number in there.damaged]
    same = [blob.sha256 for blob in layers] == [blob.sha256 for blob in there.layers]
    paths: tuple[PathDifference, ...] = ()
    try:
        paths = () if same else compare.paths((blob.path for blob in layers), (blob.path for blob in there.layers))
    except ImageError as error:
        damages.append(f"its files cannot be compared: {error.message}")
    return replace(verdict, found=there.digest, paths=paths, damages=(*verdict.damages, *damages))


def _made(wanted: Image, engine: Engine, scratch: Machine, report: Report, say: Say) -> tuple[bytes, tuple[Blob, ...]]:
    if isinstance(wanted.source, RegistryPin):
        with supply.registry(scratch, report, say) as registry:
            return fresh.layers(wanted.source, registry, scratch.cache)
    return Supply(engine, scratch, report, say).made(wanted)


@contextmanager
def _scratch(machine: Machine) -> Iterator[Machine]:
    """The machine with an empty cache, on the same disk."""
    machine.cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="verify-", dir=machine.cache) as folder:
        yield replace(machine, cache=Path(folder))


def _seeded(wanted: Image, kept: Path, scratch: Path) -> Iterator[str]:
    """Take over packages whose hash holds, for that is all that a mirror's would have to show; tell of the others."""
    scratch.mkdir(parents=True)
    for package in _packages(wanted):
        path = kept / package.sha256
        if not path.is_file():
            continue
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
        if found == package.sha256:
            os.link(path, scratch / package.sha256)
        else:
            yield f"the cached package `{package.name}` {package.version} is damaged: its hash is {found}"


def _packages(wanted: Image) -> Collection[Package]:
    match wanted.source:
        case ImageRecipe(layers=layers):
            found = layers
        case DerivedRecipe(layer=layer):
            found = (layer,) if layer else ()
        case _:
            found = ()
    return [package for layer in found for run in layer.runs for package in run]
