"""`devenv up`: brings the environment to what `devenv.toml` asks for."""

from __future__ import annotations

from devenv import addresses, environment, lockfile, pinning, workspace
from devenv.addresses import Address
from devenv.engine.protocol import Engine
from devenv.environment import Tell
from devenv.errors import LockfileError
from devenv.model.blueprint import Step
from devenv.values import dataclass
from devenv.workspace import Workspace


@dataclass(frozen=True, slots=True)
class UpResult:
    """What `up` did, or with `dry_run` would do.

    Args:
        locked: Whether the lockfile was written.
    """

    instance: str
    steps: tuple[Step, ...]
    kept: tuple[str, ...]
    addresses: tuple[Address, ...]
    locked: bool


def run(project: Workspace, engine: Engine, *, tell: Tell, frozen: bool = False, dry_run: bool = False) -> UpResult:
    """Lock if there is no lockfile, build what is missing, create, start and wait until all is ready.

    Raises:
        LockfileError: It is missing and `frozen`, or it does not cover the project.
        NotReady: An app or service did not come up; the others stay.
    """
    architecture = engine.info.architecture
    locked = _lock(project, architecture, tell, frozen=frozen)
    wanted = workspace.resolve(project, architecture)
    if dry_run:
        todo = environment.prepare(project, engine, wanted)
        return UpResult(wanted.instance, todo.steps, todo.kept, addresses.of(wanted), locked)
    outcome = environment.converge(project, engine, wanted, tell=tell)
    recorded = not frozen and environment.record(project, outcome.digests, architecture)
    return UpResult(wanted.instance, outcome.steps, outcome.kept, addresses.of(wanted), locked or recorded)


def _lock(project: Workspace, architecture: str, tell: Tell, *, frozen: bool) -> bool:
    """Write the lockfile where there is none yet; an existing one is never touched."""
    if not workspace.needs_lock(project) or lockfile.read(project.folder) is not None:
        return False
    if frozen:
        raise LockfileError(f"there is no `{lockfile.NAME}`, and `--frozen` forbids writing one", hint="commit it")
    architectures = project.project.platforms or (architecture,)
    lockfile.write(project.folder, pinning.complete(project, architectures, previous=None, report=tell))
    return True
