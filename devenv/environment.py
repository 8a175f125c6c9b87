"""A project's environment on an engine: brings it to its blueprint, and takes it away."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from devenv import balancing, config, generations, identity, joining, lockfile, plan, render, secrets, supply, workspace
from devenv.blueprint.mounts import USERS
from devenv.engine import apply, passwd, ports, readiness
from devenv.engine.apply import StepEvent
from devenv.engine.protocol import Engine, SeenImage
from devenv.errors import DevenvError, EngineError, NotFound, PortTaken
from devenv.model import labels
from devenv.model.blueprint import Blueprint, Container, Image, Observed, Plan, Port, SeenContainer, Step
from devenv.model.pins import RegistryPin
from devenv.model.progress import Progress
from devenv.values import dataclass
from devenv.workspace import Workspace

# A plan is made again after it was carried out, for something may have ended meanwhile: a crash, another tool.
ROUNDS = 3
# Other ports are chosen for those that are taken so many times at most: an engine's host need not be this one.
MOVES = 20


@dataclass(frozen=True, slots=True)
class SetupLine:
    """A line an app's setup printed."""

    unit: str
    text: str


@dataclass(frozen=True, slots=True)
class Filled:
    """The volume that a container holds is equal to the project's folder: so many files, folders and links."""

    unit: str
    paths: int


@dataclass(frozen=True, slots=True)
class Remark:
    """Something people should know though the work goes on."""

    text: str


Event = StepEvent | Progress | SetupLine | Filled | Remark
Tell = Callable[[Event], None]
"""Hears what happens, from several threads."""

Fill = Callable[[Container, threading.Event], int]
"""Brings a folder into the volume that a files container holds; returns the number of paths.

The event is set when nobody waits for it any more.
"""


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
    images = _images(engine, wanted, observed, digests)
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
        NotReady: A container exited or did not become ready; the others stay.
        PortTaken: Something has a port that is declared.
    """
    observed = engine.observe(wanted.instance)
    workspace.guard(workspace_, observed)
    if generations.settle(workspace_, engine, observed):
        wanted = _again(workspace_, engine, wanted)
        observed = engine.observe(wanted.instance)
    _object(workspace_, wanted, observed)
    secrets.write(workspace_.project, workspace_.entries, wanted)
    render.write(wanted, workspace_.folder, functools.partial(identity.current, workspace_))
    work = _Work(workspace_, engine, wanted, tell, ahead, fill)
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
        except _Taken as taken:
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


def _again(workspace_: Workspace, engine: Engine, wanted: Blueprint) -> Blueprint:
    """The blueprint after something that is recorded for the checkout has changed."""
    copies = any(one.kind == "files" or any(mount.kind == "copy" for mount in one.mounts) for one in wanted.containers)
    return workspace.resolve(workspace_, engine.info.architecture, copies=copies)


class _Taken(PortTaken):
    """A container's port of the host is taken.

    Args:
        is_ours: Whether by a container of this instance, which is to go.
    """

    def __init__(self, unit: str, port: Port, holder: str, *, is_ours: bool) -> None:
        hint = "stop it, or set another port in `devenv.toml` or `devenv.local.toml`"
        super().__init__(f"`{unit}` cannot have port {port.host}: {holder} listens there", port.host, hint=hint)
        self.unit = unit
        self.published = port
        self.holder = holder
        self.is_ours = is_ours


def _gives_way(workspace_: Workspace, taken: _Taken, tell: Tell) -> bool:
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
    work = _Work(workspace_, engine, wanted, tell, lambda: None, None)
    work.bring(units)
    return work.digests


def _seeded(
    workspace_: Workspace, engine: Engine, wanted: Blueprint, observed: Observed, work: _Work, tell: Tell
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


def _images(engine: Engine, wanted: Blueprint, observed: Observed, digests: dict[str, str]) -> dict[str, str]:
    """The engine's id of each image that is there and right; an image in proper use is not asked for again."""
    seen = {one.name: one for one in observed.containers}
    found: dict[str, str] = {}
    for image in wanted.images:
        users = [seen.get(one.name) for one in wanted.containers if one.image == image.reference]
        configs = [one.config_hash for one in wanted.containers if one.image == image.reference]
        used = {
            one.image if one is not None and one.labels.get(labels.CONFIG) == config else None
            for one, config in zip(users, configs, strict=True)
        }
        known = used.pop() if len(used) == 1 else None
        if known is not None:
            found[image.reference] = known
        elif (there := present(engine, image)) is not None:
            found[image.reference] = there.id
            if image.is_reproducible:
                digests[image.key] = there.config_digest
    return found


