"""Killed at any point, the next `up` converges and `down` leaves nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests import engines
from tests.e2e import checkouts

pytestmark = [pytest.mark.docker, pytest.mark.network]


def test_killed_after_each_engine_call_the_next_up_converges(tmp_path: Path) -> None:
    engines.require()
    with checkouts.small(tmp_path / "project") as checkout:
        checkout.run("up", "-d")
        checkout.run("down", "--volumes")
        for call in range(1, 100):
            killed = checkouts.killed_after(call, checkout, ("up", "-d"))
            if killed.returncode == 0:
                break
            assert killed.returncode == -9, killed.stderr
            checkout.run("up", "-d")
            assert checkout.get() == "hello"
            networks = checkout.docker("network", "ls", "--filter", f"name={checkout.name}", "-q").split()
            assert len(networks) == 1
            checkout.run("down", "--volumes")
            assert checkout.left() == []
        assert call > 6, "the kill did not reach every call"


def test_killed_while_recreating_nothing_is_lost(tmp_path: Path) -> None:
    engines.require()
    with checkouts.small(tmp_path / "project") as checkout:
        checkout.run("up", "-d")
        checkout.run("exec", "redis", "redis-cli", "set", "book", "Emma")
        toml = checkout.folder / "devenv.toml"
        plain = toml.read_text()
        for call in range(1, 100):
            toml.write_text(plain.replace("ports =", f'env = {{ N = "{call}" }}\nports ='))
            killed = checkouts.killed_after(call, checkout, ("up", "-d"))
            checkout.run("up", "-d")
            assert checkout.run("exec", "web", "printenv", "N").out == f"{call}\n"
            assert checkout.run("exec", "redis", "redis-cli", "get", "book").out == "Emma\n"
            if killed.returncode == 0:
                break
        assert call > 3, "the kill did not reach every call"


def test_eight_at_once_make_one_environment(tmp_path: Path) -> None:
    import subprocess

    engines.require()
    with checkouts.small(tmp_path / "project") as checkout:
        checkout.run("lock")
        processes = [
            subprocess.Popen(
                checkout.command("up", "-d", "--json"), cwd=checkout.folder, env=checkout.environ,
                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            )
            for _ in range(8)
        ]  # fmt: skip
        ended = [process.communicate(timeout=300) for process in processes]
        assert [process.returncode for process in processes] == [0] * 8, ended
        assert sum("create" in {step["verb"] for step in json.loads(out)["steps"]} for out, _ in ended) == 1
        assert len(checkout.docker("network", "ls", "--filter", f"name={checkout.name}", "-q").split()) == 1
        assert len(checkout.left()) == 5
