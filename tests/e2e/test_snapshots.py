"""The data of services is saved, restored, shared and sown, on a real engine."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import engines, projects
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


def test_every_service_gets_back_what_it_had(world: World, tmp_path: Path) -> None:
    checkout = world.checkout
    for name in KEEPING:
        checkouts.until(lambda one=name: told(world, one))  # type: ignore[misc]
    before = len(volumes(checkout))
    saved = checkout.run("snapshot", "save", "full", "--json").data
    methods = {part["name"]: part["method"] for part in saved["parts"]}
    assert {name for name, method in methods.items() if method == "dump"} == {"mariadb", "postgres"}
    assert set(methods) == set(KEEPING)
    checkout.run("reset", "--yes")
    lost = [name for name in ("postgres", "mariadb", "redis", "valkey", "etcd", "nats") if not lacks(world, name)]
    assert lost == []
    checkout.run("snapshot", "restore", "full", "--yes")
    for name in KEEPING:
        checkouts.until(lambda one=name: told(world, one))  # type: ignore[misc]
    assert len(volumes(checkout)) == before
    assert all(row["current"] for row in checkout.run("status", "--json").data["rows"])
    assert checkout.run("diff").code == 0


def lacks(world: World, name: str) -> bool:
    try:
        return not told(world, name)
    except AssertionError:  # no table, no stream
        return True
