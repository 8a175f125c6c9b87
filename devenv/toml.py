"""Reads TOML within limits and knows where each key and value stands; changes a file and keeps its comments."""

from __future__ import annotations

import bisect
import functools
import re
import stat
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from devenv.errors import DevenvError, Place

if TYPE_CHECKING:
    from collections.abc import MutableMapping

    from tomlkit import TOMLDocument

LIMIT = 1 << 20
# `tomllib` recurses into brackets and is quadratic in the parts of a dotted key.
DEPTH = 32

Keys = tuple[str | int, ...]
"""The way to a value: `("apps", "web", "ports", 0)`."""


class Locate(Protocol):
    """Finds where a value stands.

    A scalar and an array are pointed at themselves, a table by its key; `key` asks for the key of any of them.
    None means that it is not written down.
    """

    def __call__(self, keys: Keys, *, key: bool = False) -> Place | None: ...


@dataclass(frozen=True, slots=True)
class Document:
    """A TOML file, read.

    Args:
        name: The file's name, to show.
        data: As `tomllib` gives it.
    """

    name: str
    text: str
    data: dict[str, Any]

    def place(self, keys: Keys, *, key: bool = False) -> Place | None:
        """Where a value stands; see `Locate`."""
        spot = _spots(self.text).get(keys)
        if spot is None:
            return None
        span = spot.key if spot.key and (key or spot.is_table) else spot.value
        return None if span is None else _place(self.name, self.text, *span)


def read(path: Path, *, name: str | None = None, limit: int = LIMIT) -> Document:
    """Read a file.

    Args:
        name: What to call it in messages; the file's own name otherwise.
        limit: Bytes above which it is refused.

    Raises:
        DevenvError: It cannot be read, is no TOML, or is beyond the limits.
    """
    name = printable(name or path.name)
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise DevenvError(f"`{name}` is not a file")
        with path.open("rb") as stream:
            content = stream.read(limit + 1)
    except (OSError, ValueError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or "no such file"
        raise DevenvError(f"cannot read `{name}`: {reason.lower()}") from error
    if len(content) > limit:
        raise _too_large(name, limit)
    return read_text(_decode(content, name), name=name, limit=limit)


def read_text(text: str, *, name: str, limit: int = LIMIT) -> Document:
    """Read a text as `read` reads a file."""
    name = printable(name)
    if len(text) > limit:
        raise _too_large(name, limit)
    text = text.removeprefix("\ufeff").replace("\r\n", "\n")
    unclosed = _guard(text, name)
    try:
        return Document(name, text, tomllib.loads(text))
    except ValueError as error:
        raise _syntax_error(str(error), name, text, unclosed) from error


def update(path: Path, changes: Mapping[str, Any]) -> None:
    """Merge `changes` into a file, whole or not at all; its comments and order stay, a missing file is made.

    Raises:
        DevenvError: The file is no TOML, or cannot be written.
    """
    import tomlkit
    from tomlkit.exceptions import TOMLKitError

    from devenv import files

    try:
        document = tomlkit.parse(read(path).text) if path.exists() else tomlkit.document()
        _merge_into(document, changes)
        content = _dumped(document)
    except (TOMLKitError, TypeError, ValueError) as error:
        raise DevenvError(f"cannot change `{printable(path.name)}`: {printable(str(error))}") from error
    files.write(path, content)


def _merge_into(table: MutableMapping[str, Any], changes: Mapping[str, Any]) -> None:
    for key, value in changes.items():
        there = table.get(key)
        if isinstance(value, Mapping) and isinstance(there, dict):
            _merge_into(there, value)
        else:
            table[key] = value


def _dumped(document: TOMLDocument) -> str:
    import tomlkit

    text = tomlkit.dumps(document)
    tomllib.loads(text)  # a broken writer must not cost the file
    return text


def printable(text: str, limit: int = 80) -> str:
    """Text from outside as a message may show it: no control characters, not endless."""
    cut = text if len(text) <= limit else text[: limit - 1] + "…"
    if cut.isprintable():
        return cut
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in cut)


def _decode(content: bytes, name: str) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = content[: error.start].decode("utf-8", "replace")
        text = before + content[error.start :].decode("utf-8", "replace")
        where = _place(name, text, len(before), len(before) + 1)
        raise DevenvError(f"`{name}` is not UTF-8 text", hint="save it with the encoding UTF-8", where=where) from error


def _too_large(name: str, limit: int) -> DevenvError:
    return DevenvError(f"`{name}` is larger than {limit // 1024} KiB", hint="this cannot be the right file")


# --- limits, before anything is parsed ---

_MARK = re.compile(r"\"\"\"|'''|[\"'#\[\]{}.=,\n]")
_LITERALS = {
    '"""': re.compile(r'"""(?:\\.|[^\\])*?"{3,5}', re.DOTALL),
    "'''": re.compile(r"'''.*?'{3,5}", re.DOTALL),
    '"': re.compile(r'"(?:\\.|[^"\\\n])*"'),
    "'": re.compile(r"'[^'\n]*'"),
    "#": re.compile(r"#[^\n]*"),
}


def _guard(text: str, name: str) -> int | None:
    """Refuse what `tomllib` would take very long for, or recurse too deep into.

    Returns:
        Where a string begins that does not end; `tomllib` stops there at the latest.
    """
    depth = dots = position = 0
    while (mark := _MARK.search(text, position)) is not None:
        sign, position = mark[0], mark.end()
        if sign in _LITERALS:
            literal = _LITERALS[sign].match(text, mark.start())
            if literal is None:
                return mark.start()
            position = literal.end()
            continue
        dots = dots + 1 if sign == "." else 0
        depth = max(0, depth + (sign in "[{") - (sign in "]}"))
        if dots > DEPTH or depth > DEPTH:
            what = "a key has" if dots > DEPTH else "values are nested in"
            raise DevenvError(f"{what} more than {DEPTH} levels", where=_place(name, text, mark.start(), mark.end()))
    return None


