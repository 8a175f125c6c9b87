"""Fills new volumes of services from a snapshot; the data in use stays untouched until all of it is there."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from devenv import config, generations, secrets
from devenv.blueprint import services
from devenv.engine.protocol import Engine
from devenv.errors import DevenvError
from devenv.model import labels
from devenv.model.blueprint import Blueprint, Container
from devenv.model.progress import Report
from devenv.model.project import Service
from devenv.model.snapshot import Part, Stream
from devenv.snapshots import carriers, packing, saving, store
from devenv.snapshots.store import Source
from devenv.values import dataclass
from devenv.workspace import Workspace


def fitting(project: Workspace, source: Source, names: Sequence[str]) -> tuple[Part, ...]:
    """The parts of a snapshot for these services, or all its parts; needs no engine.

    Raises:
        DevenvError: The snapshot has nothing for one of them, or the project no such service.
    """
    parts = {one.name: one for one in source.snapshot.parts}
    for name in names:
        if name not in parts:
            has = ", ".join(f"`{one}`" for one in parts)
            raise DevenvError(f"{source.what} has no data of `{name}`", hint=f"it has that of {has}")
    known = {one.name: one for one in project.project.services}
    for name in names or parts:
        if name not in known:
            common = " ".join(f"--service {one}" for one in parts if one in known)
            hint = f"`{common}` takes what the two have in common" if common else None
            raise DevenvError(f"{source.what} has data of `{name}`, which is no service of this project", hint=hint)
        _check_use(project, known[name], parts[name], source.what)
    return tuple(part for name, part in parts.items() if not names or name in names)


def _check_use(project: Workspace, service: Service, part: Part, what: str) -> None:
    used = saving.use(service)
    if part.use != used:
        raise DevenvError(
            f"`{service.name}` is `{used}` here, and {what} has data of `{part.use}` for it",
            hint=f'a service with `use = "{part.use}"` can have it' if " " not in part.use else None,
        )
    if part.method == "dump" and not services.restore(project.project, service, project.entries):
        raise DevenvError(f"`{service.name}` cannot read a dump, and {what} has one for it", hint="update devenv")
    if part.method == "dump" and service.volumes:
        listed = ", ".join(f"`{one}`" for one in service.volumes)
        raise DevenvError(f"`{service.name}` has volumes of its own here, {listed}, and {what} has a dump alone for it")
    known = generations.paths(project, service)
    for stream in part.streams:
        if stream.volume is not None and stream.volume not in known:
            raise DevenvError(f"`{service.name}` has no volume `{stream.volume}`, and {what} has data for it")


@dataclass(frozen=True, slots=True)
class Filling:
    """What new volumes are filled with.

    Args:
        wanted: With the volumes to be filled, none of which the engine has yet.
    """

    project: Workspace
    engine: Engine
    wanted: Blueprint
    source: Source
    report: Report

    def check(self, part: Part) -> None:
        """See that a service can use a part's data.

        Raises:
            DevenvError: It cannot, with the way that leads there.
        """
        unit = self._container(part.name)
        needed = next(
            (one.labels.get(labels.DATA, "") for one in self.wanted.volumes if one.name in _volumes(unit)), ""
        )
        if part.method == "dump":
            if _major(part.data) > _major(needed) > 0:
                raise DevenvError(
                    f"`{part.name}` is {needed} here, and {self.source.what} has a dump of {part.data}",
                    hint=f'data moves to newer versions only: set `version = "{_major(part.data)}"`',
                )
            return
        if part.data != needed:
            there, here = part.data or "any version", needed or "of any version"
            raise DevenvError(
                f"{self.source.what} has files of {there}, and `{part.name}` is {here} here",
                hint="only a dump moves to another version: restore it with the old one, and save it while it runs",
            )
        self._check_secrets(part, unit)
        architecture = self.engine.info.architecture
        if part.data and part.architecture != architecture:
            raise DevenvError(
                f"{self.source.what} has files of {part.data} on {part.architecture}, this engine is {architecture}",
                hint="only a dump moves to another architecture: save it there while the service runs",
            )

    def _check_secrets(self, part: Part, unit: Container) -> None:
        """Files have the passwords in them that they were made with."""
        told = next((one.labels.get(labels.SECRETS) for one in self.wanted.volumes if one.name in _volumes(unit)), None)
        for option in secrets.others(part.secrets, told):
            raise DevenvError(
                f"{self.source.what} has files of `{part.name}` that were made with another `{option}`",
                hint=f"set `{option}` to that one in `{config.LOCAL_NAME}`; where they were saved, `devenv env` has it",
            )

    def run(self, parts: Sequence[Part], numbers: Mapping[str, int]) -> None:
        """Fill the volumes of these services, and make them their data, all at once.

        Args:
            numbers: The generation of each service's volumes in `wanted`.

        Raises:
            DevenvError: Something failed; the data is what it was.
        """
        names = {name for part in parts for name in _volumes(self._container(part.name))}
        mark = generations.begin(self.engine, self.wanted, names)
        try:
            for part in parts:
                self._fill(part)
            generations.commit(self.project, self.engine, mark, numbers)
        except BaseException:
            self._give_up()
            raise

    def _give_up(self) -> None:
        """Leave nothing of it, if that can be; else the next command does."""
        try:
            observed = self.engine.observe(self.wanted.instance)
            generations.settle(self.project, self.engine, observed)
        except DevenvError:
            return

    def _fill(self, part: Part) -> None:
        container = self._container(part.name)
        for stream in part.streams:
            if part.method == "dump":
                self._load(part, stream, container)
            else:
                self._unpack(part, stream, container)

    def _unpack(self, part: Part, stream: Stream, container: Container) -> None:
        service = self._service(part.name)
        target = generations.paths(self.project, service)[stream.volume or ""]
        volume = next(one.source for one in container.mounts if one.target == target)
        moved = store.progress(self.report, part.name, "restoring", stream.size)
        with (
            carriers.holding(self.engine, self.wanted, container, volume) as carrier,
            self.source.open(stream) as file,
        ):
            self.engine.unpack(carrier, "/", packing.read(file, stream, self.source.what, moved))

    def _load(self, part: Part, stream: Stream, container: Container) -> None:
        service = self._service(part.name)
        assert service.use is not None
        entry = self.project.entries.service(service.use)
        argv = services.restore(self.project.project, service, self.project.entries)
        moved = store.progress(self.report, part.name, "restoring", stream.size)
        with (
            carriers.serving(self.engine, self.wanted, container, entry) as carrier,
            self.source.open(stream) as file,
        ):
            content = packing.read(file, stream, self.source.what, moved)
            carriers.restored(self.engine, carrier, argv, content, part.name, size=stream.content)

    def _container(self, name: str) -> Container:
        return next(one for one in self.wanted.containers if one.unit == name)

    def _service(self, name: str) -> Service:
        return next(one for one in self.project.project.services if one.name == name)


def _volumes(container: Container) -> set[str]:
    return {one.source for one in container.mounts if one.kind == "volume"}


def _major(data: str) -> int:
    """The number in `postgres 17`; 0 when there is none."""
    found = re.search(r"(\d+)$", data)
    return int(found[1]) if found else 0
