"""What the files of ddev, Devbox and Dev Containers tell; none of them is run, and none is trusted."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from devenv import detection
from devenv.detection import draft, hints
from devenv.model.project import Origin
from tests import newcomers, projects

DDEV = """\
name: shop
type: drupal11
docroot: web
php_version: 8.4 # as a number, as ddev itself writes it
nodejs_version: "20"
database:
  type: mariadb
  version: "11.8"
web_environment:
  - SITE=shop
  - HOME_OF=${HOME}
hooks:
  post-start:
    - exec: drush cr
"""
DEVBOX = """\
{
  // comments are allowed
  "packages": ["python@3.13", "nodejs_20", "postgresql_15", "redis@latest", "jq", "gnumake@4", "nonesuch@1"],
  "env": {"MODE": "dev", "WHERE": "$PWD"},
  "shell": {"init_hook": ["echo hi"], "scripts": {"start": ["python serve.py"]}},
}
"""
CONTAINER = """\
{
  "image": "mcr.microsoft.com/devcontainers/python:1-3.13-bookworm",
  "features": {
    "ghcr.io/devcontainers/features/node:1": {"version": "20"},
    "ghcr.io/devcontainers/features/github-cli:1": {},
    "ghcr.io/devcontainers/features/docker-in-docker:2": {},
    "ghcr.io/devcontainers/features/common-utils:2": {},
    "ghcr.io/rocker-org/devcontainer-features/apt-packages:1": {"packages": "graphviz, libxml2-dev"}
  },
  "containerEnv": {"MODE": "dev", "TOKEN": "${localEnv:TOKEN}"},
  "forwardPorts": ["db:5432", 7000],
  "postCreateCommand": {"one": "pip install gevent", "two": ["pip", "install", "a b"]},
  "updateContentCommand": "ls ${containerWorkspaceFolder}",
}
"""


def look(folder: Path, files: Mapping[str, str], images: Origin = "debian") -> tuple[str, dict[str, Any]]:
    """The draft for these files: its text, and that read as TOML."""
    import tomllib

    for name, text in files.items():
        (folder / "shop" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "shop" / name).write_text(text)
    found = draft.text(detection.look(folder / "shop", projects.CATALOG, images))
    detection.check(folder / "shop", found)
    return found, tomllib.loads(found)


def test_ddev_tells_of_php_its_folder_and_the_database(tmp_path: Path) -> None:
    files = {".ddev/config.yaml": DDEV, "composer.json": "{}", "web/index.php": ""}
    text, found = look(tmp_path, files, "registry")
    web = found["apps"]["web"]
    assert (web["stack"], web["run"], web["ports"]) == ("php@8.4", "php -S 0.0.0.0:8000 -t ./web", [8000])
    assert web["env"] == {"SITE": "shop"}
    assert web["setup"] == ["composer install"]
    assert found["services"]["mariadb"] == {
        "version": "11.8",
        "databases": ["db"],
        "user": "db",
        "password": "db",
    }
    assert "# .ddev/config.yaml also has `hooks`" in text


def test_ddev_alone_is_enough_to_know_that_it_is_php(tmp_path: Path) -> None:
    _, found = look(tmp_path, {".ddev/config.yaml": "docroot: ''\ntype: php\n", "index.php": ""})
    assert found["apps"]["web"]["stack"] == "php"
    assert found["services"].keys() == {"mariadb"}
    _, found = look(tmp_path, {".ddev/config.yaml": "omit_containers: [db]\n"})
    assert "services" not in found


def test_a_version_of_a_database_that_is_not_to_be_had_is_told(tmp_path: Path) -> None:
    files = {".ddev/config.yaml": "database: {type: postgres, version: '9'}\n"}
    text, found = look(tmp_path, files)
    assert "version" not in found["services"]["postgres"]
    assert "# postgres in .ddev/config.yaml asks for 9, which is not to be had from here" in text


def test_devbox_tells_of_stacks_packages_services_and_how_it_starts(tmp_path: Path) -> None:
    text, found = look(tmp_path, {"devbox.json": DEVBOX, "requirements.txt": ""}, "registry")
    web = found["apps"]["web"]
    assert (web["stack"], web["packages"]) == ("python@3.13", ["jq", "make"])
    assert (web["run"], web["env"]) == ("python serve.py", {"MODE": "dev"})
    assert found["services"] == {"postgres": {"version": "15"}, "redis": {}}
    assert "devbox.json begins its shell with `echo hi`" in text
    assert "devbox.json also asks for `nonesuch`" in text


@pytest.mark.parametrize(
    ("name", "parted"),
    [
        ("python311", ("python", "3.11")),
        ("python3", ("python3", "")),
        ("python312Full", ("python312Full", "")),
        ("php83", ("php", "8.3")),
        ("nodejs_20", ("nodejs", "20")),
        ("nodejs-18_x", ("nodejs-18_x", "")),
        ("go_1_22", ("go", "1.22")),
        ("postgresql_15", ("postgresql", "15")),
        ("jdk17", ("jdk", "17")),
        ("", ("", "")),
    ],
)
def test_names_of_nix_are_parted_from_the_version_in_them(name: str, parted: tuple[str, str]) -> None:
    assert hints.parted(name) == parted


def test_packages_of_devbox_may_be_a_table(tmp_path: Path) -> None:
    packages = {"python": "3.13", "nodejs": {"version": "20"}, "redis": "latest", "jq": 3}
    _, found = look(tmp_path, {"devbox.json": json.dumps({"packages": packages})})
    assert found["apps"]["web"]["stack"] == "python@3.13"
    assert found["services"].keys() == {"redis"}


def test_a_dev_container_tells_of_its_image_features_ports_and_commands(tmp_path: Path) -> None:
    text, found = look(tmp_path, {".devcontainer/devcontainer.json": CONTAINER, "serve.py": ""})
    web = found["apps"]["web"]
    assert (web["stack"], web["packages"]) == ("python@3.13", ["gh", "graphviz", "libxml2-dev"])
    assert web["setup"] == ["pip install gevent", "pip install 'a b'"]
    assert web["env"] == {"MODE": "dev"}
    assert "also has the feature `docker-in-docker`" in text
    assert "common-utils" not in text
    assert "TOKEN" not in text
    assert "# .devcontainer/devcontainer.json runs `ls ${containerWorkspaceFolder}`" in text
    assert "`devenv import .devcontainer/devcontainer.json` converts all of it" in text


def test_what_a_project_s_own_files_say_goes_before_a_dev_container(tmp_path: Path) -> None:
    container = '{"image": "node:18", "forwardPorts": [7000], "postCreateCommand": "make all"}'
    text, found = look(tmp_path, newcomers.EXPRESS | {".devcontainer.json": container, ".nvmrc": "20\n"})
    web = found["apps"]["web"]
    assert (web["stack"], web["ports"]) == ("node@20", [4000])
    assert web["setup"] == ["npm install --no-package-lock"]
    assert "# .devcontainer.json also runs `make all`" in text


def test_a_port_that_is_only_guessed_is_the_one_that_is_forwarded(tmp_path: Path) -> None:
    files = {"package.json": '{"scripts": {"start": "node x.js"}}', ".devcontainer.json": '{"forwardPorts": [7000]}'}
    text, found = look(tmp_path, files)
    assert found["apps"]["web"]["ports"] == [7000]
    assert "guessed" not in text


def test_compose_files_that_a_dev_container_names_tell_of_services_unless_they_lie_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "evil.yaml").write_text("  image: mysql:8\n")
    files = {
        "package.json": '{"scripts": {"start": "node x.js"}}',
        ".devcontainer/devcontainer.json": '{"dockerComposeFile": ["compose.yaml", "../../evil.yaml", "/etc/passwd"]}',
        ".devcontainer/compose.yaml": "services:\n  db:\n    image: postgres:17-alpine\n",
    }
    _, found = look(tmp_path, files)
    assert found["services"] == {"postgres": {"version": "17"}}


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("devbox.json", "{", "Unexpected end"),
        ("devbox.json", "[" * 50_000, "nested too deeply"),
        ("devbox.json", "{" + " " * 70_000, "Expecting"),
        ("devbox.json", "[]", "it is no table"),
        ("devbox.json", " " * 2_000_001, "it is too large"),
        (".devcontainer.json", "{'a': \x1b[31m}", "Unexpected"),
        (".ddev/config.yaml", "a: [", "while parsing"),
        (".ddev/config.yaml", "[" * 100_000, "it is nested too deeply"),
        (".ddev/config.yaml", "- x", "it is no table"),
        (".ddev/config.yaml", "{[a]: b}", "found unhashable key"),
        ("package.json", "{", "Expecting"),
        ("pyproject.toml", "[", "Invalid"),
        ("composer.json", "3", "it is no table"),
    ],
)
def test_a_broken_file_is_said_and_passed_over(tmp_path: Path, name: str, content: str, reason: str) -> None:
    files = {"requirements.txt": "flask\n", "app.py": "app = Flask(__name__)\n", name: content}
    _, found = look(tmp_path, files)
    assert found["apps"]["web"]["run"].startswith("flask ")
    remarks = detection.look(tmp_path / "shop", projects.CATALOG, "debian").remarks
    said = next(one for one in remarks if one.startswith(f"`{name}` could not be read"))
    assert reason in said
    assert said.isprintable()


def test_aliases_that_multiply_cost_nothing(tmp_path: Path) -> None:
    lines = ["a0: &a0 [x]", *(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 30))]
    look(tmp_path, {".ddev/config.yaml": "\n".join([*lines, "php_version: '8.4'", "web_environment: *a29"])})


@pytest.mark.parametrize("evil", ['x"\n[services.evil]\nimage = "evil', "\x00\x1b]0;x\x07\r\n[apps.evil]", '"""'])
def test_no_value_of_these_files_adds_a_line(tmp_path: Path, evil: str) -> None:
    box = {"packages": [evil, f"python@{evil}"], "env": {evil: evil, "A": evil}, "shell": {"init_hook": evil}}
    container = {
        "image": evil,
        "features": {evil: {}, "x/node:1": {"version": evil}},
        "postCreateCommand": [evil],
        "containerEnv": {"B": evil},
        "dockerComposeFile": evil,
    }
    files = {
        "devbox.json": json.dumps(box),
        ".devcontainer.json": json.dumps(container),
        ".ddev/config.yaml": json.dumps({"docroot": evil, "database": {"type": evil}, "hooks": evil}),
    }
    _, found = look(tmp_path, files)
    assert found["apps"].keys() == {"web"}
    assert "evil" not in found.get("services", {})


def test_a_link_to_elsewhere_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "config.yaml").write_text("web_environment: [CANARY=canary]\n")
    (tmp_path / "secret" / "env").write_text("CANARY=canary\n")
    folder = tmp_path / "shop"
    folder.mkdir()
    (folder / ".ddev").symlink_to(tmp_path / "secret")
    (folder / ".env.example").symlink_to(tmp_path / "secret" / "env")
    text, _ = look(tmp_path, {"requirements.txt": ""})
    assert "canary" not in text
