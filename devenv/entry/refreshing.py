"""Tells the entry which names there are, and starts it where it has gone."""

from __future__ import annotations

import json
from collections.abc import Sequence

from devenv import entry as entries
from devenv import files
from devenv.blueprint import scripts
from devenv.engine import lock
from devenv.engine.protocol import Command, Engine
from devenv.entry import Entry, caddyfile, names
from devenv.entry.names import Route
from devenv.errors import EngineError
from devenv.model import labels
from devenv.model.blueprint import Observed, SeenContainer
from devenv.model.machine import Machine
from devenv.telling import Remark, Tell

TOLD = "told.json"
"""What the entry was told last, and which container that was: to tell it again would cost a command inside."""


def run(machine: Machine, engine: Engine, entry: Entry, tell: Tell) -> tuple[Route, ...]:
    """Make names current; return them.

    Whoever comes last looks last, for all hold one lock from the look to the telling.
    """
    with lock.hold(machine, engine.address, entry.instance):
        if entries.find(machine, engine.address) is None:
            return ()  # they were turned off meanwhile
        observed = engine.observe(None)
        if running(observed, entry) is None:
            from devenv.entry import making

            making.start(machine, engine, entry)
            tell(Remark("the entry for names was gone and is started again"))
            observed = engine.observe(None)
        return bring(engine, entry, observed)


def bring(engine: Engine, entry: Entry, observed: Observed) -> tuple[Route, ...]:
    """Tell a running entry the names, unless it knows."""
    found = names.routes(observed.containers)
    container = running(observed, entry)
    if container is None:
        raise EngineError("the entry for names does not stay up", hint=f"`docker logs {entry.instance}-caddy-1`")
    told = json.dumps([container.id, [[one.name, one.port] for one in found]])
    record = entry.folder / TOLD
    if not record.is_file() or record.read_text() != told:
        _tell(engine, container, entry, found)
        files.write(record, told)
    return found


def running(observed: Observed, entry: Entry) -> SeenContainer | None:
    """The entry's container, if it runs."""
    mine = (one for one in observed.containers if one.labels.get(labels.INSTANCE) == entry.instance)
    return next((one for one in mine if one.status == "running"), None)


def _tell(engine: Engine, container: SeenContainer, entry: Entry, found: Sequence[Route]) -> None:
    lines = "".join(f"{one.name} {one.port}\n" for one in found)
    content = f"{lines}\n{caddyfile.page(entry, found)}".encode()
    command = Command(("/bin/sh", "-c", scripts.data("routes.sh")), user="0:0", stdin=[content])
    ran = engine.exec(container.name, command)
    said = b"".join(chunk.data for chunk in ran).decode(errors="replace").strip()
    if ran.exit_code != 0:
        raise EngineError(f"the entry for names does not take its routes: {said or ran.exit_code}")
