"""The two renames Python lacks."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from devenv.sync import renames

MOVES = (renames.move_exclusively, renames.move_by_link)


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[int]:
    opened = os.open(tmp_path, os.O_RDONLY)
    yield opened
    os.close(opened)


def test_exchange_swaps_two_files(tmp_path: Path, folder: int) -> None:
    (tmp_path / "a").write_text("1")
    (tmp_path / "b").write_text("2")
    renames.exchange(folder, "a", folder, "b")
    assert ((tmp_path / "a").read_text(), (tmp_path / "b").read_text()) == ("2", "1")


def test_exchange_needs_both_names(tmp_path: Path, folder: int) -> None:
    (tmp_path / "a").write_text("1")
    with pytest.raises(FileNotFoundError):
        renames.exchange(folder, "a", folder, "b")
    assert (tmp_path / "a").read_text() == "1"


@pytest.mark.parametrize("move", MOVES)
@pytest.mark.parametrize("kind", ["file", "folder", "link"])
def test_a_move_takes_anything_to_a_free_name(tmp_path: Path, folder: int, kind: str, move: renames.Rename) -> None:
    make(tmp_path / "a", kind)
    before = (tmp_path / "a").lstat().st_ino
    move(folder, "a", folder, "b")
    assert (tmp_path / "b").lstat().st_ino == before
    assert names(tmp_path) == ["b"]


@pytest.mark.parametrize("move", MOVES)
@pytest.mark.parametrize("kind", ["file", "folder", "link"])
def test_a_move_never_goes_over_anything(tmp_path: Path, folder: int, kind: str, move: renames.Rename) -> None:
    for name in ("a", "b"):
        make(tmp_path / name, kind)
    before = [(tmp_path / name).lstat().st_ino for name in ("a", "b")]
    with pytest.raises(FileExistsError):
        move(folder, "a", folder, "b")
    assert [(tmp_path / name).lstat().st_ino for name in ("a", "b")] == before


def names(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


def make(path: Path, kind: str) -> None:
    if kind == "file":
        path.write_text("x")
    elif kind == "folder":
        path.mkdir()
    else:
        path.symlink_to("nowhere")
