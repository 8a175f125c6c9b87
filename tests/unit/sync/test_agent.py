from __future__ import annotations

import itertools
import os
import re
import select
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from devenv.sync import wire
from devenv.sync.entries import TEMPORARY, Seen
from devenv.sync.wire import Message

PATIENCE = 20.0
MTIME = 1_700_000_000_000_000_000

# As busybox has it: tells on stdout of what happens in folders, with nothing but what libc offers.
INOTIFYD = r"""
import ctypes, os, struct, sys
letters = {0x2: "c", 0x4: "e", 0x8: "w", 0x40: "m", 0x80: "y", 0x100: "n", 0x200: "d", 0x4000: "o"}
libc = ctypes.CDLL(None)
handle, folders = libc.inotify_init(), {}
for argument in sys.argv[2:]:
    folder, _, wanted = argument.rpartition(":")
    mask = sum(bit for bit, letter in letters.items() if letter in wanted)
    folders[libc.inotify_add_watch(handle, os.fsencode(folder), mask)] = os.fsencode(folder)
while True:
    data = os.read(handle, 1 << 16)
    while data:
        watch, mask, _, length = struct.unpack_from("iIII", data)
        name, data = data[16 : 16 + length].rstrip(b"\0"), data[16 + length :]
        if watch in folders:
            event = "".join(letter for bit, letter in letters.items() if mask & bit).encode()
            os.write(1, event + b"\t" + folders[watch] + b"\t" + name + b"\n")
"""


class Agent:
    """An agent at work on a folder."""

    def __init__(self, root: Path, argv: Sequence[str], environ: dict[str, str]) -> None:
        self.root = root
        self.process = subprocess.Popen(argv, env=environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)
        self.unasked: list[Message] = []
        self.numbers = itertools.count(1)
        self._parser = wire.Parser()
        self._heard: list[Message] = []
        self.hello = wire.hello(self.next().payload)

    def next(self) -> Message:
        """The next thing it says."""
        assert self.process.stdout is not None
        while not self._heard:
            assert select.select([self.process.stdout], [], [], PATIENCE)[0], "the agent is silent"
            data = os.read(self.process.stdout.fileno(), 1 << 20)
            assert data, "the agent has ended"
            self._heard += self._parser.feed(data)
        return self._heard.pop(0)

    def send(self, data: bytes) -> None:
        assert self.process.stdin is not None
        while data:
            data = data[self.process.stdin.write(data) or 0 :]

    def say(self, verb: str, *fields: object, then: bytes = b"") -> str:
        """Ask for something; each field ends in a zero byte."""
        number = str(next(self.numbers))
        payload = b"".join(os.fsencode(str(one)) + b"\0" for one in fields)
        self.send(wire.message(verb, number, payload=payload + then))
        return number

    def answer(self, number: str) -> list[Message]:
        """All that is said in answer, up to the last word."""
        said = []
        while True:
            message = self.next()
            if message.words[0] == "hello" or message.words[1:] != (number,):
                self.unasked.append(message)
                continue
            said.append(message)
            if message.words[0] not in {"part", "file", "data"}:
                return said

    def ask(self, verb: str, *fields: object, then: bytes = b"") -> tuple[str, list[tuple[str, Seen | None]]]:
        """What it answers: the last word, and all records."""
        said = self.answer(self.say(verb, *fields, then=then))
        word = said[-1].words[0]
        return word, [] if word == "failed" else wire.records(b"".join(one.payload for one in said))

    def failure(self, verb: str, *fields: object, then: bytes = b"") -> str:
        (said,) = self.answer(self.say(verb, *fields, then=then))
        assert said.words[0] == "failed"
        return said.payload.decode()

    def look(self, path: str) -> Seen | None:
        ((found, seen),) = self.ask("look", path)[1]
        assert found == path
        return seen

    def signature(self, path: str) -> str:
        seen = self.look(path)
        assert seen is not None
        return seen.signature

    def put(self, path: str, content: bytes, expect: str = "", mode: str = "644") -> tuple[str, Seen | None]:
        verb, records = self.ask("put", path, expect, mode, MTIME, len(content), then=content)
        return verb, dict(records)[path]

    def add(self, files: Mapping[str, bytes], how: str, mode: str = "644") -> list[str]:
        """The signature each file got; empty for one that could not be written."""
        words = "".join(f"{path}\0{mode}\0{MTIME}\0{len(content)}\0" for path, content in files.items())
        (said,) = self.answer(self.say("add", how, len(words), then=words.encode() + b"".join(files.values())))
        assert said.words[0] == "added"
        return said.payload.decode().split("\0")[:-1]

    def get(self, path: str) -> tuple[bytes, Seen | None, Seen | None]:
        said = self.answer(self.say("get", path))
        content = b"".join(one.payload for one in said if one.words[0] == "data")
        return content, wire.records(said[0].payload)[0][1], wire.records(said[-1].payload)[0][1]

    def ping(self) -> None:
        self.answer(self.say("ping"))

    def changes(self) -> dict[str, Seen | None]:
        """What it tells to have changed until now."""
        self.ping()
        told = [one for one in self.unasked if one.words == ("changed",)]
        self.unasked.clear()
        return {path: seen for one in told for path, seen in wire.records(one.payload)}

    def end(self) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        if self.process.stdout.closed:
            return
        self.process.stdin.close()
        self.process.stdout.read()
        self.process.stdout.close()
        self.process.wait(PATIENCE)


