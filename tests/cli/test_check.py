"""`devenv check` as people, programs and GitHub read it; without an engine, and without a network."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from devenv import config, lockfile
from devenv.errors import DevenvError, LockfileError, Place, Problems
from devenv.ui import errors
from tests import projects
from tests.cli import command_line
from tests.cli.command_line import ROOT, Ran

SHOP = 'name = "shop"\nimages = "debian"\n[services.redis]\n[apps.web]\nrun = "perl server.pl"\n'
COMPOSE = ".devenv/compose.yaml"
DOCKERFILE = ".devenv/web/Dockerfile"


def run(folder: Path, *arguments: str, **variables: str) -> Ran:
    """Run `devenv check` where nothing but the folder can be reached."""
    nowhere = {
        "DOCKER_HOST": "tcp://127.0.0.1:9",
        "DEVENV_DEBIAN_MIRROR": "http://127.0.0.1:9/debian",
        "HTTP_PROXY": "http://127.0.0.1:9",
        "HTTPS_PROXY": "http://127.0.0.1:9",
    }
    return command_line.run(folder, "check", *arguments, **(nowhere | variables))


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """A project with a lockfile that covers it."""
    folder = tmp_path / "shop"
    folder.mkdir()
    (folder / config.NAME).write_text(SHOP)
    lockfile.write(folder, projects.lock(config.load(folder)))
    return folder


def committed(folder: Path) -> None:
    """Render, and put everything under git, rendered files included."""
    done = command_line.run(folder, "render", DOCKER_HOST="tcp://127.0.0.1:9")
    assert done.code == 0, done.err
    git(folder, "init")
    git(folder, "add", "--force", COMPOSE, DOCKERFILE)


def git(folder: Path, *arguments: str) -> None:
    subprocess.run(["git", *arguments], cwd=folder, check=True, capture_output=True)


def edited(folder: Path) -> None:
    path = folder / lockfile.NAME
    path.write_text(path.read_text().replace("redis-server 1.0-1 ", "redis-server 1.0-2 "))


def test_a_project_in_order(shop: Path) -> None:
    assert run(shop) == Ran(0, "", "✓ shop: no mistakes\n")
    assert run(shop, "--json") == Ran(0, '{\n  "problems": [],\n  "fixed": []\n}\n', "")


def test_several_findings_are_shown_at_once(shop: Path) -> None:
    edited(shop)
    (shop / config.NAME).write_text(SHOP + 'imagge = "x"\n')
    (shop / ".devenv/stacks").mkdir(parents=True)
    (shop / ".devenv/stacks/perl.toml").write_text('summary = "Perl"\ndocs = "https://www.perl.org"\nenv = 7\n')
    assert run(shop) == Ran(
        1,
        "",
        """\
error: unknown key `imagge` in `apps.web`
  --> devenv.toml:6:1
   |
 6 | imagge = "x"
   | ^^^^^^

hint: did you mean `image`?

error: `env`: input should be a valid dictionary
  --> .devenv/stacks/perl.toml:3:7
   |
 3 | env = 7
   |       ^

error: `devenv.lock` was changed by hand: its checksum does not fit

hint: restore it from version control, or remove `devenv.lock` and run `devenv lock`

