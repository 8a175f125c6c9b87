"""Builds images with Buildx, where the docker command is there with it and can speak to the engine."""

from __future__ import annotations

import itertools
import os
import re
import subprocess
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from devenv.engine import logs, streams, transfers
from devenv.engine.wire import Endpoint
from devenv.model.progress import Progress, Report

_STEP = re.compile(r"#([1-9]\d*) ")
_PATIENCE = 10.0
"""Seconds in which the command tells its version, and in which a build that is called off cleans up."""
_KEPT = ("DOCKER_CONFIG", "BUILDX_CONFIG")
_DROPPED = ("DOCKER_", "BUILDX_", "BUILDKIT_", "SOURCE_DATE_EPOCH")
"""Variables that would change where or what is built."""


class Context:
    """A build's context, which can be read again from its beginning until it is released."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = iter(pieces)
        self._read: list[bytes] | None = []

    def __iter__(self) -> Iterator[bytes]:
        for piece in self._pieces:
            if (read := self._read) is not None:
                read.append(piece)
            yield piece

    def release(self) -> None:
        """Keep nothing any more."""
        self._read = None

    def again(self) -> Iterator[bytes]:
        return itertools.chain(self._read or (), self._pieces)


def build(endpoint: Endpoint, context: Context, argv: list[str], subject: str, report: Report) -> bool:
    """Build an image; return False when Buildx is not there or cannot begin: the context can be read again then.

    Args:
        argv: What `command` makes.
        subject: What the progress is reported of.

    Raises:
        EngineError: The build failed.
    """
    env = environment(endpoint, os.environ)
    if env is None or not _is_there(env):
        return False
    with _started(argv, env) as (process, output):
        feeder = _feeder(process, context)
        said = _follow(output, context, subject, report)
        code = process.wait()
        feeder.join()
    feeder.finish()
    if code and said.began:
        raise transfers.failed_build("the build failed", said.end)
    return code == 0


def environment(endpoint: Endpoint, environ: Mapping[str, str]) -> dict[str, str] | None:
    """The docker command's variables for this engine; None when it cannot speak to it."""
    kept = {name: value for name, value in environ.items() if name in _KEPT or not name.startswith(_DROPPED)}
    scheme, _, place = endpoint.address.partition("://")
    kept["DOCKER_HOST"] = f"tcp://{place}" if scheme in ("http", "https") else endpoint.address
    if endpoint.tls is None:
        return kept
    if endpoint.tls.ca is None:
        return None
    verify = "DOCKER_TLS_VERIFY" if endpoint.tls.verify else "DOCKER_TLS"
    return kept | {"DOCKER_CERT_PATH": str(Path(endpoint.tls.ca).parent), verify: "1"}


def _is_there(env: Mapping[str, str]) -> bool:
    asking = ["docker", "buildx", "version"]
    try:
        asked = subprocess.run(asking, env=env, capture_output=True, stdin=subprocess.DEVNULL, timeout=_PATIENCE)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return asked.returncode == 0


def command(name: str, arguments: Mapping[str, str], dockerfile: str, *, network: bool) -> list[str]:
    """The command that builds what it reads; see `Engine.build`.

    The builder `default` is the engine itself: it has the local images, and keeps what it builds.
    """
    settings = ("--load", "--network", "default" if network else "none", "--progress", "plain", "--provenance=false")
    given = (part for key, value in arguments.items() for part in ("--build-arg", f"{key}={value}"))
    named = ("--file", dockerfile, "--tag", name)
    return ["docker", "buildx", "build", "--builder", "default", *settings, *named, *given, "-"]


@contextmanager
def _started(argv: list[str], env: Mapping[str, str]) -> Iterator[tuple[subprocess.Popen[bytes], IO[bytes]]]:
    """Run a command that ends with the block; it shares the terminal's ^C with this process."""
    pipe = subprocess.PIPE
    process = subprocess.Popen(argv, env=env, stdin=pipe, stdout=pipe, stderr=subprocess.STDOUT)
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield process, process.stdout
    finally:
        if process.poll() is None:
            _end(process)
        process.stdout.close()
        with suppress(OSError):  # what was not read any more
            process.stdin.close()


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(_PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _feeder(process: subprocess.Popen[bytes], context: Iterable[bytes]) -> streams.Feeder:
    source = process.stdin
    assert source is not None
    unread = bytes  # the output is followed by its lines
    return streams.Feeder(streams.Duplex(unread, unread, lambda data: _write(source, data), source.close), context)


def _write(target: IO[bytes], data: bytes) -> None:
    target.write(data)


class _Said:
    """What a build has said: whether it began at all, and its last lines."""

    def __init__(self) -> None:
        self.began = False
        self.end: deque[str] = deque(maxlen=transfers.KEPT)


def _follow(output: Iterable[bytes], context: Context, subject: str, report: Report) -> _Said:
    said, steps = _Said(), 0
    for line in output:
        text = logs.clean(line.rstrip(b"\n"))
        if step := _STEP.match(text):
            said.began, steps = True, max(steps, int(step[1]))
            context.release()
        if text.strip():
            said.end.append(text)
        report(Progress(subject, "building", steps, None, "steps"))
    return said
