"""Single files of this host and an engine: packed to be put into a container, and asked for through one."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from devenv.engine import wire
from devenv.engine.protocol import Engine
from devenv.engine.wire import Answer
from devenv.errors import DevenvError, EngineError
from devenv.model import labels
from devenv.model.blueprint import Container, Mount, StepKind

TARGET = "/probe"
# Beside the names of what projects need, all of which begin with `localhost/devenv/`.
IMAGE = "localhost/devenv-probe"
PROBE_LIFE = 60.0
"""Seconds after which somebody who asks through a container must have been killed."""

_ABSENT = ("bind source path does not exist", "no such file or directory")


def archive(mounts: Iterable[Mount]) -> bytes:
    """The files to copy into a container, as one tar for its root; empty when there are none.

    Folders are not among them: an entry would change what the image has, and the engine makes those that are missing.

    Raises:
        DevenvError: A file cannot be read.
    """
    from devenv.images import tarball

    files = [(mount, _read(Path(mount.source))) for mount in mounts if mount.kind == "copy"]
    entries = (
        (tarball.Header(mount.target.strip("/"), "file", mode=mount.copied_mode, size=len(data)), (data,))
        for mount, data in files
    )
    return b"".join(tarball.stream(entries)) if files else b""


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise DevenvError(f"cannot read `{path}`, which a container is to have: {error.strerror}") from error


def is_absent(error: EngineError) -> bool:
    """Whether the engine says that it does not have a path of the host."""
    return any(words in error.message for words in _ABSENT)


def read(engine: Engine, ask: Callable[[str], Answer], file: Path) -> bytes | None:
    """Do what `Engine.read_host` promises, for an engine whose API is asked for a path."""
    _clear(engine, ask)
    wanted = probe(file.parent)
    path = wire.path("containers", wanted.name, "archive", query={"path": f"{TARGET}/{file.name}"})
    engine.load(image(wanted, engine.info.architecture))
    try:
        engine.create(wanted)
        answer = ask(path)
        return None if answer.status == 404 else content(wire.check(answer).body)
    except EngineError as error:
        if is_absent(error):
            return None
        raise
    finally:
        engine.remove("container", wanted.name)
        engine.remove("image", wanted.image)


def _clear(engine: Engine, ask: Callable[[str], Answer]) -> None:
    """Remove what those left who were killed; images by name, for by label an engine has to read them all."""
    filters: dict[StepKind, dict[str, list[str]]] = {
        "container": {"label": [labels.PROBE]},
        "image": {"reference": [IMAGE]},
    }
    for kind, chosen in filters.items():
        query = {"all": "1", "filters": json.dumps(chosen)}
        for entry in wire.check(ask(wire.path(f"{kind}s", "json", query=query))).json:
            if entry["Created"] < time.time() - PROBE_LIFE:
                engine.remove(kind, entry["Id"])


def probe(folder: Path) -> Container:
    """A container that is never started: a folder of the host, and nothing else."""
    name = f"devenv-probe-{os.urandom(6).hex()}"
    return Container(
        name=name,
        unit="probe",
        kind="files",
        image=f"{IMAGE}:{name.rpartition('-')[2]}",
        command=("true",),
        mounts=(Mount("bind", str(folder), TARGET, read_only=True),),
        labels={labels.PROBE: name},
    )


def image(wanted: Container, architecture: str) -> Iterator[bytes]:
    """An image for it of one empty layer, in a form that every engine loads; no other probe has the same."""
    import tempfile

    from devenv.images import pack, tarball
    from devenv.model.pins import OCI_PLATFORMS, ImageConfig

    # Nothing of it ever runs, so that it may be of any.
    known = architecture if architecture in OCI_PLATFORMS else "amd64"
    with tempfile.NamedTemporaryFile() as file:
        file.write(tarball.END)
        file.flush()
        layer = pack.Blob(Path(file.name), hashlib.sha256(tarball.END).hexdigest(), len(tarball.END))
        config = pack.config(known, int(time.time()), [("nothing", layer)], ImageConfig({}), wanted.labels)
        yield from pack.archive(config, [layer], wanted.image)


def content(answer: bytes) -> bytes | None:
    """The file in a tar that holds just one; None when it is something else."""
    import io
    import tarfile

    with tarfile.open(fileobj=io.BytesIO(answer)) as tar:
        file = tar.extractfile(tar.next() or tarfile.TarInfo())
        return None if file is None else file.read()


def copied(label: str | None) -> tuple[str, ...]:
    """Where files were copied to, as the container's label tells."""
    try:
        told = json.loads(label or "[]")
    except ValueError:
        return ()
    return tuple(str(target) for target in told) if isinstance(told, list) else ()
