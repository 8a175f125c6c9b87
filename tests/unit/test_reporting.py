from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from devenv import __version__, identity, lockfile, reporting, veil, workspace
from devenv.diagnosis import Finding
from devenv.engine.memory import MemoryEngine
from devenv.engine.protocol import EngineInfo, SeenImage
from devenv.errors import DevenvError, EngineError, LockfileError, Place, Problems, UsageError
from devenv.lockfile import form
from devenv.model.blueprint import Blueprint
from devenv.model.machine import Machine
from devenv.model.project import Project, Sync
from devenv.reporting import Contrast, ImageReport, Report
from devenv.workspace import Workspace
from tests import projects

CANARY = "c4n4ry"
INFO = EngineInfo("unix:///run/docker.sock", "Docker Engine", "28.5", "amd64", local=True, kernel="6.12.1")
REPORT = Report(
    format=1,
    devenv="0.2.0",
    python="3.13.5",
    system="Debian GNU/Linux 13 (trixie)",
    kernel="6.12.1",
    architecture="x86_64",
    engine="Docker Engine 28.5",
    engine_kernel="6.12.1",
    engine_architecture="amd64",
    project="shop",
    environment="0123456789ab",
    lockfile="1a2b",
    images={"web": ImageReport("key", "sha256:1", "sha256:1")},
    containers={"web": "running, current"},
)


@dataclass
class World:
    """A project that is locked, and an engine."""

    project: Workspace
    engine: MemoryEngine

    def up(self) -> Blueprint:
        """Bring the environment up."""
        wanted = workspace.resolve(self.project, "amd64")
        for image in wanted.images:
            self.engine.images[image.reference] = SeenImage(image.key, image.digest or "sha256:built", {})
        for container in wanted.containers:
            self.engine.create(container, wanted.network.name)
            self.engine.start(container.name)
        return wanted

    def report(self) -> Report:
        return reporting.make(self.project, self.engine)


def shop(root: Path) -> Project:
    env = {"PASSWORD": CANARY, "DATABASE_URL": f"postgresql://shop:{CANARY}@postgres/shop", "PLAIN": CANARY}
    redis = projects.service("redis", origin="registry", env={"REDIS_PASSWORD": CANARY})
    return projects.project(root, apps=(projects.app(env=env),), services=(redis,))


@pytest.fixture
def world(tmp_path: Path) -> World:
    project = shop(tmp_path)
    lockfile.write(tmp_path, projects.lock(project))
    machine = Machine(proxy={"HTTP_PROXY": f"http://me:{CANARY}@proxy:3128"}, state=tmp_path / "state")
    return World(Workspace(tmp_path, project, projects.CATALOG, machine), MemoryEngine(info=INFO))


def written(folder: Path, content: bytes) -> Path:
    path = folder / "report.json"
    path.write_bytes(content)
    return path


def as_read(report: Report) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(json.dumps(asdict(report)))
    return found


# --- one machine's ---


def test_a_report_tells_of_devenv_the_engine_and_the_project(world: World) -> None:
    made = world.report()
    lock = workspace.lock(world.project)
    assert (made.format, made.devenv, made.project) == (1, __version__, "shop")
    assert (made.engine, made.engine_kernel, made.engine_architecture) == ("Docker Engine 28.5", "6.12.1", "amd64")
    assert made.environment == identity.of(world.project, lock)
    assert made.lockfile == form.checksum(lock)
    assert "" not in (made.python, made.system, made.kernel, made.architecture)


def test_before_anything_was_brought_up_images_and_containers_are_missing(world: World) -> None:
    made = world.report()
    pinned = projects.image("docker.io/library/redis:8").config
    assert {unit: (one.pinned, one.found) for unit, one in made.images.items()} == {
        "redis": (pinned, None),
        "web": (None, None),
    }
    assert made.containers == {"redis": "missing", "web": "missing"}


def test_what_runs_is_told_with_the_images_that_are_there(world: World) -> None:
    wanted = world.up()
    made = world.report()
    keys = {
        one.unit: next(image.key for image in wanted.images if image.reference == one.image)
        for one in wanted.containers
    }
    assert {unit: one.key for unit, one in made.images.items()} == keys
    assert made.images["redis"].found == made.images["redis"].pinned
    assert made.images["web"].found == "sha256:built"
    assert made.containers == {"redis": "running, current", "web": "running, current"}


def test_a_container_of_another_configuration_or_one_that_stopped_is_told_so(world: World) -> None:
    world.up()
    world.engine.stop("shop-web-1", 1)
    kept = world.engine.containers["shop-redis-1"]
    kept.wanted = replace(kept.wanted, labels=dict(kept.wanted.labels) | {"dev.devenv.config": "other"})
    assert world.report().containers == {"redis": "running, not current", "web": "exited, current"}


def test_nothing_secret_is_in_a_report(world: World) -> None:
    world.up()
    text = json.dumps(asdict(world.report()))
    assert CANARY not in text
    assert str(world.project.folder) not in text


def test_a_project_without_a_lockfile_cannot_be_reported(world: World) -> None:
    (world.project.folder / lockfile.NAME).unlink()
    with pytest.raises(LockfileError, match=r"^there is no `devenv\.lock`$"):
        world.report()


def test_a_project_that_needs_no_lockfile_has_none_in_its_report(tmp_path: Path) -> None:
    project = Workspace(tmp_path, projects.project(tmp_path), projects.CATALOG, Machine())
    made = reporting.make(project, MemoryEngine(info=INFO))
    assert (made.lockfile, made.images, made.containers) == (None, {}, {})


# --- two machines' ---


def test_equal_reports_have_no_contrast() -> None:
    assert reporting.contrast(REPORT, as_read(REPORT)) == ()


