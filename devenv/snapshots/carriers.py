"""Temporary containers that data is carried through, and what is run in them."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from devenv.engine import logs, readiness
from devenv.engine.protocol import Command, Engine
from devenv.errors import EngineError
from devenv.model import labels
from devenv.model.blueprint import Blueprint, Container, Mount
from devenv.model.catalog import ServiceEntry

DATA = "/devenv-data"
"""Where a carrier has the volume: nowhere that an image has anything, which the engine would copy into it."""
END = b"\ndevenv: this is the end of the dump\n"
"""What a dump ends with when its command has ended well: an engine that goes away ends it just like any output."""

_KILLED = 137
_SAID = 10


@contextmanager
def holding(engine: Engine, wanted: Blueprint, container: Container, volume: str) -> Iterator[str]:
    """A container that never starts and has the volume at `DATA`; for engines to pack and unpack there."""
    carrier = Container(
        name=f"{container.name}.data",
        unit=f"{container.unit}.data",
        kind="service",
        image=container.image,
        entrypoint=("true",),
        command=(),
        mounts=(Mount("volume", volume, DATA),),
        stop_grace=container.stop_grace,
    )
    with _made(engine, wanted, carrier):
        yield carrier.name


@contextmanager
def serving(engine: Engine, wanted: Blueprint, container: Container, known: ServiceEntry) -> Iterator[str]:
    """The service itself on its volumes, ready, in no network and without what it would run on an empty volume.

    At the end of the block it is stopped as it wants to be.

    Raises:
        NotReady: It did not start.
        EngineError: It had to be killed.
    """
    init = known.options["init"].into if "init" in known.options else None
    carrier = replace(
        container,
        name=f"{container.name}.restore",
        unit=f"{container.unit}.restore",
        mounts=tuple(one for one in container.mounts if init is None or not one.target.startswith(f"{init}/")),
        ports=(),
        needs=(),
        health=None,
    )
    with _made(engine, wanted, carrier):
        engine.start(carrier.name)
        readiness.wait(engine, carrier.name, carrier)
        yield carrier.name
        engine.stop(carrier.name, carrier.stop_grace)
        if engine.look(carrier.name).exit_code == _KILLED:
            hint = f"`devenv logs {container.unit}` tells how it does as a rule"
            raise EngineError(f"`{container.unit}` did not stop in {carrier.stop_grace} seconds", hint=hint)


def dumped(engine: Engine, name: str, argv: Sequence[str], what: str) -> Iterator[bytes]:
    """What a dump command writes, in pieces.

    Raises:
        EngineError: It failed, or was cut off.
    """
    script = '"$@" && printf %s "$0"'
    running = engine.exec(name, Command(("/bin/sh", "-c", script, END.decode(), *argv)))
    said: deque[bytes] = deque(maxlen=_SAID)
    kept = b""
    for chunk in running:
        if chunk.stream == "stderr":
            said.append(chunk.data)
            continue
        kept += chunk.data
        if len(kept) > len(END):
            yield kept[: -len(END)]
            kept = kept[-len(END) :]
    if running.exit_code != 0:
        raise EngineError(f"the dump of `{what}` failed with exit code {running.exit_code}{_words(said)}")
    if kept != END:
        raise EngineError(f"the dump of `{what}` was cut off", hint="try again")


def restored(engine: Engine, name: str, argv: Sequence[str], content: Iterable[bytes], what: str, *, size: int) -> None:
    """Give a dump of so many bytes to the command that reads it.

    Raises:
        EngineError: It failed, or did not get all of it.
    """
    # A connection that breaks ends the command's input just as the end of the dump does, often where it is no mistake.
    script = (
        'head -c "$1" | { shift; "$@"; } && { [ "$(cat)" = "$0" ] || { echo "the dump was cut off" >&2; exit 1; }; }'
    )
    fed = itertools.chain(content, (END,))
    running = engine.exec(name, Command(("/bin/sh", "-c", script, END.decode().rstrip(), str(size), *argv), stdin=fed))
    said: deque[bytes] = deque((chunk.data for chunk in running if chunk.stream == "stderr"), maxlen=_SAID)
    if running.exit_code != 0:
        raise EngineError(f"the data of `{what}` could not be restored{_words(said)}")


@contextmanager
def _made(engine: Engine, wanted: Blueprint, carrier: Container) -> Iterator[None]:
    own = {
        **wanted.owner,
        labels.UNIT: carrier.unit,
        labels.FILLING: "[]",
        labels.GRACE: str(carrier.stop_grace),
    }
    engine.create(replace(carrier, labels=own))
    try:
        yield
    finally:
        engine.remove("container", carrier.name)


def _words(said: Iterable[bytes]) -> str:
    lines = [line for line in map(logs.clean, b"".join(said).splitlines()) if line.strip()][-_SAID:]
    return ":\n\n" + "\n".join(lines) if lines else ""
