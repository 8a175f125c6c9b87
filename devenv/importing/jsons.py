"""Reads JSON with comments within limits, as `devcontainer.json` is written."""

from __future__ import annotations

import re
from dataclasses import replace

from devenv import toml
from devenv.errors import DevenvError, Place
from devenv.importing import tree
from devenv.importing.tree import Node
from devenv.toml import places
from devenv.values import dataclass

LIMIT = 64 * 1024
_TOKEN = re.compile(
    r"""(?P<blank>\s+|//[^\n]*|/\*.*?\*/)|(?P<text>"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*')|(?P<sign>[\[\]{}:,])"""
    r"""|(?P<word>[^\s\[\]{}:,"']+)|(?P<stray>.)""",
    re.DOTALL,
)
_ERROR = re.compile(r"<string>:(\d+) (.*?)(?: at column (\d+))?$", re.DOTALL)


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    start: int


def read(text: str, name: str) -> Node:
    """Read one value.

    Raises:
        DevenvError: It is no JSON, also not with comments and trailing commas, or beyond the limits; with its place.
    """
    import json5

    tokens = [_Token(str(one.lastgroup), one[0], one.start()) for one in _TOKEN.finditer(text)]
    tokens = [one for one in tokens if one.kind != "blank"]
    _guard(tokens, text, name)
    try:
        json5.loads(text)
    except (ValueError, RecursionError) as error:
        raise _syntax(str(error), text, name) from error
    return _Reading(tokens, text, name).value()


def _guard(tokens: list[_Token], text: str, name: str) -> None:
    depth = 0
    for one in tokens:
        depth += (one.kind == "sign") * ((one.text in "[{") - (one.text in "]}"))
        if depth > tree.DEPTH:
            where = places.make(name, text, one.start, one.start + 1)
            raise DevenvError(f"values are nested in more than {tree.DEPTH} levels", where=where)


def _syntax(message: str, text: str, name: str) -> DevenvError:
    found = _ERROR.match(message)
    if found is None:
        words = message[:1].lower() + message[1:]
        return DevenvError(f"`{name}` is no JSON: {toml.printable(words, 200)}", hint="correct the file")
    words = found[2][:1].lower() + found[2][1:]
    starts = places.line_starts(text)
    line = min(int(found[1]), len(starts)) - 1
    at = min(starts[line] + int(found[3] or 1) - 1, len(text))
    where = places.make(name, text, at, at + 1)
    return DevenvError(toml.printable(words.replace('"', "`"), 200), hint="correct the file", where=where)


class _Reading:
    """One pass over the tokens of a text that is known to be right."""

    def __init__(self, tokens: list[_Token], text: str, name: str) -> None:
        self._tokens = tokens
        self._text = text
        self._name = name
        self._at = 0

    def value(self) -> Node:
        token = self._next()
        if token.text == "{" and token.kind == "sign":
            return self._table(token)
        if token.text == "[" and token.kind == "sign":
            return self._list(token)
        return Node(self._place(token), text=None if token.text == "null" else self._plain(token))

    def _next(self) -> _Token:
        token = self._tokens[self._at]
        self._at += 1
        return token

    def _sees(self, sign: str) -> bool:
        token = self._tokens[self._at]
        return token.kind == "sign" and token.text == sign

    def _skip(self, sign: str) -> None:
        self._at += self._sees(sign)

    def _place(self, token: _Token) -> Place:
        return places.make(self._name, self._text, token.start, token.start + len(token.text))

    def _plain(self, token: _Token) -> str:
        if token.kind != "text":
            return token.text
        text = token.text[1:-1]
        if "\\" in text:
            import json5

            text = str(json5.loads(token.text)).encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        return text

    def _list(self, begin: _Token) -> Node:
        items = []
        while not self._sees("]"):
            items.append(self.value())
            self._skip(",")
        self._skip("]")
        return tree.listed(tuple(items), self._place(begin))

    def _table(self, begin: _Token) -> Node:
        table: dict[str, Node] = {}
        while not self._sees("}"):
            key = self._next()
            self._skip(":")
            table[self._plain(key)] = replace(self.value(), key=self._place(key))
            self._skip(",")
        self._skip("}")
        return tree.tabled(table, self._place(begin))