Start = Callable[..., Agent]
Interrupted = Callable[[Mapping[str, str]], Agent]


def _as_perl(root: Path) -> tuple[list[str], dict[str, str]]:
    return list(wire.command(str(root))), dict(os.environ)


def _as_sh(root: Path, applets: Path, extra: str = "") -> tuple[list[str], dict[str, str]]:
    argv = [str(applets / "sh"), *wire.command(str(root))[1:]]
    return argv, {"PATH": f"{extra}{applets}", "TMPDIR": str(applets.parent)}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "the root"
    folder.mkdir()
    return folder


@pytest.fixture
def running() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


@pytest.fixture(params=["perl", "sh"])
def start(request: pytest.FixtureRequest, root: Path, applets: Path, running: ExitStack) -> Start:
    def started() -> Agent:
        argv, environ = _as_perl(root) if request.param == "perl" else _as_sh(root, applets)
        agent = Agent(root, argv, environ)
        running.callback(agent.end)
        assert agent.hello.agent == request.param
        return agent

    return started


@pytest.fixture
def agent(start: Start) -> Agent:
    return start()


@pytest.fixture
def perl(root: Path, running: ExitStack) -> Agent:
    agent = Agent(root, *_as_perl(root))
    running.callback(agent.end)
    return agent


@pytest.fixture(params=["perl", "sh"])
def watching(request: pytest.FixtureRequest, root: Path, tmp_path: Path, applets: Path, running: ExitStack) -> Agent:
    """An agent that watches the root and `folder`."""
    (root / "folder").mkdir()
    program = tmp_path / "bin" / "inotifyd"
    program.parent.mkdir()
    program.write_text(f"#!{sys.executable} -ISs\n{INOTIFYD}")
    program.chmod(0o755)
    started = _as_perl(root) if request.param == "perl" else _as_sh(root, applets, f"{program.parent}:")
    agent = Agent(root, *started)
    running.callback(agent.end)
    assert agent.hello.watching
    agent.ask("list", "", "folder")
    return agent


def tree(root: Path) -> list[str]:
    return sorted(str(path.relative_to(root)) for path in root.rglob("*"))


# --- the greeting and the marker ---


def test_an_agent_says_what_it_found(root: Path, start: Start) -> None:
    (root / "lost+found").mkdir()
    (root / ".devenv").mkdir()

    said = start().hello

    assert (said.empty, said.writable, said.marker) == (True, True, None)
    assert said.watching == (said.agent == "perl")


def test_a_marker_is_found_again(root: Path, start: Start) -> None:
    agent = start()

    assert agent.ask("mark", then=b"volume 7\nof a checkout\n") == ("done", [])
    assert agent.ask("mark", then=b"volume 8\nof a checkout\n") == ("done", [])

    (root / "file").touch()
    again = start()
    assert again.hello.marker == "volume 8\nof a checkout\n"
    assert not again.hello.empty
    assert [path for path, _ in again.ask("list", "")[1]] == ["file"]


def test_an_agent_without_its_folder_says_so(root: Path, start: Start) -> None:
    root.rmdir()

    with pytest.raises(AssertionError, match="assert '' =="):
        start()


# --- reading ---


def test_a_folder_is_listed_with_all_that_is_to_know(root: Path, agent: Agent) -> None:
    (root / "file").write_bytes(b"12345")
    (root / "file").chmod(0o4750)
    os.utime(root / "file", ns=(MTIME, MTIME))
    (root / "folder" / "below").mkdir(parents=True)
    (root / "link").symlink_to("to nowhere\n")
    os.mkfifo(root / "pipe")
    (root / ".devenv-sync.half").touch()

    verb, records = agent.ask("list", "", "folder", "file", "none", "folder/below")

    found = dict(records)
    assert verb == "listed"
    assert sorted(found) == ["file", "folder", "folder/below", "link", "none", "pipe"]
    file, link = found["file"], found["link"]
    assert file is not None
    assert link is not None
    assert (file.kind, file.mode, file.size, file.mtime) == ("file", 0o750, 5, MTIME)
    assert file.inode == (root / "file").stat().st_ino
    assert (link.kind, link.target, link.size) == ("link", "to nowhere\n", 0)
    assert [one and one.kind for one in (found["folder"], found["pipe"], found["none"])] == ["folder", "other", None]


