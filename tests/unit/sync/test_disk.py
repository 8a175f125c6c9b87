"""The host's hand: it changes what it was told to, or nothing, and never leaves its folder."""

from __future__ import annotations

import itertools
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from devenv.sync import content as reading
from devenv.sync import renames
from devenv.sync.disk import Disk, Refused, Unsteady
from devenv.sync.entries import Seen

AT = 1_700_000_000_123_456_789


def listed(disk: Disk, path: str) -> list[tuple[str, Seen]]:
    return list(disk.walk(path, lambda *_: True))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    made = tmp_path / "root"
    made.mkdir()
    return made


@pytest.fixture
def disk(root: Path) -> Iterator[Disk]:
    opened = Disk(root)
    yield opened
    opened.close()


# --- looking ---


def test_look_tells_kind_size_mode_and_target(disk: Disk, root: Path) -> None:
    (root / "file").write_bytes(b"four")
    (root / "file").chmod(0o4750)
    (root / "folder").mkdir(mode=0o700)
    (root / "link").symlink_to("else/where")
    os.mkfifo(root / "pipe")
    assert [(seen.kind, seen.size, seen.target) for seen in map(there(disk), ("file", "folder", "link", "pipe"))] == [
        ("file", 4, ""),
        ("folder", 0, ""),
        ("link", 0, "else/where"),
        ("other", 0, ""),
    ]
    assert there(disk)("file").mode == 0o750
    assert there(disk)("").inode == root.stat().st_ino


def test_look_finds_nothing_through_a_link_a_file_or_a_missing_folder(disk: Disk, root: Path, tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "x").write_text("secret")
    (root / "link").symlink_to(tmp_path / "outside")
    (root / "file").write_text("")
    assert [disk.look(path) for path in ("link/x", "file/x", "missing/x", "missing")] == [None] * 4
    assert listed(disk, "link") == listed(disk, "file") == listed(disk, "missing") == []
    with pytest.raises(FileNotFoundError):
        disk.read("link/x")


def test_a_signature_changes_with_content_and_mode(disk: Disk, root: Path) -> None:
    (root / "f").write_text("a")
    signatures = [there(disk)("f").signature]
    (root / "f").chmod(0o600)
    signatures.append(there(disk)("f").signature)
    (root / "f").write_text("ab")
    signatures.append(there(disk)("f").signature)
    assert len(set(signatures)) == 3


def test_the_signature_of_a_folder_stays_when_an_entry_is_added(disk: Disk, root: Path) -> None:
    (root / "d").mkdir()
    before = there(disk)("d").signature
    (root / "d" / "x").mkdir()
    assert there(disk)("d").signature == before


def test_list_leaves_out_temporary_names_and_keeps_names_that_are_not_utf8(disk: Disk, root: Path) -> None:
    strange = os.fsdecode(b"\xff\n ")
    (root / "d").mkdir()
    (root / "d" / strange).write_text("x")
    (root / "d" / ".devenv-sync.1").write_text("x")
    assert [path for path, _ in listed(disk, "d")] == [f"d/{strange}"]
    assert disk.read(f"d/{strange}").data == b"x"


def test_walk_tells_parents_first_and_leaves_out_what_is_not_entered(disk: Disk, root: Path) -> None:
    (root / "a" / "b").mkdir(parents=True)
    (root / "a" / "b" / "c").write_text("")
    (root / "skipped").mkdir()
    (root / "skipped" / "x").write_text("")
    (root / "loop").symlink_to(".")
    found = [path for path, _ in disk.walk("", lambda path, is_folder: not (is_folder and path == "skipped"))]
    assert sorted(found) == ["a", "a/b", "a/b/c", "loop"]
    assert found.index("a") < found.index("a/b") < found.index("a/b/c")
    assert [path for path, _ in disk.walk("a/b", lambda *_: True)] == ["a/b/c"]


def test_walk_goes_deeper_than_there_are_descriptors(disk: Disk, root: Path) -> None:
    deep = "/".join(["d"] * 120)
    (root / deep).mkdir(parents=True)
    import resource

    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (len(names(Path("/dev/fd"))) + 20, limits[1]))
    try:
        assert sum(1 for _ in disk.walk("", lambda *_: True)) == 120
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)


