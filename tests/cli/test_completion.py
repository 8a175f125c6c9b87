"""What shells offer after `devenv …<Tab>`; no engine can be reached."""

from __future__ import annotations

import json
import os
import pty
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from devenv.cli import arguments, completing
from tests.cli import command_line

ROOT = Path(__file__).parents[2]
PROJECT = """\
name = "shop"

[apps.web]
image = "docker.io/acme/web:1"
run = "serve"

[apps.worker]
like = "web"
run = "work"

[services.postgres]

[tasks.migrate]
run = "migrate"

[hooks.lint]
run = "lint {files}"
files = ["*"]

[profiles.ci]
"""
# Each would do something in a shell that takes it for a word of its own.
HOSTILE = ["$(touch pwned)", "`touch pwned`", "\\$(touch pwned)", "a b", "*", "'; touch pwned;'", "a\nb", "--help"]


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    folder = tmp_path / "shop"
    folder.mkdir()
    (folder / "devenv.toml").write_text(PROJECT)
    (folder / ".devenv/snapshots/before-lunch").mkdir(parents=True)
    return folder


def offered(folder: Path, line: str) -> list[str]:
    """What is offered for the last word of a line."""
    words = line.split(" ")
    done = command_line.run(
        folder, COMP_WORDS=line, COMP_CWORD=str(len(words) - 1), _DEVENV_COMPLETE="complete_bash",
        DOCKER_HOST="tcp://127.0.0.1:9",
    )  # fmt: skip
    assert done.err == ""
    return done.out.split()


@pytest.mark.parametrize(
    ("line", "names"),
    [
        ("devenv sna", ["snapshot"]),
        ("devenv snapshot re", ["restore"]),
        ("devenv lock --up", ["--upgrade"]),
        ("devenv logs ", ["web", "worker", "postgres"]),
        ("devenv logs web w", ["worker"]),
        ("devenv exec po", ["postgres"]),
        ("devenv connect ", ["postgres"]),
        ("devenv run ", ["migrate"]),
        ("devenv run migrate ", []),
        ("devenv hooks run ", ["lint"]),
        ("devenv hooks run --stage ", ["pre-commit", "pre-push"]),
        ("devenv snapshot restore ", ["before-lunch"]),
        ("devenv snapshot save --service ", ["postgres"]),
        ("devenv --profile ", ["ci"]),
        ("devenv scale w", ["web=", "worker="]),
        ("devenv env --format ", ["dotenv", "shell", "json"]),
        ("devenv add post", ["postgres"]),
        ("devenv diff --with ", []),
    ],
)
def test_what_fits_is_offered(shop: Path, line: str, names: list[str]) -> None:
    assert offered(shop, line) == names


def test_names_are_those_of_the_project_that_the_line_names(shop: Path) -> None:
    assert offered(shop.parent, "devenv -C shop run ") == ["migrate"]
    assert offered(shop.parent, "devenv run ") == []
    (shop.parent / ".home").mkdir(exist_ok=True)
    (shop.parent / ".home" / "shop").symlink_to(shop)
    assert offered(shop.parent, "devenv -C ~/shop run ") == ["migrate"]
    assert offered(shop.parent, "devenv -C ~nobody-of-that-name/shop run ") == []


def test_names_of_a_chosen_profile_and_of_this_machine_are_offered(shop: Path) -> None:
    with (shop / "devenv.toml").open("a") as file:
        file.write("tasks.seed.run = 'seed'\n")
    (shop / "devenv.local.toml").write_text("tasks.mine.run = 'mine'\nprofiles.own = {}\n")
    assert offered(shop, "devenv --profile ci run ") == ["migrate", "mine", "seed"]
    assert offered(shop, "devenv --profile ") == ["ci", "own"]


@pytest.mark.parametrize("text", ["[[[", "tasks = 1\napps = []\n", "\x00"])
def test_a_wrong_project_gives_no_names_and_no_noise(shop: Path, text: str) -> None:
    (shop / "devenv.toml").write_text(text)
    assert offered(shop, "devenv run ") == []
    assert offered(shop, "devenv logs ") == []


def test_every_argument_has_names_to_offer_or_is_known_to_have_none() -> None:
    found = {
        (path, one.name)
        for path, command in completing.commands(arguments.command())
        for one in command.params
        if one.param_type_name == "argument"
    }
    unknown = found - set(completing.OFFERS) - completing.FREE
    assert not unknown, (
        "say in `OFFERS` of devenv/cli/completing.py what these are completed by, or that they are `FREE`"
    )


