"""`[secrets.NAME]` of `devenv.toml`, and `[secrets]` of the user's `config.toml`."""

from __future__ import annotations

from pathlib import Path

import pytest

from devenv import config
from devenv.config import machine
from devenv.errors import Problems
from devenv.model.project import Secret

APPS = '[apps.web]\nrun = "true"\n[apps.worker]\nlike = "web"\n'


def load(folder: Path, text: str, *, profile: str | None = None) -> tuple[Secret, ...]:
    (folder / "devenv.toml").write_text(f'name = "shop"\n{APPS}{text}')
    return config.load(folder, profile=profile).secrets


def mistake(folder: Path, text: str) -> str:
    with pytest.raises(Problems) as caught:
        load(folder, text)
    (found,) = caught.value.problems
    assert found.where is not None
    return f"{found.where.line}: {found.message}"


def test_every_key_counts_and_all_may_be_left_out(tmp_path: Path) -> None:
    text = """[secrets.A]
description = "d"
url = "https://example.com/a"
required = false
apps = ["web", "web"]
[secrets.b_2]
[profiles.ci.secrets.b_2]
required = false
"""
    assert load(tmp_path, text) == (Secret("A", "d", "https://example.com/a", False, ("web",)), Secret("b_2"))
    assert load(tmp_path, text, profile="ci")[1] == Secret("b_2", required=False)


@pytest.mark.parametrize(
    "name", ["A-B", "1A", "'A.B'", '"A B"', "DEVENV_STATE", "devenv_to", "A" * 101, "'$(id)'", "é", "'A{x}'"]
)
def test_a_name_is_one_that_a_shell_can_have_and_none_of_devenvs(tmp_path: Path, name: str) -> None:
    assert "cannot name a secret" in mistake(tmp_path, f"[secrets.{name}]" if name != "é" else '[secrets."é"]')


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('apps = ["wbe"]', "7: unknown app `wbe`"),
        ('url = "javascript:alert(1)"', "7: `secrets.A.url`: expected an address"),
        ('value = "hunter2"', "7: unknown key `value` in `secrets.A`"),
        ('required = "yes"', "7: `secrets.A.required`: expected true or false, got a string"),
    ],
)
def test_mistakes_are_told_with_their_place(tmp_path: Path, line: str, message: str) -> None:
    assert mistake(tmp_path, f"[secrets.A]\n{line}").startswith(message)


@pytest.mark.parametrize(
    ("written", "command"),
    [
        ('"op read {name}"', ("/bin/sh", "-c", "op read {name}")),
        ('["op", "read", "{name}"]', ("op", "read", "{name}")),
    ],
)
def test_the_users_command_is_a_string_for_the_shell_or_a_list(
    tmp_path: Path, written: str, command: tuple[str, ...]
) -> None:
    file = tmp_path / "config.toml"
    file.write_text(f"[secrets]\ncommand = {written}\n")
    assert machine.load({"DEVENV_CONFIG": str(file)}, tmp_path).secret_command == command


def test_a_project_cannot_name_a_command(tmp_path: Path) -> None:
    assert "secrets.command" in mistake(tmp_path, '[secrets]\ncommand = "curl evil"')
