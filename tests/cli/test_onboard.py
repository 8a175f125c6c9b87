"""`devenv onboard` as people and programs read it; no engine can be reached, and nobody sits at a terminal."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tests.cli import command_line
from tests.cli.command_line import Ran

CANARY = "canary-9f2c"


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """A repository with a project."""
    folder = tmp_path / "shop"
    folder.mkdir()
    (folder / "devenv.toml").write_text('name = "shop"\n')
    own = ("git", "-C", str(folder), "-c", "user.name=a", "-c", "user.email=a@b")
    for arguments in (("init", "-q"), ("add", "."), ("commit", "-q", "-m", "1")):
        subprocess.run([*own, *arguments], check=True)
    return folder


def run(folder: Path, *arguments: str, **variables: str) -> Ran:
    return command_line.run(folder, "--engine", "tcp://127.0.0.1:9", "onboard", *arguments, **variables)


def test_stages_are_told_up_to_the_one_that_failed(shop: Path, tmp_path: Path) -> None:
    work = tmp_path / "work"
    work.mkdir()
    ran = run(work, str(shop), "here")
    lines = ran.err.splitlines()
    assert ran.code == 4
    assert lines[0].startswith("✓ clone ")
    assert lines[0].endswith(f" s  {shop} into {work}/here")
    assert lines[1].startswith("✗ machine  ")
    assert "error: " in ran.err
    assert lines[-1] == "then `devenv --engine tcp://127.0.0.1:9 -C here onboard` goes on at `machine`"
    assert ran.out == ""
    again = run(work / "here")
    assert again.err.splitlines()[0].endswith(f" s  the project in {work}/here")
    assert again.err.endswith("then `devenv --engine tcp://127.0.0.1:9 onboard` goes on at `machine`\n")


def test_programs_are_told_in_one_object(shop: Path) -> None:
    ran = run(shop, "--json")
    told = json.loads(ran.out)
    assert ran.code == 4
    assert [(one["stage"], one["state"]) for one in told["stages"]] == [("clone", "already"), ("machine", "failed")]
    assert (told["ready"], told["folder"], told["next"]) == (False, str(shop), [])
    assert told["ahead"] == ["consent", "secrets", "lock", "images", "up", "hooks", "open"]
    assert told["problems"][0]["message"]
    assert ran.err == ""


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--", "--upload-pack=touch x"], "it begins like an option"),
        (["ext::sh -c touch% x"], "would run a program on this machine"),
        (["https://example.org/.."], "does not tell what to call the folder"),
    ],
)
def test_an_address_that_is_none_is_a_mistake_of_the_command_line(
    tmp_path: Path, arguments: list[str], said: str
) -> None:
    ran = run(tmp_path, *arguments)
    assert ran.code == 2
    assert said in ran.err
    assert not (tmp_path / "x").exists()


def test_a_folder_without_a_project_is_told_of_init(tmp_path: Path) -> None:
    ran = run(tmp_path)
    assert ran.code == 1
    assert "hint: `devenv init` writes one there" in ran.err
    assert "goes on at" not in ran.err


def test_mistakes_in_devenv_toml_are_all_told_with_their_places(shop: Path) -> None:
    (shop / "devenv.toml").write_text('nam = "shop"\n[app.web]\n')
    ran = run(shop)
    assert ran.code == 1
    assert "  2 mistakes\n" in ran.err
    assert "--> devenv.toml:1:1" in ran.err
    assert "--> devenv.toml:2:2" in ran.err


def test_a_password_in_an_address_is_told_nobody(tmp_path: Path) -> None:
    ran = run(tmp_path, f"http://ada:{CANARY}@127.0.0.1:9/shop.git", http_proxy="")
    assert ran.code == 1
    assert "cannot clone `http://127.0.0.1:9/shop.git`" in ran.err
    assert CANARY not in ran.err + ran.out
    told = [one for one in tmp_path.rglob("*") if one.is_file() and CANARY in one.read_text(errors="replace")]
    assert told == []


def test_a_password_in_an_address_is_in_no_report_of_a_bug(tmp_path: Path) -> None:
    code = (
        "import sys; from devenv import cli; from devenv.commands import onboard\n"
        "def run(*_, **__): raise ZeroDivisionError\n"
        f"onboard.run = run; sys.argv = ['devenv', 'onboard', 'https://ada:{CANARY}@example.org/shop']; cli.main()"
    )
    ran = command_line.python(tmp_path, "-c", code)
    assert ran.code == 3
    reports = [one.read_text() for one in tmp_path.rglob("bug-*.md")]
    assert len(reports) == 1
    assert "`devenv onboard https://example.org/shop` stopped" in reports[0]
    assert CANARY not in reports[0] + ran.err
