"""Saves the data of services: by a service's own dump where it has one and runs, else as files of a stopped server."""

from __future__ import annotations

import functools
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import BinaryIO

from devenv import catalog, environment, generations, workspace
from devenv.blueprint import services
from devenv.engine import apply, readiness
from devenv.engine.protocol import Engine
from devenv.errors import DevenvError, NotReady
from devenv.model import labels
from devenv.model.blueprint import Blueprint, Container, Observed, Plan, SeenContainer, Step, StepVerb
from devenv.model.project import Service
from devenv.model.snapshot import Method, Part, Stream
from devenv.snapshots import carriers, packing, store
from devenv.snapshots.store import Draft
from devenv.telling import Remark, Tell
from devenv.values import dataclass
from devenv.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Saving:
    """What services are saved from.

    Args:
        cause: The command that asks for it.
    """

    project: Workspace
    engine: Engine
    wanted: Blueprint
    observed: Observed
    tell: Tell
    cause: str = "devenv snapshot save"

    @classmethod
    def of(cls, project: Workspace, engine: Engine, tell: Tell, cause: str = "devenv snapshot save") -> Saving:
        """See what there is to save of a project's instance.

        Raises:
            DevenvError: It is another folder's.
        """
        observed = engine.observe(project.instance)
        workspace.guard(project, observed)
        if generations.settle(project, engine, observed):
            observed = engine.observe(project.instance)
        copies = workspace.copies_recorded(project, engine.address)
        wanted = workspace.resolve(project, engine.info.architecture, copies=copies)
        return cls(project, engine, wanted, observed, tell, cause)

    def ready(self, services: Sequence[str]) -> tuple[str, ...]:
        """Bring what saving takes; return those of these services that have data.

        Raises:
            DevenvError: None of them has.
        """
        held = self.holding(services)
        for one in services:
            if one not in held:
                self.tell(Remark(f"`{one}` has no data yet, and the snapshot has none of it"))
        carried = [one for one in held if self.method(one) == "files"]
        environment.bring(self.project, self.engine, self.wanted, carried, tell=self.tell)
        return held

    def run(self, names: Sequence[str], draft: Draft) -> tuple[Part, ...]:
        """Save the data of these services: those whose files are copied all as of one moment.

        Raises:
            DevenvError: Something failed.
        """
        dumping = [name for name in names if self.method(name) == "dump"]
        copied = [name for name in names if name not in dumping]
        streams: dict[str, tuple[Stream, ...]] = {name: (self._dump(name, draft),) for name in dumping}
        with self._stopped(copied):
            streams |= {name: self._files(name, draft) for name in copied}
        return tuple(self._part(name, "dump" if name in dumping else "files", streams[name]) for name in names)

    def holding(self, names: Sequence[str]) -> tuple[str, ...]:
        """Those of these services that have data.

        Raises:
            DevenvError: None of them has.
        """
        found = tuple(name for name in names if self._volumes(self._service(name)))
        if not found:
            listed = " and ".join(f"`{name}`" for name in names)
            raise DevenvError(f"there is no data of {listed} yet", hint="`devenv up` lets services begin")
        return found

    def method(self, name: str) -> Method:
        """How a service is saved as things are; a dump has nothing of volumes that the project adds."""
        service = self._service(name)
        dumps = services.dump(self.project.project, service, self.project.entries) and not service.volumes
        return "dump" if dumps and self._running(name) is not None else "files"

    def wait(self, parts: Sequence[Part]) -> None:
        """Wait until the services that were stopped serve again.

        Raises:
            NotReady: One does not.
        """
        self._do("wait", [part.name for part in parts if part.method == "files"])

    def _service(self, name: str) -> Service:
        return next(one for one in self.project.project.services if one.name == name)

    def _volumes(self, service: Service) -> dict[str, str]:
        """The engine's names of a service's volumes that are there, by their own."""
        generation = workspace.generations(self.project).get(service.name, generations.FIRST)
        names = {one.name for one in self.observed.volumes}
        own = generations.volumes(self.project, service, generation)
        return {local: volume for local, volume in own.items() if volume in names}

    def _running(self, name: str) -> SeenContainer | None:
        """A service's container, if it runs.

        Raises:
            NotReady: It neither runs nor has it ended.
        """
        found = next((one for one in self.observed.containers if one.labels.get(labels.UNIT) == name), None)
        if found is not None and found.status in ("paused", "restarting", "removing"):
            raise NotReady(f"`{name}` is {found.status}", hint=f"`devenv restart {name}` lets it run")
        return found if found is not None and found.status == "running" else None

    def _container(self, name: str) -> Container:
        return next(one for one in self.wanted.containers if one.unit == name)

    def _dump(self, name: str, draft: Draft) -> Stream:
        running = self._running(name)
        assert running is not None
        # A server that initialises an empty volume may answer on its socket.
        readiness.wait(self.engine, running.name, self._container(name))
        argv = services.dump(self.project.project, self._service(name), self.project.entries)
        content = carriers.dumped(self.engine, running.name, argv, name)
        file, moved = f"{name}.dump.gz", store.progress(self.tell, name, "saving", None)
        return draft.add(file, lambda out: packing.write(content, out, file, None, moved))

    def _files(self, name: str, draft: Draft) -> tuple[Stream, ...]:
        there = self._volumes(self._service(name))
        return tuple(self._volume(name, local, volume, draft) for local, volume in there.items())

    def _volume(self, name: str, local: str, volume: str, draft: Draft) -> Stream:
        file, moved = f"{name}.{local.lower()}.tar.gz", store.progress(self.tell, name, "saving", None)
        with carriers.holding(self.engine, self.wanted, self._container(name), volume) as carrier:
            content = self.engine.pack(carrier, carriers.DATA)
            return draft.add(file, functools.partial(_packed, content, file, local, moved))

    @contextmanager
    def _stopped(self, names: Sequence[str]) -> Iterator[None]:
        """Stop those of these services that run for the length of the block, whatever becomes of it."""
        try:
            self._do("stop", names)
            yield
        finally:
            self._do("start", names)

    def _do(self, verb: StepVerb, names: Sequence[str]) -> None:
        """Stop, start or await those of these services that ran, all at once."""
        running = {one.name: one for one in map(self._running, names) if one is not None}
        steps = (
            Step(verb, "container", name, f"`{self.cause}`", unit=one.labels.get(labels.UNIT))
            for name, one in running.items()
        )

        def perform(step: Step, off: threading.Event) -> None:
            if step.verb == "stop":
                self.engine.stop(step.target, environment.grace(self.observed, step.target))
            elif step.verb == "start":
                self.engine.start(step.target)
            else:
                readiness.wait(self.engine, step.target, self._container(step.unit or ""), off=off)

        apply.run(Plan(tuple(steps)), perform, self.tell)

    def _part(self, name: str, method: Method, streams: tuple[Stream, ...]) -> Part:
        """What a part says of itself; the volume knows better than `devenv.toml` whose data it holds."""
        service, container = self._service(name), self._container(name)
        there = self._volumes(service)
        wanted = {one.name: one.labels.get(labels.DATA, "") for one in self.wanted.volumes}
        seen = {one.name: one.labels for one in self.observed.volumes}
        data = next((seen[one].get(labels.DATA) or wanted.get(one, "") for one in there.values()), "")
        same = data == next((wanted.get(one, "") for one in there.values()), "")
        secrets = next((seen[one].get(labels.SECRETS, "") for one in there.values()), "")
        return Part(
            name=name,
            use=use(service),
            version=self._version(service) if same else data.rpartition(" ")[2],
            data=data,
            method=method,
            architecture=self.engine.info.architecture,
            secrets=secrets if method == "files" else "",
            image=next(one.key for one in self.wanted.images if one.reference == container.image) if same else "",
            streams=streams,
        )

    def _version(self, service: Service) -> str:
        if service.use is None:
            return ""
        entry = self.project.entries.service(service.use)
        return catalog.chosen_version(entry, service.origin, self.project.project.suite, service.version)


def use(service: Service) -> str:
    """What a service is, for snapshots: its entry in the catalog, its Dockerfile, or its image without its tag."""
    if service.use is not None:
        return service.use
    if service.dockerfile is not None:
        return f"dockerfile {service.dockerfile}"
    name = (service.image or "").partition("@")[0]
    head, slash, last = name.rpartition("/")
    return f"image {head}{slash}{last.partition(':')[0]}"


def _packed(content: Iterator[bytes], file: str, local: str, moved: packing.Moved, out: BinaryIO) -> Stream:
    return packing.write(content, out, file, local, moved)
