"""Saves the data of services: by a service's own dump where it has one and runs, else as files of a stopped server."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import BinaryIO

from devenv import catalog, generations, workspace
from devenv.blueprint import containers
from devenv.engine import readiness
from devenv.engine.protocol import Engine
from devenv.errors import DevenvError
from devenv.model import labels
from devenv.model.blueprint import Blueprint, Container, Observed, SeenContainer
from devenv.model.progress import Report
from devenv.model.project import Service
from devenv.model.snapshot import Method, Part, Stream
from devenv.snapshots import carriers, packing, store
from devenv.snapshots.store import Draft
from devenv.values import dataclass
from devenv.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Saving:
    """What services are saved from."""

    project: Workspace
    engine: Engine
    wanted: Blueprint
    observed: Observed
    report: Report

    def save(self, name: str, draft: Draft) -> Part:
        """Save one service's data.

        Raises:
            DevenvError: Something failed.
        """
        service = self._service(name)
        there, running, method = self._volumes(service), self._running(name), self.method(name)
        if method == "dump" and running is not None:
            argv = containers.dump(self.project.project, service, self.project.entries)
            return self._part(service, there, method, (self._dump(name, running, argv, draft),))
        return self._part(service, there, method, self._files(name, running, there, draft))

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
        dumps = containers.dump(self.project.project, service, self.project.entries) and not service.volumes
        return "dump" if dumps and self._running(name) is not None else "files"

    def wait(self, parts: Sequence[Part]) -> None:
        """Wait until the services that were stopped serve again.

        Raises:
            NotReady: One does not.
        """
        for part in parts:
            running = self._running(part.name)
            if part.method == "files" and running is not None:
                readiness.wait(self.engine, running.name, self._container(part.name))

    def _service(self, name: str) -> Service:
        return next(one for one in self.project.project.services if one.name == name)

    def _volumes(self, service: Service) -> dict[str, str]:
        """The engine's names of a service's volumes that are there, by their own."""
        generation = workspace.generations(self.project).get(service.name, generations.FIRST)
        names = {one.name for one in self.observed.volumes}
        own = generations.volumes(self.project, service, generation)
        return {local: volume for local, volume in own.items() if volume in names}

    def _running(self, name: str) -> SeenContainer | None:
        found = (one for one in self.observed.containers if one.labels.get(labels.UNIT) == name)
        return next((one for one in found if one.status == "running"), None)

    def _container(self, name: str) -> Container:
        return next(one for one in self.wanted.containers if one.unit == name)

    def _dump(self, name: str, running: SeenContainer, argv: Sequence[str], draft: Draft) -> Stream:
        # A server that initialises an empty volume may answer on its socket.
        readiness.wait(self.engine, running.name, self._container(name))
        content = carriers.dumped(self.engine, running.name, argv, name)
        moved = store.progress(self.report, name, "saving", None)
        file = f"{name}.dump.gz"
        return draft.add(file, lambda out: packing.write(content, out, file, None, moved))

    def _files(
        self, name: str, running: SeenContainer | None, there: dict[str, str], draft: Draft
    ) -> tuple[Stream, ...]:
        with self._stopped(running):
            return tuple(self._volume(name, local, volume, draft) for local, volume in there.items())

    def _volume(self, name: str, local: str, volume: str, draft: Draft) -> Stream:
        file, moved = f"{name}.{local.lower()}.tar.gz", store.progress(self.report, name, "saving", None)
        with carriers.holding(self.engine, self.wanted, self._container(name), volume) as carrier:
            content = self.engine.pack(carrier, carriers.DATA)
            return draft.add(file, functools.partial(_packed, content, file, local, moved))

    @contextmanager
    def _stopped(self, running: SeenContainer | None) -> Iterator[None]:
        """Stop a container for the length of the block, whatever becomes of it."""
        if running is None:
            yield
            return
        try:
            self.engine.stop(running.name, int(running.labels.get(labels.GRACE, "10")))
            yield
        finally:
            self.engine.start(running.name)

    def _part(self, service: Service, there: dict[str, str], method: Method, streams: tuple[Stream, ...]) -> Part:
        """What a part says of itself; the volume knows better than `devenv.toml` whose data it holds."""
        container = self._container(service.name)
        wanted = {one.name: one.labels.get(labels.DATA, "") for one in self.wanted.volumes}
        held = {one.name: one.labels.get(labels.DATA, "") for one in self.observed.volumes}
        data = next((held[one] or wanted.get(one, "") for one in there.values()), "")
        same = data == next((wanted.get(one, "") for one in there.values()), "")
        return Part(
            name=service.name,
            use=use(service),
            version=self._version(service) if same else data.rpartition(" ")[2],
            data=data,
            method=method,
            architecture=self.engine.info.architecture,
            image=next(one.key for one in self.wanted.images if one.reference == container.image) if same else "",
            streams=streams,
        )

    def _version(self, service: Service) -> str:
        if service.use is None:
            return ""
        entry = self.project.entries.service(service.use)
        return catalog.chosen_version(entry, service.origin, self.project.project.suite, service.version)


def use(service: Service) -> str:
    """What a service is, for snapshots: its entry in the catalog, or its image without tag and digest."""
    if service.use is not None:
        return service.use
    name = (service.image or "").partition("@")[0]
    head, slash, last = name.rpartition("/")
    return f"image {head}{slash}{last.partition(':')[0]}"


def _packed(content: Iterator[bytes], file: str, local: str, moved: packing.Moved, out: BinaryIO) -> Stream:
    return packing.write(content, out, file, local, moved)
