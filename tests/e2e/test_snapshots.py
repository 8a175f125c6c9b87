"""The data of services is saved, restored, shared and sown, on a real engine."""

from __future__ import annotations

import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import engines
from tests.e2e import checkouts, test_catalog
from tests.e2e.checkouts import Checkout
from tests.e2e.test_catalog import CASES, FILES, SHELL, WORD, World

pytestmark = [pytest.mark.docker, pytest.mark.network]

KEEPING = tuple(name for name in test_catalog.USED if CASES[name].store is not None)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Every service of Debian that keeps data, with the word in it."""
    engines.require()
    folder = tmp_path_factory.mktemp("snapshots")
    for name, content in FILES.items():
        (folder / name).write_text(content)
    services = "".join(f"\n[services.{name}]\n{CASES[name].options}\n" for name in KEEPING)
    with checkouts.small(folder, text=SHELL + services) as checkout:
        checkout.run("up", "-d")
        made = World(checkout)
        for name in KEEPING:
            store = CASES[name].store
            assert store is not None
            store(made)
        yield made


def told(world: World, name: str) -> bool:
    """Whether a service has the word."""
    if name == "caddy":  # its pages do not come from its data
        return "mine" in world.inside("caddy", "ls", "/data")
    return WORD in CASES[name].read(world)


def volumes(checkout: Checkout) -> list[str]:
    label = f"label=dev.devenv.instance={checkout.name}"
    return sorted(checkout.docker("volume", "ls", "-q", "--filter", label).split())


def test_every_service_gets_back_what_it_had(world: World) -> None:
    checkout = world.checkout
    for name in KEEPING:
        checkouts.until(lambda one=name: told(world, one))  # type: ignore[misc]
    before = volumes(checkout)
    saved = checkout.run("snapshot", "save", "full", "--json").data
    methods = {part["name"]: part["method"] for part in saved["parts"]}
    assert {name for name, method in methods.items() if method == "dump"} == {"mariadb", "postgres"}
    assert set(methods) == set(KEEPING)
    assert all(row["state"] != "exited" for row in checkout.run("status", "--json").data["rows"])
    checkout.run("down", "--volumes")
    checkout.run("snapshot", "restore", "full", "--yes")
    checkout.run("up", "-d")
    for name in KEEPING:
        checkouts.until(lambda one=name: told(world, one))  # type: ignore[misc]
    assert volumes(checkout) == before
    assert all(row["current"] for row in checkout.run("status", "--json").data["rows"])


TWO = """\
name = "{name}"
images = "debian"

[services.postgres]
databases = ["kept"]
init = ["init.sql"]

