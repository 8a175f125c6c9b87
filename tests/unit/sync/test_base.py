from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from devenv.errors import DevenvError
from devenv.sync.base import Agreed, Base, State

ODD = os.fsdecode(b"\xff\n x")


def agreed(text: str) -> Agreed:
    return Agreed(State("file", 0o644, os.fsencode(text)), f"host {text!a}", f"inner {text!a}")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "made" / "agreed.sqlite"


@pytest.fixture
def base(file: Path) -> Iterator[Base]:
    opened = Base(file)
    yield opened
    opened.close()


def reopened(file: Path) -> dict[str, Agreed]:
    """What another process finds there."""
    other = Base(file)
    paths = dict(other.paths)
    other.close()
    return paths


def test_agreements_outlive_the_process_whatever_their_names(base: Base, file: Path) -> None:
    base.set("a", agreed("1"))
    base.set(ODD, Agreed(State("link", 0, b"\xfe"), "host", ""))
    base.set("gone", agreed("2"))
    base.commit()
    base.drop("gone")
    base.set("a", agreed("3"))
    base.commit()
    assert reopened(file) == {"a": agreed("3"), ODD: Agreed(State("link", 0, b"\xfe"), "host", "")}


def test_what_is_set_or_dropped_counts_at_once_and_is_on_disk_after_commit(base: Base, file: Path) -> None:
    base.set("a", agreed("1"))
    base.commit()
    base.drop("a")
    base.set("b", agreed("2"))
    assert (base.get("a"), base.get("b"), len(base)) == (None, agreed("2"), 1)
    assert reopened(file) == {"a": agreed("1")}


def test_a_commit_is_all_or_nothing(base: Base, file: Path) -> None:
    base.set("a", agreed("1"))
    base.commit()
    base.set("a", agreed("2"))
    base.set("b", Agreed(State("file", 0, b""), "host", []))  # type: ignore[arg-type]  # no column takes it
    with pytest.raises(DevenvError, match="cannot write"):
        base.commit()
    assert reopened(file) == {"a": agreed("1")}
    base.set("b", agreed("3"))
    base.commit()
    assert reopened(file) == {"a": agreed("2"), "b": agreed("3")}


@pytest.mark.parametrize(
    "damage", [b"no database at all, but long enough to be one", b"SQLite format 3\0" + bytes(200)]
)
def test_a_damaged_file_is_begun_anew(file: Path, damage: bytes) -> None:
    file.parent.mkdir()
    file.write_bytes(damage)
    base = Base(file)
    assert len(base) == 0
    base.set("a", agreed("1"))
    base.close()
    assert reopened(file) == {"a": agreed("1")}


def test_a_file_damaged_in_its_middle_is_begun_anew(base: Base, file: Path) -> None:
    for number in range(300):
        base.set(f"folder/{number}", agreed(str(number)))
    base.close()
    data = bytearray(file.read_bytes())
    data[4096:8192] = os.urandom(4096)
    file.write_bytes(data)
    again = Base(file)
    assert len(again) == 0
    again.close()


def test_a_file_with_another_layout_is_begun_anew(file: Path) -> None:
    file.parent.mkdir()
    with sqlite3.connect(file) as connection:
        connection.execute("CREATE TABLE agreed (path TEXT, other TEXT)")
    connection.close()
    base = Base(file)
    assert len(base) == 0
    base.close()


def test_a_folder_moves_with_all_below_it_and_nothing_else(base: Base, file: Path) -> None:
    for path in ("a", "a/b", f"a/{ODD}", "ab", "a.b/c"):
        base.set(path, agreed(path))
    base.commit()
    base.move("a", "z/y")
    assert dict(base.paths) == {
        "z/y": agreed("a"),
        "z/y/b": agreed("a/b"),
        f"z/y/{ODD}": agreed(f"a/{ODD}"),
        "ab": agreed("ab"),
        "a.b/c": agreed("a.b/c"),
    }
    base.commit()
    assert reopened(file) == base.paths


def test_below_is_every_path_in_a_folder_without_itself(base: Base) -> None:
    for path in ("a", "a/b", "a/b/c", "ab"):
        base.set(path, agreed(path))
    assert sorted(base.below("a")) == ["a/b", "a/b/c"]
    assert sorted(base.below("")) == ["a", "a/b", "a/b/c", "ab"]


def test_notes_are_on_disk_at_once_and_go_when_all_is_cleared(base: Base, file: Path) -> None:
    base.set("a", agreed("1"))
    base.commit()
    base.tell("marker", "7")
    other = Base(file)
    assert (other.told("marker"), other.told("copying")) == ("7", None)
    other.close()
    base.clear()
    assert (base.told("marker"), len(base)) == (None, 0)
    assert reopened(file) == {}
