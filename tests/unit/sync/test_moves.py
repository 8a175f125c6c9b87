from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from devenv.sync import moves
from devenv.sync.base import Agreed, Base, State
from devenv.sync.entries import Kind, Seen


def seen(inode: int, kind: Kind = "file", *, changed: int = 4, size: int = 2, mode: int = 0o644) -> Seen:
    """As either side has it after a rename: for a file the time of change differs."""
    signature = f"{inode}.{size}.3.{changed}" if kind != "folder" else f"{inode}.{mode:o}"
    return Seen(kind, mode, size, 3, signature, inode)


def agreed(host: int, inner: int, kind: Kind = "file", *, target: bytes = b"") -> Agreed:
    return Agreed(State(kind, 0o644, target), seen(host, kind).signature, seen(inner, kind).signature)


@pytest.fixture
def base(tmp_path: Path) -> Iterator[Base]:
    """A file, and a folder with a file; the host's inodes are 1, 2, 3 and the volume's 11, 12, 13."""
    opened = Base(tmp_path / "agreed.sqlite")
    opened.set("f", agreed(1, 11))
    opened.set("d", agreed(2, 12, "folder"))
    opened.set("d/x", agreed(3, 13))
    yield opened
    opened.close()


def test_a_file_and_a_folder_renamed_on_the_host_are_found(base: Base) -> None:
    host = {"f": None, "g": seen(1, changed=5), "d": None, "d/x": None, "e": seen(2, "folder"), "e/x": seen(3)}
    assert list(moves.on_host(host, {}, base)) == [("d", "e"), ("d/x", "e/x"), ("f", "g")]


def test_a_file_and_a_folder_renamed_inside_are_found(base: Base) -> None:
    inner = {"f": None, "g": seen(11, changed=5), "d": None, "e": seen(12, "folder")}
    assert list(moves.inside({}, inner, base)) == [("d", "e"), ("f", "g")]


@pytest.mark.parametrize(
    "other",
    [seen(1, size=9), seen(1, mode=0o755), seen(1, "folder"), seen(1, "link"), seen(9)],
    ids=["written to", "another mode", "a folder", "a link", "another file"],
)
def test_what_only_has_the_number_of_something_gone_is_no_rename(base: Base, other: Seen) -> None:
    assert list(moves.on_host({"f": None, "g": other}, {}, base)) == []


def test_what_is_still_there_was_linked_or_copied_and_not_renamed(base: Base) -> None:
    assert list(moves.on_host({"f": seen(1), "g": seen(1)}, {}, base)) == []


def test_a_rename_on_the_host_is_not_repeated_over_a_change_inside(base: Base) -> None:
    host = {"f": None, "g": seen(1)}
    assert list(moves.on_host(host, {"f": seen(11, size=9)}, base)) == []
    assert list(moves.on_host(host, {"g": seen(19)}, base)) == []
    folder = {"d": None, "e": seen(2, "folder")}
    assert list(moves.on_host(folder, {"d/new": seen(19)}, base)) == []


def test_a_rename_inside_is_not_repeated_over_a_change_on_the_host(base: Base) -> None:
    inner = {"f": None, "g": seen(11)}
    assert list(moves.inside({"f": seen(1, size=9)}, inner, base)) == []
    assert list(moves.inside({"f": None}, inner, base)) == []
    assert list(moves.inside({"g": seen(9)}, inner, base)) == []
    assert list(moves.inside({"d/x": None}, {"d": None, "e": seen(12, "folder")}, base)) == []
    assert list(moves.inside({"f": seen(1), "g": None}, inner, base)) == [("f", "g")]


@pytest.mark.parametrize(("source", "target"), [(".envrc", "g"), ("f", ".envrc"), ("f", ".git/config")])
def test_what_is_protected_is_not_renamed_on_the_host(base: Base, source: str, target: str) -> None:
    base.set(source, agreed(1, 11))
    assert list(moves.inside({}, {source: None, target: seen(11)}, base)) == []


def test_a_folder_with_something_protected_in_it_is_not_renamed_on_the_host(base: Base) -> None:
    base.set("d/.git", agreed(4, 14, "folder"))
    assert list(moves.inside({}, {"d": None, "e": seen(12, "folder")}, base)) == []


def test_a_folder_with_a_link_that_leads_upwards_is_not_renamed_on_the_host(base: Base) -> None:
    base.set("d/link", agreed(4, 14, "link", target=b"x"))
    inner = {"d": None, "e": seen(12, "folder")}
    assert list(moves.inside({}, inner, base)) == [("d", "e")]
    base.set("d/link", agreed(4, 14, "link", target=b"../f"))
    assert list(moves.inside({}, inner, base)) == []


def test_what_is_gone_inside_is_what_has_no_other_name_there(base: Base) -> None:
    assert moves.without({"f": None, "d": None, "d/x": None, "never": None}, base) == {"f", "d", "d/x"}
    assert moves.without({"f": None, "d": None, "d/x": None, "e": seen(12, "folder")}, base) == {"f"}


def test_what_was_in_a_folder_that_became_something_else_is_found() -> None:
    inner = {"d": seen(9), "d/x": None, "d/e/y": None, "f": None, "e": seen(8, "folder"), "e/z": None}
    assert moves.replaced(inner, {"d/x", "d/e/y", "f", "e/z"}) == {"d/x", "d/e/y"}


def test_the_removals_that_belong_to_a_rename_are_its_source_and_all_below(base: Base) -> None:
    removals = {"f", "d", "d/x"}
    inner = {"f": None, "d": None, "d/x": None}
    assert moves.renamed(inner, removals, base) == set()
    assert moves.renamed({**inner, "e": seen(12, "folder")}, removals, base) == {"d", "d/x"}
