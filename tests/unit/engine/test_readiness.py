"""Waiting for a container, and what is said when it does not come."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

import pytest

from devenv.engine import apply, readiness
from devenv.engine.memory import MemoryEngine, Ran
from devenv.engine.protocol import Chunk, Command, EngineInfo, SeenImage
from devenv.errors import NotReady
from devenv.model import labels
from devenv.model.blueprint import Container, Health, Network, Port, Probe, Readiness
from devenv.model.project import Limits

IMAGES = {"app:1": SeenImage("sha256:1", "sha256:1", {})}
FAR = EngineInfo("ssh://far", "Memory", "1", "amd64", local=False)
NEAR = EngineInfo("unix:///near.sock", "Memory", "1", "amd64", local=True)

Execute = Callable[[str, Command], Ran]


@dataclass
class Time:
    """A clock that goes on when somebody sleeps."""

    now: float = 100.0
    slept: list[float] = field(default_factory=list)

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


def written(*lines: str, exit_code: int | None = None) -> Ran:
    return Ran(tuple(Chunk("stdout", f"{line}\n".encode()) for line in lines), exit_code)


def a_container(*probes: Probe, setup: bool = False, timeout: float = 2.0, port: int | None = None) -> Container:
    return Container(
        name="shop-web-1",
        unit="web",
        kind="app",
        image="app:1",
        setup=setup,
        ports=() if port is None else (Port(8000, port),),
        readiness=Readiness(probes, timeout),
        labels={labels.INSTANCE: "shop"},
    )


def running(
    container: Container,
    ran: Ran | None = None,
    *,
    execute: Execute = lambda _name, _command: Ran(exit_code=0),
    info: EngineInfo | None = None,
) -> MemoryEngine:
    engine = MemoryEngine(images=IMAGES, program=lambda _: ran or Ran(), execute=execute, info=info)
    engine.create(Network("shop", container.labels))
    engine.create(container, "shop")
    engine.start(container.name)
    return engine


def wait(engine: MemoryEngine, container: Container, time: Time | None = None) -> None:
    time = time or Time()
    readiness.wait(engine, container.name, container, clock=time.clock, sleep=time.sleep)


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening


def port_of(listener: socket.socket) -> int:
    return int(listener.getsockname()[1])


def answer(listener: socket.socket, *statuses: int) -> threading.Thread:
    """Answer one request after the other with these statuses."""

    def serve() -> None:
        for status in statuses:
            caller, _ = listener.accept()
            with caller:
                caller.recv(65536)
                caller.sendall(f"HTTP/1.1 {status} Words\r\nContent-Length: 0\r\n\r\n".encode())

    thread = threading.Thread(target=serve)
    thread.start()
    return thread


# --- probes ---


def test_without_a_probe_a_running_container_is_ready() -> None:
    container = a_container()
    wait(running(container), container)


def test_a_command_is_asked_again_until_it_succeeds() -> None:
    codes = iter((2, 2, 0))
    asked: list[tuple[str, ...]] = []

    def execute(_name: str, command: Command) -> Ran:
        asked.append(tuple(command.argv))
        return Ran(exit_code=next(codes))

    container = a_container(Probe(exec=("pg_isready",)))
    time = Time()
    wait(running(container, execute=execute), container, time)
    assert asked == [("pg_isready",)] * 3
    assert time.slept == [readiness.INTERVAL] * 2


def test_a_port_is_tried_at_the_container_s_own_address(listener: socket.socket) -> None:
    container = a_container(Probe(tcp=port_of(listener)))
    engine = running(container)
    engine.containers[container.name].address = "127.0.0.1"
    wait(engine, container)


def test_http_is_ready_when_the_status_is_below_400(listener: socket.socket) -> None:
    container = a_container(Probe(http="/health", port=port_of(listener)))
    engine = running(container)
    engine.containers[container.name].address = "127.0.0.1"
    server = answer(listener, 500, 404, 302)
    wait(engine, container)
    server.join()


def test_a_port_proxy_that_hangs_up_is_not_ready_yet(listener: socket.socket) -> None:
    """Engines publish ports through a proxy that accepts before the container listens."""

    def hang_up_then_stay() -> None:
        first, _ = listener.accept()
        first.close()
        second, _ = listener.accept()
        with second:
            second.recv(1)

    proxy = threading.Thread(target=hang_up_then_stay)
    proxy.start()
    container = a_container(Probe(tcp=8000), port=port_of(listener))
    time = Time()
    wait(running(container, info=NEAR, execute=lambda _n, _c: Ran(exit_code=1)), container, time)
    proxy.join()
    assert len(time.slept) == 1


def test_far_away_the_container_itself_is_asked_whether_it_listens() -> None:
    scripts: list[str] = []

    def execute(_name: str, command: Command) -> Ran:
        scripts.append(command.argv[-1])
        return Ran(exit_code=0)

    container = a_container(Probe(tcp=8000), port=1)
    wait(running(container, info=FAR, execute=execute), container)
    (script,) = scripts
    assert ":1F40 " in script


def test_far_away_http_is_asked_by_the_declared_health_check() -> None:
    def execute(_name: str, command: Command) -> Ran:
        return Ran(exit_code=0 if tuple(command.argv) == ("check", "http") else 1)

    container = replace(
        a_container(Probe(http="/", port=8000)), health=Health(("check", "http"), 5.0, 5.0, 3, start_period=0.0)
    )
    wait(running(container, info=FAR, execute=execute), container)


def test_a_line_of_the_log_makes_it_ready() -> None:
    container = a_container(Probe(log=r"listening on \d+"), timeout=60)
    engine = running(container, written("starting", "listening on 8000"))
    readiness.wait(engine, container.name, container)


def test_cheap_probes_come_first(listener: socket.socket) -> None:
    order: list[str] = []

    def execute(_name: str, _command: Command) -> Ran:
        order.append("exec")
        return Ran(exit_code=0)

    container = a_container(Probe(exec=("check",)), Probe(http="/", port=port_of(listener)))
    engine = running(container, execute=execute)
    engine.containers[container.name].address = "127.0.0.1"

    def serve() -> None:
        caller, _ = listener.accept()
        with caller:
            caller.recv(65536)
            order.append("http")
            caller.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")

    server = threading.Thread(target=serve)
    server.start()
    wait(engine, container)
    server.join()
    assert order == ["http", "exec"]


# --- what is said when it does not come ---


def test_a_container_that_exits_is_named_with_its_code_and_last_lines() -> None:
    container = a_container(Probe(tcp=8000))
    engine = running(container, written(*(f"line {number}" for number in range(1, 13)), exit_code=3))
    with pytest.raises(NotReady) as caught:
        wait(engine, container)
    lines = "\n".join(f"  line {number}" for number in range(3, 13))
    assert caught.value.message == (
        f"container `shop-web-1` exited with code 3 before it was ready; its last lines:\n{lines}"
    )
    assert caught.value.hint == "`devenv logs web` shows all it wrote"


def test_a_container_that_exits_while_it_is_waited_for_is_named() -> None:
    container = a_container(Probe(exec=("check",)))

    def execute(name: str, _command: Command) -> Ran:
        engine.stop(name, 0)
        return Ran(exit_code=1)

    engine = running(container, execute=execute)
    with pytest.raises(NotReady, match="exited with code 143"):
        wait(engine, container)


def test_a_container_that_is_removed_while_it_is_waited_for_is_named() -> None:
    container = a_container(Probe(exec=("check",)))

    def execute(name: str, _command: Command) -> Ran:
        engine.remove("container", name)
        return Ran(exit_code=1)

    engine = running(container, execute=execute)
    with pytest.raises(NotReady, match="is gone"):
        wait(engine, container)


def test_a_container_that_is_late_is_told_with_what_is_wrong() -> None:
    container = a_container(Probe(exec=("pg_isready",)), timeout=1.5)
    engine = running(container, written("starting"), execute=lambda _n, _c: written("no response", exit_code=2))
    with pytest.raises(NotReady) as caught:
        wait(engine, container)
    assert caught.value.message == (
        "container `shop-web-1` was not ready after 1.5 seconds: `pg_isready` exits with code 2: no response; "
        "its last lines:\n  starting"
    )


def test_nothing_on_the_port_hints_at_the_address_to_listen_on() -> None:
    container = a_container(Probe(tcp=8000))
    engine = running(container, info=FAR, execute=lambda _n, _c: Ran(exit_code=1))
    with pytest.raises(NotReady, match="nothing accepts connections on port 8000; it wrote nothing") as caught:
        wait(engine, container)
    assert caught.value.hint is not None
    assert "0.0.0.0" in caught.value.hint


def test_nothing_in_the_log_can_move_the_cursor() -> None:
    container = a_container(Probe(tcp=8000))
    engine = running(container, written("\x1b[31mred\x1b[0m \x07bell", "10%\r100%", exit_code=1))
    with pytest.raises(NotReady) as caught:
        wait(engine, container)
    assert caught.value.message.endswith("its last lines:\n  red bell\n  100%")


def test_waiting_can_be_called_off() -> None:
    container = a_container(Probe(exec=("check",)))
    off = threading.Event()
    off.set()
    with pytest.raises(apply.CalledOff):
        readiness.wait(running(container, execute=lambda _n, _c: Ran(exit_code=1)), container.name, container, off=off)


# --- setup ---


def test_probes_and_their_time_begin_when_the_setup_is_done() -> None:
    asked: list[str] = []

    def execute(_name: str, command: Command) -> Ran:
        asked.append(command.argv[0])
        return Ran(exit_code=0)

    container = a_container(Probe(exec=("check",)), setup=True)
    engine = running(container, written("pip says a", "pip says b", "devenv: setup done", "serving"), execute=execute)
    heard: list[str] = []
    readiness.wait(engine, container.name, container, heard=heard.append)
    assert heard == ["pip says a", "pip says b"]
    assert asked == ["check"]


def test_a_setup_that_fails_is_told_with_all_it_wrote() -> None:
    container = a_container(setup=True)
    lines = ("devenv: setup: pip install x", "no such package", "devenv: setup failed: exit code 1: pip install x")
    engine = running(container, written(*lines))
    with pytest.raises(NotReady) as caught:
        readiness.wait(engine, container.name, container)
    assert caught.value.message == "the setup of `web` failed:\n" + "\n".join(f"  {line}" for line in lines)
    assert caught.value.hint == "fix it and run `devenv up` again; `devenv shell web` opens a shell"


def test_a_container_that_exits_in_its_setup_is_named() -> None:
    container = a_container(setup=True)
    engine = running(container, written("devenv: setup: sleep 100"))

    def stop(call: str, _target: str) -> None:
        if call == "read":
            engine.containers[container.name].status = "exited"
            engine.containers[container.name].exit_code = 137

    engine.fail_on = stop
    with pytest.raises(NotReady, match="exited with code 137 before it was ready; its last lines"):
        readiness.wait(engine, container.name, container)


def test_a_failed_setup_is_seen_later_too() -> None:
    container = a_container(setup=True)
    failed = running(container, written("a", "devenv: setup failed: exit code 1: make"))
    done = running(container, written("a", "devenv: setup done", "serving"))
    assert readiness.setup_failed(failed, container.name)
    assert not readiness.setup_failed(done, container.name)


# --- memory ---


def limited(*probes: Probe, setup: bool = False) -> Container:
    return replace(a_container(*probes, setup=setup), limits=Limits(memory=64 << 20))


def refused(engine: MemoryEngine, container: Container) -> NotReady:
    with pytest.raises(NotReady) as caught:
        wait(engine, container)
    return caught.value


def test_a_container_that_ran_out_of_memory_names_its_limit_and_the_remedy() -> None:
    container = limited()
    engine = running(container, written("loading", exit_code=137))
    engine.containers[container.name].oom_killed = True
    error = refused(engine, container)
    assert error.message.startswith("container `shop-web-1` ran out of memory at its limit of 64 MB; its last lines:")
    assert error.hint == "give it more with `limits.memory` of `web`"


def test_a_container_that_lost_a_process_and_never_was_ready_names_its_limit() -> None:
    container = limited(Probe(exec=("check",)))
    engine = running(container, execute=lambda _name, _command: Ran(exit_code=1))
    engine.containers[container.name].oom_killed = True
    error = refused(engine, container)
    assert "a process in it was ended, for it ran out of memory at its limit of 64 MB" in error.message


def test_a_setup_that_ran_out_of_memory_names_its_limit() -> None:
    container = limited(setup=True)
    engine = running(container, written("Killed", readiness.SETUP_FAILED))
    engine.containers[container.name].oom_killed = True
    error = refused(engine, container)
    assert error.message.startswith("the setup of `web` ran out of memory at its limit of 64 MB:\n  Killed")
