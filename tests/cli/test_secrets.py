"""`devenv secrets`: values go in by a pipe or a hidden question, and never come out again."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
import termios
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from devenv import veil
from devenv.errors import DevenvError
from devenv.ui import errors
from tests.cli import command_line
from tests.cli.command_line import Ran
from tests.e2e.checkouts import until

CANARY = "canary-7b2e"
TEXT = """name = "shop"
images = "debian"
[apps.web]
run = "true"
[secrets.TOKEN]
description = "The token"
url = "https://example.com/token"
[secrets.MAYBE]
required = false
"""


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    folder = tmp_path / "shop"
    folder.mkdir()
    (folder / "devenv.toml").write_text(TEXT)
    return folder


def run(folder: Path, *arguments: str, **variables: str) -> Ran:
    return command_line.run(folder, "secrets", *arguments, DEVENV_STATE=str(folder.parent / "state"), **variables)


def piped(folder: Path, value: bytes, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    environ = os.environ | {"PYTHONPATH": str(command_line.ROOT), "DEVENV_STATE": str(folder.parent / "state")}
    command = [sys.executable, "-m", "devenv", "secrets", *arguments]
    return subprocess.run(command, cwd=folder, env=environ, input=value, capture_output=True)


def test_a_value_comes_in_by_a_pipe_and_the_list_says_from_where(shop: Path) -> None:
    before = run(shop, "list", "--json", TOKEN=CANARY)
    row = json.loads(before.out)["secrets"][0]
    assert (before.code, json.loads(before.out)["complete"], row["source"], row["allowed"]) == (1, False, None, False)
    assert row["note"] == "`devenv secrets allow TOKEN` lets the project read this machine's"
    done = piped(shop, CANARY.encode(), "set", "TOKEN")
    assert (done.returncode, CANARY.encode() in done.stdout + done.stderr) == (0, False)
    after = run(shop, "list")
    assert after.code == 0
    assert "kept by devenv" in after.out
    assert CANARY not in after.out + after.err + before.out + before.err
    assert json.loads(run(shop, "unset", "TOKEN", "--json").out) == {"names": ["TOKEN"]}
    assert run(shop, "list").code == 1


def test_what_goes_before_a_kept_value_is_told(shop: Path) -> None:
    assert run(shop, "allow").code == 0
    (shop / ".devenv").mkdir(exist_ok=True)
    (shop / ".devenv" / "secrets.env").write_text("TOKEN=other\n")
    assert b"comes from .devenv/secrets.env, which goes before" in piped(shop, b"x", "set", "TOKEN").stderr


@pytest.mark.parametrize(
    ("arguments", "value", "said"),
    [
        (("set", "TOKEN", CANARY), b"", b"stays in the shell's history"),
        (("set", "TOKEM"), b"x", b"did you mean `TOKEN`?"),
        (("set", "TOKEN"), b"", b"is empty"),
        (("set", "TOKEN"), b"\xff\x00", b"is binary"),
        (("allow", "NONE"), b"", b"unknown secret `NONE`"),
        (("unset", "NONE"), b"", b"unknown secret `NONE`"),
    ],
)
def test_mistakes_are_told_with_the_remedy_and_without_the_value(
    shop: Path, arguments: tuple[str, ...], value: bytes, said: bytes
) -> None:
    done = piped(shop, value, *arguments)
    assert done.returncode in (1, 2)
    assert said in done.stderr
    assert b"hint:" in done.stderr
    assert CANARY.encode() not in done.stdout + done.stderr


@contextmanager
def on_a_terminal(folder: Path, *command: str) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """Run Python with a terminal that this end can read and write."""
    ours, theirs = pty.openpty()
    environ = os.environ | {
        "PYTHONPATH": str(command_line.ROOT), "DEVENV_STATE": str(folder.parent / "state"), "TOKEN": "mine",
    }  # fmt: skip
    with subprocess.Popen(
        [sys.executable, *command], cwd=folder, env=environ, stdin=theirs, stdout=theirs, stderr=theirs,
        start_new_session=True,
    ) as process:  # fmt: skip
        os.close(theirs)
        yield process, ours
    os.close(ours)


ASK = "from devenv.cli import secrets, session\nsecrets.ask(session.workspace(session.Options()))"


def test_a_question_on_a_terminal_shows_what_it_is_about_and_not_what_is_typed(shop: Path) -> None:
    with on_a_terminal(shop, "-c", ASK) as (process, terminal):
        seen = _until(terminal, b"[y/N]")
        os.write(terminal, b"n\n")
        seen += _until(terminal, b"Value of TOKEN:")
        until(lambda: not termios.tcgetattr(terminal)[3] & termios.ECHO)  # what is typed before is dropped
        os.write(terminal, f"{CANARY}\n".encode())
        assert process.wait(30) == 0
    assert b"The token" in seen
    assert b"https://example.com/token" in seen
    assert CANARY.encode() not in seen
    assert "kept by devenv" in run(shop, "list").out


def test_leave_that_is_given_at_the_question_is_all_there_is_to_it(shop: Path) -> None:
    with on_a_terminal(shop, "-c", ASK) as (process, terminal):
        _until(terminal, b"[y/N]")
        os.write(terminal, b"y\n")
        assert process.wait(30) == 0
    assert "a variable of this machine" in run(shop, "list", TOKEN="mine").out


def test_up_asks_and_a_question_that_is_broken_off_is_no_bug(shop: Path) -> None:
    with on_a_terminal(shop, "-m", "devenv", "up") as (process, terminal):
        _until(terminal, b"[y/N]")
        os.write(terminal, b"\x04")
        seen = _until(terminal, b"interrupted")
        assert process.wait(30) == 130
    assert b"bug" not in seen


def _until(terminal: int, word: bytes) -> bytes:
    seen = b""
    while word not in seen:
        seen += os.read(terminal, 4096)
    return seen


def test_a_crash_log_and_an_error_have_no_secret(tmp_path: Path) -> None:
    veil.hide(CANARY)
    try:
        raise KeyError(CANARY)
    except KeyError as error:
        path = errors.write_report(error, tmp_path)
    assert CANARY not in path.read_text()
    shown = DevenvError(f"the engine said {CANARY}", hint=CANARY)
    assert CANARY not in errors.text(shown) + json.dumps(errors.data(shown))
