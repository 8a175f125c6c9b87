"""`devenv up`: brings the environment to what `devenv.toml` asks for."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING

from devenv import addresses, entry, environment, identity, lockfile, pinning, workspace
from devenv.addresses import Address
from devenv.engine.protocol import Engine
from devenv.errors import DevenvError, LockfileError
from devenv.live import Background
from devenv.model.blueprint import Blueprint, Step
from devenv.telling import Remark, Tell
from devenv.values import dataclass
from devenv.workspace import Scaled, Workspace

if TYPE_CHECKING:
    from devenv.cloning import Origin
    from devenv.live.client import Client

PATIENCE = 5.0
"""Seconds to wait until what was changed inside is outside."""


@dataclass(frozen=True, slots=True)
class UpResult:
    """What `up` did, or with `dry_run` would do.

    Args:
        environment: The environment id.
        locked: Whether the lockfile was written.
        scaled: Apps that run in another number than `devenv.toml` says.
    """

    instance: str
    environment: str
    steps: tuple[Step, ...]
    kept: tuple[str, ...]
    addresses: tuple[Address, ...]
    locked: bool
    scaled: tuple[Scaled, ...] = ()


def run(
    project: Workspace,
    engine: Engine,
    background: Background,
    *,
    tell: Tell,
    frozen: bool = False,
    dry_run: bool = False,
    origin: Origin | None = None,
) -> UpResult:
    """Lock if there is no lockfile, build what is missing, create, start and wait until all is ready; stay live.

    Args:
        origin: What services are to begin with.

    Raises:
        Unconsented: The project asks for what nobody has allowed; nothing was begun.
        Problems: Secrets that people have to bring are missing.
        LockfileError: It is missing and `frozen`, or it does not cover the project.
        NotReady: An app or service did not come up; the others stay.
    """
    if not dry_run:
        environment.require_consent(project)
        _collect(project)
    architecture = engine.info.architecture
    locked = _lock(project, architecture, tell, frozen=frozen)
    if origin is not None:
        origin.prepare(project)
    copies = workspace.copies(project, engine)
    wanted = workspace.resolve(project, architecture, copies=copies, records=not dry_run)
    if dry_run:
        todo = environment.prepare(project, engine, wanted)
        return _result(project, engine, wanted, todo.steps, todo.kept, locked=locked)

    if not any(one.kind == "files" for one in wanted.containers):
        _leave_copies(background, tell)
    if project.claimed.remark:
        tell(Remark(project.claimed.remark))
    if origin is not None:
        origin.fill(project, engine, wanted, tell)
    ahead, fill = functools.partial(background.begin, wanted), background.filling(wanted, tell)
    with entry.kept(project.machine, engine, tell):
        outcome = environment.converge(project, engine, wanted, tell=tell, ahead=ahead, fill=fill)
    wanted = outcome.wanted
    if project.claimed.source or origin is not None:
        workspace.begun(project)
    client = background.ensure(wanted)
    for line in _held(client) if client is not None else ():
        tell(Remark(line))
    recorded = not frozen and environment.record(project, outcome.digests, architecture)
    return _result(project, engine, wanted, outcome.steps, outcome.kept, locked=locked or recorded)


def _collect(project: Workspace) -> None:
    """Find the secrets that people bring, to be what containers are given."""
    if project.project.secrets:
        from devenv import vault

        vault.collect(project)


def _held(client: Client) -> Iterator[str]:
    """Which files are not kept equal until somebody says so, and why."""
    with suppress(DevenvError):  # it may end while it is asked
        for one in client.report().sessions:
            if one.stage in ("halted", "paused"):
                yield f"files of `{one.app}` are not kept equal: {one.stage}{f': {one.reason}' if one.reason else ''}"


def _leave_copies(background: Background, tell: Tell) -> None:
    """Bring out what was changed inside, where folders were copied until now."""
    flushed = background.flush(PATIENCE)
    if flushed is not None and not flushed.done:
        tell(Remark(f"what was changed inside is not outside yet: {flushed.reason}; it stays in the volume"))


def _result(
    project: Workspace,
    engine: Engine,
    wanted: Blueprint,
    steps: tuple[Step, ...],
    kept: tuple[str, ...],
    *,
    locked: bool,
) -> UpResult:
    return UpResult(
        instance=wanted.instance,
        environment=identity.current(project),
        steps=steps,
        kept=kept,
        addresses=addresses.of(wanted, entry.find(project.machine, engine.address)),
        locked=locked,
        scaled=workspace.scaled(project),
    )


def _lock(project: Workspace, architecture: str, tell: Tell, *, frozen: bool) -> bool:
    """Write the lockfile where there is none yet."""
    if frozen and workspace.needs_lock(project) and lockfile.read(project.folder) is None:
        raise LockfileError(f"there is no `{lockfile.NAME}`, and `--frozen` forbids writing one", hint="commit it")
    return pinning.begin(project, architecture, tell)
