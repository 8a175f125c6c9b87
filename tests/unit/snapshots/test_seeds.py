from __future__ import annotations

import contextlib
import itertools
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from devenv import lockfile, seeds
from devenv.commands import lock, reset, snapshot
from devenv.engine.memory import Ran
from devenv.errors import DevenvError, LockfileError
from devenv.live import Background
from devenv.model.blueprint import Container
from devenv.model.pins import SeedPin
from devenv.model.progress import silence
from tests import projects
from tests.unit.snapshots.world import FRESH, Fate, Killed, World

SEED = "db/seed.devenv-snapshot"


@pytest.fixture
def seed(tmp_path: Path) -> Path:
    """An exported snapshot of `new`."""
    made = World(tmp_path / "where it was made")
    made.up()
    made.put("new")
    made.save()
    snapshot.export(made.project, "base", tmp_path / "seed", report=silence)
    return tmp_path / "seed"


def sown(folder: Path, seed: Path, *services: str) -> World:
    """A project with the seed, locked; nothing runs yet."""
    more = {"services": tuple(projects.service(name) for name in services)} if services else {}
    world = World(folder, **more)
    world.project = replace(world.project, project=replace(world.project.project, seed=SEED))
    (folder / "db").mkdir()
    shutil.copy(seed, folder / SEED)
    locked = seeds.lock(world.project, None)
    lockfile.write(folder, replace(projects.lock(world.project.project), seed=locked))
    return world


def test_services_without_data_begin_with_the_seed_and_never_again(tmp_path: Path, seed: Path) -> None:
    world = sown(tmp_path / "shop", seed)
    world.up()
    assert world.words() == {"new"}
    assert world.left_over() == []
    world.put("old")
    world.up()
    assert world.words() == {"old"}
    reset.run(world.project, world.engine, Background(world.project, "memory://"), ("redis",), tell=lambda _: None)
    assert world.words() == {"old", "new"}


def test_services_that_the_seed_does_not_have_begin_empty(tmp_path: Path, seed: Path) -> None:
    world = sown(tmp_path / "shop", seed, "postgres", "valkey")
    world.up()
    assert b"SQL of new" in world.engine.contents["shop_postgres-data"]
    assert "shop_valkey-data" not in world.engine.contents
    assert "shop_valkey-data" in world.engine.volumes


def test_a_database_is_sown_without_its_init(tmp_path: Path, seed: Path) -> None:
    world = sown(tmp_path / "shop", seed)
    begun: list[Container] = []
    postgres = replace(world.project.project.services[0], options={"init": ("db/*.sql",)})
    project = replace(world.project.project, services=(postgres,))
    (world.project.folder / "db" / "one.sql").write_text("")
    world.project = replace(world.project, project=project)
    begin = world.engine._program

    def program(container: Container) -> Ran:
        begun.append(container)
        return begin(container)

    world.engine._program = program
    world.up()
    assert [(one.unit, [mount.target for mount in one.mounts]) for one in begun] == [
        ("postgres.restore", ["/var/lib/postgresql/data", "/run/secrets/POSTGRES_PASSWORD"]),
        (
            "postgres",
            ["/var/lib/postgresql/data", "/docker-entrypoint-initdb.d/010-one.sql", "/run/secrets/POSTGRES_PASSWORD"],
        ),
    ]
    assert begun[0].ports == ()


def test_killed_at_any_point_the_next_up_begins_with_the_whole_seed(tmp_path: Path, seed: Path) -> None:
    for at in itertools.count(1):
        world = sown(tmp_path / str(at), seed)
        fate = Fate(at)
        with fate.over(world.engine), contextlib.suppress(Killed):
            world.up()
        world.up()
        assert world.words() == {"new"}
        assert world.left_over() == []
        shutil.rmtree(tmp_path / str(at))
        if not fate.came:
            break
    assert at > 30


def test_a_seed_that_is_another_one_or_gone_is_told_when_it_is_needed(tmp_path: Path, seed: Path) -> None:
    world = sown(tmp_path / "shop", seed)
    (world.project.folder / "devenv.toml").write_text(f'[data]\nseed = "{SEED}"\n')
    file = world.project.folder / SEED
    whole = file.read_bytes()
    file.write_bytes(whole.replace(b'"created": "20', b'"created": "19', 1))
    with pytest.raises(LockfileError, match=r"the seed .* is not the one that `devenv.lock` was made with") as caught:
        world.up()
    with pytest.raises(LockfileError, match="is not the one"):
        lock.check(world.project)
    assert "`devenv lock` takes this one" in (caught.value.hint or "")
    assert caught.value.where is not None
    assert caught.value.where.line == 2
    file.unlink()
    with pytest.raises(DevenvError, match=f"the project has no file `{SEED}` to fill volumes from"):
        world.up()
    assert world.engine.volumes == {}
    file.symlink_to(seed)
    with pytest.raises(DevenvError, match="leads out of the project"):
        world.up()
    file.unlink()
    file.write_bytes(whole)
    world.up()
    file.unlink()
    world.up()
    assert world.words() == {"new"}


def test_the_lockfile_keeps_the_hash_of_a_seed_that_is_not_at_hand(tmp_path: Path, seed: Path) -> None:
    world = sown(tmp_path / "shop", seed)
    found = lockfile.read(world.project.folder)
    assert found is not None
    assert found.seed == seeds.lock(world.project, found)
    (world.project.folder / SEED).unlink()
    assert found.seed == seeds.lock(world.project, found)
    with pytest.raises(DevenvError, match="has no file"):
        seeds.lock(world.project, replace(found, seed=SeedPin("db/other", "0" * 64)))
    (world.project.folder / SEED).write_bytes(FRESH)
    with pytest.raises(DevenvError, match=r"the seed .* is no exported snapshot"):
        seeds.lock(world.project, found)


def test_a_lockfile_that_does_not_know_the_seed_is_stale(tmp_path: Path) -> None:
    world = World(tmp_path)
    project = world.project.project
    plain = projects.lock(project)
    assert "[data]" not in lockfile.text(plain)
    sown_project = replace(project, seed='a "quoted" näme')
    assert lockfile.stale(plain, sown_project, projects.CATALOG, "amd64") == (
        'it has no hash of the seed `a "quoted" näme`',
    )
    fresh = replace(plain, seed=SeedPin('a "quoted" näme', "0" * 64))
    assert lockfile.parse(lockfile.text(fresh)) == fresh
    assert lockfile.stale(fresh, sown_project, projects.CATALOG, "amd64") == ()
    assert lockfile.stale(fresh, project, projects.CATALOG, "amd64") == ()
    tampered = lockfile.text(fresh).replace("0" * 64, "1" * 64)
    with pytest.raises(LockfileError, match="changed by hand"):
        lockfile.parse(tampered)
