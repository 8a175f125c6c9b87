"""Which host ports a checkout has: no port is told twice on one machine."""

from __future__ import annotations

import socket
import threading
from pathlib import Path

from devenv import instances, workspace
from devenv.instances import ledger, ports, state
from devenv.model.machine import Machine
from devenv.workspace import Workspace
from tests import projects

WANTED = {"redis/6379": None, "postgres/5432": None}


def opened(root: Path, folder: str) -> Workspace:
    place = root / folder
    place.mkdir()
    (place / "devenv.toml").touch()
    services = (projects.service("redis", port=6380), projects.service())
    project = projects.project(place, apps=(projects.app(ports=(8000, 8001)),), services=services)
    return Workspace(place, project, projects.CATALOG, Machine(state=root / "state"))


def test_the_main_checkout_has_ports_as_declared_and_others_have_chosen_ones(tmp_path: Path) -> None:
    main = workspace.claim(opened(tmp_path, "main"))
    other = workspace.claim(opened(tmp_path, "other"))
    assert (main.instance, other.instance) == ("shop", "shop-other")
    first, second = (workspace.placement(one).ports for one in (main, other))
    assert first == {"redis/6379": 6380, "postgres/5432": first["postgres/5432"]}
    assert set(second) == {"redis/6379", "postgres/5432", "web/8000", "web/8001"}
    chosen = [first["postgres/5432"], *second.values()]
    assert len(set(chosen)) == 5
    assert all(port in ports.RANGE for port in chosen)
    assert workspace.placement(other).ports == second
    assert ledger.read(other.machine)["shop"].ports == {6380, 8000, 8001, first["postgres/5432"]}
    assert ledger.read(other.machine)["shop-other"].ports == set(second.values())


def test_what_is_only_looked_at_is_not_recorded_and_makes_no_key(tmp_path: Path) -> None:
    project = opened(tmp_path, "main")
    would = workspace.placement(project, records=False)
    assert list(project.folder.iterdir()) == [project.folder / "devenv.toml"]
    assert not project.machine.state.exists()
    then = workspace.placement(project)
    assert (would.ports, would.host, would.instance) == (then.ports, then.host, then.instance)
    assert would.secrets != then.secrets
    assert workspace.placement(project, records=False) == then


def test_a_port_that_something_listens_on_is_not_chosen(tmp_path: Path) -> None:
    would = ports.of(tmp_path, Machine(state=tmp_path), {"redis/6379": None}, records=False)["redis/6379"]
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", would))
        holder.listen()
        found = ports.of(tmp_path, Machine(state=tmp_path), {"redis/6379": None}, records=False)
    assert found["redis/6379"] != would


def test_twenty_checkouts_at_once_are_told_forty_ports(tmp_path: Path) -> None:
    projects_ = [opened(tmp_path, str(number)) for number in range(20)]
    told: list[int] = []
    work = [lambda one=one: told.extend(workspace.placement(one).ports.values()) for one in projects_]
    threads = [threading.Thread(target=one) for one in work]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(told) == len(set(told)) == 2 + 19 * 4


def test_ports_that_another_was_told_while_the_ledger_was_lost_are_chosen_anew_and_that_is_said(
    tmp_path: Path,
) -> None:
    first, second = opened(tmp_path, "first"), opened(tmp_path, "second")
    workspace.claim(first)
    port = workspace.placement(first).ports["postgres/5432"]
    (first.machine.state / "instances" / "ledger.json").unlink()
    instances.claim(second.checkout, name="other")
    state.record(second.folder, {"ports": {"redis/6379": port}})
    instances.claim(second.checkout, declared=[1])
    (first.machine.state / "instances" / "ledger.json").write_text(
        f'{{"other": {{"folder": "{second.folder}", "project": "shop", "ports": [{port}]}}}}'
    )
    again = workspace.claim(first, tells=True)
    assert again.claimed.remark == f"ports {port} are another checkout's now: others are chosen"
    assert workspace.placement(again).ports["postgres/5432"] not in (port, 0)


def test_a_taken_port_is_replaced_and_recorded_unless_it_is_declared(tmp_path: Path) -> None:
    main = workspace.claim(opened(tmp_path, "main"))
    port = workspace.placement(main).ports["postgres/5432"]
    moved = workspace.move_port(main, "postgres", 5432, port)
    assert moved not in (None, port)
    assert workspace.placement(main).ports["postgres/5432"] == moved
    assert workspace.move_port(main, "postgres", 5432, port) == moved
    assert workspace.move_port(main, "redis", 6379, 6380) is None
    assert workspace.move_port(main, "web", 8000, 8000) is None
