"""What only a real engine can show."""

from __future__ import annotations

import os
import pty
import select
import shutil
import signal
import socket
import subprocess
import sys
import termios
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from devenv import limiting
from devenv.engine import buildx, digests, hostfiles, readiness, transfers, wire
from devenv.engine.docker import DockerEngine
from devenv.engine.protocol import Change, Command
from devenv.engine.wire import Endpoint, Wire
from devenv.errors import Conflict, EngineError, EngineUnreachable, NotFound, NotReady
from devenv.model import labels
from devenv.model.blueprint import Container, Mount, Network, Port, Probe, Readiness, Volume
from devenv.model.machine import Login
from devenv.model.pins import RegistryPin
from devenv.model.progress import Progress, silence
from devenv.model.project import Limits
from tests import engines, ports, registries
from tests.engines import Lab
from tests.registries import RunningRegistry

pytestmark = pytest.mark.docker

SHELL = """
import sys, termios
from devenv.engine.docker import DockerEngine
from devenv.engine.protocol import Command
from devenv.engine.wire import Endpoint
engine = DockerEngine(Endpoint(sys.argv[1]))
before = termios.tcgetattr(0)
shell = engine.exec(sys.argv[2], Command(("sh",), interactive=True, env={"PS1": "ready> "}))
assert list(shell) == []
print("code", shell.exit_code, "terminal restored", termios.tcgetattr(0) == before)
engine.close()
"""

SILENT = """
import sys
from devenv.engine import address
from devenv.engine.wire import Endpoint
engine = address.connect(Endpoint(sys.argv[1]))
engine.info
engine.observe("devenv-test-nobody")
engine.image("devenv-test-absent:1")
heavy = {"docker", "requests", "urllib3", "tarfile"} & sys.modules.keys()
assert not heavy, heavy
"""


def a_container(lab: Lab, *script: str, **fields: object) -> Container:
    container = Container(
        name=lab.name("web-1"),
        unit="web",
        kind="app",
        image=engines.IMAGE,
        command=("sh", "-c", "\n".join(script)) if script else ("sleep", "1000"),
        stop_grace=0,
        labels=lab.labels,
    )
    return replace(container, **fields)  # type: ignore[arg-type]


def started(lab: Lab, container: Container) -> Container:
    network = Network(lab.name("net"), lab.labels)
    lab.engine.create(network)
    lab.engine.create(container, network.name)
    lab.engine.start(container.name)
    return container


def inspected(lab: Lab, container: Container) -> dict[str, object]:
    answer = Wire(Endpoint(lab.engine.info.address)).ask("GET", wire.path("containers", container.name, "json"))
    found: dict[str, object] = answer.json
    return found


def output(lab: Lab, container: Container, *argv: str, **fields: object) -> str:
    command = replace(Command(argv), **fields)  # type: ignore[arg-type]
    return b"".join(chunk.data for chunk in lab.engine.exec(container.name, command)).decode()


@pytest.fixture
def gate(tmp_path: Path, real_lab: Lab) -> Iterator[Gate]:
    gate = Gate(tmp_path / "gate.sock", real_lab.engine.info.address.removeprefix("unix://"))
    yield gate
    gate.close()


class Gate:
    """A socket before the engine's that can be cut."""

    def __init__(self, path: Path, engine: str) -> None:
        self.endpoint = Endpoint(f"unix://{path}")
        self._engine = engine
        self._lock = threading.Lock()
        self._is_cut = False
        self._ends: list[socket.socket] = []
        self._copiers: list[threading.Thread] = []
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(str(path))
        self._listener.listen()
        self._server = threading.Thread(target=self._serve)
        self._server.start()

    def cut(self) -> None:
        """Break every connection, and each new one at once (the SDK forgets to close one that is refused)."""
        with self._lock:
            self._is_cut = True
            for end in self._ends:
                with suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self.cut()
        self._listener.shutdown(socket.SHUT_RDWR)
        for thread in (self._server, *self._copiers):
            thread.join()
        for end in (self._listener, *self._ends):
            end.close()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                self._join(near)

    def _join(self, near: socket.socket) -> None:
        with self._lock:
            if self._is_cut:
                near.close()
                return
            far = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            far.connect(self._engine)
            self._ends += [near, far]
            for source, target in ((near, far), (far, near)):
                thread = threading.Thread(target=self._copy, args=(source, target))
                self._copiers.append(thread)
                thread.start()

    @staticmethod
    def _copy(source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)


