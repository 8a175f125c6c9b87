from __future__ import annotations

from pathlib import Path

import pytest

from devenv.blueprint import setup
from devenv.model.project import Sync, SyncRule
from tests import projects

INSTALL = "pip install -r requirements.txt -r 'dev reqs.txt'"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "requirements.txt").write_text("flask\n")
    (tmp_path / "dev reqs.txt").write_text("pytest\n")
    (tmp_path / "app.py").write_text("print(1)\n")
    return tmp_path


def hash_of(folder: Path, command: str = INSTALL, image: str = "i", rules: tuple[SyncRule, ...] = ()) -> str:
    project = projects.project(folder, apps=(projects.app(setup=(command,)),), sync=Sync(rules=rules))
    return setup.of(project, project.apps[0], projects.CATALOG, image).hash


def test_setup_runs_again_when_a_file_it_reads_changes(folder: Path) -> None:
    before = hash_of(folder)
    (folder / "requirements.txt").write_text("flask\nredis\n")
    assert hash_of(folder) != before


def test_a_file_named_in_a_command_is_an_input_even_with_a_space_in_its_name(folder: Path) -> None:
    before = hash_of(folder)
    (folder / "dev reqs.txt").write_text("pytest\nruff\n")
    assert hash_of(folder) != before


def test_setup_does_not_run_again_for_other_files(folder: Path) -> None:
    before = hash_of(folder)
    (folder / "app.py").write_text("print(2)\n")
    assert hash_of(folder) == before


def test_a_rule_makes_a_file_an_input(folder: Path) -> None:
    rules = (SyncRule("app.py", "setup"),)
    before = hash_of(folder, rules=rules)
    (folder / "app.py").write_text("print(2)\n")
    assert hash_of(folder, rules=rules) != before


@pytest.mark.parametrize("path", ["db", "db/", "/db/", "db/**", "**/*.sql", "**.sql", "d**/a.sql"])
def test_a_rule_is_a_pattern_and_may_name_a_folder(folder: Path, path: str) -> None:
    for name in ("db/a.sql", "a.sql"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text("1")
    rules = (SyncRule(path, "setup"), SyncRule("app.py", "restart"))
    before = hash_of(folder, rules=rules)
    (folder / "app.py").write_text("print(2)\n")
    assert hash_of(folder, rules=rules) == before
    for name in ("db/a.sql", "a.sql"):
        (folder / name).write_text("2")
    assert hash_of(folder, rules=rules) != before


def test_setup_runs_again_when_the_command_or_the_image_changes(folder: Path) -> None:
    assert len({hash_of(folder), hash_of(folder, "pip install ."), hash_of(folder, image="j")}) == 3


def test_a_command_that_is_no_proper_shell_is_still_hashed(folder: Path) -> None:
    assert hash_of(folder, "echo 'requirements.txt") != hash_of(folder)


def test_no_file_outside_the_project_is_read(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    outside = tmp_path_factory.mktemp("outside") / "secret"
    outside.write_text("1")
    relative = f"cat ../{outside.parent.name}/secret"
    before = hash_of(folder, relative)
    outside.write_text("2")
    assert hash_of(folder, relative) == before
