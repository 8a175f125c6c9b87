"""One lockfile, two engines, two empty caches: the same images."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from tests import engines
from tests.e2e import checkouts
from tests.e2e.checkouts import Checkout

pytestmark = [pytest.mark.docker, pytest.mark.network]


def test_the_bookshop_has_the_same_images_on_two_engines(tmp_path: Path) -> None:
    engines.require()
    addresses = engines.addresses()
    if len(addresses) < 2:
        if os.environ.get("DEVENV_REQUIRE_PEERS"):
            pytest.fail("there is no second engine: name one in DEVENV_TEST_ENGINES")
        pytest.skip("there is no second engine: name one in DEVENV_TEST_ENGINES")
    with checkouts.bookshop(tmp_path / "here", engine=addresses[0]) as here:
        here.env["DEVENV_CACHE"] = str(tmp_path / "cache here")
        here.run("lock")
        bare = (here.folder / "devenv.lock").read_bytes()
        forget(here)
        here.run("up", "-d")
        built = (here.folder / "devenv.lock").read_bytes()
        with checkouts.bookshop(tmp_path / "there", engine=addresses[1]) as there:
            there.env["DEVENV_CACHE"] = str(tmp_path / "cache there")
            (there.folder / "devenv.lock").write_bytes(bare)
            shutil.copy(here.folder / "devenv.local.toml", there.folder)
            there.name, there.port = here.name, here.port
            here.run("down")
            forget(there)
            there.run("up", "-d")
            assert "Middlemarch" in there.get("/api/books?q=midlemarch")
            assert (there.folder / "devenv.lock").read_bytes() == built
            assert images(there) == images(here)
            there.run("down", "--volumes")


def forget(checkout: Checkout) -> None:
    """Remove the engine's images of this project, so that they have to be built."""
    there = checkout.docker("images", "--format", "{{.Repository}}:{{.Tag}}").split()
    for reference in references(checkout):
        if reference in there:
            checkout.docker("rmi", "--force", reference)


def images(checkout: Checkout) -> dict[str, str]:
    """The id of each image of the project, by its reference."""
    found = references(checkout)
    return {one: checkout.docker("image", "inspect", "-f", "{{.Id}}", one).strip() for one in found}


def references(checkout: Checkout) -> list[str]:
    compose = checkout.run("render", "--stdout").out
    return [json.loads(line.split(": ", 1)[1]) for line in compose.splitlines() if line.strip().startswith("image: ")]
