"""`devenv init` as people and programs read it; no engine can be reached."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from devenv import config
from tests import newcomers
from tests.cli import command_line
from tests.cli.command_line import Ran


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    folder = tmp_path / "shop"
    for name, text in newcomers.FLASK.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def run(folder: Path, *arguments: str) -> Ran:
    return command_line.run(folder, *arguments, DOCKER_HOST="tcp://127.0.0.1:9")


def test_init_writes_a_project_that_only_needs_to_be_locked(shop: Path) -> None:
    done = run(shop, "init", "--yes", "--images", "debian")
    assert done == Ran(
        0,
        "",
        f"✓ wrote {shop}/devenv.toml: app web, service redis\nnext: look through it, then `devenv up`\n",
    )
    assert run(shop, "check").err == "error: there is no `devenv.lock`\n\nhint: run `devenv lock`\n\n"
    assert (shop / config.NAME).read_text().startswith("# The development environment of this project")


def test_init_leaves_a_project_that_is_there_alone(shop: Path) -> None:
    (shop / config.NAME).write_text("name = 'mine'\n")
    done = run(shop, "init", "--yes")
    assert done.code == 1
    assert "is there already" in done.err
    assert (shop / config.NAME).read_text() == "name = 'mine'\n"


def test_init_prints_what_it_would_write(shop: Path) -> None:
    done = run(shop, "init", "--dry-run")
    assert done.code == 0
    assert "[apps.web] # Flask, seen in pyproject.toml\n" in done.out
    assert not (shop / config.NAME).exists()


def test_init_tells_programs_what_it_found(shop: Path) -> None:
    (shop / "pyproject.toml").write_text("[project]\nname = 'x'\ndependencies = []\n")
    told = json.loads(run(shop, "init", "--json").out)
    assert (told["apps"], told["services"], told["open"]) == (["web"], [], ["web"])


def test_init_says_what_it_could_not_see(tmp_path: Path) -> None:
    done = run(tmp_path, "init")
    assert "nothing here tells what the project is written in" in done.err


def test_init_knows_two_origins(shop: Path) -> None:
    done = run(shop, "init", "--images", "moon")
    assert done.code == 2
    assert "`--images` is `registry` or `debian`, not `moon`" in done.err
