from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from devenv import blueprint, plan
from devenv.model import labels
from devenv.model.blueprint import Blueprint, Observed, SeenContainer, SeenObject, Step
from tests import projects


@pytest.fixture
def wanted(tmp_path: Path) -> Blueprint:
    project = projects.project(
        tmp_path, apps=(projects.app(needs=("redis",), ports=(8000,)),), services=(projects.service("redis"),)
    )
    return blueprint.make(project, projects.CATALOG, projects.pins(project), projects.placement(tmp_path))


def images(wanted: Blueprint) -> dict[str, str]:
    return {image.reference: f"sha256:{image.key}" for image in wanted.images}


def seen(wanted: Blueprint, status: str = "running", text: str = "Up (healthy)") -> Observed:
    return Observed(
        tuple(
            SeenContainer(f"id-{one.name}", one.name, images(wanted)[one.image], status, text, one.labels)  # type: ignore[arg-type]
            for one in wanted.containers
        ),
        (SeenObject("n", wanted.network.name, wanted.network.labels),),
        tuple(SeenObject(one.name, one.name, one.labels) for one in wanted.volumes),
    )


def short(steps: tuple[Step, ...]) -> list[str]:
    return [f"{step.id}: {step.cause}" for step in steps]


def test_from_nothing_everything_is_built_created_started_and_waited_for(wanted: Blueprint) -> None:
    made = plan.make(wanted, Observed(), images={})
    assert [f"{step.verb} {step.kind}" for step in made.steps] == [
        "build image",
        "build image",
        "create network",
        *["create volume"] * 2,
        *["create container", "start container", "wait container"] * 2,
    ]
    assert {step.cause for step in made.steps if step.verb == "create"} == {"missing"}


def test_an_app_starts_after_what_it_needs_is_ready_but_is_created_before(wanted: Blueprint) -> None:
    steps = {step.id: step for step in plan.make(wanted, Observed(), images=images(wanted)).steps}
    assert "wait container shop-redis-1" in steps["start container shop-web-1"].after
    assert "wait container shop-redis-1" not in steps["create container shop-web-1"].after


def test_what_is_right_is_kept(wanted: Blueprint) -> None:
    made = plan.make(wanted, seen(wanted), images=images(wanted))
    assert made.steps == ()
    assert made.kept == ("shop-redis-1", "shop-web-1")


def test_a_container_that_runs_but_is_not_healthy_yet_is_waited_for(wanted: Blueprint) -> None:
    made = plan.make(wanted, seen(wanted, text="Up 1 second (health: starting)"), images=images(wanted))
    assert [step.id for step in made.steps] == ["wait container shop-redis-1", "wait container shop-web-1"]
    assert made.kept == ("shop-redis-1", "shop-web-1")


def test_a_stopped_container_is_started_not_recreated(wanted: Blueprint) -> None:
    made = plan.make(wanted, seen(wanted, "exited", "Exited (0)"), images=images(wanted))
    assert short(made.steps)[0] == "start container shop-redis-1: not running"
    assert {step.verb for step in made.steps} == {"start", "wait"}


def test_a_changed_setting_recreates_just_that_container_and_says_what_changed(
    wanted: Blueprint, tmp_path: Path
) -> None:
    project = projects.project(
        tmp_path,
        apps=(projects.app(needs=("redis",), ports=(8000,), env={"LOG": "debug"}),),
        services=(projects.service("redis"),),
    )
    other = blueprint.make(project, projects.CATALOG, projects.pins(project), projects.placement(tmp_path))
    made = plan.make(other, seen(wanted), images=images(other))
    assert short(made.steps) == [
        "stop container shop-web-1: env changed",
        "remove container shop-web-1: env changed",
        "create container shop-web-1: env changed",
        "start container shop-web-1: env changed",
        "wait container shop-web-1: until it is ready",
    ]


def test_a_unit_that_left_the_project_is_removed_and_its_volume_stays(wanted: Blueprint, tmp_path: Path) -> None:
    project = projects.project(tmp_path, apps=(projects.app(ports=(8000,)),))
    fewer = blueprint.make(project, projects.CATALOG, projects.pins(project), projects.placement(tmp_path))
    made = plan.make(fewer, seen(wanted), images=images(wanted))
    assert [step.id for step in made.steps if step.verb == "remove" and "redis" in step.target] == [
        "remove container shop-redis-1"
    ]