3 mistakes
""",
    )


def test_what_was_fixed_has_a_line_each(shop: Path) -> None:
    committed(shop)
    (shop / COMPOSE).write_text("services: {}\n")
    assert run(shop, "--fix", "--json").code == 0
    (shop / DOCKERFILE).write_text("FROM scratch\n")
    (shop / config.NAME).write_text(SHOP.replace("[services.redis]\n", ""))
    ran = run(shop, "--fix")
    assert (ran.code, ran.out) == (0, "")
    assert ran.err.splitlines() == [
        "fixed: `devenv.lock` pins more than `devenv.toml` asks for",
        ran.err.splitlines()[1],
        "fixed: `.devenv/web/Dockerfile` is stale: it is not what is rendered now",
        "✓ shop: no mistakes",
    ]
    assert ran.err.splitlines()[1].startswith("fixed: `.devenv/compose.yaml` is stale: it is not of environment ")
    assert run(shop) == Ran(0, "", "✓ shop: no mistakes\n")


def test_the_same_for_programs(shop: Path) -> None:
    (shop / config.NAME).write_text(SHOP.replace("[services.redis]\n", ""))
    ran = run(shop, "--fix", "--json")
    assert (ran.code, ran.err) == (0, "")
    assert json.loads(ran.out) == {
        "problems": [],
        "fixed": ["`devenv.lock` pins more than `devenv.toml` asks for"],
    }


def test_what_stays_wrong_makes_the_exit_code(shop: Path) -> None:
    edited(shop)
    ran = run(shop, "--fix", "--json")
    assert (ran.code, ran.err) == (1, "")
    (problem,) = json.loads(ran.out)["problems"]
    assert problem["message"] == "`devenv.lock` was changed by hand: its checksum does not fit"


def test_under_pre_commit_what_was_fixed_is_to_be_staged_first(shop: Path) -> None:
    (shop / config.NAME).write_text(SHOP.replace("[services.redis]\n", ""))
    assert run(shop, "--fix", PRE_COMMIT="1").code == 1
    assert run(shop, "--fix", PRE_COMMIT="1").code == 0


def test_a_project_in_order_waits_for_no_slow_library(shop: Path) -> None:
    git(shop, "init")
    code = "import sys; from devenv.cli import guarded; print(guarded(['check'])); print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=shop, env={"PYTHONPATH": str(ROOT), "HOME": str(shop)}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    code, modules = done.stdout.splitlines()
    slow = {"docker", "jinja2", "pydantic", "requests", "rich", "socket", "subprocess", "tomlkit", "typer"}
    assert (code, slow & set(modules.split())) == ("0", set())


# --- GitHub ---


def test_github_is_told_the_places_besides(shop: Path) -> None:
    (shop / config.NAME).write_text(SHOP + 'imagge = "x"\n')
    edited(shop)
    plain = run(shop)
    ran = run(shop, GITHUB_ACTIONS="true", GITHUB_WORKSPACE=str(shop.parent))
    assert (ran.code, ran.err) == (1, plain.err)
    assert ran.out.splitlines() == [
        "::error file=shop/devenv.toml,line=6,col=1,title=devenv check::unknown key `imagge` in `apps.web`%0A"
        "did you mean `image`?",
        "::error file=shop/devenv.lock,title=devenv check::`devenv.lock` was changed by hand: its checksum does not fit"
        "%0Arestore it from version control, or remove `devenv.lock` and run `devenv lock`",
    ]


def test_a_folder_with_a_dot_and_a_linked_workspace_are_found(shop: Path) -> None:
    folder = shop.rename(shop.parent / ".shop")
    edited(folder)
    link = folder / "link"
    link.symlink_to(folder.parent)
    ran = run(folder, GITHUB_ACTIONS="true", GITHUB_WORKSPACE=str(link))
    assert ran.out.startswith("::error file=.shop/devenv.lock,title=devenv check::")


@pytest.mark.parametrize("workspace", ["", ".", "/somewhere/else"])
def test_at_the_root_of_the_repository_or_outside_the_file_is_the_projects(shop: Path, workspace: str) -> None:
    edited(shop)
    ran = run(shop, GITHUB_ACTIONS="true", GITHUB_WORKSPACE=str(shop) if workspace == "." else workspace)
    assert ran.out.startswith("::error file=devenv.lock,title=devenv check::")


def test_github_is_told_nothing_where_it_does_not_read(shop: Path) -> None:
    edited(shop)
    assert run(shop, GITHUB_ACTIONS="false").out == ""
    json.loads(run(shop, "--json", GITHUB_ACTIONS="true").out)


def test_nothing_in_a_message_or_a_path_ends_a_workflow_command() -> None:
    place = Place("a,b:c%", 3, 8, 1, "")
    found = Problems(
        [
            DevenvError("100%\r\n::error::x \x1b[2J", hint="5%0A", where=place),
            LockfileError("damaged"),
            DevenvError("plain"),
        ]
    )
    assert errors.github(found, "devenv check", "shop") == [
        "::error file=shop/a%2Cb%3Ac%25,line=3,col=8,title=devenv check::100%25%0D%0A::error::x \ufffd[2J%0A5%250A",
        "::error file=shop/devenv.lock,title=devenv check::damaged",
        "::error title=devenv check::plain",
    ]
