"""The background process on a real engine: changes have consequences, and nothing is left of it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests import engines
from tests.e2e import checkouts

pytestmark = [pytest.mark.docker, pytest.mark.network]


def test_a_changed_input_runs_setup_again_and_down_ends_the_process(tmp_path: Path) -> None:
    engines.require()
    with checkouts.small(tmp_path / "project", text=checkouts.in_mode("bind")) as checkout:
        checkout.watches()
        checkout.run("up", "-d")
        process = checkout.run("sync", "status", "--json").data["report"]["pid"]
        (checkout.folder / "greeting.txt").write_text("good evening")
        checkouts.until(lambda: checkout.run("run", "greet", check=False).out == "good evening")
        checkout.run("up", "-d")
        assert checkout.run("sync", "status", "--json").data["report"]["pid"] == process
        checkout.run("down", "--volumes")
        checkouts.until(lambda: not _lives(process))
        assert checkout.left() == []


def _lives(process: int) -> bool:
    """Whether it runs; one that ended and that nobody waited for does not."""
    try:
        os.kill(process, 0)
        return ") Z " not in Path(f"/proc/{process}/stat").read_text()
    except (ProcessLookupError, FileNotFoundError):
        return False
