from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from devenv.commands import doctor
from devenv.commands.doctor import DoctorResult, Finding, Reached
from devenv.diagnosis import network
from devenv.engine.host import Done, Heard
from devenv.engine.protocol import Engine, EngineInfo
from devenv.errors import EngineError, EngineForbidden, EngineUnreachable
from devenv.model.machine import Machine
from devenv.workspace import Workspace

GOOD = Reached(
    EngineInfo("unix:///var/run/docker.sock", "Docker Engine", "28.5.2", "amd64", local=True),
    source="Docker's usual socket",
    root=Path("/var/lib/docker"),
    memory=8 * 10**9,
)
SOCKET = "/var/run/docker.sock"
INSTALL = "apt-get -o DPkg::Lock::Timeout=120 install -y --no-install-recommends docker.io iptables ca-certificates"


@dataclass
class FakeHost:
    """A computer in memory; `answers` maps the start of a command to how it ends, and every command is kept."""

    system: str = "Linux"
    distributions: tuple[str, ...] = ("debian",)
    user: str = "ada"
    root: bool = True
    programs: set[str] = field(default_factory=lambda: {"apt-get", "git", "sudo"})
    files: dict[str, str] = field(default_factory=dict)
    free_bytes: int | None = 100 * 10**9
    answers: Mapping[str, Done] = field(default_factory=dict)
    commands: list[str] = field(default_factory=list)
    pauses: int = 0
    clock: float = 1e9
    below: int = 100
    listening: Mapping[int, str] = field(default_factory=dict)
    addresses: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: {network.NAME: ("127.0.0.1",)})
    heard: Mapping[str, Heard] = field(default_factory=dict)
    silent: threading.Event | None = None

    def has(self, program: str) -> bool:
        return program in self.programs

    def read(self, path: Path) -> str | None:
        return self.files.get(str(path))

    def exists(self, path: Path) -> bool:
        return str(path) in self.files

    def free(self, path: Path) -> int | None:
        return self.free_bytes

    def run(self, command: Sequence[str]) -> Done:
        line = " ".join(command)
        self.commands.append(line)
        if " install " in line:
            self.programs.add("dockerd")
        return next((done for start, done in self.answers.items() if line.startswith(start)), Done(0, ""))

    def pause(self, seconds: float) -> None:
        self.pauses += 1

    def now(self) -> float:
        return self.clock

    def folders(self, path: Path, most: int) -> int:
        return min(self.below, most)

    def holder(self, port: int) -> str | None:
        return self.listening.get(port)

    def resolve(self, name: str) -> tuple[str, ...]:
        if self.silent:
            self.silent.wait()
        return self.addresses.get(name, ())

    def ask(self, url: str, machine: Machine, seconds: float) -> Heard:
        if self.silent:
            self.silent.wait()
        return next((heard for start, heard in self.heard.items() if url.startswith(start)), Heard())


@dataclass
class FakeEngine:
    """Answers from the given attempt on; before that, nobody is there."""

    after: int = 1
    reached: Reached = GOOD
    failure: EngineError = field(default_factory=lambda: EngineUnreachable("no container engine answers"))
    attempts: int = 0

    def __call__(self) -> Reached:
        self.attempts += 1
        if self.attempts < self.after:
            raise self.failure
        return self.reached


def examine(
    host: FakeHost | None = None,
    engine: FakeEngine | None = None,
    machine: Machine | None = None,
    environ: Mapping[str, str] | None = None,
    *,
    fix: bool = False,
    said: list[str] | None = None,
    project: Workspace | None = None,
    connect: Callable[[], Engine] | None = None,
) -> DoctorResult:
    return doctor.run(
        machine or Machine(mirror="http://mirror.example/debian", cache=Path("/cache")),
        environ or {},
        Path("/home/ada"),
        fix=fix,
        say=(said if said is not None else []).append,
        host=host or FakeHost(),
        reach=engine or FakeEngine(),
        project=project,
        connect=connect,
    )


def finding(result: DoctorResult, name: str) -> Finding:
    (found,) = (one for one in result.findings if one.name == name)
    return found


# --- looking ---


def test_a_machine_that_has_everything_is_healthy() -> None:
    result = examine(FakeHost(files={"/var/lib/docker": ""}))
    assert [(one.name, one.state) for one in result.findings] == [
        ("engine", "ok"),
        ("engine disk", "ok"),
        ("cache", "ok"),
        ("git", "ok"),
        ("mirror", "ok"),
        ("registry", "ok"),
        ("names", "ok"),
    ]
    assert result.findings[0].message == (
        "Docker Engine 28.5.2 at `unix:///var/run/docker.sock`, Docker's usual socket"
    )
    assert result.healthy


