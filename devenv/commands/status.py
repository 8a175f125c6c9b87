"""`devenv status`: what is running, and is it what `devenv.toml` asks for."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from devenv import addresses, balancing, entry, identity, lockfile, workspace
from devenv.balancing import Serving
from devenv.engine.protocol import Engine, Use
from devenv.entry import Entry
from devenv.errors import DevenvError, LockfileError
from devenv.live import Background
from devenv.model import labels
from devenv.model.blueprint import Blueprint, Container, Observed, SeenContainer
from devenv.model.project import Limits
from devenv.values import dataclass
from devenv.workspace import Scaled, Workspace


@dataclass(frozen=True, slots=True)
class Row:
    """One container.

    Args:
        state: `running`, `healthy`, `starting`, `unhealthy`, `exited`, `missing`, …
        detail: As the engine words it: `Up 3 minutes (healthy)`.
        limits: The most that it may use, as `devenv.toml` asks.
        use: What it uses, of one with limits that were asked for; None where the engine takes long to tell.
        current: Whether it is as `devenv.toml` and `devenv.lock` ask; None when that cannot be told.
        address: In the instance's network.
        balanced: As the balancer sees it: `up`, `down`; None where nothing tells.
        requests: How many it got, since the last scaling.
        share: Of all requests to its app, from 0 to 1; None before the first.
    """

    unit: str
    kind: str
    container: str
    state: str
    detail: str
    current: bool | None
    addresses: tuple[str, ...]
    replica: int = 1
    address: str = ""
    balanced: str | None = None
    requests: int | None = None
    share: float | None = None
    limits: Limits = Limits()
    use: Use | None = None


@dataclass(frozen=True, slots=True)
class StatusResult:
    """The environment.

    Args:
        environment: The environment id; None when the lockfile does not cover the project.
        note: What keeps it from being compared with the project.
        sync: How files are kept equal, where they are copied.
        in_step: Whether they are.
        scaled: Apps that run in another number than `devenv.toml` says.
    """

    instance: str
    environment: str | None
    rows: tuple[Row, ...]
    note: str | None
    sync: str | None = None
    in_step: bool = True
    scaled: tuple[Scaled, ...] = ()


def run(project: Workspace, engine: Engine, background: Background) -> StatusResult:
    """Compare what runs with the blueprint."""
    observed = engine.observe(project.instance)
    workspace.guard(project, observed)
    sync, in_step = _sync(background, observed)
    name = project.instance
    try:
        copies = workspace.copies_recorded(project, engine.address)
        wanted = workspace.resolve(project, _architecture(project, engine), copies=copies, records=False)
        found = _compared(wanted, observed, entry.find(project.machine, engine.address))
        rows = _explained(engine, _served(engine, wanted, found), observed)
        return StatusResult(name, identity.current(project), rows, None, sync, in_step, workspace.scaled(project))
    except LockfileError as error:
        rows = _explained(engine, _unplanned(observed), observed)
        return StatusResult(name, None, rows, error.message, sync, in_step)


def _explained(engine: Engine, rows: list[Row], observed: Observed) -> tuple[Row, ...]:
    """The rows with what those use that have limits, and with why those ended that ran out of memory."""
    limits = {row.container: row.limits for row in rows if row.limits.are_asked_for}
    if not limits and not any(one.status in ("exited", "dead") for one in observed.containers):
        return tuple(rows)
    from devenv import limiting

    running = {one.name for one in observed.containers if one.status == "running"}
    uses = limiting.uses(engine, limits.keys() & running)
    ends = limiting.ends(engine, observed.containers, limits)
    return tuple(
        replace(row, use=uses.get(row.container), detail=": ".join(filter(None, (row.detail, ends.get(row.container)))))
        for row in rows
    )


def _sync(background: Background, observed: Observed) -> tuple[str | None, bool]:
    """How copied files are kept equal, in words, and whether they are."""
    if not any(one.labels.get(labels.KIND) == "files" and one.status == "running" for one in observed.containers):
        return None, True
    client = background.find()
    if client is None:
        why = background.place.why()
        return f"files are not synced{f', {why}' if why else ''}; `devenv up -d` starts it again", False
    try:
        sessions = client.report().sessions
    except DevenvError as error:
        return error.message, False
    words = (f"{one.app} {one.stage}{f' ({one.reason})' if one.reason else ''}" for one in sessions)
    open_ = sum(len(one.troubles) + len(one.conflicts) for one in sessions)
    told = f"; conflicts and troubles: {open_}, see `devenv sync status`" if open_ else ""
    return f"{', '.join(words)}{told}", all(one.stage == "live" for one in sessions) and not open_


def _architecture(project: Workspace, engine: Engine) -> str:
    """The engine's architecture; asking for it takes longer than all the rest, so not where there is no choice."""
    found = lockfile.read(project.folder)
    return next(iter(found.platforms)) if found and len(found.platforms) == 1 else engine.info.architecture


def _compared(wanted: Blueprint, observed: Observed, named: Entry | None) -> list[Row]:
    seen = {one.name: one for one in observed.containers}
    found: dict[str, tuple[str, ...]] = {}
    for address in addresses.of(wanted, named):
        found[address.unit] = (*found.get(address.unit, ()), *address.names, address.url)
    rows = [_row(one, seen.pop(one.name, None), found.get(one.unit, ())) for one in wanted.containers]
    return rows + [_orphan(one, current=False) for one in seen.values()]


def _served(engine: Engine, wanted: Blueprint, rows: list[Row]) -> list[Row]:
    """With what the balancer tells of replicas; it is asked only where one runs."""
    balancer = next((row for row in rows if row.kind == "balancer" and row.state == "running"), None)
    if balancer is None:
        return rows
    told = balancing.serving(engine, balancer.container, balancing.backends(wanted))
    totals: Counter[str] = Counter()
    for (unit, _), one in told.items():
        totals[unit] += one.requests
    return [_shared(row, told.get((row.unit, row.address)), totals[row.unit]) for row in rows]


def _shared(row: Row, told: Serving | None, total: int) -> Row:
    if told is None:
        return row
    share = told.requests / total if total else None
    return replace(row, balanced=told.health, requests=told.requests, share=share)


def _row(container: Container, seen: SeenContainer | None, urls: tuple[str, ...]) -> Row:
    if seen is None:
        return Row(
            container.unit,
            container.kind,
            container.name,
            "missing",
            "",
            False,
            urls,
            container.replica,
            limits=container.limits,
        )
    return Row(
        unit=container.unit,
        kind=container.kind,
        container=seen.name,
        state=_state(seen),
        detail=seen.status_text,
        current=seen.labels.get(labels.CONFIG) == container.config_hash,
        addresses=urls,
        replica=container.replica,
        limits=container.limits,
        address=seen.address,
    )


def _unplanned(observed: Observed) -> list[Row]:
    return [_orphan(one, current=None) for one in observed.containers]


def _orphan(seen: SeenContainer, *, current: bool | None) -> Row:
    unit, kind = seen.labels.get(labels.UNIT, seen.name), seen.labels.get(labels.KIND, "")
    return Row(unit, kind, seen.name, _state(seen), seen.status_text, current, ())


def _state(seen: SeenContainer) -> str:
    """The health where the engine checks it, else the plain state."""
    for word, state in (("(healthy)", "healthy"), ("(unhealthy)", "unhealthy"), ("(health: starting)", "starting")):
        if word in seen.status_text:
            return state
    return seen.status
