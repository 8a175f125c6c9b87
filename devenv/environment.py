"""A project's environment on an engine: brings it to its blueprint, and takes it away."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace

from devenv import config, generations, identity, joining, lockfile, plan, render, secrets, workspace
from devenv.engine import apply, readiness
from devenv.engine.protocol import Engine
from devenv.errors import DevenvError
from devenv.model import labels
from devenv.model.blueprint import Blueprint, Container, Observed, Plan, SeenContainer, Step
from devenv.performing import Taken, Work, images_of
from devenv.telling import Fill, Remark, Tell
from devenv.values import dataclass
from devenv.workspace import Workspace

# A plan is made again after it was carried out, for something may have ended meanwhile: a crash, another tool.
ROUNDS = 3
# Other ports are chosen for those that are taken so many times at most: an engine's host need not be this one.
MOVES = 20


@dataclass(frozen=True, slots=True)
class Outcome:
    """What `converge` did.

    Args:
        steps: Those carried out.
        kept: Names of the containers that were right already.
        digests: Config digest of each image that was built or looked at, by key.
        wanted: What there is now; not what was asked for where another port was chosen for one that is taken.
    """

    steps: tuple[Step, ...]
    kept: tuple[str, ...]
    digests: Mapping[str, str]
    wanted: Blueprint


def require_consent(workspace_: Workspace) -> None:
    """Refuse to go on before the user has allowed what the project reaches beyond its own containers.

    For whoever is about to start or change something, before anything else.

    Raises:
        Unconsented: He has not.
    """
    if workspace_.project.reaches:  # few do, and all others would wait for the import
        from devenv import trust

        trust.require(workspace_)


def prepare(
    workspace_: Workspace, engine: Engine, wanted: Blueprint, *, again: Mapping[str, str] | None = None
) -> Plan:
    """The plan for what is there now; changes nothing.

    Args:
        again: Containers to start anew although nothing about them changed, with the cause.

    Raises:
        Conflict: The instance belongs to another folder.
        DevenvError: A volume holds data that its service cannot use, in this version or with this password.
    """
    return _planned(workspace_, engine, wanted, again, {})


def _planned(
    workspace_: Workspace,
    engine: Engine,
    wanted: Blueprint,
    again: Mapping[str, str] | None,
    digests: dict[str, str],
    observed: Observed | None = None,
    tell: Tell = lambda _: None,
) -> Plan:
    """`prepare`, noting in `digests` the config digest of each image that was looked at, by key.

    Args:
        tell: Hears what may go wrong with that plan.
    """
    observed = observed or engine.observe(wanted.instance)
    workspace.guard(workspace_, observed)
    observed = joining.seen(engine, wanted, observed)
    doubts = _object(workspace_, wanted, observed)
    images = images_of(engine, wanted, observed, digests)
    again = _failed(engine, wanted, observed) | dict(again or {})
    todo = plan.make(wanted, observed, images=images, again=again)
    for doubt in doubts if _changes(todo).steps else ():
        tell(Remark(doubt))
    return todo


def _object(workspace_: Workspace, wanted: Blueprint, observed: Observed) -> tuple[str, ...]:
    """Refuse to start a service on data that it cannot use; what cannot be told is returned in words.

    Raises:
        DevenvError: It has another version, or was made with another password.
    """
    _check_data(workspace_, wanted, observed)
    return secrets.object_to(workspace_, wanted, observed)


def _check_data(workspace_: Workspace, wanted: Blueprint, observed: Observed) -> None:
    """Refuse to start a service on data that it cannot use: it would end at once, again and again.

    Raises:
        DevenvError: With the way out.
    """
    there = {one.name: one.labels.get(labels.DATA) for one in observed.volumes}
    for volume in wanted.volumes:
        has, needed = there.get(volume.name), volume.labels.get(labels.DATA)
        if has is None or needed is None or has == needed:
            continue
        unit = next(one.unit for one in wanted.containers for mount in one.mounts if mount.source == volume.name)
        old = has.rpartition(" ")[2]
        where = config.place(workspace_.folder, "services", unit, "version")
        raise DevenvError(
            f"`{unit}` is to be {needed} now, and its volume `{volume.name}` holds the data of {has}",
            hint=f'`version = "{old}"` starts it as before; to move the data, do that, `devenv up -d` and '
            "`devenv snapshot save before`, then set this version again and `devenv snapshot restore before`; "
            f"`devenv reset {unit}` begins anew without it",
            where=where or config.place(workspace_.folder, "services", unit),
        )


def converge(
    workspace_: Workspace,
    engine: Engine,
    wanted: Blueprint,
    *,
    tell: Tell,
    ahead: Callable[[], None] = lambda: None,
    fill: Fill | None = None,
    again: Mapping[str, str] | None = None,
) -> Outcome:
    """Bring the environment to the blueprint, from any state.

    Args:
        ahead: Called when there will be something for `fill` to do in a moment.
        fill: For where folders are copied; called before anything that uses them starts.
        again: See `prepare`.

    Raises:
        Unconsented: The project asks for what nobody has allowed.
        Problems: Apps lack secrets that people have to bring.
        NotReady: A container exited or did not become ready; the others stay.
        PortTaken: Something has a port that is declared.
    """
    require_consent(workspace_)
    _require_secrets(workspace_)
    observed = engine.observe(wanted.instance)
    workspace.guard(workspace_, observed)
    if generations.settle(workspace_, engine, observed):
        wanted = _again(workspace_, engine, wanted)
        observed = engine.observe(wanted.instance)
    _object(workspace_, wanted, observed)
    secrets.write(workspace_.project, workspace_.entries, wanted)
    render.write(wanted, workspace_.folder, functools.partial(identity.current, workspace_))
    work = Work(workspace_, engine, wanted, tell, ahead, fill)
    if _seeded(workspace_, engine, wanted, observed, work, tell):
        observed = engine.observe(wanted.instance)
    first = todo = _planned(workspace_, engine, wanted, again, work.digests, observed, tell)
    done: list[Step] = []
    if _changes(todo).steps:
        work.refill(todo.kept)
    rounds, moves = ROUNDS, MOVES
    while rounds and todo.steps:
        try:
            apply.run(todo, work.perform, tell)
            done, again, rounds = [*done, *todo.steps], None, rounds - 1
        except Taken as taken:
            moves -= 1
            if not moves or not _gives_way(workspace_, taken, tell):
                raise
            wanted = _again(workspace_, engine, wanted)
            work.follow(wanted)
            render.write(wanted, workspace_.folder, functools.partial(identity.current, workspace_))
        todo = _changes(prepare(workspace_, engine, wanted, again=again))
    work.settle()
    for name in generations.superseded(wanted, observed):
        engine.remove("volume", name)
    joining.leave(engine, wanted.instance, joining.left(wanted, observed))
    if done:
        # Files that are made with a container are known only now.
        render.write(wanted, workspace_.folder, functools.partial(identity.current, workspace_))
    return Outcome(tuple(done), first.kept, work.digests, wanted)


def _require_secrets(workspace_: Workspace) -> None:
    """Refuse to start apps without the secrets that their people have to bring."""
    if workspace_.project.secrets:
        from devenv import vault

        vault.require(workspace_)


def _again(workspace_: Workspace, engine: Engine, wanted: Blueprint) -> Blueprint:
    """The blueprint after something that is recorded for the checkout has changed."""
    copies = any(one.kind == "files" or any(mount.kind == "copy" for mount in one.mounts) for one in wanted.containers)
    return workspace.resolve(workspace_, engine.info.architecture, copies=copies)


def _gives_way(workspace_: Workspace, taken: Taken, tell: Tell) -> bool:
    """Choose another port in place of a taken one, if it was chosen; whether it is worth trying again."""
    if taken.is_ours:
        return True
    unit, port = taken.unit, taken.published
    chosen = workspace.move_port(workspace_, unit, port.container, port.host)
    if chosen is not None:
        tell(Remark(f"port {port.host} of `{unit}` is taken by {taken.holder}: it is {chosen} now"))
    return chosen is not None


def bring(
    workspace_: Workspace, engine: Engine, wanted: Blueprint, units: Collection[str], *, tell: Tell
) -> dict[str, str]:
    """Bring the images of these units onto the engine and no more; return the digests of those built or looked at."""
    require_consent(workspace_)
    work = Work(workspace_, engine, wanted, tell, lambda: None, None)
    work.bring(units)
    return work.digests


def _seeded(
    workspace_: Workspace, engine: Engine, wanted: Blueprint, observed: Observed, work: Work, tell: Tell
) -> bool:
    """Let services without any data begin with the seed's; whether there were such."""
    if workspace_.project.seed is None:
        return False
    from devenv import seeds

    empty = seeds.empty(workspace_, wanted, observed)
    if not empty:
        return False
    with seeds.beginning(workspace_, engine, wanted, empty, tell) as seeding:
        if seeding is None:
            return False
        work.bring([one.name for one in seeding.parts])
        seeding.run()
    return True