def test_without_fix_nothing_is_run() -> None:
    host = FakeHost()
    assert not examine(host, FakeEngine(after=99)).healthy
    assert host.commands == []


@pytest.mark.parametrize(
    ("host", "remedy", "fixable"),
    [
        (FakeHost(), "`devenv doctor --fix` installs Docker Engine and starts it", True),
        (FakeHost(programs={"dockerd"}, distributions=("gentoo",)), "`devenv doctor --fix` starts Docker Engine", True),
        (FakeHost(programs={"apt-get", "docker"}), "`devenv doctor --fix` installs Docker Engine and starts it", True),
        (
            FakeHost(root=False, programs={"apt-get"}),
            "`devenv doctor --fix`, run as root, installs Docker Engine and starts it",
            False,
        ),
        (FakeHost(distributions=("mint", "ubuntu", "debian")), "`devenv doctor --fix` installs Docker Engine", True),
        (
            FakeHost(distributions=("fedora",), programs=set()),
            "`sudo dnf install -y moby-engine && sudo systemctl enable --now docker`",
            False,
        ),
        (FakeHost(distributions=("rocky", "rhel", "fedora"), programs=set()), "`sudo dnf install -y podman", False),
        (FakeHost(distributions=("arch",), programs=set()), "`sudo pacman -S", False),
        (FakeHost(distributions=(), programs=set()), "install Docker Engine 20.10 or newer", False),
        (FakeHost(system="Darwin", programs=set()), "`brew install colima docker && colima start`", False),
        (FakeHost(system="Windows", programs=set()), "install Docker Desktop", False),
    ],
)
def test_an_absent_engine_comes_with_the_remedy_for_this_system(host: FakeHost, remedy: str, fixable: bool) -> None:
    found = finding(examine(host, FakeEngine(after=99)), "engine")
    assert (found.state, found.fixable) == ("problem", fixable)
    assert (found.remedy or "").startswith(remedy)


@pytest.mark.parametrize("environ", [{"DOCKER_HOST": "tcp://far:2375"}, {"DOCKER_HOST": "nonsense"}])
def test_an_engine_elsewhere_is_never_mended_from_here(environ: dict[str, str]) -> None:
    host = FakeHost()
    result = examine(host, FakeEngine(after=99), environ=environ, fix=True)
    assert not finding(result, "engine").fixable
    assert host.commands == []


def test_the_usual_socket_named_aloud_is_still_this_machines_engine() -> None:
    result = examine(engine=FakeEngine(after=99), environ={"DOCKER_HOST": f"unix://{SOCKET}"})
    assert finding(result, "engine").fixable


@pytest.mark.parametrize(
    ("name", "version", "state"),
    [
        ("Docker Engine", "20.10.24+dfsg1", None),
        ("Docker Engine", "19.03.15", "problem"),
        ("Podman", "4.3.1", None),
        ("Podman", "3.4.4", "problem"),
        ("Docker Engine", "library-import", None),
    ],
)
def test_an_engine_too_old_for_the_api_is_a_problem(name: str, version: str, state: str | None) -> None:
    old = Reached(EngineInfo("unix:///s", name, version, "amd64", local=True), "")
    states = [one.state for one in examine(engine=FakeEngine(reached=old)).findings if one.name == "engine version"]
    assert states == ([state] if state else [])


def test_little_memory_and_no_memory_limits_are_warnings() -> None:
    small = Reached(GOOD.info, GOOD.source, memory=10**9, limits_memory=False)
    result = examine(engine=FakeEngine(reached=small))
    assert finding(result, "memory").message == "containers share 1.0 GB of memory"
    assert finding(result, "memory limits").state == "warning"
    assert result.healthy


def test_a_disk_that_is_nearly_full_is_a_warning_for_cache_and_engine() -> None:
    result = examine(FakeHost(free_bytes=4 * 10**9, files={"/var/lib/docker": ""}))
    assert {one.name for one in result.findings if one.state == "warning"} == {"cache", "engine disk"}
    assert finding(result, "cache").message == "4.0 GB free for devenv's cache in `/cache`"


def test_a_disk_that_cannot_be_read_is_said_so() -> None:
    assert finding(examine(FakeHost(free_bytes=None)), "cache").state == "warning"


