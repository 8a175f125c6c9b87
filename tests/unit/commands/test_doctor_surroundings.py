"""What `devenv doctor` finds beyond the engine: faults of versions, kernel, network, clocks, ports, what was left."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from devenv.diagnosis import network, versions
from devenv.engine.host import Done, Heard, ThisHost
from devenv.engine.memory import MemoryEngine
from devenv.engine.protocol import EngineInfo
from devenv.errors import EngineError, EngineUnreachable
from devenv.instances import ledger
from devenv.model import labels
from devenv.model.blueprint import Volume
from devenv.model.machine import Machine
from devenv.workspace import Workspace
from tests import projects
from tests.unit.commands.test_doctor import GOOD, FakeEngine, FakeHost, examine, finding

LIMITS = "/proc/sys/fs/inotify"
CANARY = "canary-91"


def names(result: object) -> list[str]:
    return [one.name for one in result.findings]  # type: ignore[attr-defined]


# --- versions ---


@pytest.mark.parametrize(
    ("component", "version", "trait", "fault"),
    [
        ("Docker Engine", "28.3.2", "firewalld", "CVE-2025-54388"),
        ("Docker Engine", "28.3.2", "", None),
        ("Docker Engine", "28.3.3", "firewalld", None),
        ("Docker Engine", "28.1.1", "firewalld", None),
        ("Docker Engine", "28.3.2+dfsg1", "firewalld", None),
        ("Docker Engine", "20.10.18", "live-restore", "docker volume prune"),
        ("Docker Engine", "20.10.19", "live-restore", None),
        ("Docker Desktop", "4.44.2", "", "CVE-2025-9074"),
        ("Docker Desktop", "4.44.3", "", None),
        ("runc", "1.1.11", "", "CVE-2024-21626"),
        ("runc", "1.1.5+ds1", "", None),
        ("runc", "1.2.7", "", "CVE-2025-31133"),
        ("runc", "1.2.8", "", None),
        ("runc", "v1.3.2", "", "CVE-2025-52881"),
        ("runc", "1.3.3", "", None),
        ("runc", "", "", None),
        ("Podman", "5.0.0", "firewalld", None),
    ],
)
def test_a_known_fault_is_told_of_the_versions_that_have_it(
    component: str, version: str, trait: str, fault: str | None
) -> None:
    bad = replace(GOOD, components={component: version}, traits=frozenset({trait}))
    found = [one for one in examine(engine=FakeEngine(reached=bad)).findings if one.name == "known fault"]
    assert [fault in one.message for one in found if fault] == ([True] if fault else [])
    assert bool(found) == bool(fault)
    assert all(one.state == "warning" and one.remedy and "https://" in one.remedy for one in found)


def test_a_fault_that_devenv_makes_good_is_no_warning() -> None:
    (found,) = versions.known({"Docker Engine": "28.5.2"}, {"containerd"})
    assert (found.state, found.remedy) == ("ok", None)


# --- inotify ---


def limits(watches: int, instances: int = 128, **given: object) -> FakeHost:
    files = {f"{LIMITS}/max_user_watches": f"{watches}\n", f"{LIMITS}/max_user_instances": f"{instances}\n"}
    return FakeHost(files=files, **given)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("host", "state"),
    [
        (limits(65536), "ok"),
        (limits(8192), "warning"),
        (limits(65536, 64), "warning"),
    ],
)
def test_few_watches_are_a_warning(host: FakeHost, state: str) -> None:
    assert finding(examine(host), "inotify").state == state


def test_a_large_project_wants_more_of_them(tmp_path: Path) -> None:
    opened = Workspace(tmp_path, projects.project(tmp_path), projects.CATALOG, Machine(state=tmp_path))
    assert finding(examine(limits(65536, below=20_000), project=opened), "inotify").state == "warning"
    assert finding(examine(limits(80_000, below=20_000), project=opened), "inotify").state == "ok"


@pytest.mark.parametrize("root", [True, False])
def test_fix_raises_the_limits_for_good_as_root(root: bool) -> None:
    host = limits(8192, root=root)
    said: list[str] = []
    examine(host, fix=True, said=said)
    (command,) = host.commands
    assert command.startswith("sh -c printf" if root else "sudo sh -c printf")
    assert "fs.inotify.max_user_watches=524288\\nfs.inotify.max_user_instances=512\\n" in command
    assert command.endswith(
        ">/etc/sysctl.d/60-devenv-inotify.conf && sysctl -q -p /etc/sysctl.d/60-devenv-inotify.conf"
    )
    assert len(said) == 1


def test_without_sudo_only_the_remedy_is_told_and_a_refusal_is_named() -> None:
    host = limits(8192, root=False, programs={"git"})
    assert not finding(examine(host, fix=True), "inotify").fixable
    assert host.commands == []
    with pytest.raises(EngineError, match="read-only"):
        examine(limits(8192, answers={"sh": Done(1, "read-only file system")}), fix=True)


def test_a_kernel_without_inotify_has_no_such_limits() -> None:
    assert "inotify" not in names(examine(FakeHost(system="Darwin")))


# --- the network ---


def test_servers_that_cannot_be_reached_are_warnings_with_the_reason() -> None:
    host = FakeHost(
        heard={"http://mirror.example": Heard("it does not answer"), "https://registry-1": Heard("refused")}
    )
    result = examine(host)
    assert finding(result, "mirror").message == "the Debian mirror mirror.example cannot be reached: it does not answer"
    assert finding(result, "registry").message == "the registry docker.io cannot be reached: refused"
    assert result.healthy


def test_a_certificate_that_is_not_trusted_has_a_remedy_of_its_own() -> None:
    heard = {"https://registry-1": Heard("its certificate is not trusted: self-signed")}
    assert "`ca_certificates`" in (finding(examine(FakeHost(heard=heard)), "registry").remedy or "")


def test_a_dead_network_takes_no_longer_than_the_time_for_all_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(network, "PATIENCE", 0.05)
    never = threading.Event()
    begun = time.monotonic()
    result = examine(FakeHost(silent=never))
    never.set()
    assert time.monotonic() - begun < 1
    assert finding(result, "mirror").message.endswith("it does not answer")
    assert "names" not in names(result)


def test_only_the_registries_are_asked_that_the_project_needs(tmp_path: Path) -> None:
    here = replace(projects.project(tmp_path, services=(projects.service(),)))
    there = replace(
        here, services=(replace(projects.service(), use=None, image="ghcr.io/acme/search:2", origin="registry"),)
    )
    machine = Machine(mirror="http://mirror.example/debian", state=tmp_path, registry_images="quay.io/acme/images")
    for project, expected in ((here, ["quay.io"]), (there, ["ghcr.io", "quay.io"])):
        opened = Workspace(tmp_path, project, projects.CATALOG, machine)
        found = [one for one in examine(machine=machine, project=opened).findings if one.name == "registry"]
        assert [one.message for one in found] == [f"the registry {name} answers" for name in expected]


def test_a_mirror_in_docker_hubs_place_is_asked_and_no_password_shown() -> None:
    machine = Machine(
        mirror=f"http://u:{CANARY}@mirror.example/debian",
        registry_mirror=f"https://u:{CANARY}@mirror.acme",
        proxy={"HTTP_PROXY": f"http://u:{CANARY}@proxy.acme:3128"},
    )
    result = examine(machine=machine)
    assert finding(result, "registry").message == "the registry mirror.acme answers"
    assert finding(result, "proxy").message == "downloads and containers go through proxy.acme:3128 (`HTTP_PROXY`)"
    assert CANARY not in str(result)


@pytest.mark.parametrize(
    ("value", "state"),
    [
        ("http://proxy:3128", "ok"),
        ("proxy:3128", "ok"),
        ("http://localhost:3128", "warning"),
        ("http://127.0.0.1:3128", "warning"),
        ("http://", "problem"),
        (f"http://u:{CANARY}@[::1", "problem"),
        ("http://proxy:99999999", "problem"),
    ],
)
def test_a_proxy_is_one_that_containers_reach(value: str, state: str) -> None:
    machine = Machine(mirror="http://mirror.example/debian", proxy={"HTTPS_PROXY": value})
    found = finding(examine(machine=machine), "proxy")
    assert found.state == state
    assert CANARY not in str(found)


@pytest.mark.parametrize(
    ("addresses", "state", "words"),
    [
        (("127.0.0.1", "::1"), "ok", "lead to this machine"),
        ((), "warning", "lead nowhere for programs other than browsers"),
        (("93.184.216.34",), "warning", "leads to 93.184.216.34"),
    ],
)
def test_names_below_localhost_are_to_lead_here(addresses: tuple[str, ...], state: str, words: str) -> None:
    found = finding(examine(FakeHost(addresses={network.NAME: addresses})), "names")
    assert (found.state, words in found.message) == (state, True)


# --- clocks ---


@pytest.mark.parametrize(("ahead", "state"), [(0.5, "ok"), (-4.0, "ok"), (5400.0, "warning"), (-30.0, "warning")])
def test_an_engines_clock_that_is_off_is_a_warning(ahead: float, state: str) -> None:
    found = finding(examine(engine=FakeEngine(reached=replace(GOOD, ahead=ahead))), "engine clock")
    assert found.state == state
    if ahead == 5400.0:
        assert found.message.startswith("the engine's clock is 90 min ahead")


def test_this_machines_clock_is_held_against_the_nearest_of_those_that_answered() -> None:
    far, near = Heard(date=1e9 - 9000, at=1e9), Heard(date=1e9 - 3, at=1e9)
    assert finding(examine(FakeHost(heard={"http://m": far, "https://r": near})), "clock").state == "ok"
    found = finding(examine(FakeHost(heard={"http://m": far})), "clock")
    assert found.message == "the clock is 150 min ahead, by that of mirror.example"


# --- the project and what was left ---


def shop(root: Path, **changes: object) -> Workspace:
    web = projects.app(ports=(8000,))
    project = projects.project(root, apps=(web,), services=(projects.service(port=5432),), **changes)
    return Workspace(root, project, projects.CATALOG, Machine(state=root / "state"))


def test_a_fixed_port_that_something_else_has_is_a_problem(tmp_path: Path) -> None:
    host = FakeHost(listening={8000: "`nginx` (process 812)", 5432: "something"})
    result = examine(host, project=shop(tmp_path))
    found = [one.message for one in result.findings if one.name == "port"]
    assert found == [
        "port 8000 of `web` is taken by `nginx` (process 812)",
        "port 5432 of `postgres` is taken by something",
    ]
    assert not result.healthy


def test_instances_without_a_folder_are_told_and_never_removed(tmp_path: Path) -> None:
    machine = Machine(mirror="http://mirror.example/debian", state=tmp_path / "state")
    engine = MemoryEngine()
    here = {labels.HOST: ledger.host(machine), labels.FOLDER: str(tmp_path / "gone"), labels.INSTANCE: "old"}
    engine.create(Volume("old_data", here))
    found = finding(examine(machine=machine, connect=lambda: engine, fix=True), "instances")
    assert found.message == "`old` has no folder any more"
    assert not found.fixable
    assert engine.observe("old").volumes


def test_an_engine_that_is_gone_in_between_is_told_once(tmp_path: Path) -> None:
    def gone() -> MemoryEngine:
        raise EngineUnreachable("gone")

    assert "instances" not in names(examine(connect=gone, project=shop(tmp_path)))


# --- this host ---


def test_this_host_counts_folders_and_finds_who_listens(tmp_path: Path) -> None:
    for name in ("a/b", "c"):
        (tmp_path / name).mkdir(parents=True)
    host = ThisHost()
    assert (host.folders(tmp_path, 99), host.folders(tmp_path, 1) >= 1) == (3, True)
    assert host.resolve("localhost")
    assert host.resolve("none.invalid") == ()


def test_this_host_asks_a_server_and_takes_any_answer(tmp_path: Path) -> None:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response_only(401)
            self.send_header("Date", formatdate(1e9, usegmt=True))
            self.end_headers()

        def log_message(self, format: str, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    machine = Machine(cache=tmp_path)
    address = f"http://127.0.0.1:{server.server_port}"
    heard = ThisHost().ask(f"{address}/v2/", machine, 5)
    assert (heard.why, heard.date) == ("", 1e9)
    assert ThisHost().holder(server.server_port) is not None
    server.shutdown()
    server.server_close()
    assert ThisHost().ask(f"{address}/v2/", machine, 5).why == "connection refused"
    assert ThisHost().holder(server.server_port) is None


def test_what_an_engine_says_of_itself_is_taken_as_it_is_or_left() -> None:
    from devenv.commands import doctor

    told = {
        "Components": [{"Name": "runc", "Version": "1.2.5"}, "odd"],
        "Platform": {"Name": "Docker Desktop 4.43.0 (198352)"},
    }
    info = EngineInfo("unix:///s", "Docker Engine", "28.0.0", "amd64", local=True)
    assert doctor._components(info, told) == {"Docker Engine": "28.0.0", "runc": "1.2.5", "Docker Desktop": "4.43.0"}
    assert doctor._components(info, {}) == {"Docker Engine": "28.0.0"}
    assert doctor._ahead({"SystemTime": "2001-09-09T01:46:40.123456789Z"}, 1e9) == pytest.approx(0.123456)
    assert doctor._ahead({"SystemTime": "soon"}, 1e9) is None
    assert doctor._traits({"LiveRestoreEnabled": True, "FirewallBackend": {"Driver": "iptables+firewalld"}}) == {
        "live-restore",
        "firewalld",
    }
