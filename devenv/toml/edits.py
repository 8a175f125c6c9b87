"""Puts a table into a TOML text and takes it out again; every other character stays.

tomlkit is no help here: to it a comment above a table is the end of the table before, so that a new table comes between
the two, and where the tables of a kind do not stand together it cannot remove one.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

from devenv.toml import places
from devenv.values import dataclass

Names = tuple[str, ...]
"""Names from the root of the file: `("services", "redis")`."""

_BOM = "\ufeff"


@dataclass(frozen=True, slots=True)
class _Part:
    """A statement with its line end, or a line without one; all parts joined are the text."""

    kind: Literal["blank", "comment", "header", "pair"]
    text: str
    names: Names = ()


@dataclass(frozen=True, slots=True)
class _Item:
    """An item of a `{…}` table, from its key to the end of its value."""

    names: Names
    start: int
    end: int


def insert(text: str, table: str, name: str, values: Mapping[str, str], *, after: Sequence[str] = ()) -> str:
    """Add `[table.name]`, which is not there.

    It comes after the last table of `table`, else after the last one of the first of `after` that there is, else at the
    end; into `table = {…}` where that is written so.

    Args:
        values: What stands in it; quotes, backslashes and control characters are for others to refuse.
    """
    bom, parts = _read(text)
    inline = _inline(parts, table)
    if inline is not None:
        parts[inline] = _Part("pair", _with_item(parts[inline].text, _item_text(name, values)), (table,))
        return bom + _joined(parts)
    at = _place(parts, (table, *after))
    line_end = "\r\n" if "\r\n" in text[: text.find("\n") + 1] else "\n"
    lines = [f"[{table}.{name}]", *_assignments(values)]
    if at and (at == len(parts) or parts[at].kind == "blank"):
        lines.insert(0, "")
    before, rest = _joined(parts[:at]), _joined(parts[at:])
    if before and not before.endswith("\n"):
        return bom + before + line_end + line_end.join(lines)
    return bom + before + line_end.join([*lines, ""]) + rest


def remove(text: str, table: str, name: str) -> str:
    """Take out `table.name` however it is written, with the tables in it and the comments directly above."""
    bom, parts = _read(text)
    inline = _inline(parts, table)
    if inline is not None:
        parts[inline] = _Part("pair", _without_item(parts[inline].text, name), (table,))
        return bom + _joined(parts)
    gone = _with_blanks(parts, _gone(parts, (table, name)))
    kept = _joined([part for index, part in enumerate(parts) if index not in gone])
    if len(parts) - 1 in gone and not text.endswith("\n"):
        kept = kept.removesuffix("\n").removesuffix("\r")
    return bom + kept


def _assignments(values: Mapping[str, str]) -> list[str]:
    return [f'{key} = "{value}"' for key, value in values.items()]


def _joined(parts: Sequence[_Part]) -> str:
    return "".join(part.text for part in parts)


# --- tables with a header, and dotted keys ---


def _place(parts: Sequence[_Part], tables: Sequence[str]) -> int:
    """Before which part a new table comes."""
    for table in tables:
        headers = [index for index, part in enumerate(parts) if part.kind == "header" and part.names[0] == table]
        if headers:
            return _end(parts, headers[-1])
    return max((index + 1 for index, part in enumerate(parts) if part.kind != "blank"), default=0)


def _end(parts: Sequence[_Part], header: int) -> int:
    """Where a table ends: comments right below its last key are its own, unless another table is right below them."""
    following = (index for index in range(header + 1, len(parts)) if parts[index].kind == "header")
    stop = next(following, len(parts))
    end = max(index for index in range(header, stop) if parts[index].kind in ("header", "pair")) + 1
    tail = end
    while tail < stop and parts[tail].kind == "comment":
        tail += 1
    return end if tail == stop < len(parts) else tail


def _start(parts: Sequence[_Part], index: int) -> int:
    """Where a statement begins, comments directly above it included."""
    while index and parts[index - 1].kind == "comment":
        index -= 1
    return index


def _gone(parts: Sequence[_Part], names: Names) -> set[int]:
    """The parts that make up what has these names."""
    gone: set[int] = set()
    last: int | None = None
    for index, part in enumerate(parts):
        if part.kind not in ("header", "pair"):
            continue
        if part.names[: len(names)] != names:
            last = None
            continue
        end = _end(parts, index) if part.kind == "header" else index + 1
        # Between two tables that both go, nothing belongs to another one.
        gone.update(range(_start(parts, index) if last is None else last, end))
        last = index if part.kind == "header" or last is not None else None
    return gone


def _with_blanks(parts: Sequence[_Part], gone: set[int]) -> set[int]:
    """Those, and the blank lines that only set them apart."""
    more = set(gone)
    for start, end in _runs(gone):
        before = start
        while before and parts[before - 1].kind == "blank":
            before -= 1
        if before == 0 and any(part.kind != "blank" for part in parts[end:]):
            while parts[end].kind == "blank":
                more.add(end)
                end += 1
        elif before and (end == len(parts) or parts[end].kind == "blank"):
            more.update(range(before, start))
    return more


def _runs(indices: set[int]) -> Iterator[tuple[int, int]]:
    """Those that follow upon each other, each run with its end."""
    for start in sorted(indices):
        if start - 1 not in indices:
            end = start
            while end in indices:
                end += 1
            yield start, end


# --- tables written as `{…}` ---


def _inline(parts: Sequence[_Part], table: str) -> int | None:
    """The part that says `table = {…}`."""
    return next((index for index, part in enumerate(parts) if part.kind == "pair" and part.names == (table,)), None)


def _item_text(name: str, values: Mapping[str, str]) -> str:
    inner = ", ".join(_assignments(values))
    return f"{name} = {{ {inner} }}" if inner else f"{name} = {{}}"


def _with_item(text: str, item: str) -> str:
    items, close = _items(text)
    if items:
        return f"{text[: items[-1].end]}, {item}{text[items[-1].end :]}"
    space = text[text.rindex("{", 0, close) + 1 : close]
    return f"{text[:close]}{item}{space}{text[close:]}"


def _without_item(text: str, name: str) -> str:
    items, close = _items(text)
    for index, item in enumerate(items):
        if item.names[0] == name:
            start = items[index - 1].end if index else item.start
            end = item.end if index else items[1].start if len(items) > 1 else close
            return _without_item(text[:start] + text[end:], name)
    return text


def _items(text: str) -> tuple[list[_Item], int]:
    """The items of a statement's `{…}`, and where it closes."""
    items: list[_Item] = []
    _, at = _key(text, 0)
    at = text.index("{", at) + 1
    while True:
        at = _matched(_BETWEEN, text, at).end()
        if text[at] == "}":
            return items, at
        names, equals = _key(text, at)
        start, at = at, _scan(text, equals, ",}")
        items.append(_Item(names, start, len(text[:at].rstrip())))