@pytest.mark.parametrize(
    "name", [b"a  b ", b"'\"$(x)`\\t", b"-n", b"line\nbreak\n", b"\xff\xfe", b".hidden", b"..dots", b"*", "é✓".encode()]
)
def test_any_name_can_be_listed_written_and_read(root: Path, agent: Agent, name: bytes) -> None:
    path = os.fsdecode(name)

    assert agent.put(path, b"content")[0] == "done"

    assert [found for found, _ in agent.ask("list", "")[1]] == [path]
    content, before, after = agent.get(path)
    assert content == b"content" == (root / path).read_bytes()
    assert before == after is not None
    assert agent.ask("remove", path, before.signature if before else "")[0] == "done"
    assert tree(root) == []


def test_a_signature_changes_with_content_kind_and_mode_but_not_with_a_folders_entries(
    root: Path, agent: Agent
) -> None:
    path = root / "path"
    seen = []
    for change in (
        lambda: path.write_text("one"),
        lambda: path.write_text("two"),
        lambda: path.chmod(0o600),
        path.unlink,
        lambda: path.symlink_to("x"),
        path.unlink,
        path.mkdir,
    ):
        change()
        seen.append(now.signature if (now := agent.look("path")) else None)

    assert len(set(seen)) == len(seen) - 1
    (path / "entry").touch()
    assert agent.signature("path") == seen[-1]


def test_large_files_come_in_pieces(root: Path, agent: Agent) -> None:
    content = os.urandom(700_000)
    (root / "large").write_bytes(content)

    assert agent.get("large")[0] == content


def test_what_is_no_file_is_not_read(root: Path, agent: Agent) -> None:
    (root / "link").symlink_to("/etc/passwd")

    content, before, after = agent.get("link")

    assert (content, before and before.kind) == (b"", "link")
    assert before == after
    assert agent.get("none") == (b"", None, None)


def fetched(agent: Agent, *paths: str) -> dict[str, tuple[Seen | None, bytes]]:
    """What it read with one message."""
    (said,) = agent.answer(agent.say("fetch", *paths))
    length, _, rest = said.payload.partition(b"\0")
    found, start = {}, int(length)
    for path, seen in wire.records(rest[:start]):
        size = seen.size if seen is not None else 0
        found[path] = (seen, rest[start : start + size])
        start += size
    assert start == len(rest)
    return found


def test_many_files_are_read_with_one_message(root: Path, tmp_path: Path, perl: Agent) -> None:
    (root / "folder").mkdir()
    (tmp_path / "outside").write_text("canary")
    for path, content in (("a", b"\0binary\n"), ("folder/empty", b""), ("large", b"x" * 300_000)):
        (root / path).write_bytes(content)
    (root / "link").symlink_to("a")
    (root / "out").symlink_to(tmp_path)
    os.mkfifo(root / "pipe")

    found = fetched(perl, "a", "none", "folder", "link", "pipe", "folder/empty", "large", "out/outside", "../outside")

    assert {path: content for path, (seen, content) in found.items() if seen is not None} == {
        "a": b"\0binary\n",
        "folder/empty": b"",
    }
    assert [found[path][0] for path in ("a", "folder/empty")] == [perl.look("a"), perl.look("folder/empty")]
    assert len(found) == 9


def test_a_file_that_changes_while_many_are_read_is_left_out(root: Path, interrupted: Interrupted) -> None:
    for name in ("a", "b"):
        (root / name).write_text("content")
    agent = interrupted({"return if !defined $count || $count != $length": "sleep 0.01; echo other > b"})

    found = fetched(agent, "a", "b")

    assert found["a"] == (agent.look("a"), b"content")
    assert found["b"] == (None, b"")


def test_a_long_list_comes_in_parts(root: Path, perl: Agent) -> None:
    for number in range(1100):
        (root / f"{number:0200}").touch()

    said = perl.answer(perl.say("list", ""))

    assert len(said) > 1
    assert len(wire.records(b"".join(one.payload for one in said))) == 1100


# --- writing ---


def test_a_new_file_has_content_mode_and_time(root: Path, agent: Agent) -> None:
    verb, seen = agent.put("new", b"\0binary\n", mode="751")

    found = (root / "new").stat()
    assert (verb, (root / "new").read_bytes()) == ("done", b"\0binary\n")
    assert (stat.S_IMODE(found.st_mode), found.st_mtime_ns) == (0o751, MTIME)
    assert seen == agent.look("new")
    assert agent.put("empty", b"")[0] == "done"
    assert tree(root) == ["empty", "new"]


def test_a_new_file_takes_no_others_place(root: Path, agent: Agent) -> None:
    (root / "there").write_bytes(b"theirs")
    (root / "folder").mkdir()

    verb, seen = agent.put("there", b"ours")

    assert (verb, seen) == ("refused", agent.look("there"))
    assert agent.put("folder", b"ours")[0] == "refused"
    assert (root / "there").read_bytes() == b"theirs"
    assert tree(root) == ["folder", "there"]


def test_a_file_is_replaced_again_and_again(root: Path, agent: Agent) -> None:
    _, seen = agent.put("file", b"0")
    for content in (b"1", b"2", b"3"):
        assert seen is not None
        verb, seen = agent.put("file", content, seen.signature)
        assert (verb, (root / "file").read_bytes()) == ("done", content)
    assert tree(root) == ["file"]


