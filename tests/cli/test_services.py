"""`devenv services`, `add`, `remove` and `connect` as people and programs read them; no engine can be reached."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from devenv import config, lockfile
from tests import projects
from tests.cli import command_line
from tests.cli.command_line import Ran

SHOP = 'name = "shop"\nimages = "debian"\n[apps.web]\nrun = "perl server.pl"\n'
# An entry that no other one is like, so that what the catalog gains changes nothing here.
ENTRY = """\
summary = "Zebra finder"
docs = "https://example.org"
ports = { zebra = 7 }
client = ["zebra-cli", "{version}"]
provides = { ZEBRA = "{host}:{port}" }

[registry]
image = "acme/zebra"
default = "2"
versions = ["1", "2"]
"""


def run(folder: Path, *arguments: str) -> Ran:
    nowhere = {"DOCKER_HOST": "tcp://127.0.0.1:9", "HTTP_PROXY": "http://127.0.0.1:9"}
    return command_line.run(folder, *arguments, **(nowhere | {"HTTPS_PROXY": "http://127.0.0.1:9"}))


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    folder = tmp_path / "shop"
    (folder / ".devenv/services").mkdir(parents=True)
    (folder / ".devenv/services/zebra.toml").write_text(ENTRY)
    (folder / config.NAME).write_text(SHOP)
    return folder


def test_services_of_a_project(shop: Path) -> None:
    assert run(shop, "services", "ZEBRA", "finder") == Ran(
        0,
        """\
NAME   PROJECT  VERSIONS         SUMMARY
zebra  own      registry: 1, 2*  Zebra finder
""",
        "\n`devenv add zebra` or `devenv add zebra@VERSION` adds one (* without one)\n",
    )
    (shop / config.NAME).write_text('[services.zebra]\n[services.horse]\nuse = "zebra"\n')
    assert run(shop, "services", "zebra") == Ran(
        0,
        """\
NAME   PROJECT                     VERSIONS  SUMMARY
zebra  own, added, added as horse  1, 2*     Zebra finder
""",
        "\n`devenv add zebra` or `devenv add zebra@VERSION` adds one (* without one)\n",
    )


def test_services_outside_of_a_project(tmp_path: Path) -> None:
    listed = run(tmp_path, "services")
    assert listed.code == 0
    assert listed.out.startswith("NAME ")
    assert "\nredis " in listed.out
    assert "PROJECT" not in listed.out
    data = json.loads(run(tmp_path, "services", "redis", "key-value", "--json").out)
    assert "redis" in [one["name"] for one in data["services"]]
    assert (data["origin"], data["near"]) == (None, [])


def test_services_that_are_not_there(tmp_path: Path) -> None:
    assert run(tmp_path, "services", "postgress") == Ran(
        1, "", "error: no service of the catalog matches `postgress`\n\nhint: did you mean `postgres`?\n"
    )
    found = run(tmp_path, "services", "postgress", "--json")
    assert found.code == 1
    assert (json.loads(found.out)["services"], json.loads(found.out)["near"]) == ([], ["postgres"])
    assert "`devenv services` lists all" in run(tmp_path, "services", "xqzw").err


def test_add(shop: Path) -> None:
    assert run(shop, "add", "redis") == Ran(
        0,
        """\
  REDIS_URL   redis://redis:6379/0
  REDIS_HOST  redis
  REDIS_PORT  6379
""",
        """\
✓ added `redis` to devenv.toml
`web` gets:
next: `devenv up` starts `redis`
""",
    )
    assert (shop / config.NAME).read_text() == SHOP + "\n[services.redis]\n"
    assert run(shop, "add", "redis") == Ran(0, "", "`redis` is in devenv.toml already\n")


def test_add_with_a_lockfile_and_an_app_that_lists_what_it_needs(shop: Path) -> None:
    (shop / config.NAME).write_text(SHOP + "needs = []\n")
    lockfile.write(shop, projects.lock(config.load(shop)))
    assert run(shop, "add", "redis@8", "--as", "cache").err == (
        """\
