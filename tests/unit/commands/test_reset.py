from __future__ import annotations

from pathlib import Path

import pytest

from devenv import blueprint, environment
from devenv.commands import reset
from devenv.engine.memory import MemoryEngine
from devenv.engine.protocol import SeenImage
from devenv.errors import DevenvError, LockfileError, UsageError
from devenv.live import Background
from devenv.model import labels
from devenv.model.blueprint import Blueprint, Container, Volume
from devenv.model.machine import Machine
from devenv.model.project import Project
from devenv.workspace import Workspace
from tests import projects


class World:
    """A project with two services that keep data, and an engine that has volumes."""

    def __init__(self, folder: Path, **volumes: str | None) -> None:
        services = (projects.service(), projects.service("redis"))
        project = projects.project(folder, apps=(projects.app(),), services=services)
        self.project = Workspace(folder, project, projects.CATALOG, Machine(state=folder))
        self.engine = MemoryEngine()
        for name, data in volumes.items():
            own = {labels.INSTANCE: "shop", labels.FOLDER: str(folder)} | ({labels.DATA: data} if data else {})
            self.engine.create(Volume(f"shop_{name}-data", own))

    def reset(self, *names: str) -> list[str]:
        """Reset them; return the volumes that are left."""
        background = Background(self.project, "memory://")
        chosen = reset.chosen(self.project, names)
        result = reset.run(self.project, self.engine, background, chosen, tell=lambda _: None)
        assert not result.is_up
        return sorted(self.engine.volumes)


def resolved(project: Project) -> Blueprint:
    return blueprint.make(project, projects.CATALOG, projects.pins(project), projects.placement(project.root))


def test_a_service_loses_its_data_and_others_keep_theirs(tmp_path: Path) -> None:
    world = World(tmp_path, postgres="postgres 17", redis=None, other=None)
    assert world.reset("postgres") == ["shop_other-data", "shop_redis-data"]


def test_without_a_name_all_that_keep_data_are_meant(tmp_path: Path) -> None:
    world = World(tmp_path, postgres=None, redis=None, other=None)
    assert world.reset() == ["shop_other-data"]


def test_what_cannot_be_started_again_keeps_its_data(tmp_path: Path) -> None:
    world = World(tmp_path, postgres=None, redis=None)
    world.engine.images["image"] = SeenImage("sha256:1", "sha256:1", {})
    own = {labels.INSTANCE: "shop", labels.FOLDER: str(tmp_path), labels.UNIT: "postgres"}
    world.engine.create(Container("shop-postgres-1", "postgres", "service", "image", labels=own))
    with pytest.raises(LockfileError, match=r"no `devenv\.lock`"):
        world.reset("postgres")
    assert "shop_postgres-data" in world.engine.volumes
    assert "shop-postgres-1" in world.engine.containers


def test_names_that_mean_nothing_are_refused(tmp_path: Path) -> None:
    world = World(tmp_path)
    with pytest.raises(UsageError, match="unknown service `postgre`") as caught:
        reset.chosen(world.project, ["postgre"])
    assert caught.value.hint == "did you mean `postgres`?"
    with pytest.raises(UsageError, match="unknown service `web`"):
        reset.chosen(world.project, ["web"])


@pytest.mark.parametrize("data", ["postgres 15", "postgres 18", "mysql 17"])
def test_data_of_another_major_version_is_told_before_anything_starts(tmp_path: Path, data: str) -> None:
    (tmp_path / "devenv.toml").write_text('[services.postgres]\nversion = "17"\n')
    world = World(tmp_path, postgres=data)
    with pytest.raises(DevenvError, match=f"is to be postgres 17 now, and its volume .* the data of {data}") as caught:
        environment.prepare(world.project, world.engine, resolved(world.project.project))
    assert caught.value.where is not None
    assert caught.value.where.line == 2
    assert "`devenv reset postgres`" in (caught.value.hint or "")


@pytest.mark.parametrize("data", ["postgres 17", None])
def test_data_of_the_same_version_or_of_one_that_is_not_known_is_used(tmp_path: Path, data: str | None) -> None:
    world = World(tmp_path, postgres=data)
    assert environment.prepare(world.project, world.engine, resolved(world.project.project)).steps
