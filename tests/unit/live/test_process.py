from __future__ import annotations

import json
import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from devenv.errors import DevenvError
from devenv.live import control, journal
from devenv.live.assignment import Assignment
from devenv.live.client import Client
from devenv.live.news import News
from devenv.live.place import Flushed, Place
from devenv.sync.events import Synced
from tests.unit.live import fakes
from tests.unit.live.fakes import World


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(Place(tmp_path / "place"))


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline, "it did not come true"
        time.sleep(0.005)


@contextmanager
def running(world: World, todo: Assignment, *, look: float = 60.0) -> Iterator[Client]:
    """A process in a thread, and its client; it is stopped at the end, if it runs still."""
    process = world.process(todo, look=look)
    thread = threading.Thread(target=process.run)
    thread.start()
    until(lambda: world.place.told() or not thread.is_alive())
    told = world.place.told()
    assert told is not None
    try:
        yield Client(world.place, told)
    finally:
        process.stop()
        thread.join(10)
        assert not thread.is_alive()


def heard(client: Client) -> tuple[list[News], threading.Thread]:
    """What a follower hears from now on."""
    got: list[News] = []
    thread = threading.Thread(target=lambda: got.extend(client.follow()))
    thread.start()
    return got, thread


def test_it_tells_how_its_sessions_are_in_names_that_can_be_printed(world: World, tmp_path: Path) -> None:
    with running(world, fakes.copying(tmp_path, "web", "front")) as client:
        report = client.report()
    assert (report.mode, [one.app for one in report.sessions]) == ("copy", ["web", "front"])
    assert report.sessions[0].troubles[0].path == "b\ufffd\ufffd"
    assert report.sessions[0].seconds == (0.004,)


def test_it_pauses_and_resumes_every_session(world: World, tmp_path: Path) -> None:
    with running(world, fakes.copying(tmp_path, "web", "front")) as client:
        client.pause()
        assert {one.stage for one in world.sessions} == {"paused"}
        assert client.flush(1) == Flushed(False, "it is paused")
        client.resume()
        assert client.flush(1) == Flushed(True)


def test_a_flush_that_does_not_come_to_an_end_says_so(world: World, tmp_path: Path) -> None:
    with running(world, fakes.copying(tmp_path, "web")) as client:
        world.sessions[0].equal = False
        assert client.flush(0) == Flushed(False, "it is not done after 0 s")


def test_a_flush_waits_for_a_session_that_connects_unless_it_is_about_another_volume(
    world: World, tmp_path: Path
) -> None:
    with running(world, fakes.copying(tmp_path, "web", "front")) as client, ThreadPoolExecutor(1) as pool:
        world.sessions[0].stage, world.sessions[0].reason = "connecting", "the container is not running"
        assert client.flush(0, "shop_front-files") == Flushed(True)
        assert client.flush(0) == Flushed(False, "it is connecting: the container is not running")
        asked = pool.submit(client.flush, 20)
        until(lambda: world.sessions[0].asked > 2)
        world.sessions[0].stage = "live"
        assert asked.result() == Flushed(True)


def test_it_tells_when_a_volume_is_ready_and_why_it_is_not(world: World, tmp_path: Path) -> None:
    with running(world, fakes.copying(tmp_path, "web")) as client:
        assert client.ready("shop_web-files", 0).done
        world.sessions[0].stage, world.sessions[0].reason = "halted", "the host's folder is empty"
        found = client.ready("shop_web-files", 0)
        assert (found.done, found.ended, found.stage, found.reason) == (
            False,
            False,
            "halted",
            "the host's folder is empty",
        )
        with pytest.raises(DevenvError, match="no session for the volume `other`"):
            client.ready("other", 0)


def test_when_all_sessions_have_ended_it_ends_and_leaves_the_reason(world: World, tmp_path: Path) -> None:
    with running(world, fakes.copying(tmp_path, "web", "front")) as client:
        world.sessions[0].end(fakes.gone("the container is gone"))
        until(lambda: client.report().sessions[0].stage == "halted")
        assert client.report().sessions[0].reason == "the container is gone"
        assert client.flush(1) == Flushed(False, "it is halted: the container is gone")
        world.sessions[1].end(ValueError("a bug"))
        until(lambda: not world.place.lives())
    assert world.place.why() == "the container is gone; this is a bug in devenv: ValueError: a bug"
    with running(world, fakes.copying(tmp_path, "web")):
        assert world.place.why() is None


def test_it_ends_when_there_is_nothing_left_to_do(world: World, tmp_path: Path) -> None:
    with running(world, fakes.binding(tmp_path), look=0.01):
        world.gone = "`devenv.toml` is gone"
        until(lambda: not world.place.lives())
    assert world.place.why() == "`devenv.toml` is gone"