@pytest.mark.parametrize(
    ("text", "state", "message"),
    [
        (None, "problem", "the CA certificates `/ca.pem` cannot be read"),
        ("no PEM here", "problem", "`/ca.pem` holds no certificate"),
        ("-----BEGIN CERTIFICATE-----\n" * 2, "ok", "`/ca.pem` holds 2 CA certificates"),
    ],
)
def test_every_file_of_certificates_is_looked_into(text: str | None, state: str, message: str) -> None:
    host = FakeHost(files={} if text is None else {"/ca.pem": text})
    machine = Machine(mirror="http://mirror.example/debian", certificates=(Path("/ca.pem"),))
    found = finding(examine(host, machine=machine), "certificates")
    assert (found.state, found.message) == (state, message)


def test_a_missing_git_is_a_warning() -> None:
    found = finding(examine(FakeHost(programs={"apt-get"})), "git")
    assert (found.state, found.remedy) == ("warning", "`sudo apt-get install git`")


def test_every_problem_and_warning_has_a_remedy() -> None:
    small = Reached(GOOD.info, GOOD.source, root=Path("/d"), memory=1, limits_memory=False)
    poor = FakeHost(programs=set(), free_bytes=1, files={"/d": ""})
    for engine in (FakeEngine(reached=small), FakeEngine(after=99)):
        machine = Machine(certificates=(Path("/none"),), mirror="http://mirror.example/debian")
        findings = examine(poor, engine, machine).findings
        assert all(one.remedy for one in findings if one.state != "ok")


# --- the permission ---


def forbidden(**given: Any) -> DoctorResult:
    engine = FakeEngine(after=99, failure=EngineForbidden("this user may not use it", hint="join the group"))
    return examine(FakeHost(root=False, **given), engine)


def test_a_user_outside_the_group_is_told_to_join_it() -> None:
    found = finding(forbidden(files={"/etc/group": "root:x:0:\ndocker:x:999:bob\n"}), "permission")
    assert found.fixable
    assert (found.remedy or "").startswith("`sudo usermod -aG docker ada`")


def test_a_member_who_has_not_logged_in_again_is_told_so() -> None:
    found = finding(forbidden(files={"/etc/group": "docker:x:999:bob,ada\n"}), "permission")
    assert not found.fixable
    assert "`newgrp docker`" in (found.remedy or "")


def test_without_the_group_the_engines_own_hint_is_given() -> None:
    assert finding(forbidden(), "permission").remedy == "join the group"


def test_fix_adds_the_user_to_the_group() -> None:
    host = FakeHost(root=False, files={"/etc/group": "docker:x:999:\n"})
    engine = FakeEngine(after=99, failure=EngineForbidden("this user may not use it"))
    examine(host, engine, fix=True)
    assert host.commands == ["sudo usermod -aG docker ada"]


# --- fixing ---


def test_fix_installs_the_engine_and_starts_it_with_systemd() -> None:
    host = FakeHost(files={"/run/systemd/system": ""})
    said: list[str] = []
    result = examine(host, FakeEngine(after=3), fix=True, said=said)
    assert host.commands == [
        "apt-get update",
        f"env DEBIAN_FRONTEND=noninteractive {INSTALL}",
        "systemctl enable --now docker",
    ]
    assert said == host.commands
    assert result.healthy


def test_fix_leaves_an_installed_engine_as_it_is_and_starts_it() -> None:
    host = FakeHost(programs={"apt-get", "dockerd"}, files={"/run/systemd/system": ""})
    examine(host, FakeEngine(after=3), fix=True)
    assert host.commands == ["systemctl enable --now docker"]


def test_fix_uses_sudo_when_it_is_not_root() -> None:
    host = FakeHost(root=False, files={"/run/systemd/system": ""})
    examine(host, FakeEngine(after=3), fix=True)
    assert [line.split()[0] for line in host.commands] == ["sudo", "sudo", "sudo"]


def test_fix_brings_the_parser_where_the_kernel_has_apparmor_on() -> None:
    host = FakeHost(files={"/run/systemd/system": "", "/sys/module/apparmor/parameters/enabled": "Y\n"})
    examine(host, FakeEngine(after=3), fix=True)
    assert host.commands[1].endswith("ca-certificates apparmor")


def test_fix_uses_the_init_script_where_systemd_does_not_run() -> None:
    host = FakeHost(programs={"dockerd", "service"}, files={"/etc/init.d/docker": ""})
    examine(host, FakeEngine(after=3), fix=True)
    assert host.commands == ["service docker start"]


