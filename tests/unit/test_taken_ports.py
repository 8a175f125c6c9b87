"""What `up` does about a port of the host that something else has."""

from __future__ import annotations

from pathlib import Path

import pytest

from devenv import environment, workspace
from devenv.errors import PortTaken
from devenv.model import labels
from devenv.model.blueprint import Container, Port
from devenv.telling import Event, Remark
from tests import projects
from tests.unit.snapshots.world import World


def occupy(world: World, port: int, name: str = "library-web-1", **own: str) -> None:
    """Let another container have a port."""
    image = next(iter(world.engine.images))
    world.engine.create(Container(name, "web", "app", image, ports=(Port(80, port),), labels=own))
    world.engine.start(name)


def up(world: World) -> tuple[environment.Outcome, list[str]]:
    told: list[Event] = []
    outcome = environment.converge(world.project, world.engine, world.wanted, tell=told.append)
    return outcome, [one.text for one in told if isinstance(one, Remark)]


def port_of(world: World, unit: str) -> int:
    return next(one.ports[0].host for one in world.wanted.containers if one.unit == unit)


LIBRARY = {labels.INSTANCE: "library", labels.FOLDER: "/a/library", labels.CONFIG: "x"}


def test_another_one_is_chosen_for_a_chosen_one_and_that_is_said(tmp_path: Path) -> None:
    world = World(tmp_path)
    taken = port_of(world, "redis")
    occupy(world, taken, **LIBRARY)
    outcome, told = up(world)
    now = port_of(world, "redis")
    assert told == [
        f"port {taken} of `redis` is taken by container `library-web-1` of `library` in `/a/library`: it is {now} now"
    ]
    assert world.engine.containers["shop-redis-1"].wanted.ports == (Port(6379, now),)
    assert all(one.status == "running" for one in world.engine.containers.values())
    assert outcome.wanted == world.wanted
    again, told = up(world)
    assert (told, {step.verb for step in again.steps}) == ([], {"wait"})


def test_several_give_way_one_after_the_other(tmp_path: Path) -> None:
    world = World(tmp_path)
    for unit in ("redis", "postgres"):
        occupy(world, port_of(world, unit), f"holder-{unit}", **LIBRARY)
    _, told = up(world)
    assert len(told) == 2
    assert {one.status for one in world.engine.containers.values()} == {"running"}


def test_a_declared_one_is_an_error_that_names_its_holder(tmp_path: Path) -> None:
    world = World(tmp_path, services=(projects.service("redis", port=6380),))
    occupy(world, 6380, **LIBRARY)
    words = "`redis` cannot have port 6380: container `library-web-1` of `library` in `/a/library` listens there"
    with pytest.raises(PortTaken, match=words) as caught:
        up(world)
    assert "`devenv.local.toml`" in str(caught.value.hint)
    assert workspace.placement(world.project).ports["redis/6379"] == 6380


def test_a_container_of_whomever_is_named(tmp_path: Path) -> None:
    world = World(tmp_path, services=(projects.service("redis", port=6380),))
    occupy(world, 6380, "nginx")
    with pytest.raises(PortTaken, match="`redis` cannot have port 6380: container `nginx` listens there"):
        up(world)


def test_what_this_instance_itself_leaves_behind_only_has_to_go_first(tmp_path: Path) -> None:
    world = World(tmp_path, services=(projects.service("redis", port=6380),))
    own = {labels.INSTANCE: "shop", labels.FOLDER: str(tmp_path), labels.CONFIG: "x"}
    occupy(world, 6380, "shop-cache-1", **own)
    _, told = up(world)
    assert told == []
    assert list(world.engine.containers) == ["shop-redis-1"]
    assert port_of(world, "redis") == 6380