def test_what_makes_environments_different_stands_before_circumstances() -> None:
    other = as_read(
        replace(
            REPORT,
            devenv="0.3.0",
            kernel="6.1.0",
            engine_architecture="arm64",
            environment="ba9876543210",
            lockfile=None,
            images={"web": ImageReport("other", "sha256:2", "sha256:3")},
        )
    )
    found = reporting.contrast(REPORT, other)
    assert [(one.name, one.weight) for one in found] == [
        ("engine_architecture", "decisive"),
        ("environment", "decisive"),
        ("lockfile", "decisive"),
        ("images.web.key", "decisive"),
        ("images.web.pinned", "decisive"),
        ("devenv", "circumstance"),
        ("kernel", "circumstance"),
        ("images.web.found", "circumstance"),
    ]
    assert found[2] == Contrast("lockfile", "1a2b", None, "decisive")


def test_what_only_one_report_has_is_told_from_that_side() -> None:
    other = as_read(replace(REPORT, containers={"db": "missing"})) | {"more": ["a", 1]}
    assert reporting.contrast(REPORT, other) == (
        Contrast("containers.web", "running, current", None, "circumstance"),
        Contrast("containers.db", None, "missing", "circumstance"),
        Contrast("more", None, "['a', 1]", "circumstance"),
    )


def test_a_report_that_was_written_is_read(tmp_path: Path) -> None:
    path = written(tmp_path, json.dumps(asdict(REPORT)).encode())
    assert reporting.contrast(REPORT, reporting.read(path)) == ()


@pytest.mark.parametrize(
    "content",
    [b"", b"no JSON", b"[]", b"{}", b'{"format": 2}', b"\xff\xfe", b"[" * 100_000],
    ids=["empty", "text", "list", "object", "other format", "bytes", "deep"],
)
def test_what_is_no_report_is_refused_with_the_remedy(tmp_path: Path, content: bytes) -> None:
    path = written(tmp_path, content)
    with pytest.raises(UsageError) as caught:
        reporting.read(path)
    assert caught.value.message == f"`{path}` is no report"
    assert caught.value.hint == "write one on the other machine: `devenv report > report.json`"


def test_a_report_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"none.json`: no such file or directory$"):
        reporting.read(tmp_path / "none.json")
    with pytest.raises(UsageError, match="is a directory"):
        reporting.read(tmp_path)


def test_how_files_reach_the_apps_makes_no_difference(world: World) -> None:
    mounted = world.report()
    project = replace(world.project.project, sync=Sync("copy"))
    copied = reporting.make(replace(world.project, project=project), world.engine)
    assert reporting.contrast(mounted, json.loads(json.dumps(asdict(copied)))) == ()


# --- an account, for issues ---


def account(world: World, *troubles: DevenvError, findings: tuple[Finding, ...] = ()) -> dict[str, Any]:
    made = reporting.account(world.project, world.engine, world.project.machine, findings, troubles)
    return made.data(Path("/home/ada"))


def test_an_account_says_what_differs_by_name_and_shows_no_value(world: World) -> None:
    world.up()
    state = world.engine.look("shop-web-1")
    told = account(world)
    assert told["differences"] == []
    assert state.running
    changed = world.project.project.apps[0]
    apps = (replace(changed, env={"PLAIN": f"{CANARY}-2", "NEW": CANARY}),)
    world.project = replace(world.project, project=replace(world.project.project, apps=apps))
    again = account(world)
    assert {one["name"] for one in again["differences"]} >= {"PLAIN", "NEW"}
    assert CANARY not in json.dumps(told) + json.dumps(again)


def test_an_account_has_no_secret_login_or_home_in_any_text(world: World) -> None:
    secret = "generated-3141592"
    veil.hide(secret)
    words = f"`http://me:{CANARY}@mirror/x` in `/home/ada/.cache`, {secret}"
    told = account(
        world, EngineError(words), findings=(Finding("cache", "ok", words), Finding("instances", "ok", "acme"))
    )
    assert told["findings"] == [{"name": "cache", "state": "ok", "message": "`http://mirror/x` in `~/.cache`, …"}]
    assert told["troubles"] == ["`http://mirror/x` in `~/.cache`, …"]


def test_of_a_file_that_is_wrong_an_account_tells_only_where(world: World) -> None:
    place = Place("devenv.toml", 7, 1, 1, f'password = "{CANARY}"')
    told = account(world, Problems([DevenvError(f"got `{CANARY}`", where=place), DevenvError(CANARY)]))
    assert told["troubles"] == [
        "there is a mistake in devenv.toml:7",
        "there is no project, or it cannot be read",
    ]


def test_an_account_needs_neither_project_nor_engine_nor_lockfile(world: World) -> None:
    bare = reporting.account(None, None, world.project.machine, (), ()).data(Path("/"))
    assert (bare["devenv"], bare["format"], "environment" in bare) == (__version__, 1, False)
    (world.project.folder / "devenv.lock").unlink()
    assert account(world)["troubles"] == ["there is no `devenv.lock`"]


def test_an_account_names_the_newest_log_of_a_bug(world: World) -> None:
    folder = world.project.machine.state / "logs"
    folder.mkdir(parents=True)
    for name in ("bug-20260101-000000.md", "bug-20260201-000000.md", "other.md"):
        (folder / name).write_text(CANARY)
    assert account(world)["crash"] == "bug-20260201-000000.md"


def test_an_account_is_a_report_to_be_held_against_another_machines(world: World, tmp_path: Path) -> None:
    there = reporting.read(written(tmp_path, json.dumps(account(world)).encode()))
    assert reporting.contrast(world.report(), there) == ()