@pytest.mark.parametrize("files", [{}, {"/etc/init.d/docker": ""}])
def test_fix_starts_the_daemon_by_hand_where_no_service_manager_can(files: dict[str, str]) -> None:
    answers = {"service": Done(1, "unrecognized service"), "sh -c": Done(0, "4711\n")}
    host = FakeHost(programs={"dockerd", "service"}, files={**files, "/proc/4711": ""}, answers=answers)
    said: list[str] = []
    result = examine(host, FakeEngine(after=5), fix=True, said=said)
    assert result.healthy
    assert host.pauses > 0
    assert "setsid dockerd" in host.commands[-1]
    assert host.commands[-1].endswith("/var/log/dockerd.log")
    assert said[-1] == "starting `dockerd` in its own session; it logs to /var/log/dockerd.log"


def test_a_daemon_that_dies_is_told_at_once_with_its_last_words() -> None:
    answers = {"sh -c": Done(0, "4711\n"), "tail": Done(0, "failed to mount overlay\n")}
    host = FakeHost(programs={"dockerd"}, answers=answers)
    with pytest.raises(EngineError, match="`dockerd` ended at once") as raised:
        examine(host, FakeEngine(after=999), fix=True)
    assert raised.value.hint == "it logged last:\nfailed to mount overlay"
    assert host.pauses == 0


def test_an_engine_that_never_answers_is_given_up_after_a_minute() -> None:
    host = FakeHost(programs={"dockerd"}, files={"/run/systemd/system": ""}, answers={"journalctl": Done(0, "boom")})
    with pytest.raises(EngineError, match="does not answer after 60 s") as raised:
        examine(host, FakeEngine(after=9999), fix=True)
    assert raised.value.hint == "it logged last:\nboom"
    assert host.pauses == 300


def test_a_failed_installation_shows_what_apt_said() -> None:
    answers = {"env": Done(100, "E: Unable to locate package docker.io\n")}
    with pytest.raises(EngineError, match="failed with exit code 100") as raised:
        examine(FakeHost(answers=answers), FakeEngine(after=99), fix=True)
    assert raised.value.hint == "E: Unable to locate package docker.io"


def test_a_broken_package_source_alone_keeps_nothing_from_being_installed() -> None:
    host = FakeHost(files={"/run/systemd/system": ""}, answers={"apt-get update": Done(100, "E: 404")})
    assert examine(host, FakeEngine(after=3), fix=True).healthy


def test_an_engine_that_comes_up_and_forbids_the_user_lets_them_join_the_group() -> None:
    host = FakeHost(root=False, files={"/run/systemd/system": "", "/etc/group": "docker:x:999:\n"})
    attempts = iter((EngineUnreachable("nobody"), *(EngineForbidden("not you") for _ in range(9))))

    def reach() -> Reached:
        raise next(attempts)

    machine = Machine(mirror="http://mirror.example/debian")
    result = doctor.run(machine, {}, Path("/home/ada"), fix=True, host=host, reach=reach)
    assert host.commands[-2:] == ["sudo systemctl enable --now docker", "sudo usermod -aG docker ada"]
    assert finding(result, "permission").message == "not you"


def test_fix_on_a_healthy_machine_does_nothing() -> None:
    host = FakeHost()
    assert examine(host, fix=True).healthy
    assert host.commands == []


# --- asking a real socket ---


@contextmanager
def listening(folder: Path, answers: Mapping[str, str]) -> Iterator[str]:
    """An engine's HTTP API with canned answers, on a socket of its own."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = answers[self.path].encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def address_string(self) -> str:
            return "test"

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    class Server(HTTPServer):
        address_family = socket.AF_UNIX

        def server_bind(self) -> None:
            self.socket.bind(self.server_address)

    path = folder / "engine.sock"
    with Server(str(path), Handler) as server:  # type: ignore[arg-type]  # a path is an address of this family
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"unix://{path}"
        finally:
            server.shutdown()
            thread.join()


def test_an_engine_tells_its_version_data_root_and_memory(tmp_path: Path) -> None:
    answers = {
        "/_ping": "OK",
        "/version": '{"Version": "24.0.7", "Arch": "amd64", "Components": [{"Name": "Engine"}]}',
        "/info": '{"DockerRootDir": "/data/docker", "MemTotal": 4000000000, "MemoryLimit": false}',
    }
    with listening(tmp_path, answers) as address:
        reached = doctor.reach_engine(Machine(), {"DOCKER_HOST": address}, tmp_path)
    assert reached.info.version == "24.0.7"
    assert reached.source == "`DOCKER_HOST`"
    assert (reached.root, reached.memory, reached.limits_memory) == (Path("/data/docker"), 4_000_000_000, False)
