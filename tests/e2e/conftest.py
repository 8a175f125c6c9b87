"""Fixtures: registries that stand in for Docker Hub."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import engines
from tests.e2e import hub as hubs
from tests.e2e.hub import Hub


@pytest.fixture(scope="session")
def official(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    """A registry with Python, PostgreSQL, Redis and a tiny Node.js; tests only read it."""
    engines.require()
    # The folder above is that of the whole run, where workers share it.
    folder = tmp_path_factory.getbasetemp()
    shared = folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder
    with hubs.official(shared / "official") as hub:
        yield hub


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    """An empty registry of the test's own."""
    engines.require()
    with hubs.running(tmp_path / "hub") as made:
        yield made
