from __future__ import annotations

import ctypes
import errno
import itertools
import os
import random
import shutil
import signal
import socket
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from devenv.errors import DevenvError
from devenv.sync.dirty import Batch
from devenv.sync.disk import Disk
from devenv.sync.entries import Seen
from devenv.sync.events import Conflict, Staged, Synced
from devenv.sync.settle import Settler
from devenv.sync.wire import Message
from tests.unit.sync.sides import Sides, sides, until

DEEP = "a/b/c"


@dataclass
class Way:
    """From one side to the other."""

    pair: Sides
    source: Path
    target: Path

    def settled(self) -> None:
        self.pair.settled()
        assert self.pair.tree(self.source) == self.pair.tree(self.target)


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Sides]:
    with sides(tmp_path) as made:
        made.settled()
        yield made


@pytest.fixture(params=["in", "out"])
def way(request: pytest.FixtureRequest, pair: Sides) -> Way:
    return Way(pair, *((pair.host, pair.inner) if request.param == "in" else (pair.inner, pair.host)))


def conflicts(pair: Sides) -> list[Conflict]:
    return [event for event in pair.events if isinstance(event, Conflict)]


def troubles(pair: Sides) -> dict[str, str]:
    assert pair.session is not None
    return {trouble.path: trouble.reason for trouble in pair.session.status().troubles}


def stage(pair: Sides) -> str:
    assert pair.session is not None
    return pair.session.status().stage


def sent(pair: Sides) -> int:
    assert pair.link is not None
    return pair.link.sent


# --- what is made on one side ---


def test_many_new_files_come_even_where_some_cannot_go_with_the_others(
    way: Way, monkeypatch: pytest.MonkeyPatch
) -> None:
    read, create = Disk.read_seen, Disk.create

    def some(disk: Disk, folder: str, files: Iterable[tuple[str, Seen]]) -> dict[str, bytes]:
        return {name: data for name, data in read(disk, folder, files).items() if name != "7"}

    def fails(disk: Disk, path: str, data: bytes, *, mode: int, mtime: int) -> Seen:
        if path == "src/7" and not failed:
            failed.append(path)
            raise OSError(errno.EIO, "it broke")
        return create(disk, path, data, mode=mode, mtime=mtime)

    failed: list[str] = []
    monkeypatch.setattr(Disk, "read_seen", some)
    monkeypatch.setattr(Disk, "create", fails)
    (way.source / "src").mkdir(exist_ok=True)
    for number in range(700):
        (way.source / "src" / str(number)).write_text(f"{number}" * number)
    (way.source / "src" / "large").write_bytes(os.urandom(200_000))
    way.settled()


def test_all_that_can_be_made_comes_to_the_other_side(way: Way) -> None:
    at = way.source
    (at / DEEP).mkdir(parents=True)
    (at / DEEP / "file").write_text("content")
    (at / DEEP / "empty").touch()
    (at / "empty folder").mkdir()
    (at / "program").write_text("#!")
    (at / "program").chmod(0o755)
    (at / "a" / "link").symlink_to("b/c/file")
    (at / "dangling").symlink_to("no where")
    odd = os.fsdecode(b"\xff\xfe")
    (at / odd).mkdir()
    for name in (
        b"\xff\xfe/\xc3",
        b"line\nbreak",
        b" spaces ",
        "\u00e9\U0001f600".encode(),
        b"-rf",
        b"*",
        b"\\",
        b"\x01\t",
    ):
        (at / os.fsdecode(name)).write_bytes(name)
    way.settled()
    assert len(way.pair.tree(way.target)) == 18


def test_changes_come_to_the_other_side(way: Way) -> None:
    for name in ("edited", "saved", "emptied", "made executable", "gone"):
        (way.source / name).write_text("before")
    (way.source / "link").symlink_to("edited")
    (way.source / DEEP).mkdir(parents=True)
    (way.source / DEEP / "x").touch()
    way.settled()
    (way.source / "edited").write_text("after")
    (way.source / "beside").write_text("saved")
    (way.source / "beside").replace(way.source / "saved")
    (way.source / "emptied").write_text("")
    (way.source / "made executable").chmod(0o755)
    (way.source / "gone").unlink()
    (way.source / "link").unlink()
    (way.source / "link").symlink_to("saved")
    shutil.rmtree(way.source / "a")
    way.settled()
    assert {path.name for path in way.target.iterdir() if path.name != ".devenv"} == {
        "edited", "saved", "emptied", "made executable", "link"
    }  # fmt: skip
    assert not conflicts(way.pair)


