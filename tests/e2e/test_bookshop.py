"""The example, as its README tells it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests import engines
from tests.e2e import checkouts

pytestmark = [pytest.mark.docker, pytest.mark.network]


def test_the_bookshop_lists_searches_adds_and_passes_its_own_tests(tmp_path: Path) -> None:
    engines.require()
    with checkouts.bookshop(tmp_path / "bookshop") as checkout:
        checkout.run("up", "-d")
        assert "<html" in checkout.get("/")
        found = json.loads(checkout.get("/api/books?q=midlemarch"))
        assert "Middlemarch" in json.dumps(found)
        tests = checkout.run("run", "test")
        assert " passed" in tests.out
        rows = checkout.run("exec", "postgres", "--", "psql", "-U", "devenv", "-Atc", "select 1 + 1", "shop")
        assert rows.out == "2\n"
        checkout.run("restart", "postgres")
        assert "Middlemarch" in checkout.get("/api/books?q=midlemarch")
        sizes = checkout.run("exec", "postgres", "--", "psql", "-U", "devenv", "-Atc", "show shared_buffers", "shop")
        assert sizes.out == "64MB\n"