def test_a_short_file_that_nobody_has_open_is_written_where_it_is(root: Path, perl: Agent) -> None:
    (root / "file").write_bytes(b"before " * 1000)
    (root / "file").chmod(0o755)
    number = (root / "file").stat().st_ino
    for content in (b"shorter", b"longer " * 2000, b""):
        verb, seen = perl.put("file", content, perl.signature("file"), mode="640")
        found = (root / "file").stat()
        assert (verb, seen, found.st_ino) == ("done", perl.look("file"), number)
        assert (stat.S_IMODE(found.st_mode), found.st_mtime_ns) == (0o640, MTIME)
        assert (root / "file").read_bytes() == content
    assert tree(root) == ["file"]


def test_a_file_with_another_name_or_open_elsewhere_or_long_is_replaced(root: Path, perl: Agent) -> None:
    for name in ("linked", "open", "long"):
        (root / name).write_bytes(b"old" if name != "long" else b"old" * 30_000)
    os.link(root / "linked", root / "other")
    before = {name: (root / name).stat().st_ino for name in ("linked", "open", "long")}

    with (root / "open").open() as opened:
        assert {perl.put(name, b"new", perl.signature(name))[0] for name in before} == {"done"}
        assert opened.read() == (root / "other").read_text() == "old"

    assert all((root / name).stat().st_ino != number for name, number in before.items())
    assert {(root / name).read_bytes() for name in before} == {b"new"}


def test_a_file_on_a_full_disk_stays_as_it_was(root: Path, start: Start) -> None:
    if os.getuid() != 0 or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", root]).returncode:
        pytest.skip("no disk of a certain size can be made here")
    try:
        (root / "file").write_bytes(b"before " * 1000)
        agent = start()
        assert "No space left" in agent.failure(
            "put", "file", agent.signature("file"), "644", MTIME, 40_000, then=b"x" * 40_000
        )
        agent.end()
        assert (root / "file").read_bytes() == b"before " * 1000
        assert tree(root) == ["file"]
    finally:
        subprocess.run(["umount", "-l", root], check=True)


def test_a_file_that_was_changed_is_not_replaced(root: Path, agent: Agent) -> None:
    (root / "file").write_bytes(b"one")
    expected = agent.signature("file")
    (root / "file").write_bytes(b"two")

    assert agent.put("file", b"ours", expected) == ("refused", agent.look("file"))
    assert (root / "file").read_bytes() == b"two"
    (root / "file").unlink()
    assert agent.put("file", b"ours", expected) == ("refused", None)
    (root / "file").mkdir()
    assert agent.put("file", b"ours", agent.signature("file"))[0] == "refused"
    assert tree(root) == ["file"]


def test_a_large_file_goes_in_pieces(root: Path, agent: Agent) -> None:
    content = os.urandom(5 << 20)
    pieces = [content[at : at + (1 << 18)] for at in range(0, len(content), 1 << 18)]

    number = agent.say("put", "large", "", "600", MTIME, len(content), then=pieces[0])
    for piece in pieces[1:]:
        agent.send(wire.message("more", number, payload=piece))

    assert agent.answer(number)[0].words[0] == "done"
    assert (root / "large").read_bytes() == content
    assert tree(root) == ["large"]


def test_a_file_can_be_given_up(root: Path, agent: Agent) -> None:
    number = agent.say("put", "file", "", "600", MTIME, 10, then=b"half")
    agent.send(wire.message("drop", number))

    assert agent.answer(number)[0].words[0] == "dropped"
    assert tree(root) == []
    assert agent.put("file", b"whole")[0] == "done"


@pytest.mark.parametrize("end", ["input", "signal"])
def test_no_half_file_stays_when_it_ends(root: Path, start: Start, end: str) -> None:
    agent = start()
    agent.say("put", "file", "", "600", MTIME, 10, then=b"half")
    _until(lambda: tree(root) != [])

    if end == "signal":
        agent.process.send_signal(signal.SIGTERM)
    agent.end()

    assert tree(root) == []


def test_what_was_left_half_written_is_swept_away(root: Path, start: Start) -> None:
    agent = start()
    agent.say("put", "file", "", "600", MTIME, 10, then=b"half")
    _until(lambda: tree(root) != [])
    agent.process.kill()
    agent.process.wait()

    assert start().ask("list", "") == ("listed", [])
    assert tree(root) == []


def test_a_new_file_that_was_whole_but_had_no_name_yet_is_swept_away(
    root: Path, perl: Agent, interrupted: Interrupted
) -> None:
    agent = interrupted({"my ($ours, $before) = (identity(), $signature)": "kill -9 $PPID"})
    with suppress(AssertionError):  # it ends without an answer
        agent.add({"added": b"ours"}, "rename")
    assert [one.startswith(TEMPORARY) for one in tree(root)] == [True]

    assert perl.ask("list", "") == ("listed", [])
    assert tree(root) == []


