"""Fixtures: a `lab` is an engine to try things on."""

from __future__ import annotations

import functools
from collections.abc import Iterator

import pytest

from tests import engines
from tests.engines import Lab


@functools.cache
def _real() -> tuple[str, ...]:
    return engines.addresses() or ("none",)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run tests of a `lab` in memory and on every real engine, those of a `real_lab` on the real ones alone."""
    real = [pytest.param(place, marks=pytest.mark.docker) for place in _real()] if _asks(metafunc) else []
    if "lab" in metafunc.fixturenames:
        through_sdk = pytest.param(f"sdk+{_real()[0]}", marks=pytest.mark.docker)
        places = ["memory", *real, *([through_sdk] if _real() != ("none",) else [])]
        metafunc.parametrize("lab", places, indirect=True)
    if "real_lab" in metafunc.fixturenames:
        metafunc.parametrize("real_lab", real, indirect=True)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the long ones, so that two workers end at about the same time.

    What fails on a real engine is run once more, and named in the summary: a race in a test costs no whole run then.
    """
    items.sort(key=lambda item: "e2e" not in item.path.parts)
    for item in items:
        if "e2e" in item.path.parts:
            item.add_marker(pytest.mark.flaky(reruns=1))


def _asks(metafunc: pytest.Metafunc) -> bool:
    return not {"lab", "real_lab"}.isdisjoint(metafunc.fixturenames)


@pytest.fixture
def lab(request: pytest.FixtureRequest) -> Iterator[Lab]:
    with engines.lab(request.param) as opened:
        yield opened


@pytest.fixture
def real_lab(request: pytest.FixtureRequest) -> Iterator[Lab]:
    with engines.lab(request.param) as opened:
        yield opened