[services.redis]
"""


class Shop:
    """A small project with a database and a store of keys; what they have of a word."""

    def __init__(self, checkout: Checkout) -> None:
        self.checkout = checkout

    def set(self, word: str) -> None:
        self.sql(
            f"CREATE TABLE IF NOT EXISTS words (word text); DELETE FROM words; INSERT INTO words VALUES ('{word}')"
        )
        self.checkout.run("exec", "redis", "redis-cli", "set", "word", word)

    def words(self) -> tuple[str, str]:
        return self.sql("SELECT word FROM words"), self.checkout.run(
            "exec", "redis", "redis-cli", "get", "word"
        ).out.strip()

    def sql(self, statement: str) -> str:
        command = ("exec", "postgres", "psql", "-U", "devenv", "-XqAtc", statement, "kept")
        return self.checkout.run(*command).out.strip()


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    engines.require()
    folder = tmp_path_factory.mktemp("shop")
    (folder / "init.sql").write_text("CREATE TABLE made_by_init ()")
    with checkouts.small(folder, text=TWO) as checkout:
        checkout.run("up", "-d")
        made = Shop(checkout)
        made.sql("CREATE ROLE reader")
        made.sql('CREATE DATABASE "by hand"')
        made.set("saved")
        checkout.run("snapshot", "save", "saved")
        yield made


@pytest.fixture
def colleague(shop: Shop, tmp_path: Path) -> Iterator[Shop]:
    """Another checkout of the same project, with its own name, and the snapshot as a file in it."""
    with checkouts.small(tmp_path / "colleague", text=TWO) as checkout:
        for name in ("init.sql", "devenv.lock"):
            shutil.copy(shop.checkout.folder / name, checkout.folder)
        shop.checkout.run("snapshot", "export", "saved", str(checkout.folder / "seed.devenv-snapshot"))
        yield Shop(checkout)


def test_a_restore_replaces_what_came_later_in_an_environment_that_is_up(shop: Shop) -> None:
    shop.set("later")
    shop.sql("CREATE DATABASE later")
    before = len(volumes(shop.checkout))
    shop.checkout.run("snapshot", "restore", "saved", "--yes")
    assert shop.words() == ("saved", "saved")
    names = shop.sql("SELECT datname FROM pg_database UNION SELECT rolname FROM pg_roles").split("\n")
    assert {"by hand", "reader"} <= set(names)
    assert "later" not in names
    assert len(volumes(shop.checkout)) == before


def test_killed_at_any_point_of_a_restore_the_next_up_has_the_old_data_or_the_new(shop: Shop) -> None:
    checkout = shop.checkout
    shop.set("old")
    before = len(volumes(checkout))
    found = set()
    # Around the one step that decides; every other one is a unit test's.
    for call in (4, 5):
        killed = checkouts.killed_after(call, checkout, ("snapshot", "restore", "saved", "--yes", "--service", "redis"))
        assert killed.returncode == -9, killed.stderr
        checkout.run("up", "-d")
        sql, redis = shop.words()
        found.add(redis)
        assert sql == "old"
        assert redis in ("old", "saved")
        assert len(volumes(checkout)) == before
        if redis == "saved":
            shop.set("old")
    assert found == {"old", "saved"}


def test_a_kill_while_data_is_restored_by_its_own_program_leaves_the_old(shop: Shop) -> None:
    checkout = shop.checkout
    shop.set("old")
    before = len(volumes(checkout))
    process = subprocess.Popen(
        checkout.command("snapshot", "restore", "saved", "--yes"), cwd=checkout.folder, env=checkout.environ,
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stderr is not None
    for line in process.stderr:
        if "postgres: restoring" in line:
            process.kill()
            break
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    checkout.run("up", "-d")
    assert shop.words() == ("old", "old")
    assert len(volumes(checkout)) == before


def test_a_colleague_begins_with_the_seed_and_goes_back_to_what_was_imported(colleague: Shop) -> None:
    checkout = colleague.checkout
    toml, seed = checkout.folder / "devenv.toml", checkout.folder / "seed.devenv-snapshot"
    toml.write_text(toml.read_text() + '\n[data]\nseed = "seed.devenv-snapshot"\n')
    stale = checkout.run("up", "-d", check=False)
    assert (stale.code, "no hash of the seed" in stale.err) == (1, True)
    checkout.run("lock")
    killed = checkouts.killed_after(3, checkout, ("up", "-d"))
    assert killed.returncode == -signal.SIGKILL
    checkout.run("up", "-d")
    assert colleague.words() == ("saved", "saved")
    colleague.set("later")
    checkout.run("up", "-d")
    assert colleague.words() == ("later", "later")
    checkout.run("snapshot", "import", "seed.devenv-snapshot", "--name", "theirs")
    checkout.run("snapshot", "restore", "theirs", "--yes", "--service", "postgres")
    assert colleague.words() == ("saved", "later")
    checkout.run("reset", "redis", "--yes")
    assert colleague.words() == ("saved", "saved")
    seed.write_bytes(seed.read_bytes().replace(b'"created": "20', b'"created": "19', 1))
    refused = checkout.run("reset", "redis", "--yes", check=False)
    assert refused.code == 1
    assert "is not the one that `devenv.lock` was made with" in refused.err
