"""`devenv names` and `devenv trust-ca` where no engine answers."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli import command_line

NO_ENGINE = "unix:///nonexistent/engine.sock"


@pytest.mark.parametrize("command", ["names", "names on", "names off", "trust-ca --print", "trust-ca --yes"])
def test_an_engine_is_needed_and_no_project(tmp_path: Path, command: str) -> None:
    ran = command_line.run(tmp_path, "--engine", NO_ENGINE, *command.split())
    assert (ran.code, ran.out) == (4, "")
    assert ran.err.startswith("error: no engine answers at `unix:///nonexistent/engine.sock`")


def test_a_wrong_port_of_the_settings_is_told_before_any_engine_is_asked(tmp_path: Path) -> None:
    ran = command_line.run(tmp_path, "--engine", NO_ENGINE, "names", "on", DEVENV_ENTRY_HTTP="web")
    assert (ran.code, "`DEVENV_ENTRY_HTTP`: `web` is no port" in ran.err) == (1, True)
