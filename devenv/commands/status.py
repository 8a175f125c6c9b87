"""`devenv status`: what is running, and is it what `devenv.toml` asks for."""

from __future__ import annotations

from devenv import addresses, lockfile, workspace
from devenv.engine.protocol import Engine
from devenv.errors import LockfileError
from devenv.model import labels
from devenv.model.blueprint import Blueprint, Container, Observed, SeenContainer
from devenv.values import dataclass
from devenv.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Row:
    """One container.

    Args:
        state: `running`, `healthy`, `starting`, `unhealthy`, `exited`, `missing`, …
        detail: As the engine words it: `Up 3 minutes (healthy)`.
        current: Whether it is as `devenv.toml` and `devenv.lock` ask; None when that cannot be told.
    """

    unit: str
    kind: str
    container: str
    state: str
    detail: str
    current: bool | None
    addresses: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class StatusResult:
    """The environment; `note` says what keeps it from being compared with the project."""

    instance: str
    rows: tuple[Row, ...]
    note: str | None


def run(project: Workspace, engine: Engine) -> StatusResult:
    """Compare what runs with the blueprint."""
    observed = engine.observe(project.project.name)
    workspace.guard(project, observed)
    try:
        wanted, note = workspace.resolve(project, _architecture(project, engine)), None
    except LockfileError as error:
        wanted, note = None, error.message
    rows = tuple(_unplanned(observed)) if wanted is None else tuple(_compared(wanted, observed))
    return StatusResult(project.project.name, rows, note)


def _architecture(project: Workspace, engine: Engine) -> str:
    """The engine's architecture; asking for it takes longer than all the rest, so not where there is no choice."""
    found = lockfile.read(project.folder)
    return next(iter(found.debian)) if found and len(found.debian) == 1 else engine.info.architecture


def _compared(wanted: Blueprint, observed: Observed) -> list[Row]:
    seen = {one.name: one for one in observed.containers}
    found: dict[str, tuple[str, ...]] = {}
    for address in addresses.of(wanted):
        found[address.unit] = (*found.get(address.unit, ()), address.url)
    rows = [_row(one, seen.pop(one.name, None), found.get(one.unit, ())) for one in wanted.containers]
    return rows + [_orphan(one, current=False) for one in seen.values()]


def _row(container: Container, seen: SeenContainer | None, urls: tuple[str, ...]) -> Row:
    if seen is None:
        return Row(container.unit, container.kind, container.name, "missing", "", False, urls)
    current = seen.labels.get(labels.CONFIG) == container.config_hash
    return Row(container.unit, container.kind, seen.name, _state(seen), seen.status_text, current, urls)


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
