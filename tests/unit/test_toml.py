from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devenv import toml
from devenv.errors import DevenvError, Place

TEXT = """\
# A comment with = and "quotes"
name = "book\\"shop" # not = "this"
a.b.c = { x = 1, y = [1, "two", { z = 'q' }], "k.l" = 1979-05-27 07:32:00 }

[apps.web]
ports = [
  8000, # one
  9000,
]
long = \"\"\"
text = "not a key"
\"\"\"
[apps."x\\u0041".ready]
tcp=1
[[sync.rules]]
path = "a"
[[sync.rules]]
path = 'b'
[sync.rules.sub]
deep = true
"""


def pointed(place: Place | None) -> str:
    assert place is not None
    return place.text[place.column - 1 : place.column - 1 + place.length]


def broken(text: str) -> DevenvError:
    with pytest.raises(DevenvError) as caught:
        toml.read_text(text, name="x.toml")
    return caught.value


def walk(value: Any, keys: toml.Keys = ()) -> Iterator[toml.Keys]:
    if keys:
        yield keys
    items: Any = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, one in items:
        yield from walk(one, (*keys, key))


@pytest.mark.parametrize(
    ("keys", "line", "value", "key"),
    [
        (("name",), 2, '"book\\"shop"', "name"),
        (("a", "b"), 3, "b", "b"),
        (("a", "b", "c", "x"), 3, "1", "x"),
        (("a", "b", "c", "y"), 3, "[1, \"two\", { z = 'q' }]", "y"),
        (("a", "b", "c", "y", 1), 3, '"two"', '"two"'),
        (("a", "b", "c", "y", 2, "z"), 3, "'q'", "z"),
        (("a", "b", "c", "k.l"), 3, "1979-05-27 07:32:00", '"k.l"'),
        (("apps", "web"), 5, "web", "web"),
        (("apps", "web", "ports", 1), 8, "9000", "9000"),
        (("apps", "web", "long"), 10, '"""', "long"),
        (("apps", "xA", "ready"), 13, "ready", "ready"),
        (("sync", "rules", 1), 17, "rules", "rules"),
        (("sync", "rules", 1, "path"), 18, "'b'", "path"),
        (("sync", "rules", 1, "sub", "deep"), 20, "true", "deep"),
    ],
)
def test_a_place_is_the_value_and_on_request_its_key(keys: toml.Keys, line: int, value: str, key: str) -> None:
    document = toml.read_text(TEXT, name="x.toml")
    place = document.place(keys)
    assert place is not None
    assert (place.file, place.line) == ("x.toml", line)
    assert pointed(place) == value
    assert pointed(document.place(keys, key=True)) == key


def test_what_is_not_written_has_no_place() -> None:
    document = toml.read_text(TEXT, name="x.toml")
    assert document.place(("apps", "api")) is None
    assert document.place(("apps", "web", "ports", 2)) is None


def test_windows_line_ends_and_a_byte_order_mark_do_not_move_places(tmp_path: Path) -> None:
    path = tmp_path / "x.toml"
    path.write_bytes(b"\xef\xbb\xbf" + TEXT.replace("\n", "\r\n").encode())
    place = toml.read(path).place(("apps", "web", "ports", 0))
    assert place is not None
    assert (place.line, pointed(place)) == (7, "8000")


scalars = st.one_of(st.integers(), st.booleans(), st.text(max_size=8), st.dates(), st.floats(allow_nan=False))
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3)
)


@given(st.dictionaries(st.text(max_size=6), values, max_size=4))
def test_every_value_of_any_file_has_a_place_and_nothing_else_has(data: dict[str, Any]) -> None:
    import tomlkit

    text = tomlkit.dumps(data)
    try:
        tomllib.loads(text)
    except ValueError:
        return  # some keys are more than the writer can write
    document = toml.read_text(text, name="x.toml")
    for keys in walk(document.data):
        place = document.place(keys)
        assert place is not None, keys
        assert place.text.isprintable()
    assert document.place(("no such key",)) is None or "no such key" in document.data


