from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PROGRAM = """
import sys
sys.path.insert(0, {root!r})
from devenv import cli
code = cli.guarded(sys.argv[1:])
print(code, "pydantic" in sys.modules)
"""


def ran(folder: Path, *arguments: str) -> tuple[str, str]:
    program = PROGRAM.format(root=str(ROOT))
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments], cwd=folder, capture_output=True, text=True, check=True
    )
    return done.stdout.strip(), done.stderr


@pytest.mark.parametrize("arguments", [("check",), ("status", "--json"), ("restart", "web", "redis"), ("url", "web")])
def test_no_command_waits_for_pydantic_only_to_read_texts(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    out, err = ran(tmp_path, *arguments)
    assert out == "1 False"
    assert "no `devenv.toml`" in err


def test_options_before_the_command_are_taken_as_they_are(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "devenv.toml").write_text('name = "shop"\n[profiles.ci]\n')
    assert ran(tmp_path, "-C", "there", "--profile", "ci", "check")[0] == "0 False"
    assert "ci2" in ran(tmp_path, "-C", "there", "--profile", "ci2", "check")[1]


def test_what_is_no_text_is_still_converted(tmp_path: Path) -> None:
    out, err = ran(tmp_path, "logs", "--tail", "many")
    assert out.startswith("2 ")
    assert "many" in err or "integer" in err


def test_a_text_that_must_be_given_is_still_asked_for(tmp_path: Path) -> None:
    out, err = ran(tmp_path, "exec")
    assert out.startswith("2 ")
    assert "unit" in err.lower()
