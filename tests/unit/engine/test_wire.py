"""Short calls to the engine over a socket."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from devenv.engine import wire
from devenv.engine.wire import Answer, Endpoint, Wire
from devenv.errors import Conflict, EngineError, EngineUnreachable, NotFound, PortTaken

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


@contextmanager
def serving(path: Path, answers: Callable[[int, socket.socket], None]) -> Iterator[Endpoint]:
    """Listen on a socket; `answers` gets each connection with its number, on one thread."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(str(path))
    listener.listen()

    def serve() -> None:
        number = 0
        while True:
            try:
                caller, _ = listener.accept()
            except OSError:
                return
            with caller:
                answers(number, caller)
            number += 1

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield Endpoint(f"unix://{path}")
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()
        listener.close()


def once(_number: int, caller: socket.socket) -> None:
    caller.recv(65536)
    caller.sendall(OK)


def test_a_connection_that_the_engine_dropped_while_idle_is_replaced(tmp_path: Path) -> None:
    with serving(tmp_path / "s", once) as endpoint:
        asked = Wire(endpoint)
        assert [asked.ask("GET", "/_ping").status for _ in range(3)] == [200, 200, 200]
        asked.close()


def test_an_engine_that_hangs_up_in_the_middle_of_an_answer_went_away(tmp_path: Path) -> None:
    def half(_number: int, caller: socket.socket) -> None:
        caller.recv(65536)
        caller.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 200\r\n\r\n{")

    with serving(tmp_path / "s", half) as endpoint, pytest.raises(EngineUnreachable, match="went away") as caught:
        Wire(endpoint).ask("GET", "/_ping")
    assert caught.value.hint is not None
    assert "devenv doctor" in caught.value.hint


def test_an_engine_that_hangs_up_without_an_answer_went_away(tmp_path: Path) -> None:
    with (
        serving(tmp_path / "s", lambda _number, _caller: None) as endpoint,
        pytest.raises(EngineUnreachable, match="went away"),
    ):
        Wire(endpoint).ask("GET", "/_ping")


def test_a_stream_may_be_silent_for_as_long_as_it_likes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "CONNECT_TIMEOUT", 0.1)

    def says_little(_number: int, caller: socket.socket) -> None:
        heard = b""
        while not heard.endswith(b"{}"):  # the body may come after the head
            heard += caller.recv(65536)
        caller.sendall(b"HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\nfirst")
        assert caller.recv(100) == b"asked"
        time.sleep(0.3)
        caller.sendall(b"last")

    with (
        serving(tmp_path / "s", says_little) as endpoint,
        Wire(endpoint).taken_over("/exec/1/start", {}) as (reader, sock),
    ):
        assert reader.read(5) == b"first"
        sock.sendall(b"asked")
        assert reader.read() == b"last"


def test_an_engine_that_stays_silent_does_not_answer(tmp_path: Path) -> None:
    def until_the_caller_leaves(_number: int, caller: socket.socket) -> None:
        while caller.recv(65536):
            pass

    with (
        serving(tmp_path / "s", until_the_caller_leaves) as endpoint,
        pytest.raises(EngineUnreachable, match="does not answer"),
    ):
        Wire(endpoint).ask("GET", "/_ping", timeout=0.05)


@pytest.mark.parametrize("address", ["unix:///nowhere/engine.sock", "tcp://127.0.0.1:1"])
def test_nobody_listening_is_told_with_the_address(address: str) -> None:
    with pytest.raises(EngineUnreachable, match="no engine answers") as caught:
        Wire(Endpoint(address)).ask("GET", "/_ping")
    assert address in caught.value.message


def test_a_socket_that_is_not_permitted_is_told_with_its_remedy() -> None:
    error = wire.unreachable("unix:///var/run/docker.sock", PermissionError(13, "Permission denied"))
    assert error.message == "this user may not use the engine at `unix:///var/run/docker.sock`: permission denied"
    assert error.hint is not None
    assert "usermod -aG docker" in error.hint


@pytest.mark.parametrize(
    ("status", "words", "kind", "message"),
    [
        (404, "No such container: web", NotFound, "no such container: web"),
        (409, "removal of container x is already in progress", Conflict, "removal of container"),
        (403, "error while removing network: network n has active endpoints", Conflict, "active endpoints"),
        (500, "Bind for 127.0.0.1:5432 failed: port is already allocated", PortTaken, "port 5432 is already in use"),
        (
            500,
            "failed to bind host port for 127.0.0.1:8000:172.18.0.2:80/tcp: address already in use",
            PortTaken,
            "port 8000 is already in use",
        ),
        (500, "listen tcp6 [::1]:8000: bind: address already in use", PortTaken, "port 8000 is already in use"),
        (500, "no space left on device.", EngineError, "the engine refused: no space left on device"),
        (503, "shutting down", EngineUnreachable, "not available"),
        (500, "", EngineError, "status 500"),
        (None, "odd", EngineError, "the engine refused: odd"),
    ],
)
def test_each_refusal_has_its_class_and_words(
    status: int | None, words: str, kind: type[EngineError], message: str
) -> None:
    error = wire.refused(status, words)
    assert type(error) is kind
    assert message in error.message


def test_the_engine_s_own_words_are_taken_from_its_answer() -> None:
    assert Answer(500, b'{"message":"it says"}').message == "it says"
    assert Answer(500, b"<html>no json").message == "<html>no json"


def test_parts_of_a_path_are_escaped() -> None:
    assert wire.path("images", "a/b:1?x#y", "json", query={"q": "a b"}) == "/images/a%2Fb%3A1%3Fx%23y/json?q=a+b"