✓ added `cache` of `redis` to devenv.toml
an app that needs it gets:
! `web` lists what it needs: add `cache` to its `needs` in devenv.toml
next: `devenv lock` adds the pin, then `devenv up` starts `cache`
"""
    )


def test_add_that_fails(shop: Path) -> None:
    assert run(shop, "add", "redsi", "redis@9") == Ran(
        2,
        "",
        """\
error: unknown service `redsi`

hint: did you mean `redis`?

error: Debian trixie does not have service `redis` in version `9`

hint: it has: `8`

2 mistakes
""",
    )
    assert run(shop, "add", "redis@9").code == 1
    assert (shop / config.NAME).read_text() == SHOP
    assert run(shop, "add").code == 2


def test_of_many_versions_the_last_are_shown_and_the_one_that_is_meant(tmp_path: Path) -> None:
    def shown(name: str) -> str:
        return run(tmp_path, "services", name).out.splitlines()[1]

    assert "… 1.25, 1.26, 1.27*  " in shown("mailpit")
    assert "… 16, 17*, 18  " in shown("postgres")
    assert "… RELEASE.2025-09-07T16-13-09Z*  " in shown("minio")


def test_add_and_remove_as_json(shop: Path) -> None:
    (shop / config.NAME).write_text(SHOP.replace("debian", "registry"))
    assert json.loads(run(shop, "add", "zebra@1", "--json").out) == {
        "added": [
            {"name": "zebra", "entry": "zebra", "version": "1", "origin": None, "variables": {"ZEBRA": "zebra:7"},
             "apps": ["web"], "others": []}
        ],
        "present": [],
        "locked": False,
    }  # fmt: skip
    assert json.loads(run(shop, "remove", "zebra", "--json").out) == {"removed": ["zebra"], "kept": [], "locked": False}


def test_remove(shop: Path) -> None:
    (shop / config.NAME).write_text(SHOP + "\n# fast\n[services.redis]\n\n[services.postgres]\n")
    lockfile.write(shop, projects.lock(config.load(shop)))
    assert run(shop, "remove", "redis", "postgres") == Ran(
        0,
        "",
        """\
✓ removed `redis` and `postgres` from devenv.toml
data of `redis` and `postgres` stays in volumes until `devenv down --volumes`, which removes all data of the project
next: `devenv lock` takes the pin out, then `devenv up` stops `redis` and `postgres`
""",
    )
    assert (shop / config.NAME).read_text() == SHOP


def test_remove_of_what_is_needed(shop: Path) -> None:
    text = SHOP + 'needs = ["redis"]\n[services.redis]\n'
    (shop / config.NAME).write_text(text)
    assert run(shop, "remove", "redis") == Ran(
        1,
        "",
        """\
error: app `web` needs `redis`
  --> devenv.toml:5:10
   |
 5 | needs = ["redis"]
   |          ^^^^^^^

hint: take `redis` out of its `needs` first
""",
    )
    assert (shop / config.NAME).read_text() == text


def test_connect_tells_what_it_lacks_before_it_asks_for_an_engine(shop: Path) -> None:
    (shop / config.NAME).write_text(SHOP + '[services.redis]\n[services.mail]\nimage = "acme/mail"\n')
    assert run(shop, "connect", "mail") == Ran(
        2,
        "",
        """\
error: `mail` has no client: it is made from an image, not from the catalog

hint: run `devenv shell mail`
""",
    )
    assert "did you mean `redis`?" in run(shop, "connect", "rediss", "--", "ping").err
    for arguments in (("connect",), ("connect", "--", "ping"), ("connect", "redis", "-h"), ("connect", "redis", "--")):
        asked = run(shop, *arguments)
        assert (asked.code, "127.0.0.1:9" in asked.err) == (4, True), arguments


@pytest.mark.parametrize("command", ["add", "remove"])
def test_without_a_project(tmp_path: Path, command: str) -> None:
    failed = run(tmp_path, command, "redis")
    assert (failed.code, failed.out) == (1, "")
    assert failed.err.startswith("error: no `devenv.toml` in ")
