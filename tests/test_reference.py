"""The reference pages say what devenv reads, parses and raises."""

from __future__ import annotations

import os
import shutil
import subprocess
import zipfile
from pathlib import Path

import pytest
from hatchling.builders.wheel import WheelBuilder

from scripts import command_line, reference

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "docs" / "reference"


@pytest.fixture(scope="module")
def pages() -> dict[str, str]:
    return reference.pages()


@pytest.mark.parametrize("name", ["devenv-toml.md", "catalog.md", "cli.md", "exit-codes.md", "devenv.1"])
def test_a_reference_page_is_current(name: str, pages: dict[str, str]) -> None:
    assert (FOLDER / name).read_text() == pages[name], "run scripts/reference.py"


def test_every_page_that_is_made_is_tested_here(pages: dict[str, str]) -> None:
    assert len(pages) == 5


@pytest.mark.skipif(shutil.which("man") is None, reason="there is no man")
def test_man_has_nothing_to_complain_about() -> None:
    environ = os.environ | {"MANWIDTH": "80", "LC_ALL": "C.UTF-8", "MANROFFSEQ": ""}
    command = ["man", "--warnings", "-l", str(FOLDER / "devenv.1")]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    assert "devenv snapshot restore [OPTIONS] NAME" in done.stdout


def test_a_line_means_nothing_to_roff() -> None:
    assert command_line._roff("'tis\n.so /etc/passwd \\n -x") == "\\&'tis\n\\&.so /etc/passwd \\en \\-x"


def test_the_man_page_is_packed_where_man_finds_it(tmp_path: Path) -> None:
    wheel = next(WheelBuilder(str(ROOT)).build(directory=str(tmp_path), versions=["standard"]))
    names = zipfile.ZipFile(wheel).namelist()
    assert [one for one in names if one.endswith(".data/data/share/man/man1/devenv.1")]
