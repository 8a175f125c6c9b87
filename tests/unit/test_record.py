"""The film in the README: what a terminal shows, as an SVG that any page may embed."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pyte
import pytest

from scripts import record
from scripts.record import Frame, Piece, Shown

ROOT = Path(__file__).parents[2]
SVG = "{http://www.w3.org/2000/svg}"


def frame(at: float, *lines: str) -> Frame:
    rows = tuple((Piece(0, line),) if line else () for line in lines)
    return Frame(at, rows + ((),) * (record.ROWS - len(rows)))


def test_a_row_is_drawn_once_for_as_long_as_it_stays() -> None:
    frames = [frame(0, "a"), frame(1, "a", "b"), frame(2, "c", "b"), Frame(5, ())]
    a, b, c = ((Piece(0, one),) for one in "abc")
    assert record.shown(frames) == [Shown(0, a, 0, 2), Shown(0, c, 2, 5), Shown(1, b, 1, 5)]


def test_what_is_there_at_the_end_needs_no_motion() -> None:
    drawn = ElementTree.fromstring(record.svg([frame(0, "gone"), frame(1, "stays"), Frame(2, ())]))
    looks = {"".join(one.itertext()): one.get("class") for one in drawn.iter(f"{SVG}text")}
    assert looks == {"gone": "t", "stays": "z"}
    style = drawn.findtext(f"{SVG}style") or ""
    assert ".t{visibility:hidden}" in style
    assert "@media(prefers-reduced-motion:reduce){text{animation:none}}" in style


def test_text_means_nothing_to_svg() -> None:
    drawn = ElementTree.fromstring(record.svg([frame(0, "<script>&amp;</script>"), Frame(1, ())]))
    assert "".join(drawn.itertext()).strip().endswith("<script>&amp;</script>")
    assert not list(drawn.iter(f"{SVG}script"))


def test_columns_begin_where_they_do_in_the_terminal() -> None:
    screen = pyte.Screen(record.COLUMNS, record.ROWS)
    pyte.Stream(screen).feed("NAME   KIND\r\n\x1b[32mweb\x1b[0m \x1b[1mapp\x1b[0m")
    assert record.rows(screen)[:3] == (
        (Piece(0, "NAME"), Piece(7, "KIND")),
        (Piece(0, "web", "green"), Piece(4, "app", bold=True)),
        (),
    )


@pytest.fixture(scope="module")
def film() -> str:
    return record.FILE.read_text()


def test_the_film_is_small_and_runs_nothing(film: str) -> None:
    assert len(film.encode()) < 200_000
    drawn = ElementTree.fromstring(film)
    assert {one.tag.removeprefix(SVG) for one in drawn.iter()} <= {"svg", "title", "style", "rect", "text", "tspan"}
    assert not re.search(r"https?://(?!www\.w3\.org|127\.0\.0\.1)|@import|url\(", film)


def test_the_film_ends_with_what_the_story_does_last(film: str) -> None:
    stays = [
        "".join(one.itertext()) for one in ElementTree.fromstring(film).iter(f"{SVG}text") if one.get("class") == "z"
    ]
    assert any(f"$ {record.STORY[-1]}" == one.replace("  ", " ") for one in stays)