@pytest.mark.parametrize("how", ["rename", "direct"])
def test_many_new_files_come_with_one_message_and_take_no_others_place(root: Path, perl: Agent, how: str) -> None:
    (root / "there").write_bytes(b"theirs")
    (root / "folder").mkdir()
    files = {
        "a": b"\0binary\n",
        "there": b"ours",
        "folder/empty": b"",
        "none/b": b"nowhere",
        "folder": b"ours",
        "../out": b"out",
        "folder/long": b"x" * 70_000,
    }

    signatures = dict(zip(files, perl.add(files, how, "751"), strict=True))

    assert {path for path, one in signatures.items() if one} == {"a", "folder/empty", "folder/long"}
    for path in ("a", "folder/empty", "folder/long"):
        found = (root / path).stat()
        assert (stat.S_IMODE(found.st_mode), found.st_mtime_ns) == (0o751, MTIME)
        assert (root / path).read_bytes() == files[path]
        assert signatures[path] == perl.signature(path)
    assert (root / "there").read_bytes() == b"theirs"
    assert tree(root) == ["a", "folder", "folder/empty", "folder/long", "there"]
    assert not (root.parent / "out").exists()


def test_files_of_other_lengths_than_said_end_it(root: Path, perl: Agent) -> None:
    words = f"a\x00644\x00{MTIME}\x003\x00"

    perl.say("add", "rename", len(words), then=words.encode() + b"more than three")

    assert perl.next().words == ("bye",)


def test_a_new_file_written_to_at_once_is_not_taken_for_ours(root: Path, interrupted: Interrupted) -> None:
    agent = interrupted({"$signature = $before if": "sleep 0.01; echo theirs > added"})

    (signature,) = agent.add({"added": b"ours"}, "rename")

    assert (root / "added").read_text() == "theirs\n"
    assert signature != agent.signature("added")


def test_many_requests_may_be_under_way(root: Path, agent: Agent) -> None:
    numbers = [agent.say("put", f"f{number}", "", "644", MTIME, 1, then=b"x") for number in range(15)]

    assert {agent.answer(number)[0].words[0] for number in numbers} == {"done"}
    assert len(tree(root)) == 15


def test_the_systems_words_are_passed_on(root: Path, agent: Agent) -> None:
    missing = "No such file or directory"

    assert missing in agent.failure("put", "none/file", "", "644", MTIME, 1, then=b"x")
    assert missing in agent.failure("mkdir", "none/folder", "755")
    assert missing in agent.failure("symlink", "none/link", "", "x")
    assert agent.ask("remove", "none/file", "1.2.3.4") == ("done", [("none/file", None)])


# --- the other changes ---


def test_a_folder_is_made_once(root: Path, agent: Agent) -> None:
    verb, records = agent.ask("mkdir", "folder", "750")

    assert (verb, records) == ("done", [("folder", agent.look("folder"))])
    assert stat.S_IMODE((root / "folder").stat().st_mode) == 0o750
    assert agent.ask("mkdir", "folder", "755")[0] == "refused"


def test_a_link_is_made_and_replaced(root: Path, agent: Agent) -> None:
    verb, records = agent.ask("symlink", "link", "", "one two")
    seen = records[0][1]

    assert (verb, seen and seen.target) == ("done", "one two")
    assert agent.ask("symlink", "link", "", "other")[0] == "refused"
    assert agent.ask("symlink", "link", "1.2.3.4", "other")[0] == "refused"
    assert agent.ask("symlink", "link", seen.signature if seen else "", "../other")[0] == "done"
    assert (root / "link").readlink() == Path("../other")
    assert agent.put("link", b"file", agent.signature("link"))[0] == "done"
    assert (root / "link").read_bytes() == b"file"
    assert tree(root) == ["link"]


def test_only_what_is_expected_is_removed(root: Path, agent: Agent) -> None:
    (root / "file").write_text("1")
    (root / "link").symlink_to("file")
    (root / "folder").mkdir()
    (root / "folder" / "entry").touch()
    expected = agent.signature("file")
    (root / "file").write_text("2")

    assert agent.ask("remove", "file", expected) == ("refused", [("file", agent.look("file"))])
    assert agent.ask("remove", "folder", agent.signature("folder"))[0] == "refused"
    assert tree(root) == ["file", "folder", "folder/entry", "link"]
    for path in ("link", "folder/entry", "folder", "file"):
        assert agent.ask("remove", path, agent.signature(path)) == ("done", [(path, None)])
    assert tree(root) == []
    assert agent.ask("remove", "file", expected) == ("done", [("file", None)])