def test_walk_tells_of_a_folder_it_cannot_list(disk: Disk, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (root / "shut").mkdir()
    (root / "open").mkdir()
    (root / "open" / "x").write_text("")
    scan = os.scandir

    def forbidden(folder: int) -> os._ScandirIterator[str]:
        if os.path.samestat(os.fstat(folder), (root / "shut").stat()):
            raise PermissionError(13, "Permission denied")
        return scan(folder)

    monkeypatch.setattr(os, "scandir", forbidden)
    shut: list[str] = []
    walked = disk.walk("", lambda *_: True, unreadable=lambda path, _error: shut.append(path))
    assert sorted(path for path, _ in walked) == ["open", "open/x", "shut"]
    assert shut == ["shut"]
    with pytest.raises(PermissionError):
        list(disk.walk("", lambda *_: True))


def test_a_folder_in_the_place_of_another_is_seen_at_once(disk: Disk, root: Path) -> None:
    (root / "d").mkdir()
    (root / "d" / "old").write_text("")
    assert disk.look("d/old")
    (root / "d").rename(root / "moved")
    (root / "d").mkdir()
    assert disk.look("d/old") is None
    assert listed(disk, "d") == []


def test_is_there_knows_a_folder_from_its_replacement(disk: Disk, root: Path) -> None:
    assert disk.is_there()
    root.rename(root.with_name("gone"))
    assert not disk.is_there()
    root.mkdir()
    assert not disk.is_there()


def test_folding_of_case_is_probed_and_leaves_nothing(disk: Disk, root: Path) -> None:
    (root / "a").write_text("")
    assert disk.folds_case == (root / "A").exists()
    assert names(root) == ["a"]
    disk.folds_case = True
    assert disk.folds_case


# --- reading ---


def test_a_small_file_is_read_whole_and_a_large_one_in_pieces(disk: Disk, root: Path) -> None:
    data = os.urandom(600_000)
    (root / "f").write_bytes(data)
    assert disk.read("f").data == data
    with disk.read("f", limit=1000) as content:
        pieces = list(content.chunks())
    assert content.data is None
    assert [len(piece) for piece in pieces] == [262_144, 262_144, 75_712]
    assert b"".join(pieces) == data
    assert content.seen == disk.look("f")


@pytest.mark.parametrize("change", [b"+", b""])
def test_a_large_file_that_changes_while_it_is_read_is_unsteady(disk: Disk, root: Path, change: bytes) -> None:
    (root / "f").write_bytes(bytes(600_000))
    with disk.read("f", limit=1000) as content:
        pieces = content.chunks()
        next(pieces)
        (root / "f").write_bytes(change)
        with pytest.raises(Unsteady):
            list(pieces)


def test_a_small_file_that_changes_while_it_is_read_is_read_again(
    disk: Disk, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (root / "f").write_bytes(b"old")
    changes = iter([b"newer", b"newest!"])
    monkeypatch.setattr(os, "read", changing(root / "f", lambda: next(changes, None)))
    assert disk.read("f").data == b"newest!"


def test_a_small_file_that_never_rests_is_unsteady(disk: Disk, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (root / "f").write_bytes(b"")
    monkeypatch.setattr(os, "read", changing(root / "f", lambda: (root / "f").read_bytes() + b"x"))
    with pytest.raises(Unsteady):
        disk.read("f")


def test_what_is_no_file_is_not_read(disk: Disk, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkfifo(root / "pipe")
    (root / "folder").mkdir()
    (root / "link").symlink_to("file")
    (root / "file").write_text("x")
    monkeypatch.chdir(root)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("socket")
        for path in ("pipe", "folder", "link", "socket", "missing", "file/x"):
            with pytest.raises(FileNotFoundError):
                disk.read(path)


def test_a_file_written_in_this_very_tick_is_not_settled(
    disk: Disk, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (root / "f").write_text("x")
    changed = (root / "f").stat().st_ctime_ns
    monkeypatch.setattr(reading, "clock_of_files", lambda: changed)
    assert not disk.read("f").settled
    monkeypatch.setattr(reading, "clock_of_files", lambda: changed + 1)
    assert disk.read("f").settled


# --- changing ---


def test_put_makes_a_file_with_mode_and_time(disk: Disk, root: Path) -> None:
    seen = put(disk, "f", b"data", mode=0o6755)
    status = (root / "f").stat()
    assert (root / "f").read_bytes() == b"data"
    assert (status.st_mode & 0o7777, status.st_mtime_ns) == (0o755, AT)
    assert seen == disk.look("f")
    assert names(root) == ["f"]


def test_a_stage_leaves_nothing_when_discarded(disk: Disk, root: Path) -> None:
    with disk.stage("") as stage:
        stage.write(b"da")
        stage.write(b"ta")
        assert listed(disk, "") == []
        assert len(names(root)) == 1
    assert names(root) == []


def test_put_replaces_a_file_and_a_link_but_not_what_the_link_leads_to(disk: Disk, root: Path) -> None:
    (root / "f").write_text("old")
    (root / "l").symlink_to("f")
    assert put(disk, "l", b"new", expect=there(disk)("l").signature) == disk.look("l")
    assert ((root / "l").is_symlink(), (root / "l").read_text(), (root / "f").read_text()) == (False, "new", "old")
    assert put(disk, "f", b"newer", expect=there(disk)("f").signature) == disk.look("f")
    assert (root / "f").read_text() == "newer"


def test_put_refuses_what_is_not_expected_and_the_stage_can_go_elsewhere(disk: Disk, root: Path) -> None:
    (root / "f").write_text("theirs")
    (root / "d").mkdir()
    with disk.stage("") as stage:
        stage.write(b"ours")
        for path, expect in [("f", None), ("f", "1.2.3"), ("g", "1.2.3"), ("d", there(disk)("d").signature)]:
            with pytest.raises(Refused) as refusal:
                disk.put(path, stage, expect=expect, mode=0o644, mtime=AT)
            assert refusal.value.seen == disk.look(path)
        disk.put("g", stage, expect=None, mode=0o644, mtime=AT)
    assert ((root / "f").read_text(), (root / "g").read_text()) == ("theirs", "ours")
    assert names(root) == ["d", "f", "g"]


def test_folders_and_links_are_made_with_what_was_asked(disk: Disk, root: Path) -> None:
    assert disk.make_folder("d", 0o2550) == disk.look("d")
    assert (root / "d").stat().st_mode & 0o7777 == 0o550
    assert disk.make_link("l", "../x", expect=None) == disk.look("l")
    assert disk.make_link("l", "y", expect=there(disk)("l").signature) == disk.look("l")
    assert (root / "l").readlink() == Path("y")
    with pytest.raises(Refused):
        disk.make_folder("l", 0o755)
    with pytest.raises(Refused):
        disk.make_link("d", "x", expect=None)
    assert names(root) == ["d", "l"]


def test_remove_takes_a_file_a_link_and_an_empty_folder(disk: Disk, root: Path) -> None:
    (root / "f").write_text("")
    (root / "l").symlink_to("f")
    (root / "d").mkdir()
    for path in ("l", "f", "d"):
        disk.remove(path, expect=there(disk)(path).signature)
    disk.remove("d", expect="1.2")
    disk.remove("no/where", expect="1.2")
    assert names(root) == []


def test_remove_refuses_another_file_and_a_folder_that_holds_something(disk: Disk, root: Path) -> None:
    (root / "f").write_text("x")
    (root / "d").mkdir()
    (root / "d" / "x").write_text("")
    for path, expect in [("f", "1.2.3.4.5"), ("d", there(disk)("d").signature), ("d", "1.2")]:
        with pytest.raises(Refused):
            disk.remove(path, expect=expect)
    assert names(root) == ["d", "f"]
    assert names(root / "d") == ["x"]


def test_temporary_files_left_behind_long_ago_are_swept(
    disk: Disk, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (root / "d").mkdir()
    (root / "d" / ".devenv-sync.1").write_text("")
    assert disk.sweep("d") == disk.sweep("missing") == 0
    with pytest.raises(Refused):
        disk.remove("d", expect=there(disk)("d").signature)
    later = time.time() + 4000
    monkeypatch.setattr(time, "time", lambda: later)
    disk.remove("d", expect=there(disk)("d").signature)
    assert names(root) == []


def test_set_mode_changes_files_and_folders_even_unreadable_ones_but_no_link(disk: Disk, root: Path) -> None:
    (root / "f").write_text("")
    (root / "f").chmod(0)
    (root / "d").mkdir()
    (root / "l").symlink_to("f")
    for path in ("f", "d"):
        assert disk.set_mode(path, 0o640, expect=there(disk)(path).signature) == disk.look(path)
        assert (root / path).stat().st_mode & 0o7777 == 0o640
    for path, expect in [("l", there(disk)("l").signature), ("f", "1.2.3.4.5"), ("missing", "1")]:
        with pytest.raises(Refused):
            disk.set_mode(path, 0o777, expect=expect)
    assert (root / "f").stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize("kind", ["file", "folder", "link"])
def test_move_takes_anything_where_nothing_is(disk: Disk, root: Path, kind: str) -> None:
    (root / "d").mkdir()
    make: Mapping[str, Callable[[], Seen]] = {
        "file": lambda: put(disk, "a", b"x"),
        "folder": lambda: disk.make_folder("a", 0o755),
        "link": lambda: disk.make_link("a", "x", expect=None),
    }
    seen = make[kind]()
    moved = disk.move("a", "d/b", expect=seen.signature)
    assert (moved, moved.inode, disk.look("a")) == (disk.look("d/b"), seen.inode, None)
    other = put(disk, "a", b"other")
    for source, target, expect in [("a", "d/b", other.signature), ("a", "c", "1"), ("missing", "c", "1")]:
        with pytest.raises(Refused):
            disk.move(source, target, expect=expect)
    assert (disk.look("a"), disk.look("d/b")) == (other, moved)


def test_changes_need_their_parent(disk: Disk, root: Path) -> None:
    (root / "link").symlink_to(".")
    for parent in ("missing", "link"):
        with pytest.raises(FileNotFoundError):
            disk.stage(parent)
        with pytest.raises(FileNotFoundError):
            disk.make_folder(f"{parent}/x", 0o755)
        with pytest.raises(FileNotFoundError):
            disk.make_link(f"{parent}/x", "y", expect=None)
    assert names(root) == ["link"]


# --- races ---


def save(path: Path, text: str) -> None:
    """Replace a file as an editor does."""
    beside = path.with_name("beside")
    beside.write_text(text)
    beside.replace(path)


class Meddling:
    """The true renames, with something happening right before some of the calls."""

    def __init__(self, *before: Callable[[], object]) -> None:
        self.before = list(before)

    def exchange(self, *names: object) -> None:
        self._meddle()
        renames.exchange(*names)  # type: ignore[arg-type]

    def move(self, *names: object) -> None:
        self._meddle()
        renames.move_exclusively(*names)  # type: ignore[arg-type]

    def _meddle(self) -> None:
        if self.before:
            self.before.pop(0)()


@pytest.fixture
def meddled(root: Path) -> Iterator[Callable[..., Disk]]:
    opened = []

    def make(*before: Callable[[], object]) -> Disk:
        meddling = Meddling(*before)
        opened.append(Disk(root, exchange=meddling.exchange, move_exclusively=meddling.move))
        return opened[-1]

    yield make
    for disk in opened:
        disk.close()


@pytest.mark.parametrize("way", ["saved", "written"])
def test_a_file_saved_just_before_it_is_replaced_stays(root: Path, meddled: Callable[..., Disk], way: str) -> None:
    path = root / "f"
    path.write_text("old")
    disk = meddled(lambda: save(path, "theirs") if way == "saved" else path.write_text("theirs"))
    with pytest.raises(Refused) as refusal:
        put(disk, "f", b"ours", expect=there(disk)("f").signature)
    assert refusal.value.seen == disk.look("f")
    assert (path.read_text(), names(root)) == ("theirs", ["f"])


def test_a_folder_made_in_the_place_of_a_file_stays(root: Path, meddled: Callable[..., Disk]) -> None:
    (root / "f").write_text("old")

    def swap() -> None:
        (root / "f").unlink()
        (root / "f").mkdir()
        (root / "f" / "x").write_text("theirs")

    disk = meddled(swap)
    with pytest.raises(Refused):
        put(disk, "f", b"ours", expect=there(disk)("f").signature)
    assert ((root / "f" / "x").read_text(), names(root)) == ("theirs", ["f"])


def test_a_file_saved_twice_while_it_is_replaced_keeps_both(root: Path, meddled: Callable[..., Disk]) -> None:
    path = root / "f"
    path.write_text("old")
    disk = meddled(lambda: save(path, "first"), lambda: save(path, "second"))
    with pytest.raises(Refused):
        put(disk, "f", b"ours", expect=there(disk)("f").signature)
    assert {name: (root / name).read_text() for name in names(root)} == {"f": "first", "f.kept-1": "second"}


def test_a_file_saved_and_then_removed_while_it_is_replaced_is_given_back(
    root: Path, meddled: Callable[..., Disk]
) -> None:
    path = root / "f"
    path.write_text("old")
    disk = meddled(lambda: save(path, "theirs"), path.unlink)
    with pytest.raises(Refused):
        put(disk, "f", b"ours", expect=there(disk)("f").signature)
    assert (path.read_text(), names(root)) == ("theirs", ["f"])


def test_a_file_removed_just_before_it_is_replaced_stays_removed(root: Path, meddled: Callable[..., Disk]) -> None:
    (root / "f").write_text("old")
    disk = meddled((root / "f").unlink)
    with pytest.raises(Refused) as refusal:
        put(disk, "f", b"ours", expect=there(disk)("f").signature)
    assert (refusal.value.seen, names(root)) == (None, [])


def test_a_file_made_just_before_a_new_one_comes_stays(root: Path, meddled: Callable[..., Disk]) -> None:
    disk = meddled(lambda: (root / "f").write_text("theirs"))
    with pytest.raises(Refused):
        put(disk, "f", b"ours")
    assert ((root / "f").read_text(), names(root)) == ("theirs", ["f"])


def test_a_file_saved_just_before_it_is_removed_stays(root: Path, meddled: Callable[..., Disk]) -> None:
    path = root / "f"
    path.write_text("old")
    disk = meddled(lambda: save(path, "theirs"))
    with pytest.raises(Refused) as refusal:
        disk.remove("f", expect=there(disk)("f").signature)
    assert refusal.value.seen == disk.look("f")
    assert (path.read_text(), names(root)) == ("theirs", ["f"])


def test_a_file_saved_again_while_it_is_given_back_keeps_both(root: Path, meddled: Callable[..., Disk]) -> None:
    path = root / "f"
    path.write_text("old")
    disk = meddled(lambda: save(path, "first"), lambda: path.write_text("second"))
    with pytest.raises(Refused):
        disk.remove("f", expect=there(disk)("f").signature)
    assert {name: (root / name).read_text() for name in names(root)} == {"f": "second", "f.kept-1": "first"}


def test_a_file_saved_just_before_it_is_moved_is_put_back(root: Path, meddled: Callable[..., Disk]) -> None:
    (root / "f").write_text("old")
    disk = meddled(lambda: save(root / "f", "theirs"))
    with pytest.raises(Refused):
        disk.move("f", "g", expect=there(disk)("f").signature)
    assert ((root / "f").read_text(), names(root)) == ("theirs", ["f"])


def test_what_is_written_right_after_the_rename_is_not_taken_for_ours(root: Path) -> None:
    def then_written(*names: object) -> None:
        renames.move_exclusively(*names)  # type: ignore[arg-type]
        (root / "f").write_text("theirs")

    disk = Disk(root, move_exclusively=then_written)
    assert put(disk, "f", b"ours").signature != there(disk)("f").signature
    disk.close()


def test_a_file_system_that_cannot_exchange_has_files_replaced_all_the_same(root: Path) -> None:
    def unsupported(*_: object) -> None:
        raise renames.Unsupported(22, "Invalid argument")

    disk = Disk(root, exchange=unsupported)
    (root / "f").write_text("old")
    assert put(disk, "f", b"new", expect=there(disk)("f").signature) == disk.look("f")
    assert ((root / "f").read_text(), names(root)) == ("new", ["f"])
    disk.close()


# --- never outside ---


@pytest.mark.parametrize("path", ["../x", "a/../../x", "/etc/x", "a//x", "./x", "a/.", "..", "a/", "x\0y"])
def test_paths_that_lead_out_are_refused(disk: Disk, root: Path, path: str) -> None:
    (root / "a").mkdir()
    attempts: tuple[Callable[[], object], ...] = (
        lambda: disk.look(path),
        lambda: disk.read(path),
        lambda: listed(disk, path),
        lambda: disk.stage(path),
        lambda: put(disk, path, b"x"),
        lambda: disk.make_folder(path, 0o755),
        lambda: disk.make_link(path, "x", expect=None),
        lambda: disk.remove(path, expect="1"),
        lambda: disk.set_mode(path, 0o755, expect="1"),
        lambda: disk.move("a", path, expect=there(disk)("a").signature),
    )
    for attempt in attempts:
        with pytest.raises(ValueError, match="no path below the folder"):
            attempt()
    assert (names(root), names(root.parent)) == (["a"], ["root"])


def test_a_folder_that_flips_with_a_link_to_outside_lets_nothing_out(disk: Disk, root: Path, tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    for folder in (canary, root / "d", root / "other"):
        folder.mkdir()
    (root / "other" / "l").symlink_to(canary)
    opened, over = os.open(root, os.O_RDONLY), threading.Event()

    def flip() -> None:
        while not over.is_set():
            renames.exchange(opened, "d", opened, "other/l")

    flipping = threading.Thread(target=flip)
    flipping.start()
    done, deadline = 0, time.monotonic() + 20
    try:
        for number in itertools.count():
            if number >= 2000 and (done or time.monotonic() > deadline):
                break
            try:
                put(disk, f"d/{number}", b"x")
                done += 1
            except (Refused, FileNotFoundError):
                pass
    finally:
        over.set()
        flipping.join()
        os.close(opened)
    assert names(canary) == []
    assert done


def test_a_full_disk_leaves_the_old_file_whole(root: Path) -> None:
    (root / "f").write_text("old")
    script = """
import resource, signal, sys
from pathlib import Path
from devenv.sync.disk import Disk
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
disk = Disk(Path(sys.argv[1]))
try:
    with disk.stage("") as stage:
        stage.write(bytes(5000))
except OSError as error:
    print(error.errno)
"""
    done = subprocess.run([sys.executable, "-c", script, root], capture_output=True, text=True, check=True)
    assert done.stdout == "27\n"
    assert ((root / "f").read_text(), names(root)) == ("old", ["f"])


# --- making ---


def names(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


def there(disk: Disk) -> Callable[[str], Seen]:
    def look(path: str) -> Seen:
        seen = disk.look(path)
        assert seen is not None
        return seen

    return look


def put(disk: Disk, path: str, data: bytes, *, expect: str | None = None, mode: int = 0o644) -> Seen:
    with disk.stage(path.rpartition("/")[0] if "/" in path else "") as stage:
        stage.write(data)
        return disk.put(path, stage, expect=expect, mode=mode, mtime=AT)


def changing(path: Path, change: Callable[[], bytes | None]) -> Callable[[int, int], bytes]:
    """`os.read`, after which the file is another."""
    read = os.read

    def reading(descriptor: int, size: int) -> bytes:
        data = read(descriptor, size)
        new = change()
        if new is not None:
            with path.open("r+b", buffering=0) as stream:
                stream.write(new)
        return data

    return reading
