"""`devenv import`, `devenv eject` and `devenv render` as people and programs read them; no engine can be reached."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from devenv import config
from tests.cli import command_line
from tests.cli.command_line import Ran

COMPOSE = """\
services:
  web:
    image: acme/web:1
    ports: ["8080:80"]
    tmpfs: /tmp
    tty: true
    restart: always
    environment: {TOKEN: "$API_TOKEN"}
"""


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    folder = tmp_path / "shop"
    folder.mkdir()
    (folder / "compose.yaml").write_text(COMPOSE)
    (folder / ".env").write_text("API_TOKEN=abc\n")
    return folder


def run(folder: Path, *arguments: str) -> Ran:
    return command_line.run(folder, *arguments, DOCKER_HOST="tcp://127.0.0.1:9")


def test_import_writes_a_project_and_lists_what_is_not_as_it_was(shop: Path) -> None:
    done = run(shop, "import", "compose.yaml")
    assert (done.code, done.out) == (0, "")
    assert done.err.splitlines() == [
        f"✓ wrote {shop}/devenv.toml: service web",
        f"✓ wrote {shop}/devenv.local.toml: secrets, keep it out of git",
        "not carried over:",
        "  compose.yaml:5  services.web.tmpfs: nothing is mounted in memory; it is an ordinary folder of the "
        "container now",
        "otherwise than it was:",
        "  compose.yaml:7  services.web.restart: devenv leaves what ended as it is, so that it is seen; `devenv up` "
        "starts it again",
        "without effect here: services.web.tty",
        "! ports are published on 127.0.0.1; compose publishes them on every address unless it is told otherwise",
        "next: look through it, then `devenv up`",
    ]
    assert (shop / "devenv.local.toml").stat().st_mode & 0o777 == 0o600
    project = config.load(shop)
    assert project.services[0].env == {"TOKEN": "abc"}


@pytest.mark.parametrize("name", [config.NAME, config.LOCAL_NAME])
def test_import_leaves_what_is_there_alone(shop: Path, name: str) -> None:
    (shop / name).write_text("name = 'mine'\n")
    done = run(shop, "import", "compose.yaml")
    assert done.code == 1
    assert "is there already" in done.err
    assert sorted(path.name for path in shop.glob("devenv*")) == [name]
    assert run(shop, "import", "compose.yaml", "--output", "other.toml").code == 0
    assert (shop / "other.local.toml").is_file()


def test_import_shows_what_it_would_write_and_tells_programs(shop: Path) -> None:
    assert "[services.web] # service web, compose.yaml:2\n" in run(shop, "import", "compose.yaml", "--dry-run").out
    told = json.loads(run(shop, "import", str(shop / "compose.yaml"), "--dry-run", "--json").out)
    assert (told["sources"], told["services"], told["apps"]) == (["compose.yaml"], ["web"], [])
    assert [(one["what"], one["weight"], one["place"]["line"]) for one in told["losses"]] == [
        ("services.web.tmpfs", "lost", 5),
        ("services.web.tty", "harmless", 6),
        ("services.web.restart", "changed", 7),
    ]
    assert not (shop / config.NAME).exists()


def test_import_points_to_a_mistake(shop: Path) -> None:
    (shop / "compose.yaml").write_text("services:\n  web: [\n")
    done = run(shop, "import", "compose.yaml")
    assert (done.code, done.err.splitlines()[1]) == (1, "  --> compose.yaml:3:1")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("import",), "missing argument `FILE`"),
        (("import", "compose.yaml", "--images", "moon"), "`--images` is `registry` or `debian`, not `moon`"),
        (("render", "moon"), "there is nothing to render for `moon`"),
        (("render", "--app", "web"), "`--app` has an effect with `devcontainer` only"),
        (("render", "devcontainer", "--app", "moon"), "unknown app `moon`"),
    ],
)
def test_a_wrong_command_line_is_told(shop: Path, arguments: tuple[str, ...], words: str) -> None:
    (shop / config.NAME).write_text("[apps.web]\n")
    done = run(shop, *arguments)
    assert (done.code, words in done.err) == (2, True), done.err


def test_render_writes_the_files_of_other_tools_and_leaves_foreign_ones_alone(shop: Path) -> None:
    (shop / config.NAME).write_text("[apps.web]\nimages = 'debian'\nports = [80]\n[apps.api]\nlike = 'web'\n")
    for what, path in (("devcontainer", ".devcontainer/devcontainer.json"), ("github", ".github/workflows/devenv.yml")):
        assert run(shop, "render", what).err == f"✓ wrote {path}\n"
        assert run(shop, "render", what).err == f"✓ nothing: {path} is current\n"
        (shop / path).write_text("mine")
        done = run(shop, "render", what)
        assert (done.code, f"`{path}` was not made by devenv" in done.err) == (1, True)
        assert "Made by devenv" in run(shop, "render", what, "--stdout").out
        assert (shop / path).read_text() == "mine"
    assert '"service": "api"' in run(shop, "render", "devcontainer", "--app", "api", "--stdout").out


def test_a_dev_container_needs_an_app(shop: Path) -> None:
    (shop / config.NAME).write_text("[services.redis]\n")
    assert "there is no app that an editor could work in" in run(shop, "render", "devcontainer").err


DOCKERFILE = "[services.search]\ndockerfile = 'Dockerfile'\n"


def test_eject_writes_plain_files_once(shop: Path) -> None:
    (shop / config.NAME).write_text("name = 'shop'\n" + DOCKERFILE)
    (shop / "Dockerfile").write_text("FROM scratch\n")
    (shop / "compose.yaml").unlink()
    told = json.loads(run(shop, "eject", "--json").out)
    assert (told["files"], bool(told["losses"])) == (["compose.yaml"], True)
    again = run(shop, "eject")
    assert (again.code, "compose.yaml` is there already" in again.err) == (1, True)
    assert run(shop, "eject", "--force").code == 0
    assert run(shop, "eject", "elsewhere").code == 0
    assert 'context: ".."' in (shop / "elsewhere/compose.yaml").read_text()
