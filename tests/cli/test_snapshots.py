"""`devenv snapshot` where no engine is needed, and what is said before one is asked."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from devenv.commands import snapshot
from devenv.model.progress import silence
from tests.cli import command_line
from tests.cli.command_line import Ran
from tests.unit.snapshots.world import World

NO_ENGINE = "unix:///nonexistent/engine.sock"


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """A project with a snapshot `base`, and its export."""
    world = World(tmp_path / "shop")
    (tmp_path / "shop" / "devenv.toml").write_text('images = "debian"\n[services.postgres]\n[services.redis]\n')
    world.up()
    world.put("new")
    world.save()
    snapshot.export(world.project, "base", tmp_path / "shop" / "base.export", report=silence)
    return tmp_path / "shop"


def run(folder: Path, *arguments: str) -> Ran:
    return command_line.run(folder, "--engine", NO_ENGINE, "snapshot", *arguments)


def test_list_delete_export_and_import_need_no_engine(shop: Path) -> None:
    listed = run(shop, "list")
    assert listed.code == 0
    head, row = listed.out.splitlines()
    assert head.split() == ["NAME", "CREATED", "SIZE", "SERVICES"]
    assert row.startswith("base ")
    assert row.endswith("postgres 17, redis 8")
    exported = run(shop, "export", "base")
    assert (exported.code, (shop / "shop-base.devenv-snapshot").is_file()) == (0, True)
    assert "wrote shop-base.devenv-snapshot" in exported.err
    assert run(shop, "import", "base.export", "--name", "again").code == 0
    names = [one["name"] for one in json.loads(run(shop, "list", "--json").out)["snapshots"]]
    assert sorted(names) == ["again", "base"]
    assert run(shop, "delete", "again", "base").code == 0
    assert "there are no snapshots" in run(shop, "list").err


def test_mistakes_are_told_before_an_engine_is_asked(shop: Path) -> None:
    for arguments, code, words in (
        (("restore", "bas", "--yes"), 2, "unknown snapshot `bas`\n\nhint: did you mean `base`?"),
        (("restore", "base"), 2, "this replaces the data of `postgres`, `redis`\n\nhint: `--yes` says"),
        (("restore", "base", "--service", "mysql", "--yes"), 1, "snapshot `base` has no data of `mysql`"),
        (("save", "x", "--service", "mysql"), 2, "unknown service `mysql`"),
        (("import", "devenv.lock"), 1, "`devenv.lock` is no exported snapshot"),
        (("export", "base", "devenv.toml"), 2, "`devenv.toml` exists and is no exported snapshot"),
        (("import", "base.export"), 2, "there is a snapshot `base` already"),
        (("delete", "base", "gone"), 2, "unknown snapshot `gone`"),
    ):
        done = run(shop, *arguments)
        assert (done.code, words in done.err) == (code, True), done.err
    assert "no engine answers" in run(shop, "restore", "base", "--yes").err


def test_a_seed_outside_of_the_project_is_a_mistake_with_its_place(shop: Path) -> None:
    (shop / "devenv.toml").write_text('[data]\nseed = "../seed"\n')
    done = command_line.run(shop, "check")
    assert done.code == 1
    assert "`../seed` leads out of the project\n  --> devenv.toml:2:8" in done.err
