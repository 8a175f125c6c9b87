"""Folders that are copied, on real engines: equal on both sides whatever people, tools and crashes do."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from devenv.sync.entries import TEMPORARY
from tests import engines
from tests.e2e import checkouts
from tests.e2e.checkouts import Checkout, until

pytestmark = [pytest.mark.docker, pytest.mark.network]

# `runs` counts: setup adds a line at each run.
TEXT = """\
name = "{name}"
images = "debian"

[apps.web]
setup = ["cat greeting.txt > $HOME/greeting", "echo >> $HOME/runs"]
run = "perl server.pl {port}"
ports = [{port}]
ready = {{ http = "/" }}

[sync]
mode = "copy"

[[sync.rules]]
path = "*.conf"
action = "restart"

[[sync.rules]]
path = "*.spec"
action = "rebuild"
"""


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Checkout]:
    """A project whose folder is copied, that is up; tests leave it up and equal."""
    engines.require()
    with checkouts.small(tmp_path_factory.mktemp("sync é") / "my project", text=TEXT) as checkout:
        checkout.watches()
        checkout.run("up", "-d")
        yield checkout


@pytest.fixture(autouse=True)
def from_the_beginning(request: pytest.FixtureRequest, up: Checkout) -> None:
    """Before a test that failed is run again: what its first run left would fail it once more."""
    if checkouts.is_second_run(request):
        checkouts.begin_anew(up, TEXT)
        up.run("up", "-d")


def test_what_is_saved_on_one_side_is_on_the_other(up: Checkout) -> None:
    write(up, "app/one.txt", "from outside\n")
    until(lambda: inside(up, "app/one.txt") == "from outside\n")
    do_inside(up, "mkdir folder; echo from inside > folder/two.txt; sed -i s/outside/both/ app/one.txt")
    until(lambda: outside(up, "folder/two.txt") == "from inside\n")
    until(lambda: outside(up, "app/one.txt") == "from both\n")
    do_inside(up, "rm -r folder")
    until(lambda: not (up.folder / "folder").exists())


@pytest.mark.parametrize("engine", engines.addresses()[1:])
def test_the_same_on_another_engine_and_down_leaves_nothing(up: Checkout, tmp_path: Path, engine: str) -> None:
    with checkouts.small(tmp_path / "project", engine=engine, text=TEXT) as checkout:
        shutil.copy(up.folder / "devenv.lock", checkout.folder)
        checkout.run("up", "-d")
        test_what_is_saved_on_one_side_is_on_the_other(checkout)
        process = pid(checkout)
        checkout.run("down", "--volumes")
        assert not runs(process)
        assert checkout.left() == []


def test_a_command_inside_sees_the_last_save_and_what_it_made_is_outside_when_it_ends(up: Checkout) -> None:
    for number in range(3):
        write(up, "number.txt", f"{number}\n")
        command = "cat number.txt; mkdir -p made; cp number.txt made/number.txt"
        assert up.run("exec", "web", "--", "sh", "-c", command).out == f"{number}\n"
        assert outside(up, "made/number.txt") == f"{number}\n"


def test_up_in_the_foreground_tells_what_is_synced_and_stops_all_when_interrupted(up: Checkout) -> None:
    process = subprocess.Popen(up.command("up"), cwd=up.folder, env=up.environ, stderr=subprocess.PIPE, text=True)
    with process, ended(process):
        assert process.stderr is not None
        lines: list[str] = []
        threading.Thread(target=lines.extend, args=(process.stderr,), daemon=True).start()
        until(lambda: any(f"{up.name} is up" in line for line in lines))
        until(lambda: told(up, "seen.txt", lines))
        process.send_signal(signal.SIGINT)
        assert process.wait(30) in (0, 130)
    assert up.docker("ps", "-q", "--filter", f"label=dev.devenv.instance={up.name}") == ""
    write(up, "seen.txt", "while nothing ran")
    up.run("up", "-d")
    assert inside(up, "seen.txt") == "while nothing ran"


def test_sync_tells_how_it_is_and_can_be_paused(up: Checkout) -> None:
    (session,) = report(up)["sessions"]
    assert (session["stage"], session["app"], session["folder"]) == ("live", "web", str(up.folder))
    up.run("sync", "pause")
    write(up, "paused.txt", "later")
    assert report(up)["sessions"][0]["stage"] == "paused"
    refused = up.run("sync", "flush", check=False)
    assert (refused.code, "paused" in refused.err) == (4, True), refused
    assert "not equal: it is paused" in up.run("exec", "web", "true").err
    assert inside(up, "paused.txt") is None
    assert "paused" in up.run("sync", "status").out
    assert "not kept equal: paused" in up.run("up", "-d").err
    up.run("sync", "resume")
    up.run("sync", "flush")
    assert inside(up, "paused.txt") == "later"
    assert "paused.txt" in up.run("sync", "log").out


def test_up_again_changes_nothing_and_keeps_the_process(up: Checkout) -> None:
    process, containers = pid(up), ids(up)
    assert "nothing to do" in up.run("up", "-d").err
    assert (pid(up), ids(up)) == (process, containers)


def test_the_process_is_killed_and_the_next_one_goes_on(up: Checkout) -> None:
    write(up, "both.txt", "at first")
    up.run("sync", "flush")
    os.kill(pid(up), signal.SIGKILL)
    until(lambda: up.run("sync", "status", "--json").data["report"] is None)
    change_both(up)
    assert "nothing keeps the files" in up.run("exec", "web", "true").err
    up.run("up", "-d")
    assert_both_changed(up)


def test_containers_that_are_restarted_stopped_or_removed_by_others_do_not_stay_behind(up: Checkout) -> None:
    held, app = f"{up.name}-web.files-1", f"{up.name}-web-1"
    change_both(up)
    up.docker("restart", "-t", "1", held)
    up.run("sync", "flush")
    assert_both_changed(up)
    change_both(up)
    up.docker("stop", "-t", "1", held, app)
    up.run("up", "-d")
    assert_both_changed(up)
    change_both(up)
    up.docker("rm", "-f", held, app)
    up.run("up", "-d")
    assert_both_changed(up)


def test_down_keeps_the_volume_and_without_the_volume_all_is_copied_again(up: Checkout) -> None:
    write(up, "kept.txt", "kept")
    up.run("sync", "flush")
    process, identity, before = pid(up), stat_inside(up, "kept.txt"), tree(up.folder)
    up.run("down")
    assert not runs(process)
    assert ids(up) == []
    up.run("up", "-d")
    assert stat_inside(up, "kept.txt") == identity
    up.run("down")
    up.docker("volume", "rm", f"{up.name}_web-files")
    up.run("up", "-d")
    assert tree(up.folder) == before
    assert tree_inside(up) == before


def test_files_move_between_bound_and_copied_as_the_project_says(up: Checkout) -> None:
    settings = up.folder / "devenv.toml"
    copied = settings.read_text()
    settings.write_text(copied.replace('mode = "copy"', 'mode = "bind"'))
    up.run("up", "-d")
    assert up.docker("inspect", "-f", "{{(index .Mounts 0).Type}}", f"{up.name}-web-1") in ("bind\n", "volume\n")
    write(up, "bound.txt", "bound")
    assert inside(up, "bound.txt") == "bound"
    settings.write_text(copied)
    up.run("up", "-d")
    assert inside(up, "bound.txt") == "bound"
    assert tree_inside(up) == tree(up.folder)


def test_a_burst_of_saves_runs_setup_once_and_rules_restart_and_rebuild(up: Checkout) -> None:
    begun = setups(up)
    for number in range(10):
        write(up, "greeting.txt", f"good evening {number}")
    until(lambda: reached(up) == "good evening 9")
    until(lambda: not report(up)["action"])
    assert setups(up) == begun + 1
    for name, makes_anew in (("app.conf", False), ("app.spec", False)):
        started, containers = started_at(up), ids(up)
        write(up, name, "changed")
        until(lambda: started_at(up) != started)  # noqa: B023 -- it is called before the next turn
        until(lambda: not report(up)["action"])
        assert (ids(up) != containers) == makes_anew
        assert reached(up) == "good evening 9"


@pytest.mark.parametrize("copies", ["auto", "no", "yes"])
def test_an_editor_outside_saves_as_it_likes(up: Checkout, copies: str) -> None:
    vim = shutil.which("vim") or shutil.which("vim.tiny")
    if vim is None:
        assert not os.environ.get("DEVENV_REQUIRE_PEERS"), "vim is not installed"
        pytest.skip("vim is not installed")
    write(up, "edited.py", "print(1)\n")
    (up.folder / "edited.py").chmod(0o755)
    up.run("sync", "flush")
    for number in range(2, 5):
        save = [vim, "-u", "NONE", "-es", f"+set backup backupcopy={copies}", f"+%s/[0-9]/{number}/", "+wq"]
        subprocess.run([*save, "edited.py"], cwd=up.folder, check=True)
        until(lambda: inside(up, "edited.py") == outside(up, "edited.py"))
        assert inside(up, "edited.py") == f"print({number})\n"
    assert do_inside(up, "stat -c %a edited.py") == "755\n"
    assert report(up)["sessions"][0]["conflicts"] == []


def test_git_outside_rewrites_the_tree_and_it_is_the_same_inside(up: Checkout) -> None:
    def git(*arguments: str) -> None:
        """Run it; when that changes the tree, it is the same inside afterwards."""
        own = ["-c", "user.name=a", "-c", "user.email=a@b", "-c", "init.defaultBranch=main"]
        subprocess.run(["git", *own, *arguments], cwd=up.folder / "repository", check=True, capture_output=True)
        if arguments[0] in ("switch", "stash", "rebase"):
            up.run("sync", "flush")
            assert tree_inside(up, "repository") == tree(up.folder / "repository")

    for number in range(40):
        write(up, f"repository/folder{number % 4}/file{number}.txt", f"{number}\n" * 50)
    git("init")
    git("add", ".")
    git("commit", "-m", "first")
    git("switch", "-c", "other")
    git("mv", "folder1", "moved")
    (up.folder / "repository/folder2/file2.txt").unlink()
    git("commit", "-am", "second")
    git("switch", "main")
    write(up, "repository/folder3/file3.txt", "changed\n")
    git("stash", "-u")
    write(up, "repository/folder0/new.txt", "new\n")
    git("add", ".")
    git("commit", "-m", "third")
    git("rebase", "main", "other")
    git("stash", "pop")


def test_a_laptop_that_slept_catches_up(up: Checkout) -> None:
    process = pid(up)
    os.kill(process, signal.SIGSTOP)
    try:
        for number in range(1000):
            write(up, f"slept/{number % 20}/{number}.txt", f"{number}")
        do_inside(up, "mkdir dreamt; cd dreamt; for n in $(seq 1000); do echo $n > $n.txt; done")
    finally:
        os.kill(process, signal.SIGCONT)
    until(lambda: len(tree(up.folder / "dreamt")) == len(tree_inside(up, "slept")) == 1000)
    assert tree_inside(up) == tree(up.folder)
    for folder in ("slept", "dreamt"):
        shutil.rmtree(up.folder / folder)
    up.run("sync", "flush")
    assert tree_inside(up, "slept") == tree_inside(up, "dreamt") == {}


def test_a_volume_emptied_from_inside_takes_nothing_from_the_host_and_is_filled_again(up: Checkout) -> None:
    for number in range(50):
        write(up, f"precious/{number}.txt", f"{number}")
    up.run("sync", "flush")
    before = tree(up.folder)
    do_inside(up, "find . -mindepth 1 -delete")
    until(lambda: report(up)["sessions"][0]["stage"] == "halted")
    assert tree(up.folder) == before
    assert "not equal: it is halted" in up.run("exec", "web", "true").err
    assert "not kept equal: halted: everything was removed inside" in up.run("up", "-d").err
    up.run("sync", "resume")
    up.run("sync", "flush")
    assert tree_inside(up) == before
    shutil.rmtree(up.folder / "precious")
    up.run("sync", "flush")


# --- both sides ---


def write(checkout: Checkout, path: str, text: str) -> None:
    target = checkout.folder / path
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text)


def outside(checkout: Checkout, path: str) -> str | None:
    try:
        return (checkout.folder / path).read_text()
    except FileNotFoundError:
        return None


def inside(checkout: Checkout, path: str) -> str | None:
    """What the app sees now, whatever is still on its way."""
    found = do_inside(checkout, 'test ! -e "$1" || { echo; cat "$1"; }', path)
    return found.removeprefix("\n") if found else None


def do_inside(checkout: Checkout, command: str, *arguments: str) -> str:
    return checkout.docker("exec", f"{checkout.name}-web-1", "sh", "-ec", command, "sh", *arguments)


def change_both(checkout: Checkout) -> None:
    write(checkout, "both.txt", checkout.folder.name)
    do_inside(checkout, "echo changed > other.txt; echo > removed.txt")


def assert_both_changed(checkout: Checkout) -> None:
    checkout.run("sync", "flush")
    assert inside(checkout, "both.txt") == checkout.folder.name
    assert outside(checkout, "other.txt") == "changed\n"
    assert tree_inside(checkout) == tree(checkout.folder)
    for name in ("both.txt", "other.txt", "removed.txt"):
        (checkout.folder / name).unlink()
    checkout.run("sync", "flush")
    assert not do_inside(checkout, "ls both.txt other.txt removed.txt 2>/dev/null || true")


def tree(folder: Path) -> dict[str, str]:
    """Hashes by path of what is to be equal; what comes and goes meanwhile may be there or not."""
    found = {}
    for path in folder.rglob("*"):
        relative = path.relative_to(folder)
        if relative.parts[0] != ".devenv" and not path.name.startswith(TEMPORARY):
            with suppress(FileNotFoundError, IsADirectoryError):
                found[relative.as_posix()] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


def tree_inside(checkout: Checkout, folder: str = ".") -> dict[str, str]:
    command = 'cd "$1" 2>/dev/null || exit 0; find . -name ".devenv*" -prune -o -type f -exec sha256sum {} + || true'
    lines = do_inside(checkout, command, folder).splitlines()
    return {name.removeprefix("./"): found for found, name in (line.split("  ", 1) for line in lines)}


def stat_inside(checkout: Checkout, path: str) -> str:
    """Tells whether it was written since."""
    return do_inside(checkout, 'stat -c "%i %z" "$1"', path)


# --- the environment ---


def report(checkout: Checkout) -> Any:
    return checkout.run("sync", "status", "--json").data["report"]


def pid(checkout: Checkout) -> int:
    return int(report(checkout)["pid"])


def ids(checkout: Checkout) -> list[str]:
    return sorted(checkout.docker("ps", "-aq", "--filter", f"label=dev.devenv.instance={checkout.name}").split())


def started_at(checkout: Checkout) -> str:
    return checkout.docker("inspect", "-f", "{{.State.StartedAt}}", f"{checkout.name}-web-1")


def setups(checkout: Checkout) -> int:
    return do_inside(checkout, "cat $HOME/runs").count("\n")


def reached(checkout: Checkout) -> str:
    """Its page; empty while it starts."""
    try:
        return checkout.get()
    except OSError:
        return ""


def told(checkout: Checkout, path: str, lines: list[str]) -> bool:
    write(checkout, path, str(time.monotonic()))
    return any(f"synced {path}" in line for line in lines)


def runs(process: int) -> bool:
    """Whether it does; one that ended and that nobody waited for does not."""
    try:
        return ") Z " not in Path(f"/proc/{process}/stat").read_text()
    except (ProcessLookupError, FileNotFoundError):
        return False


@contextmanager
def ended(process: subprocess.Popen[str]) -> Iterator[None]:
    """End it, whatever happens."""
    try:
        yield
    finally:
        if process.poll() is None:
            process.kill()
