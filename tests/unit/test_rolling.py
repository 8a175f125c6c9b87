"""Plans for several replicas of an app."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from devenv import blueprint, plan
from devenv.engine import apply
from devenv.engine.apply import StepEvent
from devenv.model import labels
from devenv.model.blueprint import Blueprint, ContainerStatus, Observed, Plan, SeenContainer, SeenObject
from devenv.model.project import Service
from tests import projects


def make(root: Path, number: int = 1, **changes: Any) -> Blueprint:
    apps = (projects.app(ports=(8000,), replicas=1, **changes), projects.app("api", ports=(9000,)))
    shop = projects.project(root, apps=apps, balancer=Service("balancer", use="haproxy", origin="debian"))
    place = projects.placement(root, replicas={"web": number})
    return blueprint.make(shop, projects.CATALOG, projects.pins(shop), place)


def images(wanted: Blueprint) -> dict[str, str]:
    return {image.reference: f"sha256:{image.key}" for image in wanted.images}


def seen(wanted: Blueprint, without: Mapping[str, ContainerStatus | None] | None = None) -> Observed:
    """All of it, running; others as said, or not there."""
    status = {one.name: (without or {}).get(one.name, "running") for one in wanted.containers}
    there = tuple(
        SeenContainer(one.name, one.name, images(wanted)[one.image], found, "Up (healthy)", one.labels)
        for one in wanted.containers
        if (found := status[one.name]) is not None
    )
    volumes = tuple(SeenObject(one.name, one.name, one.labels) for one in wanted.volumes)
    return Observed(there, (SeenObject("n", wanted.network.name, wanted.network.labels),), volumes)


def steps(made: Plan) -> list[str]:
    return [f"{step.verb} {step.target}" for step in made.steps]


def after(made: Plan, verb: str, target: str) -> set[str]:
    """All that has to be done before, however far."""
    known = {step.id: step for step in made.steps}
    found: set[str] = set()
    todo = [f"{verb} container {target}"]
    while todo:
        for one in known[todo.pop()].after:
            if one in known and one not in found:
                found.add(one)
                todo.append(one)
    return found


def test_more_replicas_are_only_added(tmp_path: Path) -> None:
    wanted = make(tmp_path, 2)
    made = plan.make(wanted, seen(wanted, {"shop-web-2": None}), images=images(wanted))
    assert steps(made) == ["create shop-web-2", "start shop-web-2", "wait shop-web-2"]


def test_the_last_replicas_leave_first_and_answer_before(tmp_path: Path) -> None:
    wanted, there = make(tmp_path, 1), make(tmp_path, 3)
    made = plan.make(wanted, seen(there), images=images(wanted))
    expected = [f"{verb} shop-web-{number}" for number in (2, 3) for verb in ("drain", "stop", "remove")]
    assert steps(made) == expected
    assert {step.cause for step in made.steps} == {"fewer replicas are wanted"}
    assert after(made, "remove", "shop-web-3") == {"drain container shop-web-3", "stop container shop-web-3"}


def test_one_that_does_not_run_just_goes(tmp_path: Path) -> None:
    there = seen(make(tmp_path, 2), {"shop-web-2": "exited"})
    assert steps(plan.make(make(tmp_path, 1), there, images=images(make(tmp_path)))) == ["remove shop-web-2"]


def test_replicas_that_changed_are_replaced_one_after_the_other(tmp_path: Path) -> None:
    there, wanted = make(tmp_path, 3), make(tmp_path, 3, run="other")
    made = plan.make(wanted, seen(there), images=images(wanted))
    verbs = ("drain", "stop", "remove", "create", "start", "wait")
    assert steps(made) == [f"{verb} shop-web-{number}" for number in (1, 2, 3) for verb in verbs]
    assert "wait container shop-web-1" in after(made, "drain", "shop-web-2")
    assert "wait container shop-web-2" in after(made, "drain", "shop-web-3")


def test_a_new_image_is_there_before_the_first_replica_leaves(tmp_path: Path) -> None:
    there, wanted = make(tmp_path, 2), make(tmp_path, 2, packages=("git",))
    made = plan.make(wanted, seen(there), images=images(there))
    assert any(one.startswith("build image") for one in after(made, "drain", "shop-web-1"))


def test_those_that_leave_wait_until_the_changed_ones_serve(tmp_path: Path) -> None:
    there, wanted = make(tmp_path, 3), make(tmp_path, 1, run="other")
    made = plan.make(wanted, seen(there), images=images(wanted))
    assert "wait container shop-web-1" in after(made, "drain", "shop-web-3")


def test_a_restart_is_one_after_the_other_too(tmp_path: Path) -> None:
    wanted = make(tmp_path, 2)
    again = {"shop-web-1": "asked", "shop-web-2": "asked"}
    made = plan.make(wanted, seen(wanted), images=images(wanted), again=again)
    assert steps(made)[:5] == [
        *(f"{verb} shop-web-1" for verb in ("drain", "stop", "start", "wait")),
        "drain shop-web-2",
    ]
    assert "wait container shop-web-1" in after(made, "drain", "shop-web-2")


def test_a_single_replica_is_replaced_at_once(tmp_path: Path) -> None:
    there, wanted = make(tmp_path, 1), make(tmp_path, 1, run="other")
    made = plan.make(wanted, seen(there), images=images(wanted))
    assert not [step for step in made.steps if step.verb == "drain"]


def test_where_the_balancer_does_not_stay_nobody_waits_for_it(tmp_path: Path) -> None:
    wanted = make(tmp_path, 2, run="other")
    for there in (seen(make(tmp_path, 2), {"shop-balancer-1": None}), seen(make(tmp_path, 2, sticky=True))):
        made = plan.make(wanted, there, images=images(wanted))
        assert not [step for step in made.steps if step.verb == "drain"]
        assert "stop container shop-web-2" in after(made, "start", "shop-balancer-1")
        events: list[StepEvent] = []
        apply.run(made, lambda _step, _off: None, events.append)
        assert len(events) == 2 * len(made.steps), "steps wait for each other"


def test_an_app_takes_its_port_back_when_the_balancer_has_left_it(tmp_path: Path) -> None:
    wanted = make(tmp_path)
    scaled = replace(make(tmp_path), containers=make_scaled(tmp_path).containers)
    made = plan.make(wanted, seen(scaled), images=images(wanted))
    assert "remove container shop-balancer-1" in after(made, "start", "shop-api-1")
    other = plan.make(scaled, seen(wanted), images=images(wanted))
    assert "stop container shop-api-1" in after(other, "start", "shop-balancer-1")
    assert "wait container shop-balancer-1" in after(other, "start", "shop-api-1")


def make_scaled(root: Path) -> Blueprint:
    """With `api`, which says nothing of replicas, in two."""
    apps = (projects.app(ports=(8000,), replicas=1), projects.app("api", ports=(9000,)))
    shop = projects.project(root, apps=apps, balancer=Service("balancer", use="haproxy", origin="debian"))
    place = projects.placement(root, replicas={"api": 2})
    return blueprint.make(shop, projects.CATALOG, projects.pins(shop), place)


def test_a_balancer_that_is_no_longer_wanted_gives_its_ports_back(tmp_path: Path) -> None:
    shop = projects.project(tmp_path, apps=(projects.app(ports=(8000,)),))
    wanted = blueprint.make(shop, projects.CATALOG, projects.pins(shop), projects.placement(tmp_path))
    made = plan.make(wanted, seen(make(tmp_path, 2)), images=images(wanted))
    assert "remove container shop-balancer-1" in after(made, "start", "shop-web-1")
    assert {one.labels[labels.KIND] for one in wanted.containers} == {"app"}
