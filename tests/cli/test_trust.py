"""`devenv trust`, and how other commands ask in its place."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

from tests import projects
from tests.cli import command_line
from tests.cli.command_line import ROOT, Ran

TEXT = 'name = "shop"\nimages = "debian"\n[services.redis]\n{}\n'
ASKS = "privileged = true"
NO_ENGINE = "unix:///nonexistent/engine.sock"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "shop"
    folder.mkdir()
    write(folder, ASKS)
    return folder


def write(folder: Path, line: str) -> None:
    (folder / "devenv.toml").write_text(TEXT.format(line))


def run(folder: Path, *arguments: str) -> Ran:
    return command_line.run(folder, *arguments, DEVENV_STATE=str(folder.parent / "state"))


def on_terminal(folder: Path, answer: str, *arguments: str) -> tuple[int, str]:
    environ = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder.parent),
        "PYTHONPATH": str(ROOT),
        "DEVENV_STATE": str(folder.parent / "state"),
        "TERM": "dumb",
    }
    return command_line.on_terminal([sys.executable, "-m", "devenv", *arguments], folder, environ, answer)


def test_what_is_asked_is_shown_and_without_a_terminal_not_allowed(folder: Path) -> None:
    ran = run(folder, "trust")
    assert (ran.code, ran.out) == (5, "")
    assert ran.err == (
        f"`shop` in {folder} asks for more than its own containers:\n\n"
        "  ? `redis` runs privileged: it may do what this machine's administrator may  (devenv.toml:4)\n\n"
        "error: `shop` was not allowed what it asks for\n\n"
        "hint: in scripts and CI, `devenv trust --yes` allows it without asking\n"
    )


def test_scripts_allow_it_and_take_it_back(folder: Path) -> None:
    ran = run(folder, "trust", "--yes")
    assert (ran.code, ran.out) == (0, "")
    assert "✓ allowed, until any of it changes" in ran.err
    assert run(folder, "trust").code == 0
    assert "✓ withdrawn" in run(folder, "trust", "--withdraw").err
    assert run(folder, "trust").code == 5
    assert "nothing was allowed" in run(folder, "trust", "--withdraw").err


def test_json_tells_and_allows_only_if_told_to(folder: Path) -> None:
    ran = run(folder, "trust", "--json")
    assert ran.code == 5
    words = "`redis` runs privileged: it may do what this machine's administrator may"
    ask = {"kind": "privileged", "unit": "redis", "words": words, "file": "devenv.toml", "line": 4, "allowed": False}
    assert json.loads(ran.out) == {"project": "shop", "folder": str(folder), "asks": [ask], "allowed": False}
    allowed = run(folder, "trust", "--json", "--yes")
    assert (allowed.code, json.loads(allowed.out)["allowed"]) == (0, True)
    assert json.loads(run(folder, "trust", "--json").out)["asks"] == [ask | {"allowed": True}]
    assert not json.loads(run(folder, "trust", "--json", "--withdraw").out)["allowed"]


def test_a_project_that_asks_for_nothing_says_so(folder: Path) -> None:
    write(folder, "")
    ran = run(folder, "trust")
    assert (ran.code, ran.err) == (0, "✓ `shop` asks for nothing beyond its own containers\n")
    assert json.loads(run(folder, "trust", "--json").out)["allowed"]


def test_options_that_exclude_each_other_are_refused(folder: Path) -> None:
    assert run(folder, "trust", "--yes", "--withdraw").code == 2


@pytest.mark.parametrize(("answer", "code", "said"), [("y", 0, "✓ allowed"), ("", 5, "was not allowed")])
def test_on_a_terminal_it_is_asked(folder: Path, answer: str, code: int, said: str) -> None:
    ended, written = on_terminal(folder, answer, "trust")
    assert "Allow this? [y/N]" in written
    assert said in written
    assert ended == code
    assert run(folder, "trust").code == code


def test_nothing_in_a_message_commands_the_terminal(folder: Path) -> None:
    write(folder, 'mounts = { "/a\\u001b[2J\\u202e" = "/\\u001b]0;x\\u0007" }')
    ran = run(folder, "trust")
    assert ran.code == 1
    assert not set("\x1b\x07\u202e") & set(ran.out + ran.err)


def test_what_needs_no_consent_goes_on_without(folder: Path) -> None:
    from devenv import config, lockfile

    lockfile.write(folder, projects.lock(config.load(folder)))
    assert run(folder, "check").code == 0
    assert "privileged: true" in run(folder, "--engine", NO_ENGINE, "render", "--stdout").out
    assert run(folder, "lock", "--check").code == 0


def test_who_breaks_off_at_the_question_has_allowed_nothing(folder: Path) -> None:
    ended, written = on_terminal(folder, "\x04", "trust")
    assert (ended, "Traceback" in written) == (130, False)
    assert run(folder, "trust", "--json").code == 5