def test_it_ends_when_asked_and_leaves_no_socket(world: World, tmp_path: Path) -> None:
    with running(world, fakes.binding(tmp_path)) as client:
        client.stop()
        assert not world.place.lives()
        assert not Path(client.told.socket).exists()
        client.stop()
    assert world.place.why() is None


def test_a_second_one_ends_at_once(world: World, tmp_path: Path) -> None:
    with running(world, fakes.binding(tmp_path)):
        assert world.process(fakes.binding(tmp_path)).run() is False


def test_what_a_dead_process_left_is_no_obstacle(world: World, tmp_path: Path) -> None:
    world.place.make()
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(world.place.folder / "socket"))
    world.place.process.write_text('{"pid": 1, "mode": "copy", "assignment": "abc", "socket": "/gone"}')
    with running(world, fakes.binding(tmp_path)) as client:
        assert client.report().followed == ("web",)


def test_changes_that_come_in_have_consequences_and_those_that_come_out_have_none(world: World, tmp_path: Path) -> None:
    with running(world, fakes.copying(tmp_path, "web")) as client:
        got, thread = heard(client)
        until(world.is_followed)
        world.sessions[0].tell(Synced(("requirements.txt",), "out", 0.1))
        world.sessions[0].tell(Synced(("requirements.txt", "shop.py"), "in", 0.1))
        until(lambda: [one for one in got if one.kind == "done"])
        client.stop()
        thread.join(10)
    assert world.ran == [["up", "-d"]]
    kinds = [one.kind for one in got if one.kind != "stage"]
    assert kinds[-3:] == ["began", "line", "done"]
    assert next(one for one in got if one.kind == "began").paths == ("web/requirements.txt",)


def test_what_came_in_before_a_session_was_live_has_no_consequence(world: World, tmp_path: Path) -> None:
    todo = fakes.copying(tmp_path, "web")
    world.process(todo)
    world.sessions[0].tell(Synced(("requirements.txt",), "in", 0.1))
    process = world.process(todo)
    assert process._actions._burst.left(0) is None


def test_where_files_are_shared_changes_are_watched(world: World, tmp_path: Path) -> None:
    with running(world, fakes.binding(tmp_path)) as client:
        got, thread = heard(client)
        until(world.is_followed)
        world.watches[0].changed({"requirements.txt"})
        until(lambda: [one for one in got if one.kind == "done"])
        client.stop()
        thread.join(10)
    assert (world.watches[0].folder, world.ran) == (tmp_path, [["up", "-d"]])


def test_a_system_that_refuses_to_watch_is_named(
    world: World, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    world.refuses = OSError("no space left on device")
    with running(world, fakes.binding(tmp_path)):
        until(lambda: "changes in . are not followed: no space left on device" in caplog.text)


@pytest.mark.parametrize("line", [b"{\n", b"[]\n", b'{"do": "dance"}\n', b'{"do": "flush"}\n'])
def test_a_question_that_is_none_is_refused_and_the_next_is_answered(
    world: World, tmp_path: Path, line: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    with running(world, fakes.copying(tmp_path, "web")) as client, socket.socket(socket.AF_UNIX) as caller:
        caller.connect(client.told.socket)
        with caller.makefile("rwb") as stream:
            stream.write(line)
            stream.flush()
            assert "error" in json.loads(stream.readline())
            stream.write(b'{"do": "version"}\n')
            stream.flush()
            assert "version" in json.loads(stream.readline())


def test_a_folder_that_others_may_write_to_is_not_trusted(tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    with pytest.raises(DevenvError, match="is open to others"):
        control.ask(tmp_path / "socket", {"do": "stop"}, seconds=1)


def test_the_log_is_one_line_a_message_and_is_begun_anew_when_it_is_large(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal, "LARGEST", 200)
    root, level = logging.getLogger(), logging.getLogger().level
    monkeypatch.setattr(root, "handlers", [])  # those of pytest cannot hand on what is no text
    handler = journal.begin(tmp_path / "log", takes_output=False)
    try:
        log = logging.getLogger("devenv.test")
        log.info("first %s", "a\nb\x1b[2J\udcff")
        for _ in range(3):
            log.info("%s", "x" * 90)
    finally:
        root.removeHandler(handler)
        root.setLevel(level)
        logging.getLogger("devenv").setLevel(logging.NOTSET)
        handler.close()
    texts = [(tmp_path / name).read_text() for name in ("log.1", "log")]
    assert all("\x1b" not in one and len(one) < 300 for one in texts)
