from __future__ import annotations

import contextlib
import errno
import itertools
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from devenv import generations, secrets, workspace
from devenv.commands import down, reset
from devenv.errors import DevenvError, EngineError, UsageError
from devenv.live import Background
from devenv.model import labels
from devenv.model.blueprint import Volume
from devenv.snapshots import filling, form, store
from tests import projects
from tests.unit.snapshots.world import Fate, Killed, World


@pytest.fixture
def world(tmp_path: Path) -> World:
    return saved(tmp_path / "shop")


def saved(folder: Path, **changes: Any) -> World:
    """A world that runs on `old`, with a snapshot of `new`."""
    made = World(folder, **changes)
    made.up()
    made.put("new")
    made.save()
    made.put("old")
    return made


def test_services_have_the_snapshots_data_and_run_on_it(world: World) -> None:
    world.restore()
    assert world.words() == {"new"}
    assert workspace.generations(world.project) == {"postgres": 2, "redis": 2}
    assert sorted(world.engine.volumes) == ["shop_postgres-data-2", "shop_redis-data-2"]
    assert {one.status for one in world.engine.containers.values()} == {"running"}
    world.restore("base", "redis")
    assert sorted(world.engine.volumes) == ["shop_postgres-data-2", "shop_redis-data-3"]
    assert world.left_over() == []


def test_an_environment_that_is_down_stays_so(world: World) -> None:
    for name in list(world.engine.containers):
        world.engine.stop(name, 0)
    world.restore()
    assert world.engine.containers == {}
    assert world.left_over() == []
    assert "redis-data-2" in (world.project.folder / ".devenv" / "compose.yaml").read_text()
    world.up()
    assert world.words() == {"new"}


def test_the_first_volume_of_a_service_is_filled_under_its_plain_name(world: World) -> None:
    background = Background(world.project, "memory://")
    down.run(world.project, world.engine, background, volumes=True, tell=lambda _: None)
    world.restore()
    assert sorted(world.engine.volumes) == ["shop_postgres-data", "shop_redis-data"]
    world.up()
    assert world.words() == {"new"}


def test_killed_at_any_point_all_services_have_the_old_data_or_all_the_new(tmp_path: Path) -> None:
    outcomes = []
    for at in itertools.count(1):
        world = saved(tmp_path / str(at))
        fate = Fate(at)
        with fate.over(world.engine), contextlib.suppress(Killed):
            world.restore()
        world.up()
        (word,) = world.words()
        outcomes.append(word)
        assert word in ("old", "new")
        assert world.left_over() == []
        shutil.rmtree(tmp_path / str(at))
        if not fate.came:
            break
    # There is one step from the one to the other.
    assert outcomes == sorted(outcomes, reverse=True)
    assert outcomes.count("old") > 15
    assert outcomes.count("new") > 10


@pytest.mark.parametrize("error", [EngineError("the engine refused"), KeyboardInterrupt()])
def test_a_failure_at_any_point_leaves_the_old_data_or_the_new(tmp_path: Path, error: BaseException) -> None:
    for at in itertools.count(1):
        world = saved(tmp_path / str(at))
        fate = Fate(at, error)
        failed = False
        with fate.over(world.engine, disk=False):
            try:
                world.restore()
            except (EngineError, KeyboardInterrupt):
                failed = True
        world.up()
        assert world.words() in ({"old"}, {"new"})
        assert failed or world.words() == {"new"}
        assert world.left_over() == []
        shutil.rmtree(tmp_path / str(at))
        if not fate.came:
            break
    assert at > 20


def test_a_full_disk_leaves_the_old_data(tmp_path: Path) -> None:
    world = saved(tmp_path)
    full = Fate(1, OSError(errno.ENOSPC, "No space left on device"))
    with full.over(world.engine, calls=False), pytest.raises(DevenvError, match="cannot write"):
        world.restore()
    world.up()
    assert world.words() == {"old"}
    assert world.left_over() == []