@pytest.mark.parametrize(
    ("text", "message", "line", "column"),
    [
        ("a = \n", "expected a value", 1, 5),
        ("a = yes", "expected a value", 1, 5),
        ("a 1", "expected `=` after the key", 1, 3),
        ("\n= 1", "expected a key or a `[table]`", 2, 1),
        ("a = 1 b = 2", "expected the end of the line", 1, 7),
        ('a = "x\nb = 1', "a string has no closing quote", 1, 5),
        ("b = 1\na = '''x\n\n", "a string has no closing quote", 2, 5),
        ('a = "C:\\q"', "`\\` must be doubled in a string", 1, 8),
        ("a = [1, 2", "expected `,` or `]` in the array", 1, 10),
        ("[a\n", "expected `]`", 1, 3),
        ("[a]\n[a]", "this table was defined before", 2, 1),
        ("a = 1\na = 2", "this key was set before", 2, 1),
        ("a = {b = 1, b = 2}", "this key was set before", 1, 1),
        ("a = \x01", "expected a value", 1, 5),
    ],
)
def test_a_mistake_in_syntax_is_told_in_plain_words_where_it_is(
    text: str, message: str, line: int, column: int
) -> None:
    error = broken(text)
    assert error.message == message
    assert error.where is not None
    assert (error.where.line, error.where.column) == (line, column)


@pytest.mark.parametrize(
    "text",
    [
        "a." * 40 + "b = 1",
        '"a" . ' * 40 + "b = 1",
        "a = " + "[" * 40 + "]" * 40,
        "a = " + "{a=" * 40 + "1" + "}" * 40,
        "[" + ".".join("a" * 40) + "]",
        "a = " + "9" * 5000,
        "#" + "x" * (1 << 20),
    ],
)
def test_what_would_take_for_ever_or_recurse_is_refused(text: str) -> None:
    assert broken(text).message


def test_dots_and_brackets_in_strings_and_comments_count_for_nothing() -> None:
    text = f"a = '{'.' * 99}{'[' * 99}' # {'[' * 99}\nb = \"\"\"\n{'{' * 99}\n\"\"\"\nc = '''\n{'.' * 99}'''\n"
    assert toml.read_text(text, name="x.toml").data["b"] == "{" * 99 + "\n"


def test_the_size_is_checked_before_a_file_is_read_whole(tmp_path: Path) -> None:
    path = tmp_path / "x.toml"
    path.write_text("#" * 200)
    with pytest.raises(DevenvError, match="larger than 0 KiB"):
        toml.read(path, limit=100)


@pytest.mark.parametrize("content", [b"a = '\x1b[31mred'", b"a = \xff", b"\x07 = 1", b"[\xe2\x80\xae]\n", b"a\x00"])
def test_control_characters_of_the_file_never_get_out(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.toml"
    path.write_bytes(content)
    with pytest.raises(DevenvError) as caught:
        toml.read(path)
    where = caught.value.where
    assert where is not None
    assert (caught.value.message + where.text).isprintable()


@pytest.mark.parametrize("name", ["gone.toml", ".", "gone/x.toml"])
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(DevenvError, match="`x"):
        toml.read(tmp_path / name, name="x.toml")


def test_update_merges_and_keeps_comments_and_order(tmp_path: Path) -> None:
    path = tmp_path / "state.toml"
    path.write_text('# mine\nname = "shop" # kept\n\n[ports]\n"web/1" = 1\n')
    toml.update(path, {"ports": {"db/5432": 20001}, "name": "shop-2"})
    expected = '# mine\nname = "shop-2" # kept\n\n[ports]\n"web/1" = 1\n"db/5432" = 20001\n'
    assert path.read_text() == expected


def test_update_takes_out_what_is_none(tmp_path: Path) -> None:
    path = tmp_path / "state.toml"
    path.write_text("[replicas]\nweb = 5 # many\nwork = 2\n")
    toml.update(path, {"replicas": {"web": None, "other": None}})
    assert path.read_text() == "[replicas]\nwork = 2\n"


def test_update_makes_a_missing_file_and_its_folder(tmp_path: Path) -> None:
    path = tmp_path / ".devenv" / "state.toml"
    toml.update(path, {"ports": {"a/1": 1}})
    assert toml.read(path).data == {"ports": {"a/1": 1}}


def test_update_leaves_a_file_that_is_no_toml_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "state.toml"
    path.write_text("{ json }")
    with pytest.raises(DevenvError):
        toml.update(path, {"a": 1})
    assert path.read_text() == "{ json }"
