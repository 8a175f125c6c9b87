"""`devenv init` as people and programs read it; no engine can be reached."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import subprocess
import sys
import termios
import tomllib
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


# --- the questions, on a terminal ---


def asked(folder: Path, *answers: str, arguments: tuple[str, ...] = ()) -> tuple[int, str]:
    """Run `init` on a terminal and give one answer to each question; the exit code and all that stood there."""
    own, theirs = pty.openpty()
    environ = {"PATH": os.environ["PATH"], "HOME": str(folder), "PYTHONPATH": str(command_line.ROOT), "NO_COLOR": "1"}
    process = subprocess.Popen(
        [sys.executable, "-m", "devenv", "init", *arguments],
        cwd=folder, env=environ, stdin=theirs, stdout=theirs, stderr=theirs,
        start_new_session=True, preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
    )  # fmt: skip
    os.close(theirs)
    shown, waiting = "", list(answers)
    with os.fdopen(own, "r+b", buffering=0) as terminal:
        while piece := _piece(terminal.fileno()):
            shown += piece.decode()
            if shown.endswith(": ") and waiting:
                terminal.write(f"{waiting.pop(0)}\n".encode())
    assert waiting == [], shown
    return process.wait(), shown


def _piece(terminal: int) -> bytes:
    try:
        return os.read(terminal, 4096)
    except OSError:  # the other end is closed
        return b""


def test_init_asks_only_what_cannot_be_seen(shop: Path) -> None:
    code, shown = asked(shop)
    assert code == 0
    assert "?" not in shown


def test_answers_stand_in_the_project(tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_text("gevent\n")
    code, shown = asked(tmp_path, "python serve.py", "seven", "70000", "7000")
    assert code == 0
    assert "How is `web` started?" in shown
    assert shown.count("a port is a number from 1 to 65535") == 2, shown
    web = tomllib.loads((tmp_path / config.NAME).read_text())["apps"]["web"]
    assert (web["run"], web["ports"]) == ("python serve.py", [7000])


def test_a_question_may_be_left_open(tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_text("gevent\n")
    code, shown = asked(tmp_path, "")
    assert code == 0
    assert "how `web` is started could not be seen" in shown
    assert "# run = " in (tmp_path / config.NAME).read_text()


def test_an_interrupted_question_writes_nothing(tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_text("gevent\n")
    code, _ = asked(tmp_path, "\x03")
    assert code == 130
    assert not (tmp_path / config.NAME).exists()


def test_yes_asks_nothing_on_a_terminal_either(tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_text("gevent\n")
    assert asked(tmp_path, arguments=("--yes",))[0] == 0