@pytest.mark.parametrize("volumes", [False, True])
def test_down_removes_what_a_kill_left(world: World, *, volumes: bool) -> None:
    with Fate(12).over(world.engine, disk=False), pytest.raises(Killed):
        world.restore()
    assert "shop_filling" in world.engine.volumes
    assert "shop_redis-data-2" in world.engine.volumes
    background = Background(world.project, "memory://")
    down.run(world.project, world.engine, background, volumes=volumes, tell=lambda _: None)
    kept = [] if volumes else ["shop_postgres-data", "shop_redis-data"]
    assert sorted(world.engine.volumes) == kept


def test_data_is_found_where_the_checkout_does_not_know_of_it(world: World) -> None:
    world.restore()
    (world.project.folder / workspace.STATE).unlink()
    world.up()
    assert world.words() == {"new"}
    assert sorted(world.engine.volumes) == ["shop_postgres-data-2", "shop_redis-data-2"]
    # On another engine it was never restored.
    workspace.record_generations(world.project, {"postgres": 7})
    world.up()
    assert world.words() == {"new"}


def test_what_is_not_ours_is_neither_taken_nor_removed(world: World) -> None:
    others = {labels.INSTANCE: "other", labels.GENERATION: "9"}
    world.engine.create(Volume("shop_redis-data-9", others))
    world.engine.create(Volume("other_filling", {labels.INSTANCE: "other", labels.FILLING: '["shop_redis-data"]'}))
    same = {labels.INSTANCE: "shop", labels.FOLDER: str(world.project.folder)}
    world.engine.create(Volume("shop_redis-data-old", same))
    world.restore()
    assert {"shop_redis-data-9", "other_filling", "shop_redis-data-old"} <= set(world.engine.volumes)
    assert world.words() == {"new"}


def test_reset_of_a_restored_service_removes_the_volume_it_has(world: World) -> None:
    world.restore()
    reset.run(world.project, world.engine, Background(world.project, "memory://"), ("redis",), tell=lambda _: None)
    assert world.engine.contents.keys() == {"shop_postgres-data-2"}
    assert world.left_over() == []


def test_reset_leaves_nothing_of_what_a_kill_after_a_restore_left(world: World) -> None:
    world.engine.fail_on = lambda call, name: Killed() if (call, name) == ("remove", "shop_redis-data") else None
    with pytest.raises(Killed):
        world.restore()
    world.engine.fail_on = lambda _call, _name: None
    assert {"shop_redis-data", "shop_redis-data-2"} <= set(world.engine.volumes)
    reset.run(world.project, world.engine, Background(world.project, "memory://"), ("redis",), tell=lambda _: None)
    assert [name for name in world.engine.contents if "redis" in name] == []
    assert world.left_over() == []


def test_a_snapshot_that_was_tampered_with_is_refused_before_anything_is_touched(world: World) -> None:
    path = world.project.folder / store.FOLDER / "base" / "redis.data.tar.gz"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    for wrong in (bytes(content), bytes(content[:-1]), bytes(content) + b"x", b""):
        path.write_bytes(wrong)
        world.engine.calls.clear()
        with pytest.raises(DevenvError, match=r"snapshot `base` is damaged: `redis\.data\.tar\.gz`"):
            world.restore()
        assert world.engine.calls == []
    path.unlink()
    with pytest.raises(DevenvError, match="cannot be read"):
        world.restore()


def test_a_database_moves_to_a_newer_major_version_by_its_dump(world: World) -> None:
    held = world.engine.volumes["shop_postgres-data"]
    world.engine.volumes["shop_postgres-data"] = replace(held, labels={**held.labels, labels.DATA: "postgres 15"})
    world.save("before")
    with pytest.raises(DevenvError, match="holds the data of postgres 15") as caught:
        world.up()
    assert "devenv snapshot restore before" in (caught.value.hint or "")
    assert store.find(world.project.folder, "before").snapshot.parts[0].version == "15"
    world.restore("before")
    assert world.words() == {"old"}
    world.up()
    assert world.engine.volumes["shop_postgres-data-2"].labels[labels.DATA] == "postgres 17"