def test_nothing_is_offered_for_what_is_not_there() -> None:
    found = {(path, one.name) for path, command in completing.commands(arguments.command()) for one in command.params}
    assert set(completing.OFFERS) | completing.FREE <= found


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home with a `devenv` on its path."""
    program = tmp_path / "home" / "bin" / "devenv"
    program.parent.mkdir(parents=True)
    program.write_text(f'#!/bin/sh\nPYTHONPATH={ROOT} exec {sys.executable} -m devenv "$@"\n')
    program.chmod(0o755)
    return tmp_path / "home"


def shell(home: Path, folder: Path, name: str, *words: str) -> str:
    """Run a shell of that name, for which completion is installed first."""
    installed = [name, "-c", "devenv --install-completion; true"]
    for command in (installed, [name, *words]):
        done = subprocess.run(
            command, cwd=folder, env=environ(home), capture_output=True, text=True, stdin=subprocess.DEVNULL
        )
        assert done.returncode == 0, done.stderr
    return done.stdout


def environ(home: Path) -> dict[str, str]:
    return {"PATH": f"{home / 'bin'}:{os.environ['PATH']}", "HOME": str(home), "TERM": "xterm"}


# What readline does with the function that `complete` names.
BASH = """\
source "$HOME/.bashrc"
COMP_WORDS=(devenv run "$1") COMP_CWORD=2 COMP_LINE="devenv run $1"
$(complete -p devenv | sed 's/.*-F \\([^ ]*\\).*/\\1/') devenv "$1" run
printf '%s\\n' "${COMPREPLY[@]}"
"""


def test_bash_completes(shop: Path, home: Path) -> None:
    assert shell(home, shop, "bash", "-c", BASH, "bash", "mi") == "migrate\n"


@pytest.mark.skipif(shutil.which("fish") is None, reason="there is no fish")
def test_fish_completes(shop: Path, home: Path) -> None:
    assert shell(home, shop, "fish", "-c", "complete -C 'devenv run '") == "migrate\n"
    assert "[profiles.NAME]" in shell(home, shop, "fish", "-c", "complete -C 'devenv --prof'")


@pytest.mark.skipif(shutil.which("zsh") is None, reason="there is no zsh")
def test_zsh_completes_when_tab_is_pressed_first(shop: Path, home: Path) -> None:
    shell(home, shop, "zsh", "-c", "true")
    assert "devenv run migrate" in typed(home, shop, "zsh", "devenv run mi\t", "migrate")


@pytest.mark.parametrize("name", ["bash", "fish", "zsh"])
def test_no_name_of_a_repository_is_run_by_a_shell(shop: Path, home: Path, name: str) -> None:
    if shutil.which(name) is None:
        pytest.skip(f"there is no {name}")
    tables = "".join(f'[tasks.{json.dumps(one)}]\nrun = "x"\n' for one in [*HOSTILE, "migrate"])
    (shop / "devenv.toml").write_text(tables)
    commands = {"bash": ("-c", BASH, "bash", ""), "fish": ("-c", "complete -C 'devenv run '"), "zsh": ("-c", "true")}
    shown = shell(home, shop, name, *commands[name])
    if name == "zsh":
        shown = typed(home, shop, name, "devenv run \t", "migrate")
    assert "migrate" in shown
    assert "touch" not in shown
    assert not (shop / "pwned").exists()


def typed(home: Path, folder: Path, name: str, keys: str, awaited: str) -> str:
    """What a terminal shows after somebody has typed."""
    child, terminal = pty.fork()
    if child == 0:
        os.chdir(folder)
        os.execvpe(name, [name, "-i"], environ(home) | {"PS1": "ready> "})
    try:
        shown = "".join(_read(terminal, "ready>"))
        os.write(terminal, keys.encode())
        return shown + "".join(_read(terminal, awaited))
    finally:
        os.close(terminal)
        os.waitpid(child, 0)


def _read(terminal: int, awaited: str) -> Iterator[str]:
    seen, deadline = "", time.monotonic() + 20
    while awaited not in seen and time.monotonic() < deadline:
        if select.select([terminal], [], [], 0.2)[0]:
            try:
                part = os.read(terminal, 4096).decode(errors="replace")
            except OSError:
                return
            seen += part
            yield part