def test_a_mode_is_set_where_it_is_expected(root: Path, agent: Agent) -> None:
    (root / "file").touch(0o600)
    (root / "folder").mkdir()
    (root / "link").symlink_to("file")
    expected = agent.signature("file")

    verb, records = agent.ask("chmod", "file", expected, "755")

    assert (verb, records) == ("done", [("file", agent.look("file"))])
    assert agent.ask("chmod", "folder", agent.signature("folder"), "700")[0] == "done"
    assert stat.S_IMODE((root / "file").stat().st_mode) == 0o755
    assert stat.S_IMODE((root / "folder").stat().st_mode) == 0o700
    assert agent.ask("chmod", "file", expected, "600")[0] == "refused"
    assert agent.ask("chmod", "link", agent.signature("link"), "600")[0] == "refused"
    assert stat.S_IMODE((root / "file").stat().st_mode) == 0o755


def test_anything_is_moved_to_where_nothing_is(root: Path, agent: Agent) -> None:
    (root / "one" / "below").mkdir(parents=True)
    (root / "two").mkdir()
    (root / "file").write_text("content")

    assert agent.ask("move", "one", agent.signature("one"), "two/three") == (
        "done",
        [("two/three", agent.look("two/three"))],
    )
    assert agent.ask("move", "file", agent.signature("file"), "two/file")[0] == "done"
    assert tree(root) == ["two", "two/file", "two/three", "two/three/below"]
    (root / "file").write_text("other")
    assert agent.ask("move", "file", agent.signature("file"), "two/file") == (
        "refused",
        [("two/file", agent.look("two/file"))],
    )
    assert agent.ask("move", "file", "1.2.3.4", "two/new") == ("refused", [("file", agent.look("file"))])
    assert (root / "two" / "file").read_text() == "content"


# --- nothing leads out (P5) ---


@pytest.mark.parametrize("path", ["link/canary", "inner/canary", "../outside/canary", "folder/../../outside/canary"])
def test_no_change_goes_through_a_link_or_out_of_the_folder(
    root: Path, tmp_path: Path, agent: Agent, path: str
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "canary").write_text("sings")
    (root / "folder").mkdir()
    (root / "folder" / "canary").write_text("sings")
    (root / "link").symlink_to("../outside")
    (root / "inner").symlink_to("folder")
    found = os.lstat(outside / "canary")
    expected = f"{found.st_ino}.{found.st_size}.{found.st_mtime_ns}.{found.st_ctime_ns}"
    before = tree(tmp_path)

    assert agent.failure("put", f"{path}2", "", "644", MTIME, 1, then=b"x")
    for how in ("rename", "direct") if agent.hello.bulk else ():
        assert agent.add({f"{path}2": b"x", path: b"x"}, how) == ["", ""]
    assert agent.failure("put", path, expected, "644", MTIME, 1, then=b"x")
    assert agent.failure("mkdir", f"{path}2", "755")
    assert agent.failure("symlink", f"{path}2", "", "x")
    assert agent.failure("chmod", path, expected, "777")
    assert agent.failure("move", "folder/canary", agent.signature("folder/canary"), f"{path}2")
    assert agent.failure("move", path, expected, "mine")
    agent.send(wire.message("remove", 99, payload=f"{path}\0{expected}\0".encode()))
    agent.answer("99")
    content, seen, _ = agent.get(path)

    assert content == b""
    assert seen is None or seen.kind == "other"
    assert tree(tmp_path) == before
    assert (outside / "canary").read_text() == (root / "folder" / "canary").read_text() == "sings"
    assert stat.S_IMODE((outside / "canary").stat().st_mode) == stat.S_IMODE(found.st_mode)


def test_a_folder_behind_a_link_is_not_listed(root: Path, agent: Agent) -> None:
    (root / "link").symlink_to("/")

    assert agent.ask("list", "link", "link/etc") == ("listed", [("link", agent.look("link")), ("link/etc", None)])


def test_a_target_that_is_a_link_is_replaced_and_not_followed(root: Path, tmp_path: Path, agent: Agent) -> None:
    (tmp_path / "canary").write_text("sings")
    (root / "link").symlink_to("../canary")

    assert agent.put("link", b"ours")[0] == "refused"
    assert agent.put("link", b"ours", agent.signature("link"))[0] == "done"
    assert (tmp_path / "canary").read_text() == "sings"


# --- somebody is faster ---


@pytest.fixture
def interrupted(root: Path, running: ExitStack) -> Interrupted:
    """An agent in perl that lets somebody act right before lines of its program."""

    def started(actions: Mapping[str, str]) -> Agent:
        argv, environ = _as_perl(root)
        for line, action in actions.items():
            assert argv[4].count(line) == 1
            argv[4] = argv[4].replace(line, f"system q({action}); {line}")
        agent = Agent(root, argv, environ)
        running.callback(agent.end)
        return agent

    return started


EXCHANGE = "if (!rename_at($temporary, $name, EXCHANGE)) {"
SETTLED = "if (examine($name) && identity() eq $new) {"
BACK = "rename_at($temporary, $name, EXCHANGE) || rename_new($temporary, $name);"


