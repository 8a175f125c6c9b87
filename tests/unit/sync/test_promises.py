"""What `docs/explanation/sync.md` promises, against those who would have it broken."""

from __future__ import annotations

import functools
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from devenv.sync import contact, session
from devenv.sync.events import Conflict, Staged
from devenv.sync.watch import Watch
from tests.unit.sync.sides import Sides, sides, until

PROTECTED = (".git/config", ".git/hooks/commit", "devenv.toml", "devenv.lock", ".envrc", ".vscode/tasks.json")
NAMES = (
    "d",
    "e",
    "src",
    ".git",
    ".GIT",
    ".git.",
    ".g\u200cit",
    "devenv.toml",
    "DEVENV.TOML",
    ".envrc",
    ".vscode",
    "git~1",
)

Tree = dict[str, tuple[str, int, bytes]]


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Sides]:
    """A project with all that is protected, and a canary beside it."""
    with sides(tmp_path, start=False) as made:
        for name in (*PROTECTED, "src/main.py", "src/sub/a.py", "README"):
            (made.host / name).parent.mkdir(parents=True, exist_ok=True)
            (made.host / name).write_text(f"{name} of the host")
        (tmp_path / "outside").mkdir()
        (tmp_path / "outside" / "canary").write_text("sings")
        made.start()
        made.settled()
        yield made


def stage(pair: Sides) -> str:
    assert pair.session is not None
    return pair.session.status().stage


def reason(pair: Sides) -> str:
    assert pair.session is not None
    return pair.session.status().reason


def resume(pair: Sides) -> None:
    assert pair.session is not None
    pair.session.resume()
    until(lambda: stage(pair) == "live")
    pair.settled()


def assert_nothing_got_out(pair: Sides) -> None:
    outside = pair.host.parent / "outside"
    assert {path.name: path.read_text() for path in outside.iterdir()} == {"canary": "sings"}
    for name in PROTECTED:
        assert (pair.host / name).read_text() == f"{name} of the host"
    assert {path.name for path in (pair.host / ".git").rglob("*")} == {"config", "hooks", "commit"}
    strange = {".GIT", ".git.", ".g\u200cit", "DEVENV.TOML", "git~1"}
    for path in pair.host.rglob("*"):
        assert path.name not in strange
        if path.is_symlink():
            assert Path(os.path.realpath(path)).is_relative_to(pair.host.resolve()), (path, path.readlink())


# --- P5: nothing outside the project is written, nor what is protected ---


def targets(pair: Sides) -> list[str]:
    outside = str(pair.host.parent / "outside")
    climbing = [
        f"{'../' * up}{down}" for up in range(5) for down in ("outside/canary", "outside", ".git/hooks", "d", "")
    ]
    return ["/", "/etc/passwd", outside, "d/../../outside", "./../outside", "e/..", "src/", ".envrc", ".", *climbing]


def evil(path: Path, chance: random.Random, pair: Sides) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.is_symlink() or path.is_file():
        path.unlink()
    match chance.randrange(5):
        case 0:
            path.symlink_to(chance.choice(targets(pair)))
        case 1:
            path.write_text("evil")
        case 2:
            path.mkdir()
        case 3:
            path.parent.rename(pair.inner / chance.choice(NAMES))
        case _:
            path.parent.rename(path.parents[2] / "x")


@pytest.mark.parametrize("seed", range(4))
def test_no_tree_made_inside_leads_out_of_the_project(pair: Sides, seed: int) -> None:
    chance = random.Random(seed)
    for _ in range(5):
        for _ in range(60):
            path = pair.inner.joinpath(*chance.choices(NAMES, k=chance.randint(1, 4)))
            if not path.parent.resolve().is_relative_to(pair.inner):
                continue
            with suppress(OSError):
                evil(path, chance, pair)
        with suppress(AssertionError):
            pair.settled(2)
        if stage(pair) == "halted":
            resume(pair)
        assert_nothing_got_out(pair)


def test_a_folder_that_moves_up_does_not_take_along_a_link_that_would_lead_out(pair: Sides) -> None:
    (pair.inner / "src" / "deep").mkdir()
    (pair.inner / "src" / "deep" / "link").symlink_to("../../README")
    pair.settled()
    assert (pair.host / "src" / "deep" / "link").read_text() == "README of the host"
    (pair.inner / "src" / "deep").rename(pair.inner / "deep")
    (pair.inner / "src" / "sub").rename(pair.inner / "src" / "sub2")
    pair.settled()
    assert (pair.host / "deep").is_dir()
    assert not (pair.host / "deep" / "link").is_symlink()
    assert not (pair.host / "src" / "deep").exists()
    assert_nothing_got_out(pair)


