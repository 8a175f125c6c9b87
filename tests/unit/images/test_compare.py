from __future__ import annotations

import io
import tarfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from devenv.images import compare

Change = Callable[[tarfile.TarInfo], object]


def file(path: str, content: bytes = b"same", change: Change = lambda info: None) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(path)
    info.size, info.mtime = len(content), 5
    change(info)
    return info, content


def special(path: str, kind: bytes, target: str = "") -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(path)
    info.type, info.linkname, info.mtime = kind, target, 5
    return info, b""


@dataclass
class Comparison:
    """Layers written one by one, held against each other."""

    folder: Path
    count: int = 0

    def layer(self, *members: tuple[tarfile.TarInfo, bytes]) -> Path:
        self.count += 1
        path = self.folder / str(self.count)
        with tarfile.open(path, "w") as tar:
            for info, content in members:
                tar.addfile(info, io.BytesIO(content))
        return path

    def of(self, first: Path, second: Path) -> list[tuple[str, str]]:
        return [(one.path, one.what) for one in compare.paths([first], [second])]


@pytest.fixture
def comparison(tmp_path: Path) -> Comparison:
    return Comparison(tmp_path)


def test_equal_images_do_not_differ_however_they_are_layered(comparison: Comparison) -> None:
    one = comparison.layer(file("a"), file("b"))
    parts = [comparison.layer(file("a", b"old"), file("c")), comparison.layer(file("./b"), file("a"), file(".wh.c"))]
    assert compare.paths([one], [one]) == ()
    assert compare.paths([one], parts) == ()


def test_another_content_of_equal_length_is_found_and_only_its_path_is_named(comparison: Comparison) -> None:
    ours = comparison.layer(file("usr/a", b"1"), file("usr/b", b"1"))
    assert comparison.of(ours, comparison.layer(file("usr/a", b"1"), file("usr/b", b"2"))) == [("/usr/b", "content")]


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (lambda info: setattr(info, "mode", 0o4755), "permissions"),
        (lambda info: setattr(info, "uid", 7), "owner"),
        (lambda info: setattr(info, "gid", 7), "group"),
        (lambda info: setattr(info, "mtime", 6), "time"),
        (lambda info: info.pax_headers.update({"SCHILY.xattr.security.capability": "x"}), "attributes"),
    ],
    ids=["permissions", "owner", "group", "time", "attributes"],
)
def test_what_a_file_carries_besides_its_content_is_compared(comparison: Comparison, change: Change, what: str) -> None:
    assert comparison.of(comparison.layer(file("a")), comparison.layer(file("a", change=change))) == [("/a", what)]


def test_several_differences_of_a_path_are_told_together(comparison: Comparison) -> None:
    other = comparison.layer(file("a", b"longer", lambda info: setattr(info, "uid", 7)))
    assert comparison.of(comparison.layer(file("a")), other) == [("/a", "content, owner, size")]


def test_a_link_that_leads_elsewhere_is_found(comparison: Comparison) -> None:
    ours, theirs = (comparison.layer(special("a", tarfile.SYMTYPE, target)) for target in "xy")
    assert comparison.of(ours, theirs) == [("/a", "target")]


def test_a_file_in_the_place_of_a_folder_is_another_kind(comparison: Comparison) -> None:
    ours, theirs = comparison.layer(special("a", tarfile.FIFOTYPE)), comparison.layer(special("a", tarfile.DIRTYPE))
    assert comparison.of(ours, theirs) == [("/a", "kind")]


def test_a_path_that_only_one_has_is_told_from_that_side(comparison: Comparison) -> None:
    ours, theirs = comparison.layer(file("b"), file("c")), comparison.layer(file("a"), file("b"))
    assert comparison.of(ours, theirs) == [("/a", "only in the second"), ("/c", "only in the first")]


def test_where_a_content_lies_and_which_names_it_shares_is_no_difference(comparison: Comparison) -> None:
    first = comparison.layer(file("a"), file("b"))
    linked = comparison.layer(file("0"), file("a"), special("b", tarfile.LNKTYPE, "a"))
    assert comparison.of(first, linked) == [("/0", "only in the second")]
