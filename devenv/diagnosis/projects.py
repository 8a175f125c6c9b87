"""What projects have to do with this machine: ports that one fixes, and instances that were left behind."""

from __future__ import annotations

from collections.abc import Iterator

from devenv import blueprint, census
from devenv.config import findings
from devenv.diagnosis import Finding
from devenv.engine.host import Host
from devenv.engine.protocol import Engine
from devenv.instances import ledger
from devenv.model.machine import Machine
from devenv.workspace import Workspace


def ports(project: Workspace, engine: Engine | None, host: Host) -> Iterator[Finding]:
    """Ports that the project fixes, and something else has."""
    if project.instance != project.project.name:
        return  # those of another checkout are chosen
    own = {} if engine is None else {one.name: one for one in engine.observe(project.instance).containers}
    mine = {port.host for one in own.values() if one.status == "running" for port in one.ports}
    for unit, port in _fixed(project):
        holder = None if port in mine else host.holder(port)
        if holder is not None:
            remedy = f"end it, or give `{unit}` another port in `devenv.local.toml`"
            yield Finding("port", "problem", f"port {port} of `{unit}` is taken by {holder}", remedy)


def _fixed(project: Workspace) -> Iterator[tuple[str, int]]:
    yield from ((app.name, port) for app in project.project.apps for port in app.ports)
    for key, port in blueprint.service_ports(project.project, project.entries).items():
        if port is not None:
            yield key.partition("/")[0], port


def left(engine: Engine, machine: Machine) -> Iterator[Finding]:
    """Instances of this machine whose folder is gone."""
    here = ledger.host(machine)
    names = [one.name for one in census.everything(engine, machine) if one.is_gone(here)]
    if names:
        several = len(names) > 1
        message = f"{findings.listed(names, 'and')} {'have' if several else 'has'} no folder any more"
        remedy = "`devenv prune` shows what is left of such instances, asks, and removes it with its data"
        yield Finding("instances", "warning", message, remedy)