def record(workspace_: Workspace, digests: Mapping[str, str], architecture: str) -> bool:
    """Add the digests of built images that the lockfile has none for; whether there were any."""
    found = lockfile.read(workspace_.folder)
    pins = None if found is None else found.platforms.get(architecture)
    if found is None or pins is None or not digests.keys() - pins.images.keys():
        return False
    grown = replace(pins, images=dict(digests) | dict(pins.images))
    lockfile.write(workspace_.folder, replace(found, platforms=dict(found.platforms) | {architecture: grown}))
    return True


def take_down(engine: Engine, observed: Observed, *, volumes: bool, tell: Tell, cause: str = "devenv down") -> Plan:
    """Stop and remove what was observed; data stays unless `volumes`.

    Args:
        cause: The command that asks for it.
    """
    todo = plan.teardown(observed, volumes=volumes, cause=cause)

    def perform(step: Step, _off: threading.Event) -> None:
        if step.verb == "stop":
            engine.stop(step.target, grace(observed, step.target))
        else:
            engine.remove(step.kind, step.target)

    apply.run(todo, perform, tell)
    return todo


def stop(engine: Engine, observed: Observed, *, tell: Tell) -> None:
    """Stop what runs, and keep it."""
    everything = plan.teardown(observed, volumes=False).steps
    stops = tuple(replace(one, cause="interrupted") for one in everything if one.verb == "stop")
    apply.run(Plan(stops), lambda step, _off: engine.stop(step.target, grace(observed, step.target)), tell)


def grace(observed: Observed, name: str) -> int:
    """Seconds a container may take to end, as it was created with."""
    seen = next(one for one in observed.containers if one.name == name)
    return int(seen.labels.get(labels.GRACE, "10"))


def _changes(todo: Plan) -> Plan:
    """Only what changes something: what was just seen to be ready need not be probed again."""
    if all(step.verb == "wait" for step in todo.steps):
        return Plan((), todo.kept)
    return todo


def _failed(engine: Engine, wanted: Blueprint, observed: Observed) -> dict[str, str]:
    """Containers whose setup failed: they run on, so that one can look inside, and are to be started anew."""
    seen = {one.name: one for one in observed.containers}
    return {
        container.name: "its setup failed the last time"
        for container in wanted.containers
        if container.setup
        and (there := seen.get(container.name)) is not None
        and _idles(container, there)
        and readiness.setup_failed(engine, container.name)
    }


def _idles(container: Container, seen: SeenContainer) -> bool:
    same = seen.labels.get(labels.CONFIG) == container.config_hash
    return same and seen.status == "running" and "(healthy)" not in seen.status_text
