from __future__ import annotations

import json
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from devenv import live
from devenv.engine.apply import CalledOff
from devenv.errors import NotReady
from devenv.live import Background, assigning, assignment, serving
from devenv.live.assignment import Assignment, Errand, Folder, Followed
from devenv.live.client import Client
from devenv.live.place import Flushed
from devenv.model.blueprint import Blueprint, Container, Mount, Network
from devenv.model.machine import Machine
from devenv.model.progress import silence
from devenv.model.project import Sync, SyncRule
from devenv.workspace import Workspace
from tests import projects

ROOT = Path(__file__).parents[3]
# A process as `python -m devenv.live` is one, with sessions that a test steers by a file.
SERVE = """
import json, sys
from pathlib import Path
from devenv.live import assignment
from devenv.live.place import Place
from tests.unit.live.fakes import World
errand = assignment.read(sys.stdin.read())
with open(sys.argv[1], "r+") as file:
    told = json.load(file)
    told["started"] += 1
    file.seek(0)
    json.dump(told, file)
world = World(Place(Path(errand.place)))
if told["stage"] == "broken":
    world.place.give_reason("the engine is gone")
    sys.exit(4)
process = world.process(errand.assignment)
for session in world.sessions:
    session.stage, session.reason = told["stage"], told["reason"]
process.run()
"""


