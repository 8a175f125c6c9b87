"""`devenv scale` before any engine is asked."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli import command_line

NO_ENGINE = "unix:///nonexistent/engine.sock"
TEXT = 'name = "shop"\nimages = "debian"\n[apps.web]\nports = [8000]\n[apps.work]\n[services.redis]\n'


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["web"], "`web` is no number of replicas"),
        (["work=-1"], "`work=-1` is no number of replicas"),
        (["work=2", "work=3"], "`work` stands here twice"),
        (["redis=2"], "`redis` is no app: a service keeps data"),
        (["web=2"], "add `replicas = 1` to `[apps.web]` in `devenv.toml`, then `devenv lock`"),
    ],
)
def test_what_cannot_be_is_told(tmp_path: Path, arguments: list[str], said: str) -> None:
    (tmp_path / "devenv.toml").write_text(TEXT)
    ran = command_line.run(tmp_path, "--engine", NO_ENGINE, "scale", *arguments)
    assert ran.code == 2
    assert said in ran.err