# --- reading a text that `tomllib` has accepted ---

_LINE = re.compile(r"[ \t]*(#[^\n]*)?(?:\r?\n|\Z)")
_HEADER = re.compile(r"[ \t]*\[\[?")
_BETWEEN = re.compile(r"(?:[\s,]|#[^\n]*)*")
_NAME = re.compile(r"[ \t]*(\"(?:\\.|[^\"\\\n])*\"|'[^'\n]*'|[A-Za-z0-9_-]+)[ \t]*")
_MARK = re.compile(r"\"\"\"|'''|[\"'#\[\]{},\n]")


def _read(text: str) -> tuple[str, list[_Part]]:
    """The byte order mark, if any, and the parts."""
    body = text.removeprefix(_BOM)
    return text[: len(text) - len(body)], list(_parts(body))


def _parts(text: str) -> Iterator[_Part]:
    table: Names = ()
    at = 0
    while at < len(text):
        line = _LINE.match(text, at)
        if line is not None:
            yield _Part("comment" if line[1] else "blank", line[0])
            at = line.end()
            continue
        end = min(_scan(text, at, "\n") + 1, len(text))
        header = _HEADER.match(text, at)
        names, _ = _key(text, header.end() if header else at)
        table = names if header else table
        yield _Part("header" if header else "pair", text[at:end], names if header else (*table, *names))
        at = end


def _key(text: str, at: int) -> tuple[Names, int]:
    """A key, and where it ends."""
    names: Names = ()
    while True:
        name = _matched(_NAME, text, at)
        names, at = (*names, _unquoted(name[1])), name.end()
        if text[at] != ".":
            return names, at
        at += 1


def _unquoted(raw: str) -> str:
    return str(tomllib.loads(f"key = {raw}")["key"]) if raw[0] in "\"'" else raw


def _scan(text: str, at: int, stops: str) -> int:
    """The first of `stops` outside strings, comments and brackets; else the end."""
    depth = 0
    while (mark := _MARK.search(text, at)) is not None:
        sign = mark[0]
        if depth == 0 and sign in stops:
            return mark.start()
        literal = places.LITERALS.get(sign)
        at = mark.end() if literal is None else _matched(literal, text, mark.start()).end()
        depth += (sign in "[{") - (sign in "]}")
    return len(text)


def _matched(pattern: re.Pattern[str], text: str, at: int) -> re.Match[str]:
    found = pattern.match(text, at)
    assert found is not None
    return found
