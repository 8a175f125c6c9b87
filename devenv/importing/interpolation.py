"""Puts the variables of compose files in: those of the folder's `.env`, never those of this machine.

https://docs.docker.com/reference/compose-file/interpolation/
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

from devenv import toml
from devenv.detection import variables
from devenv.errors import DevenvError
from devenv.importing import tree
from devenv.importing.loss import Loss
from devenv.importing.tree import Node

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_SIGN = re.compile(r":?[-+?]")
DEPTH = 16
LONGEST = 64 * 1024
"""Characters of a value."""


class Values:
    """What variables stand for, and which of them had no value."""

    def __init__(self, known: Mapping[str, str]) -> None:
        self.known = known
        self.losses: dict[str, Loss] = {}

    def filled(self, node: Node) -> Node:
        """A tree with every variable put in."""
        return tree.mapped(node, self._filled)

    def passed(self, name: str, node: Node) -> str | None:
        """What a variable that is only named in `environment` gets; None, and noted, where that is this machine's."""
        if name not in self.known:
            self._note(name, node)
        return self.known.get(name)

    def _filled(self, node: Node) -> Node:
        if node.text is None or "$" not in node.text:
            return node
        one = _Text(node, self)
        text = one.filled(node.text, 0)
        if len(text) > LONGEST:
            raise tree.wrong("this value is too long", node, "shorten it")
        return replace(node, text=text, is_secret=node.is_secret or one.is_secret)

    def _note(self, name: str, node: Node) -> None:
        why = "has no value in `.env`, and variables of this machine are not read"
        remedy = "give it one in `.env` and import again, or set it in `devenv.toml`"
        self.losses.setdefault(name, Loss(f"${{{toml.printable(name)}}}", why, remedy, place=node.place))

    def value(self, name: str, node: Node) -> str | None:
        """What a variable stands for; None, and noted, where it has no value."""
        if name not in self.known:
            self._note(name, node)
        return self.known.get(name)


class _Text:
    """One text that variables are put into."""

    def __init__(self, node: Node, values: Values) -> None:
        self._node = node
        self._values = values
        self.is_secret = False

    def filled(self, text: str, depth: int) -> str:
        if depth > DEPTH:
            raise tree.wrong(f"variables are nested in more than {DEPTH} levels", self._node)
        parts, at = [], 0
        while (dollar := text.find("$", at)) >= 0:
            parts.append(text[at:dollar])
            value, at = self._one(text, dollar, depth)
            parts.append(value)
        return "".join([*parts, text[at:]])

    def _one(self, text: str, dollar: int, depth: int) -> tuple[str, int]:
        """The value of what begins at a dollar sign, and where the text goes on."""
        after = text[dollar + 1 : dollar + 2]
        if after == "$":
            return "$", dollar + 2
        if after == "{":
            end = _closing(text, dollar + 2)
            if end is None:
                raise tree.wrong("`${` has no `}`", self._node, "close it, or write `$$` for a dollar sign")
            return self._braced(text[dollar + 2 : end], depth), end + 1
        found = _NAME.match(text, dollar + 1)
        if found is None:
            return "$", dollar + 1
        return self._value(found[0]) or "", found.end()

    def _braced(self, inner: str, depth: int) -> str:
        name = _NAME.match(inner)
        sign = _SIGN.match(inner, name.end()) if name is not None else None
        if name is None or (sign is None and name.end() != len(inner)):
            shown = toml.printable(inner)
            raise tree.wrong(f"`${{{shown}}}` is no variable", self._node, "write `$$` for a dollar sign")
        if sign is None:
            return self._value(name[0]) or ""
        known = self._values.known.get(name[0])
        has = known is not None and (known != "" or ":" not in sign[0])
        word = inner[sign.end() :]
        if sign[0].endswith("+"):
            return self.filled(word, depth + 1) if has else ""
        if sign[0].endswith("-") and not has:
            return self.filled(word, depth + 1)
        return self._value(name[0]) or ""

    def _value(self, name: str) -> str | None:
        value = self._values.value(name, self._node)
        self.is_secret = self.is_secret or (value is not None and variables.is_secret(name, value))
        return value


def _closing(text: str, start: int) -> int | None:
    depth, at = 1, start
    while at < len(text):
        if text.startswith("${", at):
            depth, at = depth + 1, at + 1
        elif text[at] == "}":
            depth -= 1
            if depth == 0:
                return at
        at += 1
    return None


def env_file(text: str, name: str) -> dict[str, str]:
    """The variables of a file of variables, as compose reads it.

    Raises:
        DevenvError: A value in it cannot be a variable's.
    """
    found = variables.parsed(text)
    for key, value in found.items():
        if "\0" in value:
            raise DevenvError(f"`{name}`: the value of `{toml.printable(key)}` holds a NUL", hint="remove it")
    return found