def changed(world: World, **changes: Any) -> None:
    """Change what the snapshot says of PostgreSQL."""
    source = store.find(world.project.folder, "base").snapshot
    first = replace(source.parts[0], **changes)
    path = world.project.folder / store.FOLDER / "base" / form.FILE
    path.write_text(form.text(replace(source, parts=(first, *source.parts[1:]))))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"use": "mysql"}, "`postgres` is `postgres` here, and snapshot `base` has data of `mysql` for it"),
        ({"name": "search"}, "has data of `search`, which is no service of this project"),
        ({"data": "postgres 18"}, "`postgres` is postgres 17 here, and snapshot `base` has a dump of postgres 18"),
    ],
)
def test_data_that_a_service_cannot_use_is_refused(world: World, changes: dict[str, str], words: str) -> None:
    changed(world, **changes)
    with pytest.raises(DevenvError, match=words):
        world.restore()
    assert world.words() == {"old"}


def test_files_go_to_the_same_version_and_architecture_only(world: World) -> None:
    world.engine.stop("shop-postgres-1", 0)
    world.save("files", ("postgres",))
    source = store.find(world.project.folder, "files")
    fill = filling.Filling(world.project, world.engine, world.wanted, source, lambda _: None)
    part = source.snapshot.parts[0]
    fill.check(part)
    with pytest.raises(DevenvError, match="has files of postgres 15, and `postgres` is postgres 17 here"):
        fill.check(replace(part, data="postgres 15"))
    with pytest.raises(DevenvError, match="has files of postgres 17 on arm64, this engine is amd64"):
        fill.check(replace(part, architecture="arm64"))
    with pytest.raises(DevenvError, match="has files of any version, and `postgres` is postgres 17 here"):
        fill.check(replace(part, data=""))
    fill.check(replace(store.find(world.project.folder, "base").snapshot.parts[1], architecture="arm64"))


def test_files_with_another_password_are_refused_before_anything_is_touched(world: World) -> None:
    key = world.project.folder / secrets.FOLDER / secrets.KEY
    world.engine.stop("shop-postgres-1", 0)
    part = world.save("files", ("postgres",)).parts[0]
    assert part.secrets == world.engine.volumes["shop_postgres-data"].labels[labels.SECRETS]
    source = store.find(world.project.folder, "files")
    filling.Filling(world.project, world.engine, world.wanted, source, lambda _: None).check(part)
    key.write_bytes(bytes(range(secrets.KEY_BYTES)))
    with pytest.raises(DevenvError, match="has files of `postgres` that were made with another `password`") as caught:
        world.restore("files")
    assert "`devenv env`" in (caught.value.hint or "")
    assert world.words() == {"old"}
    # A dump has none.
    world.restore("base", "postgres")


def test_files_with_a_password_that_is_given_may_be_the_right_ones(world: World) -> None:
    world.engine.stop("shop-postgres-1", 0)
    world.save("files", ("postgres",))
    given = projects.service(options={"password": "open sesame"})
    project = replace(world.project.project, services=(given, *world.project.project.services[1:]))
    colleague = replace(world.project, project=project)
    source = store.find(world.project.folder, "files")

    def check() -> None:
        wanted = workspace.resolve(colleague, "amd64")
        filling.Filling(colleague, world.engine, wanted, source, lambda _: None).check(source.snapshot.parts[0])

    with pytest.raises(DevenvError, match="made with another `password`"):
        check()
    (world.project.folder / secrets.FOLDER / secrets.KEY).write_bytes(bytes(range(secrets.KEY_BYTES)))
    check()


def test_services_that_have_no_data_are_told(world: World) -> None:
    with pytest.raises(DevenvError, match="snapshot `base` has no data of `mariadb`"):
        world.restore("base", "mariadb")
    with pytest.raises(UsageError, match="unknown service `mariadb`"):
        generations.chosen(world.project, ["mariadb"])
    assert generations.chosen(world.project, []) == ("postgres", "redis")


def test_a_name_that_another_volume_has_is_passed_by(tmp_path: Path) -> None:
    more = projects.service("redis", volumes={"data-2": "/more"})
    world = saved(tmp_path, services=(projects.service(), more))
    world.restore()
    assert workspace.generations(world.project) == {"postgres": 2, "redis": 3}
    world.up()
    assert world.words() == {"new"}
