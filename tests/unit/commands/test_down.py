from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pytest

from devenv.commands import down
from devenv.engine.memory import MemoryEngine
from devenv.engine.protocol import SeenImage
from devenv.errors import Conflict, NotReady
from devenv.live import Background
from devenv.live.place import Flushed
from devenv.model import labels
from devenv.model.blueprint import Container, Volume
from devenv.model.machine import Machine
from devenv.telling import Event, Remark
from devenv.workspace import Workspace
from tests import projects


class Process(Background):
    """A background process of whom is known what a flush comes to; None: none runs."""

    def __init__(self, project: Workspace, flushed: Flushed | None) -> None:
        super().__init__(project, "memory://")
        self.flushed = flushed
        self.did: list[str] = []

    def flush(self, seconds: float) -> Flushed | None:
        self.did.append("flush")
        return self.flushed

    def stop(self) -> bool:
        self.did.append("stop")
        return True


@dataclass
class World:
    folder: Path
    told: list[Event] = field(default_factory=list)

    def __post_init__(self) -> None:
        project = projects.project(self.folder)
        self.project = Workspace(self.folder, project, projects.CATALOG, Machine(state=self.folder))
        self.engine = MemoryEngine(images={"image": SeenImage("sha256:1", "sha256:1", {})})
        own = {labels.INSTANCE: "shop", labels.FOLDER: str(self.folder), labels.KIND: "files"}
        self.engine.create(Volume("shop_web-files", own))
        self.engine.create(Container("shop-web.files-1", "web.files", "files", "image", labels=own))
        self.engine.start("shop-web.files-1")

    def down(self, process: Process, *, volumes: bool = True, force: bool = False) -> list[str]:
        down.run(self.project, self.engine, process, volumes=volumes, tell=self.told.append, force=force)
        return [one.text for one in self.told if isinstance(one, Remark)]


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_what_was_changed_inside_comes_out_before_the_process_is_ended(world: World) -> None:
    process = Process(world.project, Flushed(True))
    process.place.state("shop_web-files").mkdir(parents=True)
    assert world.down(process) == []
    assert process.did == ["flush", "stop"]
    assert world.engine.volumes == {}
    assert not process.place.state("shop_web-files").exists()


def test_volumes_with_files_that_could_not_come_out_stay_unless_forced(world: World) -> None:
    process = Process(world.project, Flushed(False, "it is paused"))
    with pytest.raises(Conflict, match="what was changed inside is not outside yet: it is paused"):
        world.down(process)
    assert list(world.engine.volumes) == ["shop_web-files"]
    assert "shop-web.files-1" in world.engine.containers
    assert world.down(process, force=True) == ["what was changed inside is not outside yet: it is paused"]
    assert world.engine.volumes == {}


def test_without_volumes_it_is_only_told(world: World) -> None:
    process = Process(world.project, Flushed(False, "it is paused"))
    words = "what was changed inside is not outside yet: it is paused; it stays in the volume"
    assert world.down(process, volumes=False) == [words]
    assert (world.engine.containers, list(world.engine.volumes)) == ({}, ["shop_web-files"])


def test_where_no_process_runs_one_brings_out_what_is_inside_before_volumes_go(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[str] = []

    def begin(*_: object) -> Flushed:
        begun.append("begun")
        if len(begun) == 1:
            raise NotReady("the engine is gone")
        return Flushed(True)

    monkeypatch.setattr(down, "_begun", begin)
    process = Process(world.project, None)
    with pytest.raises(Conflict, match="not outside yet: the engine is gone"):
        world.down(process)
    assert world.down(process) == []
    assert world.engine.volumes == {}


def test_where_nothing_is_copied_nothing_is_waited_for(world: World) -> None:
    world.engine.stop("shop-web.files-1", 1)
    process = Process(world.project, Flushed(False, "x"))
    assert world.down(process) == []
    assert process.did == ["stop"]
