"""Knows where each key and value of a TOML text stands."""

from __future__ import annotations

import bisect
import functools
import re
import tomllib
from collections.abc import Iterator, Mapping
from typing import Protocol

from devenv.errors import Place
from devenv.values import dataclass

Keys = tuple[str | int, ...]
"""The way to a value: `("apps", "web", "ports", 0)`."""


class Locate(Protocol):
    """Finds where a value stands.

    A scalar and an array are pointed at themselves, a table by its key; `key` asks for the key of any of them.
    None means that it is not written down.
    """

    def __call__(self, keys: Keys, *, key: bool = False) -> Place | None: ...


LITERALS = {
    '"""': re.compile(r'"""(?:\\.|[^\\])*?"{3,5}', re.DOTALL),
    "'''": re.compile(r"'''.*?'{3,5}", re.DOTALL),
    '"': re.compile(r'"(?:\\.|[^"\\\n])*"'),
    "'": re.compile(r"'[^'\n]*'"),
    "#": re.compile(r"#[^\n]*"),
}
"""How strings and comments go on, by how they begin."""


@functools.lru_cache(maxsize=8)
def line_starts(text: str) -> tuple[int, ...]:
    """The offset of each line's first character."""
    return (0, *(match.end() for match in re.finditer("\n", text)))


def make(name: str, text: str, start: int, end: int) -> Place:
    """The place of a span; one of several lines is cut at the end of its first."""
    starts = line_starts(text)
    number = bisect.bisect_right(starts, start)
    begin = starts[number - 1]
    stop = starts[number] - 1 if number < len(starts) else len(text)
    length = max(1, min(end, stop) - start)
    # A caret stands under its character, so each control character is shown as just one other.
    shown = "".join(one if one.isprintable() else " " if one.isspace() else "\ufffd" for one in text[begin:stop])
    return Place(name, number, start - begin + 1, length, shown)


Span = tuple[int, int]


@dataclass(slots=True)
class Spot:
    """Where a key and its value stand; a table has a value only when it is written as `{…}`."""

    key: Span | None = None
    value: Span | None = None
    is_table: bool = False


@functools.lru_cache(maxsize=8)
def spots(text: str) -> Mapping[Keys, Spot]:
    """Where everything stands in a text that `tomllib` has accepted."""
    return _Scanner(text).scan()


_BLANK = re.compile(r"(?:[ \t\n]|#[^\n]*)*")
_BARE = re.compile(r"[A-Za-z0-9_-]+")
_SCALAR = re.compile(r"\d{4}-\d\d-\d\d \d\d:[^\s,\]}#]*|[^\s,\]}#]*")
_QUOTES = ('"""', "'''", '"', "'")


class _Scanner:
    """Walks over a text and checks nothing."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._spots: dict[Keys, Spot] = {}
        self._lengths: dict[Keys, int] = {}

    def scan(self) -> Mapping[Keys, Spot]:
        table: Keys = ()
        self._skip()
        while self._at < len(self._text):
            if self._text[self._at] == "[":
                table = self._header()
            else:
                self._pair(table)
            self._skip()
        return self._spots

    def _skip(self) -> None:
        blank = _BLANK.match(self._text, self._at)
        assert blank is not None
        self._at = blank.end()

    def _sees(self, token: str) -> bool:
        return self._text.startswith(token, self._at)

    def _header(self) -> Keys:
        width = 2 if self._sees("[[") else 1
        self._at += width
        parts = list(self._key())
        self._at += width
        keys: Keys = ()
        for index, (name, span) in enumerate(parts):
            keys = (*keys, name)
            last = index == len(parts) - 1
            spot = self._spots.setdefault(keys, Spot(span, is_table=True))
            if last and width == 2:
                self._lengths[keys] = self._lengths.get(keys, 0) + 1
            elif last:
                spot.key = span
            if keys in self._lengths:
                keys = (*keys, self._lengths[keys] - 1)
                self._spots.setdefault(keys, Spot(span, is_table=True))
        return keys

    def _key(self) -> Iterator[tuple[str, Span]]:
        while True:
            self._skip()
            start = self._at
            self._at = self._end_of_string() or self._end_of(_BARE)
            raw = self._text[start : self._at]
            yield _unquoted(raw), (start, self._at)
            self._skip()
            if not self._sees("."):
                return
            self._at += 1

    def _pair(self, table: Keys) -> None:
        parts = list(self._key())
        keys = table
        for name, span in parts:
            keys = (*keys, name)
            self._spots.setdefault(keys, Spot(span, is_table=True))
        self._at += 1
        self._skip()
        self._value(keys)

    def _value(self, keys: Keys) -> None:
        start = self._at
        spot = self._spots.setdefault(keys, Spot())
        spot.is_table = self._sees("{")
        if spot.is_table:
            self._items("}", lambda _: self._pair(keys))
        elif self._sees("["):
            self._items("]", lambda index: self._value((*keys, index)))
        else:
            self._at = self._end_of_string() or self._end_of(_SCALAR)
        spot.value = (start, self._at)

    def _items(self, close: str, item: _Item) -> None:
        self._at += 1
        index = 0
        while True:
            self._skip()
            if self._sees(","):
                self._at += 1
            elif self._sees(close):
                self._at += 1
                return
            else:
                item(index)
                index += 1

    def _end_of_string(self) -> int | None:
        for quote in _QUOTES:
            if self._sees(quote):
                return self._end_of(LITERALS[quote])
        return None

    def _end_of(self, pattern: re.Pattern[str]) -> int:
        match = pattern.match(self._text, self._at)
        assert match is not None
        return match.end()


class _Item(Protocol):
    def __call__(self, index: int, /) -> None: ...


def _unquoted(raw: str) -> str:
    if raw[0] not in "\"'":
        return raw
    return str(tomllib.loads(f"key = {raw}")["key"]) if "\\" in raw else raw[1:-1]
