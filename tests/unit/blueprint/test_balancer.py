"""Several containers of an app, and what they stand behind."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from devenv import addresses, blueprint, identity, lockfile, render
from devenv.lockfile import wanted
from devenv.model import labels
from devenv.model.blueprint import Blueprint, Container, Port
from devenv.model.machine import Machine
from devenv.model.project import App, Project, Ready, Service
from devenv.workspace import Workspace
from tests import projects

BALANCER = Service("balancer", use="haproxy", origin="debian")


def project(root: Path, *apps: App, balancer: Service | None = BALANCER) -> Project:
    return projects.project(root, apps=apps, balancer=balancer)


def make(shop: Project, **place: object) -> Blueprint:
    return blueprint.make(shop, projects.CATALOG, projects.pins(shop), projects.placement(shop.root, **place))


def named(made: Blueprint) -> dict[str, Container]:
    return {one.name: one for one in made.containers}


def configuration(made: Blueprint) -> list[str]:
    (text,) = named(made)["shop-balancer-1"].command or ()
    return [line.strip() for line in text.splitlines()]


def test_replicas_are_equal_but_for_name_and_number(tmp_path: Path) -> None:
    made = make(project(tmp_path, projects.app(ports=(8000,), replicas=3)))
    assert list(named(made)) == ["shop-balancer-1", "shop-web-1", "shop-web-2", "shop-web-3"]
    first, *others = (one for one in made.containers if one.unit == "web")
    for number, one in enumerate(others, start=2):
        assert one.labels[labels.COMPOSE_NUMBER] == str(number)
        same = replace(one, name=first.name, replica=1, labels=first.labels)
        assert same == first
        assert {**one.labels, labels.COMPOSE_NUMBER: "1"} == first.labels


def test_the_balancer_publishes_the_ports_and_addresses_are_the_apps(tmp_path: Path) -> None:
    made = make(project(tmp_path, projects.app(ports=(8000, 8001), replicas=2), projects.app("other", ports=(9000,))))
    assert named(made)["shop-balancer-1"].ports == (Port(8000, 8000), Port(8001, 8001))
    assert (named(made)["shop-web-1"].ports, named(made)["shop-web-1"].behind) == ((), (8000, 8001))
    assert named(made)["shop-other-1"].ports == (Port(9000, 9000),)
    assert [(one.unit, one.url) for one in addresses.of(made)] == [
        ("web", "http://127.0.0.1:8000"),
        ("web", "http://127.0.0.1:8001"),
        ("other", "http://127.0.0.1:9000"),
    ]


def test_the_engine_starts_again_what_requests_go_to(tmp_path: Path) -> None:
    apps = (projects.app(ports=(8000,), replicas=1), projects.app("other"), projects.app("work", replicas=2))
    restarts = {one.unit: one.restart for one in make(project(tmp_path, *apps)).containers}
    assert restarts == {"balancer": "on-failure", "web": "on-failure", "other": "no", "work": "no"}


def test_scaling_changes_neither_the_balancer_nor_a_replica(tmp_path: Path) -> None:
    shop = project(tmp_path, projects.app(ports=(8000,), replicas=1))
    one, five = make(shop), make(shop, replicas={"web": 5})
    assert len(five.containers) == 6
    assert named(one).items() <= named(five).items()


def test_an_app_that_says_nothing_of_replicas_is_balanced_when_it_is_scaled(tmp_path: Path) -> None:
    shop = project(tmp_path, projects.app(ports=(8000,), replicas=1), projects.app("api", ports=(9000,)))
    assert named(make(shop))["shop-api-1"].behind == ()
    scaled = named(make(shop, replicas={"api": 2}))
    assert scaled["shop-api-2"].behind == (9000,)
    assert scaled["shop-balancer-1"].ports == (Port(8000, 8000), Port(9000, 9000))


def test_without_a_balancer_one_container_publishes_a_port_whatever_was_recorded(tmp_path: Path) -> None:
    made = make(project(tmp_path, projects.app(ports=(8000,)), balancer=None), replicas={"web": 5})
    assert list(named(made)) == ["shop-web-1"]


def test_an_app_without_ports_needs_no_balancer(tmp_path: Path) -> None:
    made = make(project(tmp_path, projects.app("work", replicas=2), balancer=None))
    assert list(named(made)) == ["shop-work-1", "shop-work-2"]


def test_a_path_leads_to_its_app_from_the_first_port_of_the_others_the_longest_first(tmp_path: Path) -> None:
    apps = (
        projects.app(ports=(8000, 8001), replicas=1),
        projects.app("api", ports=(9000,), route="/api"),
        projects.app("admin", ports=(9001,), route="/api/admin"),
    )
    lines = configuration(make(project(tmp_path, *apps)))
    routes = [line for line in lines if line.startswith("use_backend")]
    assert routes == [
        "use_backend admin-9001 if { path /api/admin } || { path_beg /api/admin/ }",
        "use_backend api-9000 if { path /api } || { path_beg /api/ }",
    ]
    assert lines.index("frontend port-8000") < lines.index(routes[0]) < lines.index("frontend port-8001")


@pytest.mark.parametrize(
    ("ready", "expected"),
    [
        (None, "tcp-check connect port 8000 linger"),
        (Ready(tcp=7000), "tcp-check connect port 7000 linger"),
        (Ready(exec=("true",)), "tcp-check connect port 8000 linger"),
        (Ready(http="/health"), "http-check send meth GET uri '/health' ver HTTP/1.1 hdr Host web"),
        (Ready(http="/it's"), "http-check send meth GET uri '/it'\\''s' ver HTTP/1.1 hdr Host web"),
        (Ready(http="/", port=7000), "http-check connect port 7000 linger"),
    ],
)
def test_a_replica_is_checked_as_the_app_says(tmp_path: Path, ready: Ready | None, expected: str) -> None:
    assert expected in configuration(make(project(tmp_path, projects.app(ports=(8000,), replicas=1, ready=ready))))


def test_the_runtime_api_listens_on_loopback_beside_the_apps_ports(tmp_path: Path) -> None:
    made = make(project(tmp_path, projects.app(ports=(9999,), replicas=1)))
    assert "stats socket ipv4@127.0.0.1:10000 level admin" in configuration(made)
    assert named(made)["shop-balancer-1"].env == {"DEVENV_CONTROL": "10000"}


def test_a_sticky_app_has_a_cookie_of_its_own(tmp_path: Path) -> None:
    made = make(project(tmp_path, projects.app(ports=(8000,), replicas=2, sticky=True)))
    assert "cookie devenv-shop-web insert indirect nocache httponly dynamic" in configuration(made)


def test_the_balancer_is_locked_like_a_service(tmp_path: Path) -> None:
    shop = project(tmp_path, projects.app(ports=(8000,), replicas=1))
    assert "service/haproxy@3.0" in {one.name for one in wanted.of(shop, projects.CATALOG).layers}
    without = projects.lock(replace(shop, balancer=None))
    assert lockfile.stale(without, shop, projects.CATALOG, "amd64") == ("`service/haproxy@3.0` has no pin",)


def test_compose_may_scale_what_has_no_name_of_its_own(tmp_path: Path) -> None:
    shop = project(tmp_path, projects.app(ports=(8000,), replicas=3), projects.app("work", replicas=1))
    text = render.files(make(shop), "0" * 12)[blueprint.COMPOSE_FILE]
    assert re.findall(r'^  "(.+)":\n    (.+)$', text, re.MULTILINE)[:3] == [
        ("balancer", 'container_name: "shop-balancer-1"'),
        ("work", "scale: 1"),
        ("web", "scale: 3"),
    ] or re.findall(r"scale: (\d)", text) in (["3", "1"], ["1", "3"])
    assert text.count('restart: "on-failure"') == 2


def test_replicas_of_this_checkout_alone_do_not_change_the_environment_id(tmp_path: Path) -> None:
    shop = project(tmp_path, projects.app(ports=(8000,), replicas=1))
    opened = Workspace(tmp_path, shop, projects.CATALOG, Machine(state=tmp_path))
    before = identity.of(opened, projects.lock(shop))
    (tmp_path / ".devenv").mkdir()
    (tmp_path / ".devenv" / "state.toml").write_text("[replicas]\nweb = 5\n")
    assert identity.of(opened, projects.lock(shop)) == before


def test_what_came_later_changes_no_hash_of_before(tmp_path: Path) -> None:
    made = make(projects.project(tmp_path, apps=(projects.app(ports=(8000,)),)))
    assert "restart" not in made.containers[0].labels[labels.PARTS]
    assert not {"scales", "behind"} & blueprint.hashing.contents(made.containers[0]).keys()