def test_the_time_of_a_file_comes_with_it(way: Way) -> None:
    (way.source / "f").write_text("x")
    os.utime(way.source / "f", ns=(1_500_000_000_123_456_789,) * 2)
    way.settled()
    assert (way.target / "f").stat().st_mtime_ns == 1_500_000_000_123_456_789


def test_a_touch_on_the_host_is_seen_inside(pair: Sides) -> None:
    (pair.host / "f").write_text("x")
    pair.settled()
    os.utime(pair.host / "f", ns=(1_500_000_000_000_000_000,) * 2)
    pair.settled()
    assert (pair.inner / "f").stat().st_mtime_ns == 1_500_000_000_000_000_000


def make(path: Path, kind: str) -> None:
    if kind == "file":
        path.write_text("content")
    elif kind == "link":
        path.symlink_to("target")
    elif kind == "folder":
        path.mkdir()
    else:
        path.mkdir()
        (path / "below").mkdir()
        (path / "below" / "f").write_text("x")


def take(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()


def test_anything_can_become_anything_else(way: Way) -> None:
    pairs = list(itertools.permutations(("file", "link", "folder", "full folder"), 2))
    for before, after in pairs:
        make(way.source / f"{before} {after}", before)
    way.settled()
    for before, after in pairs:
        take(way.source / f"{before} {after}")
        make(way.source / f"{before} {after}", after)
    way.settled()
    assert not conflicts(way.pair)
    assert not troubles(way.pair)


def test_a_folder_with_a_thousand_files_comes_and_goes(way: Way) -> None:
    (way.source / "many").mkdir()
    for number in range(1000):
        (way.source / "many" / str(number)).write_text(str(number))
    (way.source / "stays").touch()
    way.settled()
    shutil.rmtree(way.pair.host / "many")
    way.settled()
    assert sorted(way.pair.tree(way.target)) == ["stays"]


@pytest.mark.parametrize("size", [5_000_000, (1 << 20) + 1, 1 << 20])
def test_a_large_file_comes_whole_and_its_edits_too(way: Way, size: int) -> None:
    data = random.Random(size).randbytes(size)
    (way.source / "large").write_bytes(data)
    way.settled()
    assert (way.target / "large").read_bytes() == data
    with (way.source / "large").open("r+b") as file:
        file.seek(size // 2)
        file.write(b"edited")
    (way.source / "large").chmod(0o755)
    way.settled()


def test_a_file_that_changes_all_the_time_arrives_whole_in_the_end(way: Way) -> None:
    """Each of its versions is one letter over and over: a mixture would be one of two moments."""
    mixed = []
    for letter in "abcdefghijklmnopqrstuvwxyz" * 3:
        made = way.source / "beside"
        made.write_text(letter * 300_000)
        made.replace(way.source / "f")
        with (way.source / "growing").open("a") as file:
            file.write(letter * 1000)
        target = way.target / "f"
        if target.exists() and len(set(content := target.read_text())) != 1:
            mixed.append(content[:10])
    way.settled()
    assert mixed == []
    assert len((way.target / "growing").read_text()) == 78_000


def test_pipes_and_sockets_are_left_alone(way: Way, monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkfifo(way.source / "pipe")
    monkeypatch.chdir(way.source)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("socket")
        (way.source / "file").write_text("x")
        way.pair.settled()
        assert sorted(way.pair.tree(way.target)) == ["file"] if way.source == way.pair.host else True
        assert {path.name for path in way.target.iterdir()} - {".devenv"} == {"file"}
        (way.source / "file").unlink()
        os.mkfifo(way.source / "file")
        way.pair.settled()
        assert (way.target / "file").read_text() == "x"
        (way.source / "file").unlink()
        (way.source / "file").write_text("y")
        way.pair.settled()
    assert (way.target / "file").read_text() == "y"


# --- renames ---


def test_what_is_renamed_is_not_sent_again(way: Way) -> None:
    data = os.urandom(300_000)
    (way.source / "folder" / "below").mkdir(parents=True)
    (way.source / "f").write_bytes(data)
    (way.source / "folder" / "below" / "g").write_bytes(data[::-1])
    (way.source / "folder" / "h").write_text("before")
    way.settled()
    inode = (way.target / "f").stat().st_ino
    before = sent(way.pair)
    (way.source / "f").rename(way.source / "f renamed")
    (way.source / "folder").rename(way.source / "folder renamed")
    (way.source / "folder renamed" / "h").write_text("after")
    way.settled()
    assert sent(way.pair) - before < 20_000
    assert (way.target / "f renamed").stat().st_ino == inode


def test_a_folder_is_renamed_over_and_over_and_what_is_in_it_comes_along(way: Way) -> None:
    (way.source / "0").mkdir()
    (way.source / "0" / "f").write_text("x")
    way.settled()
    for number in range(20):
        (way.source / str(number)).rename(way.source / str(number + 1))
        (way.source / str(number + 1) / f"new {number}").touch()
    way.settled()
    assert len(list((way.target / "20").iterdir())) == 21


def test_two_files_swap_their_names(way: Way) -> None:
    (way.source / "a").write_text("a")
    (way.source / "b").write_text("b")
    way.settled()
    (way.source / "a").rename(way.source / "c")
    (way.source / "b").rename(way.source / "a")
    (way.source / "c").rename(way.source / "b")
    way.settled()
    assert ((way.target / "a").read_text(), (way.target / "b").read_text()) == ("b", "a")


# --- both sides at once ---


def both_changed(pair: Sides, path: str) -> None:
    """Changed on both sides, before either heard of the other."""
    (pair.host / path).write_text("before")
    pair.settled()
    pair.stop()
    (pair.host / path).write_text("of the host")
    (pair.inner / path).write_text("made inside")
    pair.start()
    pair.settled()


def test_of_two_edits_the_hosts_is_in_place_and_the_other_beside_it(pair: Sides) -> None:
    both_changed(pair, "f.py")
    (conflict,) = conflicts(pair)
    assert conflict.path == "f.py"
    assert conflict.kept.startswith("f.py.conflict-web-2")
    assert pair.equal()
    assert (pair.host / "f.py").read_text() == "of the host"
    assert (pair.host / conflict.kept).read_text() == "made inside"


def test_conflicts_at_the_same_time_have_names_of_their_own(pair: Sides) -> None:
    for _ in range(3):
        both_changed(pair, "f")
    assert len({conflict.kept for conflict in conflicts(pair)}) == 3
    assert len(pair.tree(pair.host)) == 4


def test_the_same_edit_on_both_sides_is_no_conflict(pair: Sides) -> None:
    pair.stop()
    for root in (pair.host, pair.inner):
        (root / "d").mkdir()
        (root / "d" / "f").write_text("the same")
        (root / "l").symlink_to("d")
    pair.start()
    pair.settled()
    assert not conflicts(pair)
    assert pair.equal()


def test_a_folder_that_is_removed_while_changes_in_it_are_settled_goes_too(
    way: Way, monkeypatch: pytest.MonkeyPatch
) -> None:
    settle, gone = Settler.settle, way.source / "gone"

    def late(settler: Settler, batch: Batch, *, waits: bool = True) -> None:
        if "gone" in batch.paths and (gone / "file0").exists() and gone.stat().st_mode & 0o777 == 0o700:
            shutil.rmtree(gone)
        settle(settler, batch, waits=waits)

    monkeypatch.setattr(Settler, "settle", late)
    gone.mkdir()
    for number in range(3):
        (gone / f"file{number}").touch()
    way.settled()
    for number in range(3):
        (gone / f"file{number}").chmod(0o600)
    gone.chmod(0o700)
    until(lambda: not gone.exists())
    way.settled()
    assert not (way.target / "gone").exists()


def test_an_edit_outlives_a_removal(way: Way) -> None:
    for name in ("f", "folder/f"):
        (way.source / name).parent.mkdir(exist_ok=True)
        (way.source / name).write_text("before")
    (way.source / "other").touch()
    way.settled()
    way.pair.stop()
    (way.source / "f").write_text("after")
    (way.source / "folder" / "f").write_text("after")
    (way.target / "f").unlink()
    shutil.rmtree(way.target / "folder")
    way.pair.start()
    way.settled()
    assert (way.target / "f").read_text() == "after"
    assert (way.target / "folder" / "f").read_text() == "after"
    assert not conflicts(way.pair)


def test_a_new_file_outlives_the_removal_of_its_folder(way: Way) -> None:
    make(way.source / "folder", "full folder")
    make(way.source / "other", "full folder")
    way.settled()
    way.pair.stop()
    (way.source / "folder" / "new").write_text("x")
    shutil.rmtree(way.target / "folder")
    way.pair.start()
    way.settled()
    assert sorted(way.pair.tree(way.target / "folder")) == ["new"]


def test_a_file_here_and_a_folder_there_are_both_kept(way: Way) -> None:
    way.pair.stop()
    (way.source / "x").write_text("a file")
    make(way.target / "x", "full folder")
    way.pair.start()
    way.settled()
    (conflict,) = conflicts(way.pair)
    assert conflict.path == "x"
    assert len(way.pair.tree(way.source)) == 4


def test_a_folder_that_became_a_file_here_keeps_what_was_made_in_it_there(way: Way) -> None:
    make(way.source / "x", "full folder")
    (way.source / "other").touch()
    way.settled()
    way.pair.stop()
    take(way.source / "x")
    (way.source / "x").write_text("a file")
    (way.target / "x" / "new").write_text("new")
    way.pair.start()
    way.settled()
    contents = {content for kind, _, content in way.pair.tree(way.source).values() if kind == "file"}
    assert contents == {b"", b"a file", b"new"}


# --- ignored ---


def test_what_is_ignored_stays_where_it_is(tmp_path: Path) -> None:
    with sides(tmp_path, ignore=("*.log", "!keep.log", "/build/")) as pair:
        pair.settled()
        for root in (pair.host, pair.inner):
            (root / "sub" / "build").mkdir(parents=True)
            (root / "sub" / ".gitignore").write_text("*.tmp\n!b.tmp\n")
            (root / "build").mkdir()
            for name in ("build/x", "sub/build/x", "a.log", "keep.log", "sub/a.tmp", "a.tmp", "sub/b.tmp"):
                (root / f"{name} {root.name}").touch()
                (root / name).write_text(name)
        pair.settled()
        for root in (pair.host, pair.inner):
            for name in ("a.log", "keep.log", "sub/a.tmp", "a.tmp", "sub/b.tmp", "build/x"):
                (root / name).unlink()
        (pair.inner / "a.log").write_text("only inside")
        (pair.host / "new").touch()
        pair.settled()
        assert not (pair.host / "a.log").exists()
        assert (pair.inner / "new").exists()
        assert not (pair.inner / "build" / "x host").exists()
        assert not (pair.host / "build" / "x inner").exists()
        assert (pair.inner / "sub" / "build" / "x host").exists()


@pytest.mark.parametrize("side", ["host", "inner"])
def test_a_changed_gitignore_takes_effect_for_what_is_there(pair: Sides, side: str) -> None:
    at = pair.host if side == "host" else pair.inner
    (at / ".gitignore").write_text("old\n")
    pair.settled()
    (pair.host / "old").write_text("only here")
    (pair.inner / "new").write_text("both")
    pair.settled()
    assert not (pair.inner / "old").exists()
    (at / ".gitignore").write_text("new\n")
    until(lambda: (pair.inner / "old").exists())
    pair.settled()
    (pair.host / "new").write_text("changed")
    (pair.inner / "old").unlink()
    pair.settled()
    assert (pair.inner / "new").read_text() == "both"
    assert not (pair.host / "old").exists()
    (at / ".gitignore").unlink()
    until(lambda: conflicts(pair))
    pair.settled()
    assert pair.equal()
    assert (pair.inner / "new").read_text() == "changed"


def test_a_folder_that_is_gone_elsewhere_stays_for_what_is_ignored_in_it(tmp_path: Path) -> None:
    for side in ("host", "inner"):
        (tmp_path / side).mkdir()
        with sides(tmp_path / side, ignore=("cache/",)) as pair:
            pair.settled()
            source, target = (pair.host, pair.inner) if side == "host" else (pair.inner, pair.host)
            for number in range(3):
                (source / f"{number}").touch()
            (source / "folder" / "below").mkdir(parents=True)
            (source / "folder" / "f").touch()
            pair.settled()
            (target / "folder" / "below" / "cache").mkdir()
            (target / "folder" / "below" / "cache" / "x").write_text("ignored")
            shutil.rmtree(source / "folder")
            pair.settled()
            assert not (source / "folder").exists()
            assert [path.name for path in (target / "folder").rglob("*")] == ["below", "cache", "x"]
            pair.stop()
            pair.start()
            pair.settled()
            assert not (source / "folder").exists()
            (target / "folder" / "below" / "new").write_text("new")
            pair.settled()
            assert (source / "folder" / "below" / "new").read_text() == "new"
            assert not (source / "folder" / "below" / "cache").exists()


# --- protected ---


def test_what_is_protected_goes_in_and_never_out(pair: Sides) -> None:
    names = (".git/config", ".git/index", "devenv.toml", "devenv.lock", ".envrc", ".vscode/settings.json", "sub/.envrc")
    for name in names:
        (pair.host / name).parent.mkdir(exist_ok=True)
        (pair.host / name).write_text("of the host")
    pair.settled()
    assert pair.equal()
    for name in names:
        (pair.inner / name).write_text("made inside")
        (pair.inner / f"{name}.x").write_text("new inside")
    (pair.inner / ".git" / "hooks").mkdir()
    (pair.inner / ".git" / "hooks" / "pre-commit").write_text("evil")
    (pair.inner / "sub" / ".envrc").unlink()
    pair.settled()
    assert {(pair.host / name).read_text() for name in names} == {"of the host"}
    assert not (pair.host / ".git" / "hooks").exists()
    for name in names:
        (pair.host / name).write_text("changed on the host")
    pair.settled()
    assert {(pair.inner / name).read_text() for name in names} == {"changed on the host"}
    kept = {conflict.path: conflict.kept for conflict in conflicts(pair)}
    assert kept.keys() == set(names) - {".git/index", "sub/.envrc"}
    for one in kept.values():
        assert (pair.inner / one).read_text() == "made inside"
        assert not (pair.host / one).exists()


def test_a_protected_folder_removed_inside_comes_back_with_the_next_change_in_it(pair: Sides) -> None:
    (pair.host / ".git").mkdir()
    for name in ("HEAD", "config"):
        (pair.host / ".git" / name).write_text("before")
    (pair.host / "f").touch()
    (pair.host / "g").touch()
    pair.settled()
    shutil.rmtree(pair.inner / ".git")
    pair.settled()
    assert (pair.host / ".git" / "config").read_text() == "before"
    (pair.host / ".git" / "HEAD").write_text("after")
    until(lambda: (pair.inner / ".git" / "HEAD").exists(), seconds=3)
    pair.settled()
    assert (pair.inner / ".git" / "HEAD").read_text() == "after"


def test_a_protected_folder_removed_on_the_host_leaves_what_was_made_inside(pair: Sides) -> None:
    (pair.host / ".vscode").mkdir()
    (pair.host / ".vscode" / "settings.json").touch()
    pair.settled()
    (pair.inner / ".vscode" / "mine").write_text("x")
    pair.settled()
    shutil.rmtree(pair.host / ".vscode")
    pair.settled()
    assert not (pair.host / ".vscode").exists()
    assert [path.name for path in (pair.inner / ".vscode").iterdir()] == ["mine"]


# --- what cannot be read ---


class Capabilities(ctypes.Structure):
    _fields_ = tuple((f"{name}{half}", ctypes.c_uint32) for half in "01" for name in ("effective", "permitted", "own"))


class Unprivileged(Sides):
    """Both sides obey permissions, though root runs the tests."""

    def _run(self) -> None:
        libc, mine = ctypes.CDLL(None, use_errno=True), Capabilities()
        header = (ctypes.c_uint32 * 2)(0x20080522, 0)
        assert libc.capget(header, ctypes.byref(mine)) == 0
        mine.effective0 = mine.effective1 = 0
        assert libc.capset(header, ctypes.byref(mine)) == 0  # of this thread alone
        super()._run()


@pytest.fixture
def unprivileged(tmp_path: Path) -> Iterator[Sides]:
    pair = Unprivileged(tmp_path / "host", tmp_path / "inner", tmp_path / "state")
    if os.geteuid() == 0:
        pair.before = ("setpriv", "--bounding-set", "-dac_override,-dac_read_search")
    pair.host.mkdir()
    pair.inner.mkdir()
    pair.start()
    pair.settled()
    yield pair
    pair.stop()
    for root in (pair.host, pair.inner):
        for path in root.iterdir():
            if not path.is_symlink():
                path.chmod(0o755)


@pytest.mark.skipif(sys.platform != "linux", reason="takes rights from a thread")
@pytest.mark.parametrize("side", ["in", "out"])
def test_what_may_not_be_read_is_told_and_nothing_is_removed(unprivileged: Sides, side: str) -> None:
    pair = unprivileged
    source, target = (pair.host, pair.inner) if side == "in" else (pair.inner, pair.host)
    (source / "f").write_text("before")
    make(source / "folder", "full folder")
    (source / "other").touch()
    pair.settled()
    (source / "f").write_text("after")
    (source / "f").chmod(0)
    (source / "new").write_text("x")
    (source / "new").chmod(0)
    (source / "folder").chmod(0)
    pair.settled()
    pair.stop()
    pair.start()
    pair.settled()
    assert {"f", "new", "folder"} <= troubles(pair).keys()
    assert (target / "f").read_text() == "before"
    assert (target / "folder" / "below" / "f").exists() or os.geteuid() != 0
    for name, mode in (("f", 0o644), ("new", 0o644), ("folder", 0o755)):
        (source / name).chmod(mode)
    pair.settled()
    assert pair.equal()
    assert (target / "f").read_text() == "after"
    assert not troubles(pair)


@pytest.mark.skipif(sys.platform != "linux", reason="takes rights from a thread")
@pytest.mark.parametrize("side", ["in", "out"])
def test_what_may_not_be_written_is_told_and_done_when_it_may(unprivileged: Sides, side: str) -> None:
    pair = unprivileged
    source, target = (pair.host, pair.inner) if side == "in" else (pair.inner, pair.host)
    for root in (source, target):
        (root / "folder").mkdir()
        (root / "folder").chmod(0o555)
    pair.settled()
    (source / "folder").chmod(0o755)
    (source / "folder" / "f").write_text("x")
    (source / "folder").chmod(0o555)
    until(lambda: "folder/f" in troubles(pair))
    (target / "folder").chmod(0o755)
    pair.settled()
    assert (target / "folder" / "f").read_text() == "x"


# --- the connection ---


def test_an_agent_that_was_stopped_catches_up(way: Way) -> None:
    for number in range(3):
        (way.source / str(number)).touch()
    way.settled()
    assert way.pair.link is not None
    os.kill(way.pair.link.process, signal.SIGSTOP)
    for number in range(200):
        (way.source / f"{number % 3}").write_text(str(number))
    os.kill(way.pair.link.process, signal.SIGCONT)
    way.settled()


def test_what_the_agent_missed_is_found_when_it_says_so(pair: Sides) -> None:
    """It says so instead of telling the changes."""

    def overflowing(messages: Sequence[Message]) -> list[Message]:
        return [Message(("overflow",), b"") if one.words[0] == "changed" else one for one in messages]

    for number in range(4):
        (pair.inner / str(number)).touch()
    pair.settled()
    pair.heard = overflowing
    (pair.inner / "new").mkdir()
    (pair.inner / "new" / "f").write_text("x")
    (pair.inner / "0").write_text("changed")
    (pair.inner / "1").unlink()
    (pair.inner / "2").rename(pair.inner / "renamed")
    until(pair.equal)
    assert (pair.host / "renamed").exists()
    assert len(pair.tree(pair.host)) == 5


def test_a_large_file_is_whole_though_the_agent_is_killed_in_the_middle(way: Way) -> None:
    data = random.Random(7).randbytes(20_000_000)
    # It comes whole: of one that is still being written, its beginning could be there for a moment.
    outside = way.source.with_name("outside")
    outside.write_bytes(data)
    outside.rename(way.source / "large")
    assert way.pair.link is not None
    until(lambda: any(path.name.startswith(".devenv-sync.") for path in way.target.iterdir()))
    way.pair.link.kill()
    until(lambda: (way.target / "large").exists())
    assert (way.target / "large").read_bytes() == data
    way.settled()


def test_a_burst_survives_the_loss_of_the_connection(way: Way) -> None:
    for number in range(600):
        (way.source / str(number)).write_text(str(number))
        if number % 250 == 100:
            assert way.pair.link is not None
            with suppress(ProcessLookupError):
                way.pair.link.kill()
    until(lambda: len(list(way.target.glob("[0-9]*"))) == 600)
    way.settled()


def test_a_pause_holds_until_it_is_resumed_even_over_a_loss_of_the_connection(way: Way) -> None:
    session = way.pair.session
    assert session is not None
    assert way.pair.link is not None
    session.pause()
    until(lambda: stage(way.pair) == "paused")
    (way.source / "f").write_text("x")
    assert not session.flush(5)
    lost = way.pair.link
    lost.kill()
    until(lambda: way.pair.link is not lost and stage(way.pair) == "paused")
    assert not session.flush(5)
    assert not (way.target / "f").exists()
    session.resume()
    until(lambda: stage(way.pair) == "live")
    way.settled()


def test_a_pause_asked_for_while_there_is_no_connection_counts(pair: Sides) -> None:
    assert pair.session is not None
    assert pair.link is not None
    lost = pair.link
    lost.kill()
    pair.session.pause()
    until(lambda: pair.link is not lost and stage(pair) == "paused")
    (pair.host / "f").touch()
    pair.stop()
    assert not (pair.inner / "f").exists()


def test_what_was_changed_before_a_flush_is_on_the_other_side_after_it(way: Way) -> None:
    session = way.pair.session
    assert session is not None
    for number in range(30):
        (way.source / f"{number % 3}").write_text(str(number))
        assert session.flush(5)
        assert (way.target / f"{number % 3}").read_text() == str(number)


def test_stop_ends_a_session_at_once_and_the_next_goes_on_where_it_was(pair: Sides) -> None:
    (pair.host / "f").write_text(300 * "x")
    pair.settled()
    began = time.monotonic()
    pair.stop()
    assert time.monotonic() - began < 1
    (pair.inner / "g").touch()
    pair.start()
    pair.settled()
    assert pair.equal()
    assert sent(pair) < 500


def test_a_session_ends_when_its_folder_is_gone(pair: Sides) -> None:
    assert pair.link is not None
    pair.host.rename(pair.host.with_name("moved"))
    pair.link.kill()
    until(lambda: pair.failure)
    assert isinstance(pair.failure, DevenvError)
    assert "is gone" in pair.failure.message


def test_a_folder_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    pair = Sides(tmp_path / "none", tmp_path / "inner", tmp_path / "state")
    pair.start()
    until(lambda: pair.failure)
    assert isinstance(pair.failure, DevenvError)


def test_a_session_says_what_it_does(pair: Sides) -> None:
    assert pair.session is not None
    (pair.host / "in").touch()
    pair.settled()
    (pair.inner / "out").touch()
    pair.settled()
    (pair.host / "out").unlink()
    (pair.inner / "in").unlink()
    pair.settled()
    status = pair.session.status()
    assert [event.stage for event in pair.events if isinstance(event, Staged)] == ["copying", "live"]
    synced = [(one.paths, one.direction, one.removed) for one in pair.events if isinstance(one, Synced)]
    assert synced[:2] == [(("in",), "in", 0), (("out",), "out", 0)]
    assert sorted(synced[2:]) == [(("in",), "out", 1), (("out",), "in", 1)]
    assert (status.stage, status.agent, status.paths, status.waiting, len(status.seconds)) == ("live", "perl", 0, 0, 4)


def test_the_agent_in_sh_does_the_same(tmp_path: Path, applets: Path) -> None:
    with sides(tmp_path, PATH=str(applets), TMPDIR=str(tmp_path)) as pair:
        (pair.host / "d").mkdir()
        (pair.host / "d" / "f").write_text("x")
        (pair.host / "l").symlink_to("d")
        pair.settled()
        assert pair.session is not None
        assert pair.session.status().agent == "sh"
        (pair.inner / "d" / "f").write_text("longer than it was")
        (pair.inner / "new").touch()
        pair.settled()
        (pair.host / "d").rename(pair.host / "e")
        pair.settled()
        assert pair.equal()
        assert (pair.host / "e" / "f").read_text() == "longer than it was"
        (pair.inner / "new").unlink()
        pair.settled()
        assert not (pair.host / "new").exists()


# --- several ---


def test_a_change_in_one_volume_reaches_the_other_of_a_folder_in_its_folder(tmp_path: Path) -> None:
    with sides(tmp_path / "outer") as outer:
        inner = Sides(outer.host / "sub", tmp_path / "inner", tmp_path / "state")
        inner.host.mkdir()
        inner.inner.mkdir()
        inner.start()
        try:
            inner.settled()
            (inner.inner / "f").write_text("x")
            until(lambda: (outer.inner / "sub" / "f").exists())
            (outer.inner / "sub" / "f").write_text("y")
            until(lambda: (inner.inner / "f").read_text() == "y")
            (outer.inner / "sub" / "f").unlink()
            until(lambda: not (inner.inner / "f").exists())
        finally:
            inner.stop()
