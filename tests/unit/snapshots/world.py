"""A project with two services that keep data, one with a dump of its own, on an engine in memory that may be killed."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from devenv import environment, lockfile, workspace
from devenv.commands import restore, snapshot
from devenv.engine.memory import MemoryEngine, Ran
from devenv.engine.protocol import Chunk, Command, EngineInfo, SeenImage
from devenv.live import Background
from devenv.model import labels
from devenv.model.blueprint import Blueprint, Container
from devenv.model.machine import Machine
from devenv.model.project import Service
from devenv.model.snapshot import Snapshot
from devenv.snapshots import carriers
from devenv.workspace import Workspace
from tests import engines, projects

SERVICES = (projects.service(), projects.service("redis"))
FRESH = b"initialised"


class Killed(Exception):
    """The process has come to its end."""


class World:
    """Both services run, and have `old` for data."""

    def __init__(self, folder: Path, services: tuple[Service, ...] = SERVICES, **changes: Any) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "devenv.toml").write_text("[services.postgres]\n[services.redis]\n")
        project = projects.project(folder, services=services, **changes)
        self.project = Workspace(folder, project, projects.CATALOG, Machine(state=folder / "state"))
        lockfile.write(folder, projects.lock(project))
        info = EngineInfo("memory://", "Memory", "1", "amd64", local=False)
        images = {
            one.reference: SeenImage(f"id-{one.key}", f"id-{one.key}", {labels.PIN: one.key})
            for one in self.wanted.images
        }
        self.engine = MemoryEngine(images=images, program=self._begin, execute=self._execute, info=info)

    @property
    def wanted(self) -> Blueprint:
        return workspace.resolve(self.project, "amd64")

    def up(self) -> None:
        environment.converge(self.project, self.engine, self.wanted, tell=lambda _: None)

    def save(self, name: str = "base", services: Sequence[str] = ("postgres", "redis")) -> Snapshot:
        return snapshot.save(self.project, self.engine, name, services, tell=lambda _: None)

    def restore(self, name: str = "base", *services: str) -> None:
        what = restore.chosen(self.project, name, services)
        background = Background(self.project, "memory://")
        restore.run(self.project, self.engine, background, what, tell=lambda _: None)

    def put(self, word: str) -> None:
        """Let the services have this for data."""
        self.engine.contents[self._volume("postgres")] = f"SQL of {word}".encode()
        self.engine.contents[self._volume("redis")] = engines.tar({"devenv-data/word": word.encode()})

    def words(self) -> set[str]:
        """What both services have."""
        sql = self.engine.contents.get(self._volume("postgres"), b"")
        redis = self.engine.contents.get(self._volume("redis"), b"")
        found = {word for word in ("old", "new") if f"SQL of {word}".encode() in sql}
        found |= {word for word in ("old", "new") if engines.tar({"devenv-data/word": word.encode()}) == redis}
        return found if sql and redis else {*found, "nothing"}

    def left_over(self) -> list[str]:
        """What the engine and the disk have besides what `up` makes."""
        wanted = self.wanted
        known = {one.name for one in wanted.volumes} | {one.name for one in wanted.containers}
        hidden = [path.name for path in (self.project.folder / ".devenv").rglob("snapshots/.*")]
        return [one for one in (*self.engine.volumes, *self.engine.containers) if one not in known] + hidden

    def _volume(self, unit: str) -> str:
        """The volume that a service runs on, or would."""
        there = [one.wanted for one in self.engine.containers.values() if one.wanted.unit == unit]
        return _data(there[0] if there else next(one for one in self.wanted.containers if one.unit == unit))

    def _begin(self, container: Container) -> Ran:
        if container.mounts and container.unit.startswith("postgres"):
            self.engine.contents.setdefault(_data(container), FRESH)
        return Ran()

    def _execute(self, name: str, command: Command) -> Ran:
        """What PostgreSQL does when it is asked for a dump, or given one."""
        argv, volume = tuple(command.argv), _data(self.engine.containers[name].wanted)
        if carriers.END.decode() in argv:
            return Ran((Chunk("stdout", self.engine.contents[volume]), Chunk("stdout", carriers.END)), 0)
        if "psql" in argv and command.stdin is not None:
            content = b"".join(command.stdin)
            whole = len(content) == int(argv[4]) + len(carriers.END) and content.endswith(carriers.END)
            self.engine.contents[volume] += content
            return Ran(exit_code=0 if whole else 1)
        return Ran(exit_code=0)


def _data(container: Container) -> str:
    return next(one.source for one in container.mounts if one.kind == "volume")


class Fate:
    """Counts what changes the engine or the disk, and ends the process before one of them, or lets that one fail.

    Args:
        at: Which, counted from 1.
        error: What it fails with; None ends the process: nothing works from there on.
    """

    def __init__(self, at: int, error: BaseException | None = None) -> None:
        self.at = at
        self.error = error
        self.count = 0
        self.lock = threading.Lock()

    @property
    def came(self) -> bool:
        return self.count >= self.at

    def strike(self) -> BaseException | None:
        if threading.current_thread().name.startswith("devenv-probe"):  # it asks, and changes nothing
            return None
        with self.lock:
            self.count += 1
            if self.error is None:
                return Killed() if self.came else None
            return self.error if self.count == self.at else None

    @contextmanager
    def over(self, engine: MemoryEngine, *, disk: bool = True, calls: bool = True) -> Iterator[None]:
        """Let it strike in the block."""
        with pytest.MonkeyPatch.context() as patch:
            if disk:
                for place, name in ((os, "fsync"), (Path, "rename"), (Path, "replace"), (Path, "unlink")):
                    patch.setattr(place, name, self._struck(getattr(place, name)))
                patch.setattr(shutil, "rmtree", self._struck(shutil.rmtree))
            if calls:
                patch.setattr(engine, "fail_on", lambda _call, _target: self.strike())
            yield

    def _struck(self, function: Any) -> Any:
        def call(*arguments: Any, **named: Any) -> Any:
            if (error := self.strike()) is not None:
                raise error
            return function(*arguments, **named)

        return call