@pytest.mark.parametrize("act", ["echo theirs > file", "echo theirs > x && mv x file", "ln -sf theirs file"])
def test_what_is_put_in_place_at_the_last_moment_stays(root: Path, interrupted: Interrupted, act: str) -> None:
    (root / "file").write_text("old")
    agent = interrupted({EXCHANGE: f"sleep 0.01; {act}"})

    with (root / "file").open():  # so that it is replaced
        verb, seen = agent.put("file", b"ours", agent.signature("file"))

    assert (verb, seen) == ("refused", agent.look("file"))
    assert "theirs" in str((root / "file").readlink() if (root / "file").is_symlink() else (root / "file").read_text())
    assert tree(root) == ["file"]


@pytest.mark.parametrize("act", ["echo theirs > file", "echo theirs > x && mv x file", "rm file && ln -s theirs file"])
def test_what_is_changed_before_a_file_is_ours_alone_stays(root: Path, interrupted: Interrupted, act: str) -> None:
    (root / "file").write_text("old")
    agent = interrupted({"fcntl $handle, SETLEASE": f"sleep 0.01; {act}"})

    verb, seen = agent.put("file", b"ours", agent.signature("file"))

    assert (verb, seen) == ("refused", agent.look("file"))
    assert "theirs" in str((root / "file").readlink() if (root / "file").is_symlink() else (root / "file").read_text())
    assert tree(root) == ["file"]


def test_what_is_removed_at_the_last_moment_stays_so(root: Path, interrupted: Interrupted) -> None:
    (root / "file").write_text("old")
    agent = interrupted({EXCHANGE: "rm file"})

    with (root / "file").open():
        assert agent.put("file", b"ours", agent.signature("file")) == ("refused", None)
    assert tree(root) == []


def test_a_second_change_while_the_first_is_put_back_is_kept(root: Path, interrupted: Interrupted) -> None:
    (root / "file").write_text("old")
    agent = interrupted({EXCHANGE: "echo first > x && mv x file", BACK: "echo second > x && mv x file"})

    with (root / "file").open():
        assert agent.put("file", b"ours", agent.signature("file"))[0] == "refused"
    agent.end()

    assert {(root / name).read_text() for name in tree(root)} == {"first\n", "second\n"}


def test_a_change_right_after_ours_is_not_taken_for_ours(root: Path, interrupted: Interrupted) -> None:
    agent = interrupted({SETTLED: "sleep 0.01; echo theirs > file"})

    (told,) = agent.answer(agent.say("put", "file", "", "644", MTIME, 4, then=b"ours"))

    assert told.words[0] == "done"
    assert dict(wire.records(told.payload))["file"] != agent.look("file")


def test_a_file_that_is_changed_when_it_is_removed_comes_back(root: Path, interrupted: Interrupted) -> None:
    (root / "file").write_text("old")
    agent = interrupted({"rename_new($name, $temporary) or": "sleep 0.01; echo theirs > file"})

    assert agent.ask("remove", "file", agent.signature("file"))[0] == "refused"
    assert (root / "file").read_text() == "theirs\n"
    assert tree(root) == ["file"]


# --- events ---


def test_each_kind_of_change_is_told(watching: Agent) -> None:
    root = watching.root
    (root / "file").write_text("1")
    assert _same(watching.changes(), watching, {"file": "file"})
    (root / "file").write_text("two")
    assert _same(watching.changes(), watching, {"file": "file"})
    (root / "file").chmod(0o600)
    assert _same(watching.changes(), watching, {"file": "file"})
    (root / "file").rename(root / "folder" / "a b")
    assert _same(watching.changes(), watching, {"file": None, "folder/a b": "file"})
    (root / "folder" / "a b").unlink()
    (root / "link").symlink_to("x")
    (root / "folder" / "new").mkdir()
    assert _same(watching.changes(), watching, {"folder/a b": None, "link": "link", "folder/new": "folder"})
    assert watching.changes() == {}


def test_a_change_is_told_without_being_asked_for(watching: Agent) -> None:
    (watching.root / "folder" / "file").write_text("1")

    while not any(b" folder/file\0" in message.payload for message in watching.unasked):
        watching.unasked.append(watching.next())


def test_a_new_folder_is_watched_from_when_it_is_listed(watching: Agent) -> None:
    (watching.root / "folder" / "new").mkdir()
    watching.changes()

    watching.ask("list", "folder/new")
    (watching.root / "folder" / "new" / "file").touch()

    assert list(watching.changes()) == ["folder/new/file"]


def test_our_own_names_are_not_told(watching: Agent) -> None:
    (watching.root / ".devenv-sync.x").write_text("1")
    (watching.root / "folder" / ".devenv-sync.x").write_text("1")
    (watching.root / ".devenv").mkdir()

    assert watching.changes() == {}


def test_a_folder_that_was_moved_is_told_under_its_new_name_only(root: Path, perl: Agent) -> None:
    (root / "old" / "below").mkdir(parents=True)
    perl.ask("list", "", "old", "old/below")
    (root / "old").rename(root / "new")
    (root / "new" / "below" / "file").touch()

    assert perl.changes() == {"old": None, "new": perl.look("new")}
    perl.ask("list", "new", "new/below")
    (root / "new" / "below" / "file").write_text("1")
    assert list(perl.changes()) == ["new/below/file"]


