"""An editor's language server for TOML reads every `devenv.toml` as devenv does, by the schema that devenv prints."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from devenv import config
from devenv.commands import init
from tests import newcomers, node, pages
from tests.pages import ROOT

pytestmark = pytest.mark.network

PAGE = "docs/how-to/completion-and-schema.md"
WRONG = 'name = "shop"\n\n[apps.web]\nstack = "python@3.13"\nrum = "serve"\n'


@pytest.fixture(scope="module")
def schema(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("schema") / "devenv.schema.json"
    path.write_text(json.dumps(config.schema()))
    return path


def check(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run `taplo check` in a folder."""
    return subprocess.run(
        [*node.command("@taplo/cli", "taplo"), "check", "--colors", "never", *arguments],
        cwd=folder, env=node.environ(), capture_output=True, text=True, stdin=subprocess.DEVNULL,
    )  # fmt: skip


def _projects(place: Path) -> Iterator[tuple[str, str]]:
    """Every whole `devenv.toml` of the project, with where it is from."""
    for file in (ROOT / "devenv.toml", *ROOT.glob("examples/*/devenv.toml")):
        yield str(file.parent.name), file.read_text()
    for block in pages.every_block("toml"):
        if block.text.startswith(("name =", "[apps", "[services", "[hooks", "[sync", "[data", "[networks")):
            yield str(block).replace("/", "-"), block.text
    for name, files in newcomers.ALL.items():
        for path, text in files.items():
            (place / name / path).parent.mkdir(parents=True, exist_ok=True)
            (place / name / path).write_text(text)
        yield f"init-{name}", init.run(place / name, "debian", lambda _app: None, dry_run=True).text


def test_every_project_is_right(schema: Path, tmp_path: Path) -> None:
    (tmp_path / "found").mkdir()
    for name, text in _projects(tmp_path / "new"):
        (tmp_path / "found" / f"{name}.toml").write_text(text)
    done = check(tmp_path / "found", "--schema", schema.as_uri())
    assert done.returncode == 0, done.stderr
    assert f"total={len(list((tmp_path / 'found').iterdir()))}" in done.stderr


def test_a_wrong_key_is_marked(schema: Path, tmp_path: Path) -> None:
    (tmp_path / "devenv.toml").write_text(WRONG)
    done = check(tmp_path, "--schema", schema.as_uri())
    assert done.returncode == 1
    assert "'rum' was unexpected" in done.stderr
    assert "devenv.toml:5:1" in done.stderr


@pytest.mark.parametrize("number", [0, 1])
def test_an_editor_finds_the_schema_as_the_page_says(schema: Path, tmp_path: Path, number: int) -> None:
    block = [one for one in pages.blocks(PAGE) if one.language == "toml"][number]
    (tmp_path / "devenv.schema.json").write_text(schema.read_text())
    first = block.text if block.file is None else ""
    (tmp_path / "devenv.toml").write_text(first.replace('name = "shop"\n', "") + WRONG)
    if block.file:
        (tmp_path / block.file).write_text(block.text)
    done = check(tmp_path)
    assert done.returncode == 1
    assert "'rum' was unexpected" in done.stderr
