"""Every console block of the README, run."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import venv
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import engines, ports
from tests.e2e.checkouts import ROOT

pytestmark = [pytest.mark.docker, pytest.mark.network]

# `scripts/test` runs this test: it is the one block that a test cannot run once more.
SCRIPTS_TEST = ["scripts/test"]
BLOCKS = [
    [line.removeprefix("$ ") for line in block.splitlines() if line.startswith("$ ")]
    for block in re.findall(r"```console\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
]


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """What somebody has who cloned the project now and goes on reading; its bookshop is taken down at the end."""
    engines.require()
    folder = tmp_path_factory.mktemp("clone") / "devenv"
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.splitlines()
    for name in listed:
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes((ROOT / name).read_bytes())
            (folder / name).chmod((ROOT / name).stat().st_mode)
    # A port and a name of its own, for the bookshop may be running on this machine.
    port = ports.free()
    (folder / "examples/bookshop/devenv.local.toml").write_text(
        f'name = "readme-{port}"\n[apps.web]\nports = [{port}]\n'
        f'run = "flask --app shop.app run --host 0.0.0.0 --port {port}"\n'
    )
    yield folder
    subprocess.run(
        [sys.executable, "-m", "devenv", "down", "--volumes"],
        cwd=folder / "examples/bookshop", env=os.environ | {"PYTHONPATH": str(ROOT)}, check=True,
    )  # fmt: skip


def test_the_readme_has_the_blocks_that_are_run_here() -> None:
    assert [block[0].split()[0] for block in BLOCKS] == ["scripts/demo", "pip", "cd", "scripts/test"]
    assert BLOCKS[-1] == SCRIPTS_TEST


def test_the_demo_runs_twice(clone: Path) -> None:
    for _ in range(2):
        shown = run(clone, BLOCKS[0], os.environ)
        assert "    … of 40 in all" in shown
        assert "It runs: http://127.0.0.1:" in shown


def test_the_commands_to_use_it(clone: Path, tmp_path: Path) -> None:
    venv.create(tmp_path / "venv", with_pip=True)
    environ = os.environ | {"PATH": f"{tmp_path / 'venv' / 'bin'}:{os.environ['PATH']}"}
    run(clone, BLOCKS[1], environ)
    shown = run(clone, BLOCKS[2], environ)
    assert re.search(r"postgres +service +healthy +yes", shown)
    assert " passed" in shown
    assert re.search(r"\n +40\n", shown)


def run(folder: Path, commands: list[str], environ: os._Environ[str] | dict[str, str]) -> str:
    """Run commands as one would type them, up to the first that fails."""
    done = subprocess.run(
        ["bash", "-ec", "\n".join(commands)], cwd=folder, env=environ, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    return done.stdout