class Shop:
    """A project whose background process is made of fakes."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (folder / "requirements.txt").touch()
        app = projects.app(setup=("pip install -r requirements.txt",), dir=".")
        project = projects.project(folder, apps=(app,))
        self.project = Workspace(folder, project, projects.CATALOG, Machine(state=folder / "state"))
        self._told = folder / "told"
        self.tell("live")
        self.mode = "bind"
        monkeypatch.setenv("PYTHONPATH", str(ROOT))
        monkeypatch.setattr(live, "PROCESS", (sys.executable, "-c", SERVE, str(self._told)))

    @property
    def background(self) -> Background:
        return Background(self.project, "memory://")

    @property
    def wanted(self) -> Blueprint:
        mount = Mount("volume", "shop_web-files", "/work")
        files = Container("shop-web.files-1", "web.files", "files", "image", mounts=(mount,))
        containers = (files,) if self.mode == "copy" else ()
        return Blueprint("shop", "shop", str(self.project.folder), (), Network("shop_default"), (), containers)

    def with_rule(self, path: str) -> None:
        sync = Sync(rules=(SyncRule(path, "restart"),))
        self.project = replace(self.project, project=replace(self.project.project, sync=sync))

    def tell(self, stage: str, reason: str = "") -> None:
        """Say how the sessions of the next process are."""
        self._told.write_text(json.dumps({"stage": stage, "reason": reason, "started": 0}))

    @property
    def started(self) -> int:
        """How many processes were started since."""
        found: int = json.loads(self._told.read_text())["started"]
        return found

    def ensure(self) -> Client:
        client = self.background.ensure(self.wanted)
        assert client is not None
        return client

    def bring(self, off: threading.Event | None = None) -> int:
        wanted = self.wanted
        return self.background.bring(wanted, wanted.containers[0], off or threading.Event(), silence, seconds=0)


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    made = Shop(tmp_path, monkeypatch)
    yield made
    made.background.stop()
    for one in live._CHILDREN:
        one.wait(10)


def test_one_process_is_started_stays_for_the_same_environment_and_makes_way_for_another(shop: Shop) -> None:
    first = shop.ensure().told
    assert shop.ensure().told == first
    shop.with_rule("*.conf")
    second = shop.ensure().told
    assert second.assignment != first.assignment
    assert second.pid != first.pid
    assert live._CHILDREN[-2].wait(10) == 0
    assert shop.started == 2


def test_two_at_once_find_the_same_process(shop: Shop) -> None:
    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(lambda _: shop.ensure().told.pid, range(2)))
    assert len(set(found)) == shop.started == 1


def test_the_consequence_of_a_change_does_not_end_the_process_that_carries_it_out(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = shop.ensure().told
    monkeypatch.setenv(live.OWN, str(first.pid))
    shop.with_rule("*.conf")
    assert shop.ensure().told == first


def test_where_nothing_has_a_consequence_nothing_runs(shop: Shop) -> None:
    shop.ensure()
    shop.project = replace(shop.project, machine=replace(shop.project.machine, watch=False))
    assert shop.background.ensure(shop.wanted) is None
    assert shop.background.find() is None
    assert shop.background.stop() is False


def test_a_process_that_does_not_start_is_named_with_its_reason(shop: Shop) -> None:
    shop.tell("broken")
    with pytest.raises(NotReady, match="did not start: the engine is gone") as caught:
        shop.ensure()
    assert caught.value.hint == "`devenv sync status` and `devenv sync log` tell more"


def test_a_volume_is_waited_for_until_it_is_filled_or_cannot_be(shop: Shop) -> None:
    shop.mode, words = "copy", list[str]()
    assert shop.bring() == 7
    assert shop.background.flush(1) == Flushed(True)
    shop.ensure().pause()
    with pytest.raises(NotReady, match=r"the files of `web.files` did not come in: paused"):
        shop.bring()
    live.in_step(shop.background, words.append, copies=True, seconds=0)()
    assert words == ["files inside and outside are not equal: it is paused"] * 2


def test_who_is_called_off_waits_no_longer_for_a_volume(shop: Shop) -> None:
    shop.mode = "copy"
    shop.tell("copying")
    off = threading.Event()
    off.set()
    with pytest.raises(CalledOff):
        shop.bring(off)


def test_a_command_inside_is_told_when_nothing_keeps_copied_files_equal(shop: Shop) -> None:
    words: list[str] = []
    live.in_step(shop.background, words.append, copies=False)()
    assert words == []
    live.in_step(shop.background, words.append, copies=True)()
    assert words == ["nothing keeps the files inside and outside equal; `devenv up -d` starts it again"]


def test_an_assignment_follows_the_stacks_inputs_files_named_in_setup_and_the_projects_rules(tmp_path: Path) -> None:
    (tmp_path / "app" / "sub").mkdir(parents=True)
    (tmp_path / "app" / "sub" / "a [1].txt").touch()
    apps = (
        projects.app("web", setup=("cat 'sub/a [1].txt' sub /etc/passwd ../x",), dir="./app/"),
        projects.app("worker", dir="app"),
    )
    rules = (SyncRule("*.conf", "restart"), SyncRule("/a.lock", "setup"))
    project = projects.project(tmp_path, apps=apps, sync=Sync(rules=rules))
    opened = Workspace(tmp_path, project, projects.CATALOG, Machine(state=tmp_path))
    wanted = Blueprint("shop", "shop", str(tmp_path), (), Network("n"), (), ())
    web, worker = assigning.of(opened, wanted, None).followed
    assert web.folder == worker.folder == "app"
    assert ("/sub/a\\ \\[1\\].txt", "setup") in web.rules
    assert not [path for path, _ in web.rules if path in ("/sub", "/etc/passwd", "/../x")]
    assert ("/requirements*.txt", "setup") in web.rules
    assert worker.rules == (("*.conf", "restart"), ("/a.lock", "sync"))


def test_an_errand_is_read_as_it_was_written() -> None:
    todo = Assignment(
        mode="copy",
        instance="shop",
        root="/x",
        profile="ci",
        ignore=("*.log", "\udcff"),
        folders=(Folder(".", "web", "shop-web.files-1", "shop_web-files"),),
        followed=(Followed("web", ".", (("/a", "setup"), ("*.b", "restart"))),),
    )
    errand = Errand(todo, "unix:///x", ("python", "-m", "devenv"), "/place", "/x/devenv.toml", "/cache", "1000:1000")
    assert assignment.read(errand.text()) == errand
    assert assignment.read(errand.text()).assignment.hash == todo.hash


def test_folders_above_a_synced_one_ignore_too(tmp_path: Path) -> None:
    (tmp_path / ".git" / "info").mkdir(parents=True)
    (tmp_path / ".git" / "info" / "exclude").write_text("own")
    (tmp_path / ".gitignore").write_text("root")
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / ".gitignore").write_text("a")
    (tmp_path / "a" / "b" / ".gitignore").write_text("b")
    assert list(serving.above(tmp_path, "a/b")) == [("a/b", "own"), ("a/b", "root"), ("b", "a")]
    assert list(serving.above(tmp_path, ".")) == [("", "own")]


def test_a_worktree_ignores_what_its_repository_does(tmp_path: Path) -> None:
    shared = tmp_path / "shop" / ".git"
    (shared / "worktrees" / "fix").mkdir(parents=True)
    (shared / "worktrees" / "fix" / "commondir").write_text("../..\n")
    (shared / "info").mkdir()
    (shared / "info" / "exclude").write_text("own")
    worktree = tmp_path / "fix"
    worktree.mkdir()
    (worktree / ".git").write_text("gitdir: ../shop/.git/worktrees/fix\n")
    assert list(serving.above(worktree, ".")) == [("", "own")]
    (worktree / ".git").write_text("nonsense \0")
    assert list(serving.above(worktree, ".")) == []


def test_python_files_of_a_repository_do_not_run_on_the_host(tmp_path: Path) -> None:
    (tmp_path / "devenv").mkdir()
    (tmp_path / "devenv" / "__init__.py").write_text("raise SystemExit('hostile')")
    (tmp_path / "json.py").write_text("raise SystemExit('hostile')")
    opened = Workspace(tmp_path, projects.project(tmp_path), projects.CATALOG, Machine(state=tmp_path))
    words: list[str] = []
    runner = serving.Runner(live.command(opened, "unix:///x", "ci"), tmp_path)
    assert runner.perform(["--version"], words.append) == 0
    assert words[0].startswith("devenv ")
    runner.cease()
    assert runner.perform(["--version"], words.append) != 0
    assert len(words) == 1
