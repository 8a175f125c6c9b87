"""One lockfile, every engine, each way an image may come: the same bytes and the same environment id."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from devenv.config import machine as machines
from tests import engines
from tests.e2e import checkouts
from tests.e2e.checkouts import Checkout
from tests.e2e.hub import Hub

pytestmark = [pytest.mark.docker, pytest.mark.network]

# Of a registry: a base with a further stack copied in and Debian packages on top, and a service as it is.
DERIVED = """\
name = "{name}"

[apps.web]
stack = ["python@3.13", "node@22"]
packages = ["libssl-dev", "tree"]
setup = ["cat greeting.txt > $HOME/greeting"]
run = "exec python3 -m http.server {port}"
ports = [{port}]
ready = {{ http = "/greeting.txt" }}

[services.redis]
"""


def places() -> tuple[str, ...]:
    """The engines, at least two of them."""
    engines.require()
    found = engines.addresses()
    if len(found) < 2:
        if os.environ.get("DEVENV_REQUIRE_PEERS"):
            pytest.fail("there is no second engine: name one in DEVENV_TEST_ENGINES")
        pytest.skip("there is no second engine: name one in DEVENV_TEST_ENGINES")
    return found


@contextmanager
def colleague(first: Checkout, folder: Path, engine: str, lock: bytes) -> Iterator[Checkout]:
    """The same project on another machine: its files, a lockfile, an engine without its images, and no memory.

    What it would download anew are packages alone, of which each one's hash is checked whenever it is used.
    """
    shutil.copytree(first.folder, folder, ignore=shutil.ignore_patterns(".devenv", "__pycache__"))
    (folder / "devenv.lock").write_bytes(lock)
    env = first.env | {
        f"DEVENV_{one.upper()}": str(folder.with_name(f"{folder.name} {one}")) for one in ("cache", "state")
    }
    Path(env["DEVENV_CACHE"]).mkdir()
    (Path(env["DEVENV_CACHE"]) / "packages").symlink_to(machines.load(os.environ, Path.home()).cache / "packages")
    there = Checkout(folder, first.name, first.port, engine, env)
    forget(there)
    try:
        yield there
    finally:
        there.run("down", "--volumes", check=False)


def forget(checkout: Checkout) -> None:
    """Remove the engine's images of this project, so that they have to be built or pulled."""
    there = checkout.docker("images", "--format", "{{.Repository}}:{{.Tag}}").split()
    for reference in references(checkout):
        if reference in there:
            checkout.docker("rmi", "--force", reference)


def references(checkout: Checkout) -> list[str]:
    compose = checkout.run("render", "--stdout").out
    return [json.loads(line.split(": ", 1)[1]) for line in compose.splitlines() if line.strip().startswith("image: ")]


def digests(checkout: Checkout) -> dict[str, str]:
    """The configuration's digest of each image, by app and service, as the engine has it."""
    images: dict[str, Any] = json.loads(checkout.run("report").out)["images"]
    return {name: image["found"] for name, image in images.items()}


def environment(checkout: Checkout) -> str:
    return str(checkout.run("status", "--json").data["environment"])


def proved_equal(
    first: Checkout,
    folder: Path,
    page: tuple[str, str],
    repository: str,
    *,
    builders: Sequence[str],
    pullers: Sequence[str],
) -> None:
    """Build on the first engine and on others, pull on yet others what the first has pushed, and compare everything.

    Args:
        page: A path of the app, and words that stand there.
    """
    first.run("lock")
    bare = (first.folder / "devenv.lock").read_bytes()
    first.run("up", "-d")
    locked, built, named = (first.folder / "devenv.lock").read_bytes(), digests(first), environment(first)
    assert f"environment {named}" in first.run("status").out
    first.run("push", "--to", repository)
    told = first.run("report").out
    first.run("down")
    for number, engine in enumerate(builders):
        with colleague(first, folder / f"built {number}", engine, bare) as there:
            there.run("up", "-d")
            assert page[1] in there.get(page[0])
            assert (there.folder / "devenv.lock").read_bytes() == locked
            assert (digests(there), environment(there)) == (built, named)
            assert there.run("diff").out == ""
            there.run("down", "--volumes")
    for number, engine in enumerate(pullers):
        with colleague(first, folder / f"pulled {number}", engine, locked) as there:
            pulled = there.run("pull", "--from", repository, "--json").data
            assert sorted(pulled["pulled"]) == sorted(set(references(there)))
            steps = there.run("up", "-d", "--frozen", "--json").data["steps"]
            assert [step for step in steps if step["verb"] == "build"] == []
            assert (digests(there), environment(there)) == (built, named)
            report = there.folder.with_suffix(".json")
            report.write_text(told)
            compared = there.run("diff", "--with", str(report), "--json", check=False).data
            assert compared["environment"] == compared["other"] == named
            assert [one for one in compared["contrasts"] if one["weight"] == "decisive"] == []
            there.run("down", "--volumes")


def test_the_bookshop_of_debian_packages_is_the_same_built_here_and_pulled_there(tmp_path: Path, hub: Hub) -> None:
    """That images of Debian packages are built the same elsewhere, too, test_images.py and test_catalog.py show."""
    first_place, *_, last = places()
    with checkouts.bookshop(tmp_path / "first", engine=first_place) as first:
        page, repository = ("/api/books?q=midlemarch", "Middlemarch"), f"{hub.registry.address}/team/devenv"
        proved_equal(first, tmp_path, page, repository, builders=[], pullers=[last])


def test_images_of_a_registry_are_the_same_however_they_came(tmp_path: Path, official: Hub, hub: Hub) -> None:
    first_place, second, *_, last = *places(), places()[-1]
    with checkouts.small(tmp_path / "first", engine=first_place, text=DERIVED) as first:
        first.env |= official.environ
        page, repository = ("/greeting.txt", "hello"), f"{hub.registry.address}/team/devenv"
        proved_equal(first, tmp_path, page, repository, builders=[last], pullers=[second])
        first.run("up", "-d")
        assert first.run("exec", "web", "--", "node").out == "v22.0.0\n"
        assert "1 directory" in first.run("exec", "web", "--", "tree", "/work").out


def test_the_bookshop_runs_on_images_of_a_registry(tmp_path: Path, official: Hub) -> None:
    engines.require()
    with checkouts.bookshop(tmp_path / "shop") as shop:
        text = (shop.folder / "devenv.toml").read_text()
        (shop.folder / "devenv.toml").write_text(text.replace('images = "debian"', 'images = "registry"'))
        shop.env |= official.environ
        shop.run("up", "-d")
        assert "Middlemarch" in shop.get("/api/books?q=midlemarch")
        assert " passed" in shop.run("run", "test").out
