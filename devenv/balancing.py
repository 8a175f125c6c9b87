"""Steers and asks the balancer that runs: which replicas requests go to, and how many each had."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal

from devenv.blueprint import balancer, scripts
from devenv.engine.protocol import Command, Engine
from devenv.errors import EngineError
from devenv.model.blueprint import Container
from devenv.values import dataclass

JOIN, RELEASE = 5, 3
"""Seconds in which the balancer has heard of a new replica, and of one that is gone."""


@dataclass(frozen=True, slots=True)
class Serving:
    """A replica as the balancer sees it.

    Args:
        health: `up`, `down`, `maint`, as it is put there.
        requests: Sent to it since the counters were cleared.
    """

    health: str
    requests: int


def join(engine: Engine, name: str, container: Container, address: str) -> bool:
    """Wait until requests go to a replica that has become ready; whether they do.

    Args:
        name: The balancer's container.
    """
    return _steered(engine, name, "join", container, address, JOIN)


def drain(engine: Engine, name: str, container: Container, address: str) -> bool:
    """Let no further request go to a replica, and wait until those under way are answered; whether they are."""
    return _steered(engine, name, "drain", container, address, container.stop_grace)


def release(engine: Engine, name: str, container: Container, address: str) -> bool:
    """Free the place of a drained replica that is gone, for others to come; whether it is free."""
    return _steered(engine, name, "release", container, address, RELEASE)


def clear(engine: Engine, name: str, backends: Iterable[str]) -> None:
    """Let the balancer count anew, as soon as it sends new replicas as many requests as others."""
    _run(engine, name, "settle", "", str(JOIN), *backends)
    _run(engine, name, "clear")


def serving(engine: Engine, name: str, backends: Mapping[str, str]) -> dict[tuple[str, str], Serving]:
    """What the balancer tells of replicas, by unit and address; nothing when it does not answer.

    Args:
        backends: The unit of each backend; the requests of a unit's ports add up, its first tells the health.
    """
    import csv

    code, told = _run(engine, name, "tell")
    found: dict[tuple[str, str], Serving] = {}
    first = {unit: name for name, unit in reversed(tuple(backends.items()))}
    for row in csv.DictReader(told.removeprefix("# ").splitlines()) if code == 0 else ():
        unit, address = backends.get(row.get("pxname", "")), (row.get("addr") or "").rpartition(":")[0]
        if unit is None or not address:
            continue
        before = found.get((unit, address))
        # Not the counters of answers, `hrsp_2xx` and its like: they do not begin anew everywhere.
        requests = int(row.get("stot") or 0)
        health = _health(row.get("status") or "")
        if before is not None:
            requests, health = before.requests + requests, before.health if first[unit] != row["pxname"] else health
        found[unit, address] = Serving(health, requests)
    return found


def _health(status: str) -> str:
    """`UP 1/2` is up, too, and `no check` not yet known to be down."""
    word = status.partition(" ")[0].lower()
    return word if word in ("down", "maint", "drain") else "up"


def _steered(
    engine: Engine,
    name: str,
    what: Literal["join", "drain", "release"],
    container: Container,
    address: str,
    seconds: int,
) -> bool:
    if not address:
        return False
    names = balancer.backends(container.unit, container.behind)
    return _run(engine, name, what, address, str(seconds), *names)[0] == 0


def _run(engine: Engine, name: str, *arguments: str) -> tuple[int, str]:
    """Ask, inside; nothing that goes wrong there is in the way of what is to be done."""
    argv = ("bash", "-c", scripts.data("balancer/control.sh"), "devenv-control", *arguments)
    try:
        running = engine.exec(name, Command(argv))
        output = b"".join(chunk.data for chunk in running if chunk.stream == "stdout")
        return running.exit_code, output.decode(errors="replace")
    except EngineError:
        return 1, ""