def test_a_container_made_from_another_image_is_made_anew(wanted: Blueprint) -> None:
    other = dict.fromkeys(images(wanted), "sha256:other")
    made = plan.make(wanted, seen(wanted), images=other)
    assert {step.cause for step in made.steps if step.verb == "create"} == {"image rebuilt"}


def test_a_paused_container_is_made_anew(wanted: Blueprint) -> None:
    made = plan.make(wanted, seen(wanted, "paused", "Up 1 hour (Paused)"), images=images(wanted))
    assert [step.verb for step in made.steps if step.unit == "web"] == ["remove", "create", "start", "wait"]
    assert {step.cause for step in made.steps if step.verb == "create"} == {"it is paused"}


def test_containers_whose_network_is_gone_are_made_anew(wanted: Blueprint) -> None:
    made = plan.make(wanted, replace(seen(wanted), networks=()), images=images(wanted))
    assert {step.cause for step in made.steps if step.verb == "remove"} == {"its network is gone"}


def test_a_network_that_no_container_is_in_is_not_made(wanted: Blueprint) -> None:
    outside = replace(wanted, containers=tuple(replace(one, network="host") for one in wanted.containers))
    assert not [step for step in plan.make(outside, Observed(), images={}).steps if step.kind == "network"]


def test_labels_of_an_older_devenv_do_not_confuse_the_comparison(wanted: Blueprint) -> None:
    there = seen(wanted)
    strange = replace(
        there.containers[0], labels=dict(there.containers[0].labels) | {labels.CONFIG: "x", labels.PARTS: "[1"}
    )
    made = plan.make(wanted, replace(there, containers=(strange, there.containers[1])), images=images(wanted))
    assert made.steps[0].cause == "its configuration is unknown"


def test_teardown_keeps_volumes_unless_told(wanted: Blueprint) -> None:
    kinds = {step.kind for step in plan.teardown(seen(wanted), volumes=False).steps}
    assert kinds == {"container", "network"}
    assert "volume" in {step.kind for step in plan.teardown(seen(wanted), volumes=True).steps}


def test_teardown_removes_the_network_after_the_last_container(wanted: Blueprint) -> None:
    steps = plan.teardown(seen(wanted), volumes=False).steps
    network = next(step for step in steps if step.kind == "network")
    assert set(network.after) == {step.id for step in steps if step.verb == "remove" and step.kind == "container"}


@pytest.fixture
def copied(tmp_path: Path) -> Blueprint:
    project = projects.project(tmp_path, apps=(projects.app(),))
    placement = projects.placement(tmp_path, copies=True, passwd="/passwd", user="7:8")
    return blueprint.make(project, projects.CATALOG, projects.pins(project), placement)


def test_an_app_starts_after_what_holds_its_files_which_waits_for_no_network(copied: Blueprint) -> None:
    steps = {step.id: step for step in plan.make(copied, Observed(), images=images(copied)).steps}
    assert "wait container shop-web.files-1" in steps["start container shop-web-1"].after
    assert steps["create container shop-web.files-1"].after == ("create volume shop_web-files",)


def test_a_container_that_may_lack_its_files_is_made_anew(copied: Blueprint) -> None:
    made = plan.make(copied, seen(copied, "created", "Created"), images=images(copied))
    assert [step.target for step in made.steps if step.verb == "remove"] == ["shop-web-1"]


def test_what_held_files_goes_when_they_are_mounted_again(copied: Blueprint, tmp_path: Path) -> None:
    project = projects.project(tmp_path, apps=(projects.app(),))
    mounted = blueprint.make(project, projects.CATALOG, projects.pins(project), projects.placement(tmp_path))
    made = plan.make(mounted, seen(copied), images=images(copied))
    assert "remove container shop-web.files-1: files are no longer copied" in short(made.steps)
    assert "create container shop-web-1: user, mounts changed" in short(made.steps)


def test_what_holds_files_outlives_the_network(copied: Blueprint) -> None:
    made = plan.make(copied, replace(seen(copied), networks=()), images=images(copied))
    assert [step.target for step in made.steps if step.verb == "remove"] == ["shop-web-1"]
