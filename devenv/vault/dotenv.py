"""Reads a file of variables: `NAME=value` lines, quoted where need be; nothing in it is expanded or run."""

from __future__ import annotations

import re
from collections.abc import Callable

from devenv.errors import DevenvError

_BLANK = re.compile(r"[ \t]*(?:#[^\n]*)?(?:\n|\Z)")
_ENTRY = re.compile(
    r"""[ \t]*(?:export[ \t]+)?([A-Za-z_][A-Za-z0-9_]*)[ \t]*=[ \t]*
    (?:'([^']*)'|"((?:[^"\\]|\\.)*)"|([^'"\n][^\n]*|))
    [ \t]*(?:\#[^\n]*)?(?:\n|\Z)""",
    re.VERBOSE | re.DOTALL,
)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_ESCAPED: dict[str, str] = {"n": "\n", "r": "\r", "t": "\t", '"': '"', "\\": "\\", "$": "$", "`": "`"}


def parse(text: str, name: str) -> dict[str, str]:
    """The variables by name; the last of two counts.

    Args:
        name: The file's, for people.

    Raises:
        DevenvError: A line is no variable; it is named by its number alone, for it may hold a secret.
    """
    found: dict[str, str] = {}
    text = text.replace("\r\n", "\n")
    at = 0
    while at < len(text):
        if (blank := _BLANK.match(text, at)) is not None:
            at = blank.end()
            continue
        entry = _ENTRY.match(text, at)
        if entry is None:
            line = text.count("\n", 0, at) + 1
            hint = "a value with quotes, `#` or several lines stands in single quotes: `TOKEN='…'`"
            raise DevenvError(f"line {line} of `{name}` is no `NAME=value`", hint=hint)
        found[entry[1]] = _value(entry.group)
        at = entry.end()
    return found


def _value(part: Callable[[int], str | None]) -> str:
    single, double, bare = part(2), part(3), part(4)
    if single is not None:
        return single
    if double is not None:
        return _ESCAPE.sub(lambda found: _ESCAPED.get(found[1], found[0]), double)
    return re.split(r"\s+#", bare or "", maxsplit=1)[0].strip()
