"""Makes the passwd file that gives the host's user a name inside, from the image's own."""

from __future__ import annotations

import tarfile
from pathlib import Path

from devenv import files
from devenv.blueprint.images import HOME
from devenv.engine.protocol import Engine
from devenv.engine.streams import Stream
from devenv.errors import EngineError
from devenv.model import labels
from devenv.model.blueprint import Container


def make(engine: Engine, image: str, path: Path, *, user: str, instance: str) -> None:
    """Write the image's passwd with a line for `user` (`uid:gid`) added; does nothing when the file is there."""
    if path.is_file():
        return
    name = f"devenv-passwd-{path.name}"
    engine.remove("container", name)
    engine.create(Container(name, "passwd", "app", image, command=("true",), labels={labels.INSTANCE: instance}))
    try:
        content = _find(engine, name)
    finally:
        engine.remove("container", name)
    files.write(path, _with_user(content, user))


def _with_user(content: str, user: str) -> str:
    uid, _, gid = user.partition(":")
    if any(line.split(":")[2:3] == [uid] for line in content.splitlines()):
        return content
    return f"{content.rstrip()}\ndev:x:{uid}:{gid}:devenv:{HOME}:/bin/bash\n"


def _find(engine: Engine, container: str) -> str:
    stream = Stream.buffered(chunk.data for chunk in engine.read(container, "files"))
    with tarfile.open(fileobj=stream, mode="r|") as archive:
        for member in archive:
            if member.name.lstrip("./") == "etc/passwd":
                found = archive.extractfile(member)
                assert found is not None
                return found.read().decode()
    raise EngineError("the image has no `/etc/passwd`", hint='run as root: `user = "0:0"` in your `config.toml`')
