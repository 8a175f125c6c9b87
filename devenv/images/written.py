"""A service's image by a Dockerfile of the project: the engine builds it, on bases that are pinned.

What its commands fetch is not, so nothing can be said about the bytes that come out. The image carries the key of what
it was built from, which is how it is found again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

from devenv import dockerfile
from devenv.engine import transfers
from devenv.engine.protocol import Engine
from devenv.errors import ImageError
from devenv.images import tarball
from devenv.images.tarball import Header
from devenv.model import labels
from devenv.model.pins import ContextFile, DockerfileRecipe, RegistryPin
from devenv.model.progress import Report

BESIDE = ".devenv.Dockerfile"
"""Where the Dockerfile is put when it is not among the files that it may copy itself."""

_PIECE = 1 << 18


def build(
    recipe: DockerfileRecipe,
    key: str,
    name: str,
    *,
    engine: Engine,
    pulled: Callable[[RegistryPin], str],
    proxy: Mapping[str, str],
    report: Report,
) -> str:
    """Build the image, tag it `name`, and return its config digest.

    Args:
        pulled: Brings a pinned image onto the engine and returns its name there.
        proxy: Variables for the commands of the build alone.

    Raises:
        ImageError: A file of the context was changed while it was read.
        EngineError: The build failed, or the engine refused.
    """
    names = {image: pulled(pin) for image, pin in recipe.bases.items()}
    text = (
        dockerfile.parse(recipe.text, recipe.dockerfile, recipe.arguments).rewritten(names)
        + f'\n\nLABEL {labels.PIN}="{key}"\n'
    )
    place = _place(recipe)
    context = tarball.stream(_entries(recipe, place, text.encode()))
    arguments = dict(proxy) | {variable.lower(): value for variable, value in proxy.items()} | dict(recipe.args)
    with transfers.naming(f"`{recipe.dockerfile}` could not be built"):
        engine.build(context, name, arguments=arguments, report=report, dockerfile=place, network=True)
    there = engine.image(name)
    if there is None or there.labels.get(labels.PIN) != key:
        raise ImageError(f"the engine has built `{recipe.dockerfile}` and does not have it", hint="try again")
    return there.config_digest


def _place(recipe: DockerfileRecipe) -> str:
    """The Dockerfile's path in the context."""
    files = {file.path for file in recipe.files if file.kind == "file"}
    return recipe.place if recipe.place in files else BESIDE


def _entries(recipe: DockerfileRecipe, place: str, text: bytes) -> Iterator[tuple[Header, Iterable[bytes]]]:
    yield Header(place, "file", 0o644, size=len(text)), (text,)
    for file in recipe.files:
        path = Path(recipe.folder, file.path)
        if file.path == place:
            continue
        if file.kind == "file":
            mode = 0o755 if file.executable else 0o644
            yield Header(file.path, "file", mode, size=_size(path)), _content(path, file)
        else:
            yield Header(file.path, file.kind, target=file.content), ()


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError as error:
        raise _changed(path) from error


def _content(path: Path, file: ContextFile) -> Iterator[bytes]:
    digest, size = hashlib.sha256(), _size(path)
    try:
        with path.open("rb") as opened:
            while size and (piece := opened.read(min(_PIECE, size))):
                digest.update(piece)
                size -= len(piece)
                yield piece
    except OSError as error:
        raise _changed(path) from error
    if digest.hexdigest() != file.content:
        raise _changed(path)


def _changed(path: Path) -> ImageError:
    return ImageError(f"`{path}` was changed while the image was being built", hint="run the command again")
