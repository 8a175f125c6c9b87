"""Reads TOML within limits and knows where each key and value stands; changes a file and keeps its comments."""

from __future__ import annotations

import re
import stat
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from devenv.errors import DevenvError, Place
from devenv.toml import places
from devenv.toml.places import Keys as Keys
from devenv.toml.places import Locate as Locate
from devenv.values import dataclass

if TYPE_CHECKING:
    from collections.abc import MutableMapping

    from tomlkit import TOMLDocument

LIMIT = 1 << 20
# `tomllib` recurses into brackets and is quadratic in the parts of a dotted key.
DEPTH = 32


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
        spot = places.spots(self.text).get(keys)
        if spot is None:
            return None
        span = spot.key if spot.key and (key or spot.is_table) else spot.value
        return None if span is None else places.make(self.name, self.text, *span)


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

    None takes a key out.

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
        if value is None:
            table.pop(key, None)
        elif isinstance(value, Mapping) and isinstance(there, dict):
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
        where = places.make(name, text, len(before), len(before) + 1)
        raise DevenvError(f"`{name}` is not UTF-8 text", hint="save it with the encoding UTF-8", where=where) from error


def _too_large(name: str, limit: int) -> DevenvError:
    return DevenvError(f"`{name}` is larger than {limit // 1024} KiB", hint="this cannot be the right file")


# --- limits, before anything is parsed ---

_MARK = re.compile(r"\"\"\"|'''|[\"'#\[\]{}.=,\n]")


def _guard(text: str, name: str) -> int | None:
    """Refuse what `tomllib` would take very long for, or recurse too deep into.

    Returns:
        Where a string begins that does not end; `tomllib` stops there at the latest.
    """
    depth = dots = position = 0
    while (mark := _MARK.search(text, position)) is not None:
        sign, position = mark[0], mark.end()
        if sign in places.LITERALS:
            literal = places.LITERALS[sign].match(text, mark.start())
            if literal is None:
                return mark.start()
            position = literal.end()
            continue
        dots = dots + 1 if sign == "." else 0
        depth = max(0, depth + (sign in "[{") - (sign in "]}"))
        if dots > DEPTH or depth > DEPTH:
            what = "a key has" if dots > DEPTH else "values are nested in"
            raise DevenvError(
                f"{what} more than {DEPTH} levels", where=places.make(name, text, mark.start(), mark.end())
            )
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
        return DevenvError(words, hint=hint, where=places.make(name, text, unclosed, unclosed + 1))
    if position is None:
        return DevenvError(words, hint=hint)
    start = _offset(position, text)
    begin = start
    if words.endswith(" before"):
        begin = text.rfind("\n", 0, start) + 1  # it is told at its end; the line as a whole says more
    elif bare.startswith("Unescaped"):
        begin = start - 2
    return DevenvError(words, hint=hint, where=places.make(name, text, begin, max(begin + 1, start)))


def _offset(position: re.Match[str], text: str) -> int:
    if position[1] is None:
        return len(text.rstrip("\n"))
    return places.line_starts(text)[int(position[1]) - 1] + int(position[2]) - 1