# --- containers ---


def test_the_prompt_s_calls_do_without_the_sdk(real_lab: Lab) -> None:
    address = real_lab.engine.info.address
    subprocess.run([sys.executable, "-c", SILENT, address], check=True)


def test_a_container_runs_as_it_was_asked_to(real_lab: Lab, tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    (tmp_path / "page").write_text("from the host")
    real_lab.engine.create(Volume(real_lab.name("data"), real_lab.labels))
    port = ports.free()
    mounts = (
        Mount("bind", str(tmp_path), "/host", read_only=True),
        Mount("volume", real_lab.name("data"), "/data"),
        Mount("tmpfs", "", "/scratch"),
    )
    container = a_container(
        real_lab,
        env={"ODD": "a=$b 'c'\n"},
        user="1234:5678",
        working_dir="/host",
        mounts=mounts,
        limits=Limits(cpus=0.5, memory=64 * 1024 * 1024, pids=50),
        ports=(Port(8000, port),),
    )
    started(real_lab, container)
    assert output(real_lab, container, "cat", "page") == "from the host"
    assert output(real_lab, container, "sh", "-c", 'printf %s "$ODD"') == "a=$b 'c'\n"
    assert output(real_lab, container, "id").startswith("uid=1234 gid=5678")
    assert output(real_lab, container, "sh", "-c", "touch /host/x 2>/dev/null || echo refused") == "refused\n"
    assert output(real_lab, container, "sh", "-c", "echo kept >/scratch/x; cat /scratch/x", user="0") == "kept\n"
    assert output(real_lab, container, "sh", "-c", "cat /proc/1/cmdline").startswith("/sbin/docker-init")
    host = inspected(real_lab, container)["HostConfig"]
    assert isinstance(host, dict)
    assert (host["NanoCpus"], host["Memory"], host["PidsLimit"]) == (500_000_000, 67_108_864, 50)
    assert host["PortBindings"] == {"8000/tcp": [{"HostIp": "127.0.0.1", "HostPort": str(port)}]}
    assert host["RestartPolicy"]["Name"] == "no"


def test_a_unit_is_found_by_its_name_in_the_network(real_lab: Lab) -> None:
    started(real_lab, a_container(real_lab, "echo hello >/tmp/index.html", "exec httpd -f -p 80 -h /tmp"))
    caller = a_container(real_lab, name=real_lab.name("caller-1"), unit="caller")
    started(real_lab, caller)
    readiness.wait(
        real_lab.engine,
        caller.name,
        replace(caller, readiness=Readiness((Probe(exec=("nc", "web", "80", "-e", "true")),))),
    )


def test_a_command_has_its_own_user_folder_and_variables(real_lab: Lab) -> None:
    container = started(real_lab, a_container(real_lab))
    said = output(real_lab, container, "sh", "-c", "id; pwd; echo $A", user="7:8", working_dir="/tmp", env={"A": "x y"})
    assert said == "uid=7 gid=8 groups=8\n/tmp\nx y\n"


def test_the_whole_file_system_comes_as_one_tar(real_lab: Lab) -> None:
    container = a_container(real_lab)
    real_lab.engine.create(container)
    data = b"".join(chunk.data for chunk in real_lab.engine.read(container.name, "files"))
    assert b"bin/busybox" in data
    assert data.endswith(b"\0" * 1024)


def test_the_log_of_a_restarted_container_begins_at_its_restart(real_lab: Lab) -> None:
    engine = real_lab.engine
    script = ("[ -e /tmp/again ] && echo second && exec sleep 1000", "touch /tmp/again", "echo first")
    container = started(real_lab, a_container(real_lab, *script))
    list(engine.read(container.name, "follow"))
    engine.start(container.name)
    since = engine.look(container.name).log_start
    assert next(engine.read(container.name, "follow", since=since)).data == b"second\n"


def test_a_container_killed_for_memory_says_so(real_lab: Lab) -> None:
    script = "x=aaaaaaaaaaaaaaaa; while true; do x=$x$x; done"
    container = started(real_lab, a_container(real_lab, script, limits=Limits(memory=16 * 1024 * 1024)))
    list(real_lab.engine.read(container.name, "follow"))
    # A daemon that has run for long misses the kernel's event now and then, and tells of a mere SIGKILL.
    noticed = real_lab.engine.look(container.name).oom_killed
    with pytest.raises(NotReady, match="ran out of memory" if noticed else "exited with code 137"):
        readiness.wait(
            real_lab.engine, container.name, replace(container, readiness=Readiness((Probe(tcp=1),), timeout=60))
        )


def test_more_processors_than_the_machine_has_are_refused_with_the_remedy(real_lab: Lab) -> None:
    with pytest.raises(EngineError, match="range of CPUs") as caught:
        real_lab.engine.create(a_container(real_lab, "true", limits=Limits(cpus=99_999)))
    assert caught.value.hint is not None
    assert "`limits.cpus` of `web`" in caught.value.hint


def test_a_process_killed_for_memory_is_known_while_its_container_runs_on(real_lab: Lab) -> None:
    hog = "x=aaaaaaaaaaaaaaaa; while true; do x=$x$x; done"
    container = started(real_lab, a_container(real_lab, "exec sleep 1000", limits=Limits(memory=16 * 1024 * 1024)))
    running = real_lab.engine.exec(container.name, Command(("sh", "-c", hog)))
    list(running)
    assert running.exit_code == 137
    assert real_lab.engine.look(container.name).running
    # The counter inside is asked where a daemon has missed what the kernel told.
    told = limiting.killed(real_lab.engine, container.name, "web", container.limits, 137, 60)
    assert told is not None
    assert "`web` ran out of memory at its limit of 16 MB" in told


# --- readiness ---


@pytest.mark.parametrize(
    "probe",
    [
        Probe(tcp=80),
        Probe(http="/", port=80),
        Probe(exec=("nc", "127.0.0.1", "80", "-e", "true")),
        Probe(log="serving"),
    ],
)
def test_a_container_is_ready_when_its_probe_passes(real_lab: Lab, probe: Probe) -> None:
    container = started(
        real_lab,
        a_container(
            real_lab,
            "echo hello >/tmp/index.html",
            "sleep 0.3",
            "echo serving",
            "exec httpd -f -p 80 -h /tmp",
            ports=(Port(80, ports.free()),),
            readiness=Readiness((probe,)),
        ),
    )
    readiness.wait(real_lab.engine, container.name, container)


@pytest.mark.parametrize("published", [True, False])
def test_a_port_is_probed_without_a_way_to_the_container_s_address(real_lab: Lab, *, published: bool) -> None:
    """As on a rootless engine or one in a virtual machine."""
    container = started(
        real_lab,
        a_container(
            real_lab,
            "sleep 0.3",
            "exec httpd -f -p 80 -h /tmp",
            ports=(Port(80, ports.free()),) if published else (),
            readiness=Readiness((Probe(tcp=80),)),
        ),
    )
    assert isinstance(real_lab.engine, DockerEngine)
    real_lab.engine._info = replace(real_lab.engine.info, routable=False)
    readiness.wait(real_lab.engine, container.name, container)
    assert output(real_lab, container, "sh", "-c", "nc 127.0.0.1 80 -e true && echo serves") == "serves\n"


def test_a_port_open_on_loopback_alone_is_not_ready(real_lab: Lab) -> None:
    container = started(
        real_lab,
        a_container(real_lab, "exec httpd -f -p 127.0.0.1:80", readiness=Readiness((Probe(tcp=80),), timeout=0.5)),
    )
    assert isinstance(real_lab.engine, DockerEngine)
    for routable in (True, False):
        real_lab.engine._info = replace(real_lab.engine.info, routable=routable)
        with pytest.raises(NotReady, match="nothing accepts connections on port 80"):
            readiness.wait(real_lab.engine, container.name, container)


def test_setup_lines_are_heard_while_it_goes_on(real_lab: Lab) -> None:
    container = started(
        real_lab,
        a_container(
            real_lab,
            "echo first",
            "while [ ! -e /tmp/go ]; do sleep 0.05; done",
            "echo devenv: setup done",
            "exec sleep 1000",
            setup=True,
        ),
    )

    def hear(line: str) -> None:
        heard.append(line)
        output(real_lab, container, "touch", "/tmp/go")

    heard: list[str] = []
    readiness.wait(real_lab.engine, container.name, container, heard=hear)
    assert heard == ["first"]


def test_a_setup_that_failed_before_a_restart_is_forgotten(real_lab: Lab) -> None:
    container = started(
        real_lab,
        a_container(
            real_lab,
            "[ -e /tmp/again ] && echo devenv: setup done && exec sleep 1000",
            "touch /tmp/again",
            "echo devenv: setup failed: exit code 1: make",
            "exec sleep 1000",
            setup=True,
        ),
    )
    with pytest.raises(NotReady, match="setup of `web` failed"):
        readiness.wait(real_lab.engine, container.name, container)
    assert readiness.setup_failed(real_lab.engine, container.name)
    real_lab.engine.stop(container.name, 0)
    real_lab.engine.start(container.name)
    readiness.wait(real_lab.engine, container.name, container)
    assert not readiness.setup_failed(real_lab.engine, container.name)


# --- create or adopt ---


def test_a_younger_network_of_the_same_name_is_removed_again(real_lab: Lab) -> None:
    """Engines before 25 make a second one when two processes ask at once; here without the check for it."""
    engine, network = real_lab.engine, Network(real_lab.name("net"), real_lab.labels)
    assert isinstance(engine, DockerEngine)
    first = engine.create(network)
    with suppress(Conflict), engine._client() as client:
        client.create_network(network.name, "bridge", labels=dict(network.labels), check_duplicate=False)
    assert engine.create(network) == first


def test_somebody_s_network_is_neither_adopted_nor_removed(real_lab: Lab) -> None:
    other = f"{real_lab.instance}-other"
    theirs = Network(real_lab.name("net"), {labels.INSTANCE: other})
    try:
        real_lab.engine.create(theirs)
        with pytest.raises(Conflict, match=theirs.name):
            real_lab.engine.create(Network(theirs.name, real_lab.labels))
        assert [one.name for one in real_lab.engine.observe(other).networks] == [theirs.name]
    finally:
        engines.clean(real_lab.engine, other)


def test_a_port_taken_by_a_program_of_the_host_is_a_conflict_and_can_be_tried_again(real_lab: Lab) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = int(listener.getsockname()[1])
        container = a_container(real_lab, ports=(Port(80, port),))
        network = Network(real_lab.name("net"), real_lab.labels)
        real_lab.engine.create(network)
        real_lab.engine.create(container, network.name)
        for _ in range(2):
            with pytest.raises(Conflict, match=f"port {port} "):
                real_lab.engine.start(container.name)
    real_lab.engine.start(container.name)
    assert real_lab.engine.look(container.name).address
    real_lab.engine.remove("container", container.name)
    real_lab.engine.remove("network", network.name)


def test_two_removals_at_once_are_both_content(real_lab: Lab) -> None:
    container = started(real_lab, a_container(real_lab))
    failures: list[Exception] = []

    def remove() -> None:
        try:
            real_lab.engine.remove("container", container.name)
        except EngineError as error:
            failures.append(error)

    threads = [threading.Thread(target=remove) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert real_lab.engine.observe(real_lab.instance).containers == ()


# --- changes ---


def test_changes_are_those_of_the_container_and_not_of_its_mounts(real_lab: Lab, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    real_lab.engine.create(Volume(real_lab.name("data"), real_lab.labels))
    mounts = (
        Mount("volume", real_lab.name("data"), "/deep/data"),
        Mount("bind", str(tmp_path / "file"), "/etc/app/file"),
        Mount("tmpfs", "", "/scratch"),
    )
    script = ("echo >/etc/added", "echo >/deep/data/no", "echo >/scratch/no", "echo >/tmp/made", "exec grep -q x /no")
    container = started(real_lab, a_container(real_lab, *script, mounts=mounts))
    list(real_lab.engine.read(container.name, "follow"))
    assert real_lab.engine.changes(container.name) == (
        Change("changed", "/etc"),
        Change("added", "/etc/added"),
        Change("changed", "/tmp"),
        Change("added", "/tmp/made"),
    )


# --- builds ---


def a_build(*lines: str) -> bytes:
    return engines.tar({"Dockerfile": "\n".join(("ARG BASE", "FROM ${BASE}", *lines, "")).encode()})


def build(real_lab: Lab, context: Iterable[bytes], report: Callable[[Progress], None] = silence) -> None:
    name = f"localhost/devenv/{real_lab.name('built')}:1"
    try:
        real_lab.engine.build(context, name, arguments={"BASE": engines.IMAGE}, report=report)
    finally:
        real_lab.engine.remove("image", name)


@pytest.fixture(params=["buildx", "classic"])
def builder(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    name: str = request.param
    if name == "classic":
        monkeypatch.setattr(buildx, "_is_there", lambda _env: False)
    elif shutil.which("docker") is None:
        pytest.skip("the docker command is not there")
    return name


@pytest.mark.usefixtures("builder")
def test_a_build_has_no_network(real_lab: Lab) -> None:
    alone = "RUN [ $(cat /proc/net/dev | grep -c :) = 1 ]"
    build(real_lab, [a_build(f"ENV LAB={real_lab.instance}", alone)])


@pytest.mark.usefixtures("builder")
def test_a_failed_build_shows_the_end_of_its_output(real_lab: Lab) -> None:
    with pytest.raises(EngineError, match=r"the end of its output:\n\n(.*\n)*.*too bad to be built"):
        build(real_lab, [a_build("RUN echo too bad to be built; false")])


@pytest.mark.usefixtures("builder")
def test_a_build_ends_when_its_report_raises(real_lab: Lab) -> None:
    def stop(progress: Progress) -> None:
        if progress.done >= 2:
            raise LookupError("called off")

    with pytest.raises(LookupError, match="called off"):
        build(real_lab, [a_build(f"ENV LAB={real_lab.instance}", "RUN sleep 1000")], stop)


@pytest.mark.parametrize(("script", "is_there"), [("exit 1", False), ("echo '#0 building'; exit 1", True)])
def test_the_engine_builds_itself_when_buildx_cannot_begin(
    real_lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, *, is_there: bool
) -> None:
    program = tmp_path / "docker"
    program.write_text(f"#!/bin/sh\n[ $2 = version ] && exit {0 if is_there else 1}\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    context = a_build(f"ENV LAB={real_lab.instance}")
    build(real_lab, (context[start : start + 512] for start in range(0, len(context), 512)))


# --- a registry ---


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[RunningRegistry]:
    with registries.running(tmp_path / "registry") as running:
        yield running


def stored(registry: RunningRegistry, lab: Lab) -> RegistryPin:
    """An image that no engine has, for this engine's architecture."""
    files: dict[str, bytes | str] = {"file": lab.instance.encode()}
    return registry.image("try/redis", "1", architecture=lab.engine.info.architecture, files=files)


@pytest.fixture
def pulled(registry: RunningRegistry, real_lab: Lab) -> Iterator[str]:
    """A name for an image from the registry, removed in the end with what else the registry's images are called."""
    name = f"localhost/devenv/{real_lab.name('pulled')}:1"
    yield name
    seen = real_lab.engine.image(name)
    real_lab.engine.remove("image", name)
    if seen is not None:
        real_lab.engine.remove("image", seen.id)


def test_an_image_is_pulled_by_its_digest_and_named(real_lab: Lab, registry: RunningRegistry, pulled: str) -> None:
    pin, heard = stored(registry, real_lab), list[Progress]()
    real_lab.engine.pull(f"{registry.address}/try/redis@{pin.manifest}", pulled, login=None, report=heard.append)
    image = real_lab.engine.image(pulled)
    assert image is not None
    assert image.config_digest == pin.config
    told = {(one.subject, one.action, one.unit) for one in heard}
    assert {("redis", "pulling", "bytes")} <= told <= {("redis", word, "bytes") for word in ("pulling", "unpacking")}


def test_a_pull_of_an_index_takes_the_engine_s_own_platform(
    real_lab: Lab, registry: RunningRegistry, pulled: str
) -> None:
    own = real_lab.engine.info.architecture
    pin, other = stored(registry, real_lab), registry.image("try/redis", "2", "s390x")
    index = registry.index("try/redis", "3", {"s390x": other, own: pin})
    real_lab.engine.pull(f"{registry.address}/try/redis@{index}", pulled, login=None, report=silence)
    image = real_lab.engine.image(pulled)
    assert image is not None
    assert image.config_digest == pin.config


def test_a_pull_without_an_image_for_the_engine_s_platform_fails(real_lab: Lab, registry: RunningRegistry) -> None:
    index = registry.index("try/redis", "3", {"s390x": registry.image("try/redis", "2", "s390x")})
    with pytest.raises(EngineError, match=r"could not be pulled: no matching manifest") as caught:
        real_lab.engine.pull(f"{registry.address}/try/redis@{index}", "never:1", login=None, report=silence)
    assert not transfers.is_passing(caught.value)


def test_a_pull_of_what_the_registry_does_not_have_fails(real_lab: Lab, registry: RunningRegistry) -> None:
    source = f"{registry.address}/try/redis@sha256:{'0' * 64}"
    with pytest.raises(EngineError, match=f"`{source}` could not be pulled"):
        real_lab.engine.pull(source, "never:1", login=None, report=silence)
    assert real_lab.engine.image("never:1") is None


def test_a_pulled_image_whose_configuration_is_known_is_not_exported(
    real_lab: Lab, registry: RunningRegistry, pulled: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pin = stored(registry, real_lab)
    monkeypatch.setattr(digests, "_from_export", lambda *_: pytest.fail("an export is dear"))
    source = f"{registry.address}/try/redis@{pin.manifest}"
    real_lab.engine.pull(source, pulled, login=None, config=pin.config, report=silence)
    image = real_lab.engine.image(pulled)
    assert image is not None
    assert image.config_digest == pin.config


def test_a_registry_that_wants_a_login_gets_it(real_lab: Lab, tmp_path: Path) -> None:
    with (
        registries.running(tmp_path / "private", users={"me": "secret"}) as registry,
        engines.an_image(real_lab) as name,
    ):
        target = f"{registry.address}/try/image:1"
        with pytest.raises(EngineError, match="could not be pushed"):
            real_lab.engine.push(name, target, login=None, report=silence)
        login = Login(registry.address, "me", "secret")
        assert real_lab.engine.push(name, target, login=login, report=silence).startswith("sha256:")


def test_a_pushed_image_can_be_pulled_by_the_digest_that_push_told(
    real_lab: Lab, registry: RunningRegistry, pulled: str
) -> None:
    target, heard = f"{registry.address}/try/image:1", list[Progress]()
    with engines.an_image(real_lab) as name:
        before = real_lab.engine.image(name)
        digest = real_lab.engine.push(name, target, login=None, report=heard.append)
        assert real_lab.engine.image(target) is None
    real_lab.engine.pull(f"{registry.address}/try/image@{digest}", pulled, login=None, report=silence)
    after = real_lab.engine.image(pulled)
    assert before is not None
    assert after is not None
    assert after.config_digest == before.config_digest
    assert {(one.action, one.unit) for one in heard} == {("pushing", "bytes")}


def test_a_push_gives_its_name_back_to_the_image_that_had_it(real_lab: Lab, registry: RunningRegistry) -> None:
    target = f"{registry.address}/try/image:1"
    real_lab.engine.load([engines.packed(target, f"{real_lab.instance}-other")[0]])
    theirs = real_lab.engine.image(target)
    with engines.an_image(real_lab) as name:
        real_lab.engine.push(name, target, login=None, report=silence)
    assert real_lab.engine.image(target) == theirs
    real_lab.engine.remove("image", target)


def test_an_image_that_has_the_pushed_name_already_keeps_it(real_lab: Lab, registry: RunningRegistry) -> None:
    target = f"{registry.address}/try/image:1"
    real_lab.engine.load([engines.packed(target, real_lab.instance)[0]])
    before = real_lab.engine.image(target)
    assert real_lab.engine.push(target, target, login=None, report=silence).startswith("sha256:")
    after = real_lab.engine.image(target)
    real_lab.engine.remove("image", target)
    assert before is not None
    assert after == before


# --- the engine goes away ---


@pytest.mark.parametrize(
    "call",
    [
        pytest.param(lambda engine, name: engine.observe(name), id="observe"),
        pytest.param(lambda engine, name: engine.look(name), id="look"),
        pytest.param(lambda engine, name: engine.start(name), id="start"),
        pytest.param(lambda engine, name: engine.stop(name, 0), id="stop"),
        pytest.param(lambda engine, name: engine.remove("container", name), id="remove"),
        pytest.param(lambda engine, name: engine.create(Volume(name)), id="create"),
        pytest.param(lambda engine, name: engine.load([b"x" * 100_000] * 100), id="load"),
        pytest.param(lambda engine, name: list(engine.save(name)), id="save"),
        pytest.param(lambda engine, name: engine.changes(name), id="changes"),
        pytest.param(
            lambda engine, name: engine.pull(f"{name}@sha256:0", "a:1", login=None, report=silence), id="pull"
        ),
        pytest.param(lambda engine, name: engine.push(name, "a:1", login=None, report=silence), id="push"),
        pytest.param(lambda engine, name: engine.build([b"x"], name, arguments={}, report=silence), id="build"),
        pytest.param(lambda engine, name: engine.exec(name, Command(("true",))), id="exec"),
        pytest.param(lambda engine, name: list(engine.read(name, "logs")), id="read"),
    ],
)
def test_every_call_after_the_engine_is_gone_says_so(gate: Gate, call: Callable[[DockerEngine, str], object]) -> None:
    engine = DockerEngine(gate.endpoint)
    assert engine.info.version
    engine.stop("devenv-test-absent", 0)
    gate.cut()
    with pytest.raises(EngineUnreachable) as caught:
        call(engine, "devenv-test-absent")
    assert caught.value.hint is not None
    assert "devenv doctor" in caught.value.hint
    engine.close()


def test_an_engine_that_goes_away_while_a_log_is_followed_says_so(gate: Gate, real_lab: Lab) -> None:
    container = started(real_lab, a_container(real_lab, "echo first", "exec sleep 1000"))
    engine = DockerEngine(gate.endpoint)
    log = engine.read(container.name, "follow")
    assert next(log).data == b"first\n"
    gate.cut()
    with pytest.raises(EngineUnreachable, match="went away"):
        next(log)
    engine.close()


def test_an_engine_that_goes_away_while_a_command_runs_says_so(gate: Gate, real_lab: Lab) -> None:
    container = started(real_lab, a_container(real_lab))
    engine = DockerEngine(gate.endpoint)
    running = engine.exec(container.name, Command(("sh", "-c", "echo first; exec sleep 1000")))
    output = iter(running)
    assert next(output).data == b"first\n"
    gate.cut()
    with pytest.raises(EngineUnreachable):
        _ = (list(output), running.exit_code)
    engine.close()


# --- a terminal ---


def test_a_shell_has_the_terminal_with_its_size_and_signals(real_lab: Lab) -> None:
    container = started(real_lab, a_container(real_lab))
    near, far = pty.openpty()
    termios.tcsetwinsize(near, (33, 101))
    argv = [sys.executable, "-c", SHELL, real_lab.engine.info.address, container.name]
    with subprocess.Popen(argv, stdin=far, stdout=far, stderr=far) as process:
        os.close(far)
        screen = Screen(near)
        screen.await_text("ready> ")
        # What speaks is the process that is to be interrupted: it has the terminal by then, its shell no longer.
        os.write(near, b"sh -c \"stty size; echo a''b; exec sleep 1000\"\n")
        screen.await_text("ab\r\n")
        assert "33 101" in screen.text
        termios.tcsetwinsize(near, (44, 111))
        process.send_signal(signal.SIGWINCH)
        prompts = screen.text.count("ready> ")
        os.write(near, b"\x03")
        screen.await_text("ready> ", times=prompts + 1)
        os.write(near, b"until [ \"$(stty size)\" = '44 111' ]; do sleep 0.05; done; exit 7\n")
        screen.await_text("terminal restored")
        assert "code 7 terminal restored True" in screen.text + screen.rest()
    os.close(near)


class Screen:
    """What a terminal has shown."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self.text = ""

    def await_text(self, wanted: str, times: int = 1) -> None:
        while self.text.count(wanted) < times:
            ready, _, _ = select.select([self._descriptor], [], [], 30)
            assert ready, f"no `{wanted}` in {self.text!r}"
            self.text += os.read(self._descriptor, 65536).decode(errors="replace")

    def rest(self) -> str:
        shown = b""
        with suppress(OSError):  # a terminal whose other side is closed ends with an error
            while data := os.read(self._descriptor, 65536):
                shown += data
        return shown.decode(errors="replace")


# --- files of this host ---


def test_a_folder_that_the_engine_does_not_have_is_refused_with_a_way_out(real_lab: Lab, tmp_path: Path) -> None:
    mounts = (Mount("bind", str(tmp_path / "absent"), "/work"),)
    with pytest.raises(EngineError, match="absent") as caught:
        real_lab.engine.create(
            Container(real_lab.name("c"), "c", "app", engines.IMAGE, command=("true",), mounts=mounts)
        )
    assert '[sync] mode = "copy"' in str(caught.value.hint)


def test_a_container_whose_files_cannot_be_copied_is_removed_again(real_lab: Lab, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    mounts = (Mount("copy", str(tmp_path / "file"), "/bin/busybox/file", read_only=True),)
    container = Container(
        real_lab.name("c"), "c", "app", engines.IMAGE, command=("true",), mounts=mounts, labels=real_lab.labels
    )
    with pytest.raises(EngineError, match="could not be copied"):
        real_lab.engine.create(container)
    assert real_lab.engine.observe(real_lab.instance).containers == ()


def test_what_is_left_of_somebody_who_was_killed_while_asking_is_removed(
    real_lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = hostfiles.probe(tmp_path)
    real_lab.engine.load(hostfiles.image(left, real_lab.engine.info.architecture))
    real_lab.engine.create(left)
    monkeypatch.setattr(hostfiles, "PROBE_LIFE", -60.0)
    real_lab.engine.read_host(tmp_path / "file")
    assert real_lab.engine.image(left.image) is None
    with pytest.raises(NotFound):
        real_lab.engine.look(left.name)
