"""A table goes into any TOML text and out of it again, and every other character stays."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from devenv.toml import edits


def added(text: str, name: str = "redis", **values: str) -> str:
    return edits.insert(text, "services", name, values, after=("apps",))


def removed(text: str, name: str = "redis") -> str:
    return edits.remove(text, "services", name)


def data(text: str) -> dict[str, Any]:
    return tomllib.loads(text.removeprefix("\ufeff").replace("\r\n", "\n"))


# --- any file ---

COMMENTS = ["# text", "#[services.redis]", "# 'odd \"quotes", "#", "  # indented }"]
BLANKS = ["", "  ", "\t"]
PAIRS = [
    'key@ = "[services.redis]"',
    "key@ = 'a # b' # why",
    '"key@\\u0041" = [\n  "]", # ]\n  1,\n]',
    'key@ = """\n[services.redis]\n# no comment\n"""',
    "key@ = '''\n[services.redis]'''",
    'key@ = { a = { b = [1, { c = "}" }] }, "d,e" = 2 }',
    "  deep@ . er = 1",
    "k@.key = true",
]
HEADERS = [
    *("[apps.a@]", "[services.s@]", "[services.s@.settings]", "[ services . 's @' ] # why", "[[rules.r@]]"),
    *("[sync@]", "[profiles.p@.services.redis]", "  [apps.a@.env]"),
]
ROOTS = [
    "",
    "[services]",
    "services.cache.version = '8'",
    "services = {}",
    "services = { }",
    "services = { cache = {} }",
    "services = {cache.use='redis','x}' = { a = [1] } , y=1 } # why",
]


@st.composite
def texts(draw: st.DrawFn) -> str:
    """Files of every form, with comments and blank lines in odd places."""
    lines: list[str] = []

    def fill(templates: list[str], most: int) -> None:
        for _ in range(draw(st.integers(0, most))):
            lines.append(draw(st.sampled_from(templates)).replace("@", str(len(lines))))

    free = [*COMMENTS, *BLANKS]
    fill(free, 3)
    fill([*PAIRS, *free], 3)
    lines += filter(None, [draw(st.sampled_from(ROOTS))])
    fill([*PAIRS, *free], 4)
    for _ in range(draw(st.integers(0, 5))):
        lines.append(draw(st.sampled_from(HEADERS)).replace("@", str(len(lines))))
        fill([*PAIRS, *free, *free], 5)
    text = "\n".join(lines) + draw(st.sampled_from(["", "\n", "\n\n"]))
    line_end, bom = draw(st.sampled_from(["\n", "\r\n"])), draw(st.sampled_from(["", "\ufeff"]))
    return bom + text.replace("\n", line_end)


def wanted(text: str) -> dict[str, Any]:
    try:
        return data(text)
    except tomllib.TOMLDecodeError:
        assume(False)
        raise


@given(texts(), st.sampled_from([{}, {"version": "8"}, {"use": "redis", "version": "8"}]))
def test_what_was_added_is_there_and_nothing_else_has_changed(text: str, values: dict[str, str]) -> None:
    expected = wanted(text)
    expected.setdefault("services", {})["redis"] = values
    changed = added(text, **values)
    assert data(changed) == expected
    line_end = "\r\n" if "\r\n" in text else "\n"
    assert changed.count("\r\n") == (changed.count("\n") if line_end == "\r\n" else 0)


@given(text=texts(), values=st.sampled_from([{}, {"version": "8"}]), other=st.booleans())
def test_adding_and_removing_gives_the_file_back_to_the_byte(text: str, values: dict[str, str], *, other: bool) -> None:
    wanted(text)
    first = added(text, **values)
    assert removed(first) == text
    both = added(first, "other")
    assert removed(removed(both, "other") if other else removed(both), "redis" if other else "other") == text


@given(texts(), st.data())
def test_removing_any_service_takes_it_alone_away(text: str, chosen: st.DataObject) -> None:
    expected = wanted(text)
    assume(expected.get("services"))
    name = chosen.draw(st.sampled_from(sorted(expected["services"])))
    del expected["services"][name]
    left = data(removed(text, name))
    left.setdefault("services", {})
    assert left == expected
    assert removed(removed(text, name), name) == removed(text, name)


