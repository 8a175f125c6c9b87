"""Carries out single steps of a plan."""

from __future__ import annotations

import functools
import os
import threading
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from devenv import balancing, plan, supply
from devenv.blueprint.mounts import USERS
from devenv.engine import apply, passwd, ports, readiness
from devenv.engine.protocol import Engine, SeenImage
from devenv.errors import EngineError, NotFound, PortTaken
from devenv.model import labels
from devenv.model.blueprint import Blueprint, Container, Image, Observed, Port, SeenContainer, Step
from devenv.model.pins import RegistryPin
from devenv.model.progress import Progress
from devenv.telling import Fill, Filled, Remark, SetupLine, Tell
from devenv.workspace import Workspace

# Installing packages is the work of one processor at a time; each build holds some 100 MB here besides.
BUILDERS = min(os.cpu_count() or 1, 4)


class Taken(PortTaken):
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


def images_of(engine: Engine, wanted: Blueprint, observed: Observed, digests: dict[str, str]) -> dict[str, str]:
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


class Work:
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
        self._building = threading.BoundedSemaphore(BUILDERS)
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
        there = images_of(self._engine, replace(self.wanted, images=images), Observed(), self.digests)
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
        """Pull or build an image; no more builds at once than there are processors, for each keeps one busy."""
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

    def _taken(self, container: Container, error: PortTaken) -> Taken | None:
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
            return Taken(self._owner(container, port), port, holder, is_ours=False)
        ours = seen.labels.get(labels.INSTANCE) == self.wanted.instance
        # One that stays does not give way.
        goes = seen.name not in {one.name for one in self.wanted.containers}
        return Taken(self._owner(container, port), port, _described(seen), is_ours=ours and goes)

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
