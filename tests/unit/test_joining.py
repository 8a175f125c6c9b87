"""Networks that projects share: made, joined, left."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from devenv import blueprint, drift, identity, joining, plan, render
from devenv.engine.memory import MemoryEngine
from devenv.engine.protocol import SeenImage
from devenv.model import labels
from devenv.model.blueprint import Blueprint, Joined, Network, Observed
from devenv.model.machine import Machine
from devenv.workspace import Workspace
from tests import projects

TEAM = "devenv_shared_team"


def wanted(root: Path, *joins: str, instance: str = "shop", copies: bool = False) -> Blueprint:
    web = projects.app(needs=("redis",))
    project = projects.project(root, apps=(web,), services=(projects.service("redis"),), joins=joins)
    place = projects.placement(root, instance=instance, copies=copies)
    return blueprint.make(project, projects.CATALOG, projects.pins(project), place)


def brought_up(*asked: Blueprint) -> MemoryEngine:
    engine = MemoryEngine()
    for one in asked:
        engine.images |= {image.reference: SeenImage(image.key, image.key, {}) for image in one.images}
        for network in (one.network, *one.shared):
            engine.create(network)
        for container in one.containers:
            engine.create(container, one.network.name)
            engine.start(container.name)
    return engine


def steps(engine: MemoryEngine, asked: Blueprint) -> list[str]:
    observed = joining.seen(engine, asked, engine.observe(asked.instance))
    volumes = tuple(one.name for one in asked.volumes)
    made = plan.make(asked, observed, images={image.reference: image.reference for image in asked.images})
    return [f"{step.id}: {step.cause}" for step in made.steps if step.verb != "wait" and step.target not in volumes]


def test_apps_and_services_are_in_a_shared_network_by_unit_and_instance(tmp_path: Path) -> None:
    made = wanted(tmp_path, "team", instance="shop-2", copies=True)
    found = {one.unit: one.networks for one in made.containers}
    assert found["web"] == (Joined(TEAM, "web.shop-2"),)
    assert found["redis"] == (Joined(TEAM, "redis.shop-2"),)
    assert found["web.files"] == ()
    (network,) = made.shared
    assert network.labels[labels.SHARED] == "team"
    assert not {labels.INSTANCE, labels.COMPOSE_PROJECT} & network.labels.keys()
    assert network.options == made.network.options


def test_who_joins_none_keeps_the_hashes_and_the_id_it_had(tmp_path: Path) -> None:
    plain, joined = wanted(tmp_path), wanted(tmp_path, "team")
    assert "networks" not in plain.containers[0].labels[labels.PARTS]
    assert plain.containers[0].config_hash != joined.containers[0].config_hash

    def environment(*joins: str) -> str:
        project = projects.project(tmp_path, apps=(projects.app(),), joins=joins)
        return identity.of(Workspace(tmp_path, project, projects.CATALOG, Machine()), projects.lock(project))

    assert environment() != environment("team") == environment("team")


def test_a_network_that_another_project_made_is_not_made_again(tmp_path: Path) -> None:
    ours, theirs = wanted(tmp_path, "team"), wanted(tmp_path, "team", instance="other")
    assert f"create network {TEAM}: missing" in steps(brought_up(), ours)
    engine = brought_up(theirs)
    assert f"create network {TEAM}: missing" not in steps(engine, ours)
    assert steps(engine, theirs) == []


def test_containers_are_made_anew_when_what_they_join_has_changed(tmp_path: Path) -> None:
    plain, joined = wanted(tmp_path), wanted(tmp_path, "team")
    for before, after in ((plain, joined), (joined, plain)):
        made = [one for one in steps(brought_up(before), after) if one.startswith("create container")]
        assert made == [f"create container shop-{unit}-1: networks changed" for unit in ("redis", "web")]


def test_a_container_that_is_not_in_its_network_or_whose_network_is_gone_is_made_anew(tmp_path: Path) -> None:
    asked = wanted(tmp_path, "team")
    engine = brought_up(asked)
    engine.containers["shop-web-1"].joined.clear()
    assert f"create container shop-web-1: it is not in network {TEAM}" in steps(engine, asked)
    engine = brought_up(asked)
    for one in asked.containers:
        engine.stop(one.name, 0)
    engine.remove("network", TEAM)
    assert f"create container shop-web-1: network {TEAM} is gone" in steps(engine, asked)
    engine.create(asked.shared[0])  # by another project, meanwhile
    assert f"create container shop-web-1: network {TEAM} is gone" in steps(engine, asked)


def test_the_last_one_to_leave_removes_a_network(tmp_path: Path) -> None:
    ours, theirs = wanted(tmp_path, "team"), wanted(tmp_path, "team", instance="other")
    engine = brought_up(ours, theirs)
    for one in ours.containers:
        engine.remove("container", one.name)
    # Another project's containers hold it though they do not run: they could not start without it.
    for one in theirs.containers:
        engine.stop(one.name, 0)
    assert joining.leave(engine, "shop", {TEAM}) == ()
    for one in theirs.containers:
        engine.remove("container", one.name)
    assert joining.leave(engine, "other", {TEAM}) == (TEAM,)
    assert TEAM not in engine.networks


def test_a_network_of_that_name_that_is_not_devenv_s_stays(tmp_path: Path) -> None:
    engine = MemoryEngine()
    engine.create(Network(TEAM, {labels.INSTANCE: "look-alike"}))
    assert joining.leave(engine, "shop", joining.known(("team",), Observed())) == ()
    assert TEAM in engine.networks
    assert joining.leave(engine, "shop", ()) == ()


def test_a_project_that_joins_none_asks_for_none(tmp_path: Path) -> None:
    asked = wanted(tmp_path)
    engine = brought_up(asked)
    engine.calls.clear()
    steps(engine, asked)
    joining.leave(engine, "shop", joining.left(asked, engine.observe("shop")))
    assert {call for call, _ in engine.calls} == {"observe"}


def test_a_container_out_of_its_shared_network_differs(tmp_path: Path) -> None:
    asked = wanted(tmp_path, "team")
    engine = brought_up(asked)
    engine.containers["shop-web-1"].joined.clear()
    found = [one for one in drift.of(engine, asked, engine.observe("shop")) if one.what == "network"]
    assert [(one.unit, one.wanted, one.found) for one in found] == [("web", TEAM, "shop_default")]
    fewer = replace(asked, containers=tuple(replace(one, networks=()) for one in asked.containers))
    assert not [one for one in drift.of(engine, fewer, engine.observe("shop")) if one.what == "network"]


def test_compose_is_told_of_shared_networks(tmp_path: Path) -> None:
    def rendered(*joins: str) -> Any:
        return yaml.safe_load(render.files(wanted(tmp_path, *joins), "0" * 12)[blueprint.COMPOSE_FILE])

    document = rendered("team")
    own = {"default": None, "shared_team": {"aliases": ["web.shop"]}}
    assert document["services"]["web"]["networks"] == own
    shared = document["networks"]["shared_team"]
    assert (shared["name"], shared["labels"]) == (TEAM, {labels.SHARED: "team"})
    assert shared["driver_opts"] == document["networks"]["default"]["driver_opts"]
    assert "networks" not in rendered()["services"]["web"]
    assert list(rendered()["networks"]) == ["default"]