def test_a_folder_that_becomes_a_link_while_files_are_written_in_it_leads_nowhere(pair: Sides) -> None:
    outside = pair.host.parent / "outside"
    folder, away = pair.host / "d", pair.host.parent / "away"
    (pair.inner / "d").mkdir()
    pair.settled()
    over = threading.Event()

    def flip() -> None:
        while not over.is_set():
            with suppress(OSError):
                folder.rename(away)
                folder.symlink_to(outside)
            with suppress(OSError):
                folder.unlink()
                away.rename(folder)

    flipping = threading.Thread(target=flip)
    flipping.start()
    try:
        for number in range(150):
            write_inside(pair.inner / "d", f"{number}")
            if number % 50 == 0:
                assert pair.session is not None
                pair.session.flush(0.2)
    finally:
        over.set()
        flipping.join()
    assert {path.name for path in outside.iterdir()} == {"canary"}


def write_inside(folder: Path, name: str) -> None:
    """Write in a folder, not through a link: the one of the host comes in, and here it leads to where it does there."""
    with suppress(OSError):
        opened = os.open(folder, os.O_DIRECTORY | os.O_NOFOLLOW)
        with suppress(OSError):
            os.close(os.open(name, os.O_WRONLY | os.O_CREAT, dir_fd=opened))
        os.close(opened)


def test_modes_that_give_rights_away_do_not_come_out(pair: Sides) -> None:
    (pair.inner / "program").write_text("x")
    (pair.inner / "program").chmod(0o6755)
    (pair.inner / "folder").mkdir()
    (pair.inner / "folder").chmod(0o3777)
    pair.settled()
    assert (pair.host / "program").stat().st_mode & 0o7777 == 0o755
    assert (pair.host / "folder").stat().st_mode & 0o7777 == 0o777


# --- P7: a volume that was emptied, replaced or is another's never takes anything from the host ---


def empty(folder: Path, *, but: tuple[str, ...] = ()) -> None:
    for path in folder.iterdir():
        if path.name not in but:
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()


@contextmanager
def unchanged(pair: Sides) -> Iterator[None]:
    """The host's tree is the same afterwards, to the byte."""
    before = pair.tree(pair.host)
    yield
    assert pair.tree(pair.host) == before


def emptied(pair: Sides) -> None:
    empty(pair.inner)


def removed(pair: Sides) -> None:
    shutil.rmtree(pair.inner)
    pair.inner.mkdir()


@pytest.mark.parametrize("happens", [emptied, removed])
def test_a_volume_emptied_while_nobody_looked_is_filled_again(pair: Sides, happens: Callable[[Sides], None]) -> None:
    with unchanged(pair):
        pair.stop()
        happens(pair)
        pair.start()
        pair.settled()
    assert pair.equal()


@pytest.mark.parametrize("marker", ["marker too", "marker stays"])
def test_a_volume_emptied_before_our_eyes_is_filled_again_when_somebody_says_so(pair: Sides, marker: str) -> None:
    with unchanged(pair):
        empty(pair.inner, but=(".devenv",) if marker == "marker stays" else ())
        until(lambda: stage(pair) == "halted")
        assert "everything was removed inside" in reason(pair)
        assert pair.session is not None
        assert not pair.session.flush(1)
        assert not (pair.inner / "README").exists()
        resume(pair)
    assert pair.equal()


def test_a_large_part_removed_inside_is_not_removed_here_unasked(pair: Sides) -> None:
    for number in range(150):
        (pair.host / "src" / f"{number}").touch()
    pair.settled()
    with unchanged(pair):
        shutil.rmtree(pair.inner / "src")
        until(lambda: stage(pair) == "halted")
        resume(pair)
    assert pair.equal()


def test_a_volume_whose_marker_is_gone_is_not_believed(pair: Sides) -> None:
    with unchanged(pair):
        pair.stop()
        empty(pair.inner / ".devenv")
        (pair.inner / "README").unlink()
        pair.start()
        pair.settled()
    assert (pair.inner / "README").exists()


def test_a_volume_put_back_to_an_older_copy_is_not_believed(pair: Sides) -> None:
    pair.stop()
    older = pair.inner.with_name("older")
    shutil.copytree(pair.inner, older, symlinks=True)
    pair.start()
    (pair.host / "README").write_text("newer")
    (pair.host / "new").write_text("new")
    (pair.host / "src" / "main.py").unlink()
    pair.settled()
    with unchanged(pair):
        pair.stop()
        shutil.rmtree(pair.inner)
        older.rename(pair.inner)
        pair.start()
        until(lambda: stage(pair) in ("halted", "live"))
    assert stage(pair) == "halted"
    assert "files of its own" in reason(pair)
    resume(pair)
    assert (pair.host / "README").read_text() == "newer"
    assert (pair.host / "new").read_text() == "new"
    assert pair.equal()


def strange(pair: Sides) -> None:
    """Another volume, with something of its own."""
    pair.stop()
    shutil.rmtree(pair.inner)
    pair.inner.mkdir()
    (pair.inner / "README").write_text("of a stranger")
    (pair.inner / "theirs").write_text("of a stranger")
    pair.start()
    until(lambda: stage(pair) == "halted")


