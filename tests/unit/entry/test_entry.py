"""Turning names on and off, and keeping them current, on an engine in memory."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from devenv import entry as entries
from devenv.commands import names
from devenv.engine.protocol import EngineInfo
from devenv.entry import Entry, making, refreshing
from devenv.errors import Conflict, EngineError
from devenv.model.blueprint import Port
from tests import ports
from tests.unit.entry.world import World


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.close()


def kept(world: World) -> None:
    """Come to the end of a command that may have changed names."""
    with entries.kept(world.machine, world.engine, world.heard.append):
        pass


def test_on_brings_the_entry_up_in_the_hosts_network_and_tells_it_all_names(world: World) -> None:
    world.app("web", 8000)
    result = world.on()
    made = world.engine.containers[world.name].wanted
    assert (made.network, made.ports, made.kind) == ("host", (), "service")
    assert world.engine.networks == {}
    assert [(one.name, one.port) for one in result.names] == [("web.shop.localhost", 8000)]
    (told,) = world.told
    assert told.startswith("web.shop.localhost 8000\n\n<!doctype html>")


def test_on_in_a_virtual_machine_publishes_the_ports_on_loopback(tmp_path: Path) -> None:
    world = World(tmp_path, local=False, address="unix:///docker.sock")
    world.on()
    made = world.engine.containers[world.name].wanted
    plain, secure = world.machine.entry_http or 0, world.machine.entry_https or 0
    assert (made.network, made.ports) == ("instance", (Port(plain, plain), Port(secure, secure)))
    assert made.ports[0].address == "127.0.0.1"
    world.close()


def test_the_entry_runs_with_plain_compose_too(world: World) -> None:
    world.on()
    (caddy,) = yaml.safe_load((world.folder / ".devenv/compose.yaml").read_text())["services"].values()
    assert (caddy["network_mode"], "ports" in caddy) == ("host", False)
    assert caddy["command"][0].replace("$$", "$").startswith("{\n\t# Nothing is steered")


def test_on_refuses_an_engine_on_another_computer(tmp_path: Path) -> None:
    world = World(tmp_path, local=False, address="tcp://there:2375")
    with pytest.raises(EngineError, match="the engine runs on another one"):
        world.on()
    assert world.engine.containers == {}


def test_on_again_changes_nothing_but_tells_the_names_anew(world: World) -> None:
    world.on()
    first = world.engine.containers[world.name].id
    world.on()
    assert world.engine.containers[world.name].id == first
    assert len(world.told) == 2


def test_an_entry_that_nothing_here_reaches_is_taken_away_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(making, "PATIENCE", 0.1)
    world.answer = "somebody else"
    with pytest.raises(EngineError, match="nothing of it answers on port"):
        world.on()
    assert world.name not in world.engine.containers
    assert entries.find(world.machine, world.engine.address) is None


def test_a_killed_on_leaves_nothing_that_the_next_one_minds(world: World) -> None:
    world.on()
    (world.folder / entries.FILE).unlink()
    world.engine.fail_on = lambda call, _: world.close() if call == "stop" else None
    world.on()
    assert world.engine.containers[world.name].status == "running"


def test_off_removes_all_but_the_authority_and_with_volumes_that_too(world: World) -> None:
    world.on()
    result = names.off(world.machine, world.engine, volumes=False, tell=world.heard.append)
    assert result.volumes_kept == (f"{world.instance}_caddy-data",)
    assert world.engine.containers == {}
    assert entries.find(world.machine, world.engine.address) is None
    assert names.listed(world.machine, world.engine).entry is None
    names.off(world.machine, world.engine, volumes=True, tell=world.heard.append)
    assert world.engine.volumes == {}
    assert not world.folder.exists()


def test_without_an_entry_a_command_asks_the_engine_nothing(world: World) -> None:
    kept(world)
    assert world.engine.calls == []


def test_names_are_told_when_they_change_and_only_then(world: World) -> None:
    world.on()
    kept(world)
    assert len(world.told) == 1
    world.app("web", 8000)
    kept(world)
    kept(world)
    assert [text.partition("\n\n")[0] for text in world.told[1:]] == ["web.shop.localhost 8000"]
    world.engine.stop("shop-web-1", 1)
    kept(world)
    assert world.told[-1].startswith("\n<!doctype")
    assert world.remarks == []


def test_names_are_current_after_a_command_that_failed(world: World) -> None:
    world.on()

    def fail() -> None:
        with entries.kept(world.machine, world.engine, world.heard.append):
            world.app("web", 8000)
            raise Conflict("no")

    with pytest.raises(Conflict):
        fail()
    assert world.told[-1].startswith("web.shop.localhost 8000\n")


def test_an_entry_that_has_gone_is_started_again(world: World) -> None:
    world.on()
    world.engine.stop(world.name, 1)
    world.app("web", 8000)
    kept(world)
    assert world.remarks == ["the entry for names was gone and is started again"]
    assert world.engine.containers[world.name].status == "running"
    assert world.told[-1].startswith("web.shop.localhost 8000\n")


def test_a_refresh_that_fails_is_only_told(world: World) -> None:
    world.on()
    world.app("web", 8000)
    world.engine.fail_on = lambda call, _: EngineError("the disk is full") if call == "exec" else None
    kept(world)
    assert world.remarks == ["names may not be current: the disk is full; `devenv names on` puts them right"]
    world.engine.fail_on = lambda _call, _target: None
    kept(world)
    assert world.told[-1].startswith("web.shop.localhost 8000\n")


def test_after_many_at_once_the_entry_knows_all(world: World) -> None:
    world.on()

    def up(number: int) -> None:
        with entries.kept(world.machine, world.engine, world.heard.append):
            world.app("web", 9000 + number, f"shop-{number}")

    threads = [threading.Thread(target=up, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert world.remarks == []
    assert world.told[-1].count(".localhost 90") == 20


def test_names_that_were_turned_off_meanwhile_stay_off(world: World) -> None:
    world.on()
    found = entries.find(world.machine, world.engine.address)
    assert found is not None
    names.off(world.machine, world.engine, volumes=False, tell=world.heard.append)
    assert refreshing.run(world.machine, world.engine, found, world.heard.append) == ()
    assert world.engine.containers == {}


def test_a_damaged_record_counts_as_off(world: World) -> None:
    world.on()
    for text in ("", "[]", '{"http": 80}'):
        (world.folder / entries.FILE).write_text(text)
        assert entries.find(world.machine, world.engine.address) is None


def test_each_engine_and_each_state_folder_has_an_entry_of_its_own(tmp_path: Path, world: World) -> None:
    other = replace(world.machine, state=tmp_path / "other")
    places = {entries.place(machine, at) for machine in (world.machine, other) for at in ("unix:///a", "unix:///b")}
    assert len(places) == len({entries.instance(place) for place in places}) == 4


# --- ports ---


def test_the_first_usual_port_that_is_free_is_chosen_and_why() -> None:
    with socket.create_server(("127.0.0.1", 0)) as held:
        taken, free = held.getsockname()[1], ports.free()
        port, why = making.choose(None, (taken, free), own=frozenset(), low=True)
    assert port == free
    assert why is not None
    assert why.endswith(f"listens on {taken}")


def test_a_port_that_only_ipv6_has_taken_is_taken() -> None:
    if not making.has_ipv6():
        pytest.skip("this machine has no IPv6")
    with socket.create_server(("::1", 0), family=socket.AF_INET6) as held:
        taken, free = held.getsockname()[1], ports.free()
        assert making.choose(None, (taken, free), own=frozenset(), low=True)[0] == free


def test_its_own_port_counts_as_free() -> None:
    with socket.create_server(("127.0.0.1", 0)) as held:
        taken = held.getsockname()[1]
        assert making.choose(None, (taken,), own=frozenset({taken}), low=True) == (taken, None)
        assert making.choose(taken, (80,), own=frozenset({taken}), low=True) == (taken, None)
        with pytest.raises(Conflict, match=f"names cannot have port {taken}: "):
            making.choose(taken, (80,), own=frozenset(), low=True)


def test_an_engine_without_roots_rights_gets_a_port_that_it_may_have() -> None:
    free = ports.free()
    port, why = making.choose(None, (80, free), own=frozenset(), low=False)
    assert port == free
    assert why is not None
    assert why == "this engine cannot listen below 1024" or why.endswith("listens on 80")


def test_http_and_https_never_get_the_same_port() -> None:
    free, other = ports.free(), ports.free()
    assert making.choose(None, (free, other), own=frozenset(), low=True, besides=free)[0] == other
    with pytest.raises(Conflict, match="HTTP listens there"):
        making.choose(free, (443,), own=frozenset(), low=True, besides=free)


def test_without_a_usual_port_it_is_one_of_many() -> None:
    with socket.create_server(("127.0.0.1", 0)) as held:
        port, _ = making.choose(None, (held.getsockname()[1],), own=frozenset(), low=True)
    assert port in making.FREE


@pytest.mark.parametrize(
    ("address", "local", "shares"),
    [("unix:///run/docker.sock", True, True), ("unix:///home/me/.docker/run/docker.sock", False, False)],
)
def test_the_hosts_network_is_shared_where_the_kernel_is(address: str, local: bool, shares: bool) -> None:
    assert making.shares_network(EngineInfo(address, "Docker Engine", "28", "amd64", local=local)) is shares


def test_urls_are_none_where_names_are_off(world: World) -> None:
    world.app("web", 8000)
    app = world.engine.containers["shop-web-1"].wanted
    assert entries.urls(None, app) == {}
    entry = Entry(world.folder, 80, 443, shared=True, ipv6=False)
    assert entries.urls(entry, app) == {8000: ("http://web.shop.localhost",)}