# --- where a table goes ---

SHOP = """\
# the shop
name = "shop"

# serves
[apps.web]
run = "x"

# data
[services.postgres]
version = "17"
# port = 5432

# how files get in
[sync]
mode = "bind"
"""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "[services.redis]\n"),
        ("\n", "[services.redis]\n\n"),
        ("name = 'x'", "name = 'x'\n\n[services.redis]"),
        ("name = 'x' # no end", "name = 'x' # no end\n\n[services.redis]"),
        ("a = 1\r\n\r\n", "a = 1\r\n\r\n[services.redis]\r\n\r\n"),
        (SHOP, SHOP.replace("# port = 5432\n", "# port = 5432\n\n[services.redis]\n")),
        ("[apps.a]\n\n[sync]\n[apps.b]\n\n[z]\n", "[apps.a]\n\n[sync]\n[apps.b]\n\n[services.redis]\n\n[z]\n"),
        ("[services.a]\n# about z\n[z]\n", "[services.a]\n[services.redis]\n# about z\n[z]\n"),
        ("[services.a]\n\n[services.a.settings]\nx = 1\n\n[z]\n",
         "[services.a]\n\n[services.a.settings]\nx = 1\n\n[services.redis]\n\n[z]\n"),
        ('services.redis2.version = "8"\n[z]\n', 'services.redis2.version = "8"\n[z]\n\n[services.redis]\n'),
        ("services = {}\n", "services = {redis = {}}\n"),
        ("services = { a = {} } # why\n[z]\n", "services = { a = {}, redis = {} } # why\n[z]\n"),
        ("\ufeff[z]", "\ufeff[z]\n\n[services.redis]"),
    ],
)  # fmt: skip
def test_a_table_goes_after_those_of_its_kind_else_after_apps_else_at_the_end(text: str, expected: str) -> None:
    assert added(text) == expected
    assert removed(expected) == text


def test_values_stand_in_the_table_or_in_its_braces() -> None:
    assert added("", "db", use="postgres", version="17") == '[services.db]\nuse = "postgres"\nversion = "17"\n'
    assert added("services = {}", version="8") == 'services = {redis = { version = "8" }}'


# --- what belongs to a table ---


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("# one\n\n# two\n# three\n[services.redis]\nx = 1\n# y = 2\n\n# four\n[z]\n", "# one\n\n# four\n[z]\n"),
        ("[a]\n\n\n[services.redis]\n\n\n[z]\n", "[a]\n\n\n[z]\n"),
        ("[a]\n\n[services.redis]\n[z]\n", "[a]\n\n[z]\n"),
        ("[services.redis]\n\n[z]\n", "[z]\n"),
        ("[a]\n[services.redis]\n\n# between\n\n[services.redis.settings]\nx = 1\n", "[a]\n"),
        ("[a]\n[services.redis]\n\n# of b\n[b]\n[services.redis.settings]\nx = 1\n", "[a]\n\n# of b\n[b]\n"),
        ('services.redis.version = "8"\nservices.redis.port = 1\nservices.a.port = 2\n', "services.a.port = 2\n"),
        ("[services]\na = {}\n# cache\nredis = { version = '8' } # why\nb.x = 1\n", "[services]\na = {}\nb.x = 1\n"),
        ("[services]\nredis.settings.x = 1\n", "[services]\n"),
        ("services = { redis = {} }\n", "services = { }\n"),
        ("services = { redis.a = 1, b = 1, redis.c = 2 }\n", "services = { b = 1 }\n"),
        ("[ 'services' . \"red\\u0069s\" ]\nx = '''\n[services.a]\n'''\n[z]\n", "[z]\n"),
        ("a = 1\n\n[services.redis]\nversion = '8'", "a = 1"),
        ("[profiles.ci.services.redis]\nport = 1\n", "[profiles.ci.services.redis]\nport = 1\n"),
    ],
)
def test_what_belongs_to_a_table_goes_with_it_and_nothing_else(text: str, expected: str) -> None:
    assert removed(text) == expected