def test_a_volume_with_files_of_another_is_not_touched_until_somebody_says_so(pair: Sides) -> None:
    with unchanged(pair):
        strange(pair)
    assert (pair.inner / "README").read_text() == "of a stranger"
    resume(pair)
    (conflict,) = [event for event in pair.events if isinstance(event, Conflict)]
    assert (pair.host / "README").read_text() == "README of the host"
    assert (pair.host / conflict.kept).read_text() == "of a stranger"
    assert (pair.host / "theirs").read_text() == "of a stranger"
    assert pair.equal()


def test_what_is_halted_stays_so_over_a_loss_of_the_connection_and_a_new_start(pair: Sides) -> None:
    with unchanged(pair):
        strange(pair)
        assert pair.link is not None
        told = len(pair.events)
        pair.link.kill()
        until(lambda: Staged("halted", reason(pair)) in pair.events[told:] and stage(pair) == "halted")
        pair.stop()
        pair.start()
        until(lambda: stage(pair) == "halted")


def test_a_state_that_is_gone_takes_nothing_from_either_side(pair: Sides) -> None:
    with unchanged(pair):
        pair.stop()
        shutil.rmtree(pair.state)
        (pair.inner / "README").unlink()
        pair.start()
        pair.settled()
    assert pair.equal()


def test_a_state_that_is_damaged_takes_nothing_from_either_side(pair: Sides) -> None:
    with unchanged(pair):
        pair.stop()
        (pair.state / "agreed.sqlite").write_bytes(b"damaged" * 1000)
        pair.start()
        pair.settled()
    assert pair.equal()


# --- P11: no event is lost for good ---


@contextmanager
def alone(folder: Path) -> Iterator[tuple[Sides, int]]:
    """A session in a process of its own, and its number."""
    with sides(folder, start=False) as pair:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.unit.sync.sides", str(pair.host), str(pair.inner), str(pair.state)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=Path(__file__).parents[3],
        )
        with process:
            assert process.stdout is not None
            assert process.stdout.readline() == b"live\n"
            yield pair, process.pid
            assert process.stdin is not None
            process.stdin.close()


FILES = int(os.environ.get("DEVENV_SYNC_FILES", "40000"))


@pytest.fixture
def quick() -> Iterator[Path]:
    """A folder in memory, where there is that: some disks take longer to make files than to sync them."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if os.access(memory, os.W_OK) else None) as folder:
        yield Path(folder)


@pytest.mark.parametrize("side", ["host", "inner"])
def test_what_was_made_while_the_process_was_stopped_is_there_soon_after(quick: Path, side: str) -> None:
    with alone(quick) as (pair, process):
        at, other = (pair.host, pair.inner) if side == "host" else (pair.inner, pair.host)
        os.kill(process, signal.SIGSTOP)
        for folder in range(FILES // 100):
            (at / str(folder)).mkdir()
            for number in range(100):
                (at / str(folder) / str(number)).touch()
        os.kill(process, signal.SIGCONT)
        # Five seconds on two processors with nothing else to do; here other tests run beside.
        until(lambda: sum(len(files) for _, _, files in os.walk(other)) >= FILES, seconds=30, every=0.3)
        until(lambda: pair.tree(other) == pair.tree(at))


class Forgetful(Watch):
    """Loses most of a burst without a word, as the system does when its queue is full."""

    def run(self, changed: Callable[[set[str]], None]) -> None:
        super().run(lambda paths: changed(set(sorted(paths)[:20])))


def test_what_a_watcher_lost_of_a_burst_is_found_soon_after(pair: Sides, monkeypatch: pytest.MonkeyPatch) -> None:
    pair.stop()
    monkeypatch.setattr(session, "Watch", Forgetful)
    monkeypatch.setattr(contact, "BURST", 19)
    monkeypatch.setattr(contact, "AFTER_BURST", 0.1)
    pair.start()
    pair.settled()
    for number in range(1000):
        (pair.host / "src" / f"{number}").touch()
    until(lambda: len(list((pair.inner / "src").iterdir())) == 1002, seconds=30)
    pair.settled()
    assert pair.equal()


def has_size(path: Path, size: int) -> bool:
    return path.exists() and path.stat().st_size == size


def test_a_large_file_is_copied_in_little_memory(tmp_path: Path) -> None:
    with alone(tmp_path) as (pair, process):
        for source, target in ((pair.host / "in", pair.inner / "in"), (pair.inner / "out", pair.host / "out")):
            with source.open("wb") as file:
                file.truncate(200_000_000)
            until(functools.partial(has_size, target, 200_000_000))
        status = Path(f"/proc/{process}/status").read_text()
        (peak,) = [int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")]
        assert peak < 120_000
