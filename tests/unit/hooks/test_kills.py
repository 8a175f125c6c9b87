"""Killed at any stage of a run: no file of the repository is lost or half, and the next run does its work.

The process kills itself before the N-th thing that it does to the world: a file or folder made, renamed or removed,
a program started, a command given to the engine.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from devenv.errors import EngineError
from devenv.hooks import places
from devenv.model.project import Hook
from tests.repositories import Shop

TABS = Hook("tabs", "sed -i 's/\\t/  /g' {files}", "web", ("*.py",))
EVENTS = frozenset(
    {"os.mkdir", "os.remove", "os.rename", "os.rmdir", "shutil.rmtree", "shutil.copyfile", "subprocess.Popen"}
)
BEFORE = {"a.py": "\tone\n2\n3\n4\nmine, later\n", "b.py": "\ttwo\n", "new.py": "\tunknown to git\n"}
AFTER = BEFORE | {"a.py": "  one\n2\n3\n4\nmine, later\n", "b.py": "  two\n"}
MOST = 400


@pytest.fixture(params=["mounted", "copied"])
def shop(request: pytest.FixtureRequest, tmp_path: Path) -> Shop:
    return Shop(tmp_path / "shop", copy=tmp_path / "inside" if request.param == "copied" else None)


def arrange(shop: Shop) -> None:
    """A commit's worth of staged files, with more that is not staged."""
    for path, text in BEFORE.items():
        if path != "new.py":
            shop.put(path, text.replace("mine, later\n", ""))
    for path, text in BEFORE.items():
        shop.put(path, text, staged=False)


def killed_before(event: int, work: Callable[[], object]) -> bool:
    """Do it in a child that kills itself and what it started before its N-th event; whether it came to that."""
    child = os.fork()
    if child == 0:
        os.setpgid(0, 0)
        count = 0

        def hook(name: str, arguments: tuple[object, ...]) -> None:
            nonlocal count
            if name in EVENTS or (name == "open" and isinstance(arguments[1], str) and arguments[1][0] in "wax"):
                count += 1
                if count == event:
                    os.killpg(0, signal.SIGKILL)

        sys.addaudithook(hook)
        try:
            work()
        finally:
            os._exit(0)
    _, status = os.waitpid(child, 0)
    return os.WIFSIGNALED(status)


def state(shop: Shop) -> dict[str, str]:
    """Every file of the working tree that git would tell of."""
    names = shop.git("ls-files", "--cached", "--others", "--exclude-standard", "-z").split("\0")
    return {name: shop.has(name) for name in names if name}


def test_killed_before_anything_it_does_nothing_is_lost_and_the_next_run_works(shop: Shop) -> None:
    arrange(shop)
    staged = shop.git("ls-files", "--stage")
    for event in range(1, MOST):
        was_killed = killed_before(event, lambda: shop.run(TABS))
        left = state(shop)
        assert left.keys() == BEFORE.keys(), event
        assert all(text in (BEFORE[path], AFTER[path]) for path, text in left.items()), event
        assert shop.git("ls-files", "--stage") == staged
        assert not list((shop.top / ".git").glob("*.lock")), event
        if not was_killed:
            break
        if event % 3 == 0:
            shop.run(TABS)
            assert state(shop) == AFTER, event
        for path, text in BEFORE.items():
            shop.put(path, text, staged=False)
    assert 20 < event < MOST, "the kill did not reach every stage"
    assert state(shop) == AFTER


def test_what_a_killed_run_s_command_still_does_does_not_reach_the_next(shop: Shop) -> None:
    shop.put("a.py", "\told\n")
    with pytest.raises(KeyboardInterrupt):
        shop.interrupted(Hook("slow", "true", "web"))
    place = shop.where / places.FOLDER / "tree"
    shop.put("a.py", "\tnew\n")

    def meanwhile(command: str) -> None:
        place.mkdir(parents=True, exist_ok=True)
        (place / "a.py").write_text(f"  old, {command.partition(' ')[0]}\n")

    shop.meanwhile = meanwhile
    shop.run(TABS)
    assert shop.has("a.py") == "  new\n"


def test_a_lock_that_a_killed_git_left_is_in_nobody_s_way(shop: Shop) -> None:
    shop.put("a.py", "\told\n")
    with pytest.raises(KeyboardInterrupt):
        shop.interrupted(TABS)
    (shop.folder / places.FOLDER / "index-1.lock").write_text("")
    shop.put("a.py", "\tnew\n")
    shop.run(TABS)
    assert shop.has("a.py") == "  new\n"
    assert not list((shop.folder / places.FOLDER).glob("*.lock"))


@pytest.mark.parametrize("content", ["", "x", "9" * 20, "3 running", "\udcff"])
def test_a_damaged_record_of_runs_counts_as_one_that_was_cut_short(shop: Shop, content: str) -> None:
    shop.put("a.py", "\told\n")
    shop.run(TABS)
    (shop.folder / places.FOLDER / "state").write_bytes(content.encode(errors="surrogateescape"))
    shop.put("a.py", "\tnew\n")
    shop.run(TABS)
    assert shop.has("a.py") == "  new\n"
    trees = [path.name for path in (shop.folder / places.FOLDER).glob("tree*")]
    assert len(trees) == 1


def test_two_runs_at_once_do_not_meet(shop: Shop, tmp_path: Path) -> None:
    arrange(shop)
    program = "import fcntl, sys, time; f = open(sys.argv[1], 'a'); fcntl.flock(f, 2); print(1, flush=True); input()"
    shop.run(TABS)
    (held,) = (tmp_path / "state" / "locks").iterdir()
    with subprocess.Popen(
        [sys.executable, "-c", program, held], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout is not None
        assert other.stdin is not None
        other.stdout.readline()
        under_way = os.fork()
        if under_way == 0:
            shop.run(TABS)
            os._exit(0)
        assert os.waitpid(under_way, os.WNOHANG) == (0, 0)
        other.stdin.write(b"\n")
        other.stdin.flush()
    assert os.waitpid(under_way, 0)[1] == 0


def test_a_cut_off_archive_is_not_taken_for_whole(tmp_path: Path) -> None:
    shop = Shop(tmp_path / "shop", copy=tmp_path / "inside")
    for name in ("a.py", "b.py"):
        shop.put(name, "old\n")
    shop.run(TABS)
    for name in ("a.py", "b.py"):
        shop.put(name, "new\n")
    shop.cut = 1024  # the first file alone, which is a whole archive to tar
    with pytest.raises(EngineError, match="could not be brought"):
        shop.run(TABS)
    shop.cut = None
    (checked,) = shop.run(Hook("cat", "cat {files}; exit 1", "web")).checked
    assert checked.output == "new\nnew\n"
