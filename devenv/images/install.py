"""Packages installed by their own dpkg, in a container of the engine."""

from __future__ import annotations

import tarfile
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from devenv.engine.protocol import Chunk, Engine
from devenv.engine.streams import Stream
from devenv.errors import ImageError
from devenv.images import staging
from devenv.images.chain import Link
from devenv.model import labels
from devenv.model.blueprint import Container

HOST = "devenv"
"""The host name while packages are installed: some write it down."""

_ENVIRONMENT = {
    "DEBCONF_NONINTERACTIVE_SEEN": "true",
    "DEBIAN_FRONTEND": "noninteractive",
    "HOME": "/root",
    "LC_ALL": "C.UTF-8",
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "PYTHONHASHSEED": "0",
    "TZ": "UTC0",
}
_SHOWN = 15


@contextmanager
def installed(
    engine: Engine, link: Link, name: str, instance: str, archive: Iterable[bytes], log: Callable[[str], None]
) -> Iterator[tarfile.TarFile]:
    """Load an image with a staging layer, run what installs it, and open the file system that came out.

    Args:
        name: Of container and image; both are gone afterwards.
        instance: The value of the container's label.
        archive: The image, under the name that `reference` tells.
        log: Called with each line that dpkg writes.

    Raises:
        ImageError: dpkg failed; the message has the end of its log.
        EngineError: The engine refused.
    """
    remove(engine, name)
    try:
        engine.load(archive)
        _run(engine, link, name, instance, log)
        with files(engine, name) as tar:
            yield tar
    finally:
        remove(engine, name)


def remove(engine: Engine, name: str) -> None:
    """Remove what a build of this name has, or has left, in the engine."""
    engine.remove("container", name)
    engine.remove("image", reference(name))


def reference(name: str) -> str:
    """The image that a build of this name runs in."""
    return f"{name}:latest"


def _run(engine: Engine, link: Link, name: str, instance: str, log: Callable[[str], None]) -> None:
    container = Container(
        name=name,
        unit="build",
        kind="service",
        image=reference(name),
        hostname=HOST,
        entrypoint=("/usr/bin/dash", staging.INSTALL),
        command=(),
        env=_ENVIRONMENT | {"SOURCE_DATE_EPOCH": str(link.epoch)},
        labels={labels.INSTANCE: instance},
    )
    engine.create(container)
    engine.start(name)
    last: deque[str] = deque(maxlen=_SHOWN)
    for line in _lines(engine.read(name, "follow")):
        last.append(line)
        log(line)
    state = engine.look(name)
    if state.exit_code == staging.CLOCK_BEHIND:
        raise ImageError(
            "the engine's clock is behind the packages' date", hint="set the clock of the engine's machine"
        )
    if state.oom_killed or state.exit_code == 137:
        raise ImageError(
            f"the installation of `{link.name}` was killed, most likely for lack of memory",
            hint="give the engine more memory",
        )
    if state.exit_code != 0:
        end = "\n".join(last)
        raise ImageError(f"the packages of `{link.name}` could not be installed; the end of dpkg's log:\n\n{end}")


@contextmanager
def files(engine: Engine, name: str) -> Iterator[tarfile.TarFile]:
    """Open the file system of a container."""
    source = Stream.buffered(chunk.data for chunk in engine.read(name, "files"))
    with tarfile.open(fileobj=source, mode="r|", bufsize=1 << 20) as tar:
        yield tar


def _lines(chunks: Iterable[Chunk]) -> Iterator[str]:
    rest = b""
    for chunk in chunks:
        *whole, rest = (rest + chunk.data).split(b"\n")
        yield from (_printable(line) for line in whole)
    if rest:
        yield _printable(rest)


def _printable(line: bytes) -> str:
    text = line.decode("utf-8", "replace").rpartition("\r")[2] or line.decode("utf-8", "replace")
    return "".join(character for character in text if character.isprintable())