def test_a_folder_listed_under_its_new_name_stays_watched(root: Path, perl: Agent) -> None:
    (root / "old").mkdir()
    perl.ask("list", "", "old")
    (root / "old").rename(root / "new")
    (root / "old").mkdir()
    perl.ask("list", "new", "old")
    perl.changes()

    (root / "new" / "a").symlink_to("x")
    (root / "old" / "b").symlink_to("x")

    assert list(perl.changes()) == ["new/a", "old/b"]


def test_a_folder_made_anew_has_another_signature(root: Path, perl: Agent) -> None:
    (root / "folder").mkdir()
    perl.ask("list", "", "folder")
    before = perl.signature("folder")
    (root / "folder").rmdir()
    time.sleep(0.02)  # the kernel's clock for births has steps
    (root / "folder").mkdir()

    (told,) = perl.changes().values()

    assert told is not None
    assert told.signature != before


def test_own_changes_are_not_told_again_but_those_of_others_upon_them_are(root: Path, perl: Agent) -> None:
    perl.ask("list", "")
    _, seen = perl.put("file", b"ours")
    perl.add({"added": b"ours"}, "rename")
    perl.add({"other": b"ours"}, "direct")
    perl.ask("symlink", "link", "", "x")
    perl.ask("remove", "link", perl.signature("link"))
    assert perl.changes() == {}

    assert perl.put("file", b"next", seen.signature if seen else "")[0] == "done"
    (root / "file").write_bytes(b"them")

    (told,) = perl.changes().values()
    assert told is not None
    assert re.fullmatch(re.escape(perl.signature("file")) + r"~\d+", told.signature)
    assert perl.put("file", b"ours", told.signature)[0] == "done"


def test_a_file_under_writing_is_told_when_it_is_closed(root: Path, perl: Agent) -> None:
    perl.ask("list", "")
    with (root / "file").open("wb") as file:
        file.write(b"1")
        file.flush()
        (root / "other").symlink_to("x")
        assert wire.records(perl.next().payload) == [("other", perl.look("other"))]
    told = perl.next()

    assert [path for path, _ in wire.records(told.payload)] == ["file"]


def test_a_file_that_stays_open_is_told_after_a_while(root: Path, perl: Agent) -> None:
    perl.ask("list", "")
    with (root / "file").open("wb") as file:
        file.write(b"1")
        file.flush()
        told = perl.next()

    assert [path for path, _ in wire.records(told.payload)] == ["file"]


def test_lost_events_are_admitted_and_watching_begins_anew(root: Path, perl: Agent) -> None:
    most = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text())
    if most > 100_000:
        pytest.skip("the queue is too long to fill")
    (root / "a").touch()
    (root / "b").touch()
    perl.ask("list", "")
    perl.process.send_signal(signal.SIGSTOP)
    for _ in range(most // 2 + 2):
        (root / "a").chmod(0o600)
        (root / "b").chmod(0o600)
    perl.process.send_signal(signal.SIGCONT)

    perl.ping()

    assert Message(("overflow",), b"") in perl.unasked
    perl.ask("list", "")
    perl.changes()
    (root / "a").chmod(0o644)
    assert list(perl.changes()) == ["a"]


def test_an_agent_that_can_watch_no_more_folders_greets_again(root: Path, running: ExitStack) -> None:
    (root / "folder").mkdir()
    (root / "folder" / "file").touch()
    argv, environ = _as_perl(root)
    argv[4], count = re.subn(r"(?<=sub add_watch \{).*(?=\})", " $! = 28; return -1 ", argv[4])
    assert count == 1
    agent = Agent(root, argv, environ)
    running.callback(agent.end)
    assert agent.hello.watching

    assert [path for path, _ in agent.ask("list", "folder")[1]] == ["folder/file"]

    (again,) = agent.unasked
    assert (again.words, wire.hello(again.payload).watching) == (("hello", "1"), False)


def test_the_end_of_the_folder_is_told(root: Path, agent: Agent) -> None:
    agent.ask("list", "")
    root.rmdir()

    agent.say("ping")

    assert agent.next().words == ("bye",)


def test_sockets_are_nothing_to_sync(root: Path, agent: Agent, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(root)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("socket")

    seen = agent.look("socket")

    assert seen is not None
    assert seen.kind == "other"
    assert agent.ask("remove", "socket", seen.signature)[0] == "refused"


def _same(told: dict[str, Seen | None], agent: Agent, kinds: dict[str, str | None]) -> bool:
    """Whether exactly these paths were told, as they are."""
    assert {path: seen and seen.kind for path, seen in told.items()} == kinds
    return all(_plain(seen) == _plain(agent.look(path)) for path, seen in told.items())


def _plain(seen: Seen | None) -> object:
    return seen and (seen.kind, seen.mode, seen.size, seen.mtime, seen.inode, seen.signature.partition("~")[0])


def _until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)
