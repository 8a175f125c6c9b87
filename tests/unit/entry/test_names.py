from __future__ import annotations

from pathlib import Path

import pytest

from devenv import addresses, blueprint
from devenv.entry import Entry, names
from devenv.model import labels
from devenv.model.blueprint import Port, SeenContainer
from tests import projects

ENTRY = Entry(Path("/state"), 80, 443, shared=True, ipv6=True)


def seen(unit: str, *ports: Port, kind: str = "app", instance: str = "shop", **more: str) -> SeenContainer:
    own = {labels.INSTANCE: instance, labels.UNIT: unit, labels.KIND: kind}
    own |= {getattr(labels, key): value for key, value in more.items()}
    return SeenContainer("id", f"{instance}-{unit}-1", "image", "running", "Up", own, ports=ports)


def led(container: SeenContainer) -> dict[str, int]:
    return {route.name: route.port for route in names.of(container)}


def test_an_app_has_its_own_name_and_further_ports_have_theirs_added() -> None:
    assert led(seen("web", Port(8000, 8000))) == {"web.shop.localhost": 8000}
    assert led(seen("web", Port(8001, 9001), Port(8000, 9000))) == {
        "web.shop.localhost": 9000,
        "web-8001.shop.localhost": 9001,
    }


def test_services_and_what_publishes_nothing_have_no_name() -> None:
    assert led(seen("postgres", Port(5432, 25432), kind="service")) == {}
    assert led(seen("web")) == {}


def test_what_127_0_0_1_does_not_reach_has_no_name() -> None:
    assert led(seen("web", Port(8000, 8000, "192.0.2.7"))) == {}
    assert led(seen("web", Port(8000, 8000, "0.0.0.0"))) == {"web.shop.localhost": 8000}


def test_a_label_names_the_apps_behind_a_container_that_is_none() -> None:
    balancer = seen("balancer", Port(8000, 8000), Port(9000, 9000), kind="service", NAMES='{"web":8000,"api":9000}')
    assert led(balancer) == {"web.shop.localhost": 8000, "api.shop.localhost": 9000}
    assert [route.unit for route in names.of(balancer)] == ["web", "api"]


@pytest.mark.parametrize(
    "label",
    [
        "no json",
        "[8000]",
        '{"../x": 8000}',
        '{"a b": 8000}',
        '{"<b>": 8000}',
        '{"web\\n": 8000}',
        '{"web": "8000"}',
        '{"web": true}',
        '{"web": 1}',
    ],
)
def test_a_label_that_is_none_of_ours_names_nothing(label: str) -> None:
    assert led(seen("web", Port(8000, 8000), NAMES=label)) == {}


def test_an_instance_that_is_no_name_has_none() -> None:
    assert led(seen("web", Port(8000, 8000), instance="a.b")) == {}


def test_of_two_that_want_one_name_the_first_has_it() -> None:
    first, second = seen("web", Port(8000, 1)), seen("api", Port(8000, 2), NAMES='{"web":8000,"api":8000}')
    assert [(one.name, one.port) for one in names.routes([first, second])] == [
        ("api.shop.localhost", 2),
        ("web.shop.localhost", 2),
    ]


def test_what_is_wanted_has_the_names_that_what_runs_will_have(tmp_path: Path) -> None:
    apps = (projects.app("web", ports=(8001, 8000)), projects.app("api", ports=(9000,)))
    project = projects.project(tmp_path, apps=apps)
    made = blueprint.make(project, projects.CATALOG, projects.pins(project), projects.placement(tmp_path))
    found = {one.url: one.names for one in addresses.of(made, ENTRY)}
    assert found == {
        "http://127.0.0.1:8001": ("http://web.shop.localhost",),
        "http://127.0.0.1:8000": ("http://web-8000.shop.localhost",),
        "http://127.0.0.1:9000": ("http://api.shop.localhost",),
    }
    assert {one.names for one in addresses.of(made)} == {()}
    for container in made.containers:
        there = seen(container.unit, *sorted(container.ports, key=lambda port: port.container))
        there = SeenContainer("id", there.name, "", "running", "", container.labels, ports=there.ports)
        assert {one.name for one in names.of(there)} == {one.name for one in names.of(container)}


def test_an_address_has_its_port_unless_it_is_the_usual_one() -> None:
    other = Entry(Path("/state"), 8080, 8443, shared=True, ipv6=True)
    assert ENTRY.url("web.shop.localhost") == "http://web.shop.localhost"
    assert ENTRY.url("web.shop.localhost", secure=True) == "https://web.shop.localhost"
    assert other.url("web.shop.localhost") == "http://web.shop.localhost:8080"
    assert other.url("web.shop.localhost", secure=True) == "https://web.shop.localhost:8443"