def present(engine: Engine, image: Image) -> SeenImage | None:
    """The image as the engine has it; None when it does not, or has another under its name."""
    there = engine.image(image.reference)
    if there is None or image.digest not in (None, there.config_digest):
        return None
    # An image of a registry is known by its digest alone; what was built here tells which pin it was built from.
    known = isinstance(image.source, RegistryPin) or there.labels.get(labels.PIN) == image.key
    return there if known else None


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


class _Work:
    """Carries out single steps."""

    def __init__(
        self,
        workspace_: Workspace,
        engine: Engine,
        wanted: Blueprint,
        tell: Tell,
        ahead: Callable[[], None],
        fill: Fill | None,
    ) -> None:
        self._workspace = workspace_
        self._engine = engine
        self._tell = tell
        self._ahead = ahead
        self._fill = fill
        # Each remark once, though every image may give cause for it.
        self._remark = functools.cache(lambda line: tell(Remark(line)))
        self.follow(wanted)
        self._building = threading.Lock()
        self._users = threading.Lock()
        self._started: set[str] = set()
        self._drained: dict[str, str] = {}
        self._balancer = next((one.name for one in wanted.containers if one.kind == "balancer"), None)
        self.digests: dict[str, str] = {}

    def follow(self, wanted: Blueprint) -> None:
        """Work towards this one from now on."""
        self.wanted = wanted
        self._images = {image.reference: image for image in wanted.images}
        self._networks = {one.name: one for one in (wanted.network, *wanted.shared)}
        self._containers = {one.name: one for one in wanted.containers}

    def bring(self, units: Collection[str]) -> None:
        """Bring the images of these units, ahead of everything else."""
        used = {one.image for one in self.wanted.containers if one.unit in units}
        images = tuple(one for one in self.wanted.images if one.reference in used)
        there = _images(self._engine, replace(self.wanted, images=images), Observed(), self.digests)
        apply.run(plan.bring(images, there), self.perform, self._tell)

    def perform(self, step: Step, off: threading.Event) -> None:
        if step.kind == "image":
            self._bring(self._images[step.target], off)
        elif step.kind == "network":
            self._engine.create(self._networks[step.target])
        elif step.kind == "volume":
            self._engine.create(next(one for one in self.wanted.volumes if one.name == step.target))
        else:
            self._container(step, off)

    def _bring(self, image: Image, off: threading.Event) -> None:
        """Pull or build an image; builds one after the other, for each keeps the engine busy by itself."""
        report = functools.partial(self._progress, off)
        bring = supply.Supply(self._engine, self._workspace.machine, report, self._remark)
        if isinstance(image.source, RegistryPin):
            bring.get(image)
            return
        with self._building:
            if off.is_set():
                raise apply.CalledOff
            digest = bring.get(image)
            if image.is_reproducible:
                self.digests[image.key] = digest

    def _progress(self, off: threading.Event, progress: Progress) -> None:
        """Pass a build's progress on; a build that was called off ends at its next report."""
        if off.is_set():
            raise apply.CalledOff
        self._tell(progress)

    def _container(self, step: Step, off: threading.Event) -> None:
        name = step.target
        if step.verb == "remove":
            self._engine.remove("container", name)
            return
        # One that is no longer wanted is like the others of its unit.
        container = self._containers.get(name) or self._like(step.unit)
        match step.verb:
            case "drain":
                self._drain(name, container)
            case "stop":
                self._engine.stop(name, container.stop_grace)
                self._release(name, container)
            case "create":
                self._passwd(container)
                self._engine.create(container, self.wanted.network.name if container.is_attached else None)
            case "start":
                if container.kind == "files":
                    self._ahead()
                self._start(container)
            case "wait":
                # Of a container that has run for long, the setup's output is old.
                heard = functools.partial(self._heard, container.unit) if name in self._started else None
                readiness.wait(self._engine, name, container, off=off, heard=heard)
                self._join(name, container)
                self._filled(container, off)
            case verb:
                raise AssertionError(f"no container step: {verb}")

    def _like(self, unit: str | None) -> Container:
        return next(one for one in self.wanted.containers if one.unit == unit)

    def _join(self, name: str, container: Container) -> None:
        if self._balancer is not None and container.behind and name in self._started:
            balancing.join(self._engine, self._balancer, container, self._address(name))

    def _address(self, name: str) -> str:
        with suppress(NotFound):
            return self._engine.look(name).address
        return ""

    def settle(self) -> None:
        """Wait until a new balancer has heard of apps that were there before it; leave no replica drained."""
        if self._balancer is not None:
            balancing.heal(self._engine, self._balancer, balancing.backends(self.wanted))
        if self._balancer in self._started:
            for container in self.wanted.containers:
                if container.behind and container.replica == 1:
                    balancing.join(self._engine, self._balancer or "", container, self._address(container.name))

    def _drain(self, name: str, container: Container) -> None:
        if self._balancer is not None:
            self._drained[name] = self._address(name)
            balancing.drain(self._engine, self._balancer, container, self._drained[name])

    def _release(self, name: str, container: Container) -> None:
        if self._balancer is not None and name in self._drained:
            balancing.release(self._engine, self._balancer, container, self._drained[name])

    def refill(self, kept: Collection[str]) -> None:
        """See that volumes whose containers stay are equal to their folders, before others that use them start."""
        for container in self.wanted.containers:
            if container.name in kept:
                self._filled(container, threading.Event())

    def _filled(self, container: Container, off: threading.Event) -> None:
        if container.kind == "files" and self._fill is not None:
            self._tell(Filled(container.unit, self._fill(container, off)))

    def _heard(self, unit: str, line: str) -> None:
        if line.strip():
            self._tell(SetupLine(unit, line))

    def _start(self, container: Container) -> None:
        self._started.add(container.name)
        try:
            self._engine.start(container.name)
        except PortTaken as error:
            taken = self._taken(container, error)
            if taken is None:
                raise
            raise taken from error

    def _taken(self, container: Container, error: PortTaken) -> _Taken | None:
        """Which port it is, and who has it; None when that cannot be told."""
        held = ports.taken(container.ports) if error.port is None else None
        host = held.port if held is not None else error.port
        port = next((one for one in container.ports if one.host == host), None)
        if port is None:
            return None
        try:
            seen = self._engine.publishing(port.host)
        except EngineError:  # not every engine can be asked that
            seen = None
        if seen is None:
            holder = ports.holder(port.host) if self._engine.info.local else "something"
            return _Taken(self._owner(container, port), port, holder, is_ours=False)
        ours = seen.labels.get(labels.INSTANCE) == self.wanted.instance
        # One that stays does not give way.
        goes = seen.name not in {one.name for one in self.wanted.containers}
        return _Taken(self._owner(container, port), port, _described(seen), is_ours=ours and goes)

    def _owner(self, container: Container, port: Port) -> str:
        """The unit whose port it is: the balancer publishes those of apps."""
        behind = (one.unit for one in self.wanted.containers if port.container in one.behind)
        return next(behind, container.unit) if container.kind == "balancer" else container.unit

    def _passwd(self, container: Container) -> None:
        """Make the file that names the user inside; apps of one image share it, so one after the other."""
        for mount in container.mounts:
            if mount.target == USERS and container.user is not None:
                path, instance = Path(mount.source), self.wanted.instance
                with self._users:
                    passwd.make(self._engine, container.image, path, user=container.user, instance=instance)


def _described(seen: SeenContainer) -> str:
    """A container, with whose it is."""
    if labels.INSTANCE not in seen.labels:
        return f"container `{seen.name}`"
    return f"container `{seen.name}` of `{seen.labels[labels.INSTANCE]}` in `{seen.labels.get(labels.FOLDER, '?')}`"
