"""Fixtures: registries that stand in for Docker Hub."""

from __future__ import annotations

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
    with hubs.official(tmp_path_factory.mktemp("official")) as hub:
        yield hub


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    """An empty registry of the test's own."""
    engines.require()
    with hubs.running(tmp_path / "hub") as made:
        yield made