# --- what is wrong, in plain words ---

_POSITION = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)$")
_UNCLOSED = "a string has no closing quote"
_WORDS: tuple[tuple[str, str, str | None], ...] = (
    ("Expected '=' after a key", "expected `=` after the key", None),
    ("Invalid initial character for a key", "expected a key", "quote a key that has other characters than A-Z 0-9 _ -"),
    ("Invalid statement", "expected a key or a `[table]`", None),
    ("Expected newline or end of document", "expected the end of the line", None),
    ("Invalid value", "expected a value", 'text needs quotes: `"…"`'),
    ("Unterminated string", _UNCLOSED, None),
    ("Illegal character '\\n'", _UNCLOSED, 'text of several lines needs `"""…"""`'),
    ("Illegal character", "a control character must be written as an escape: `\\u001b`", None),
    ("Found invalid character '\\n'", _UNCLOSED, None),
    ("Expected \"'", _UNCLOSED, None),
    ("Found invalid character", "a control character must be written as an escape: `\\u001b`", None),
    ("Unescaped '\\'", "`\\` must be doubled in a string", "or use single quotes: `'C:\\new'`"),
    ("Unclosed array", "expected `,` or `]` in the array", None),
    ("Unclosed inline table", "expected `,` or `}` in the table", "a `{…}` table stands on one line"),
    ("Expected ']]'", "expected `]]`", None),
    ("Expected ']'", "expected `]`", None),
    ("Cannot declare", "this table was defined before", "put its keys into one table"),
    ("Cannot overwrite", "this key was set before", "remove one of them"),
    ("Duplicate inline table key", "this key was set before", "remove one of them"),
    ("Cannot mutate immutable", "this table was defined before, in `{…}`", "put its keys into one table"),
    ("Exceeds the limit", "a number has too many digits", None),
)


def _syntax_error(message: str, name: str, text: str, unclosed: int | None) -> DevenvError:
    position = _POSITION.search(message)
    bare = message[: position.start()] if position else message
    words, hint = next(
        ((words, hint) for start, words, hint in _WORDS if bare.startswith(start)),
        (printable(bare[:1].lower() + bare[1:]), None),
    )
    if words == _UNCLOSED and unclosed is not None:
        return DevenvError(words, hint=hint, where=_place(name, text, unclosed, unclosed + 1))
    if position is None:
        return DevenvError(words, hint=hint)
    start = _offset(position, text)
    # What was there before is told at its end; the line as a whole says more.
    begin = text.rfind("\n", 0, start) + 1 if words.endswith(" before") else start
    return DevenvError(words, hint=hint, where=_place(name, text, begin, max(begin + 1, start)))


def _offset(position: re.Match[str], text: str) -> int:
    if position[1] is None:
        return len(text.rstrip("\n"))
    return _line_starts(text)[int(position[1]) - 1] + int(position[2]) - 1


# --- places ---


@functools.lru_cache(maxsize=8)
def _line_starts(text: str) -> tuple[int, ...]:
    return (0, *(match.end() for match in re.finditer("\n", text)))


def _place(name: str, text: str, start: int, end: int) -> Place:
    """The place of a span; one of several lines is cut at the end of its first."""
    starts = _line_starts(text)
    number = bisect.bisect_right(starts, start)
    begin = starts[number - 1]
    stop = starts[number] - 1 if number < len(starts) else len(text)
    length = max(1, min(end, stop) - start)
    # A caret stands under its character, so each control character is shown as just one other.
    shown = "".join(one if one.isprintable() else " " if one.isspace() else "\ufffd" for one in text[begin:stop])
    return Place(name, number, start - begin + 1, length, shown)


Span = tuple[int, int]


@dataclass(slots=True)
class _Spot:
    key: Span | None = None
    value: Span | None = None
    is_table: bool = False


@functools.lru_cache(maxsize=8)
def _spots(text: str) -> Mapping[Keys, _Spot]:
    return _Scanner(text).scan()


_BLANK = re.compile(r"(?:[ \t\n]|#[^\n]*)*")
_BARE = re.compile(r"[A-Za-z0-9_-]+")
_SCALAR = re.compile(r"\d{4}-\d\d-\d\d \d\d:[^\s,\]}#]*|[^\s,\]}#]*")
_QUOTES = ('"""', "'''", '"', "'")


class _Scanner:
    """Walks over a text that `tomllib` has accepted, so it checks nothing."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._spots: dict[Keys, _Spot] = {}
        self._lengths: dict[Keys, int] = {}

    def scan(self) -> Mapping[Keys, _Spot]:
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
            spot = self._spots.setdefault(keys, _Spot(span, is_table=True))
            if last and width == 2:
                self._lengths[keys] = self._lengths.get(keys, 0) + 1
            elif last:
                spot.key = span
            if keys in self._lengths:
                keys = (*keys, self._lengths[keys] - 1)
                self._spots.setdefault(keys, _Spot(span, is_table=True))
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
            self._spots.setdefault(keys, _Spot(span, is_table=True))
        self._at += 1
        self._skip()
        self._value(keys)

    def _value(self, keys: Keys) -> None:
        start = self._at
        spot = self._spots.setdefault(keys, _Spot())
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
                return self._end_of(_LITERALS[quote])
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
