"""A first `devenv.toml`: what is to stand in it, and why; and the text of that."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import field

from devenv.model.project import Origin
from devenv.values import dataclass

_BARE = re.compile(r"[A-Za-z0-9_-]+")

Value = str | int | tuple[str | int, ...] | Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Entry:
    """A key of a table with its value; `why` is the comment behind it."""

    key: str
    value: Value
    why: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """An app or a service.

    Args:
        kind: `apps` or `services`.
        why: What in the project told of it: the comment behind its header.
        open: What could not be seen, for somebody to add: comments at its end.
    """

    kind: str
    name: str
    entries: tuple[Entry, ...] = ()
    why: str = ""
    open: tuple[str, ...] = ()

    def value(self, key: str) -> Value | None:
        """What stands under a key."""
        return next((one.value for one in self.entries if one.key == key), None)


@dataclass(frozen=True, slots=True)
class Draft:
    """A first `devenv.toml`.

    Args:
        remarks: What to know of what was found and is not in it.
        notes: Comments at its head.
    """

    name: str
    images: Origin
    apps: tuple[Table, ...] = ()
    services: tuple[Table, ...] = ()
    remarks: tuple[str, ...] = field(default=())
    notes: tuple[str, ...] = field(default=())


def text(draft: Draft) -> str:
    """The draft as TOML, with its comments."""
    origin = {
        "debian": "every image is built here, from locked Debian packages",
        "registry": "images are pulled by digest; `debian` builds them here, from Debian packages alone",
    }
    head = [
        "# The development environment of this project: `devenv up` starts it, the same for everyone.",
        f"name = {_value(draft.name)}",
        f"images = {_value(draft.images)} # {origin[draft.images]}",
    ]
    head[1:1] = [f"# {_line(one)}" for one in draft.notes]
    blocks = ["\n".join(head), *("\n".join(_lines(table)) for table in (*draft.apps, *draft.services))]
    return "\n\n".join(blocks) + "\n"


def _lines(table: Table) -> Iterator[str]:
    yield f"[{table.kind}.{_key(table.name)}]{_comment(table.why)}"
    for entry in table.entries:
        yield f"{_key(entry.key)} = {_value(entry.value)}{_comment(entry.why)}"
    for line in table.open:
        yield f"# {_line(line)}"


def _comment(words: str) -> str:
    return f" # {_line(words)}" if words else ""


def _line(words: str) -> str:
    """Words of a project, as a comment can hold them."""
    return "".join(one for one in " ".join(words.split()) if one.isprintable())


def _key(key: str) -> str:
    return key if _BARE.fullmatch(key) else _value(key)


def _value(value: Value) -> str:
    if isinstance(value, str):
        # JSON's escapes are TOML's, but for the one character that TOML wants escaped as well.
        text = value.replace("\0", "")  # nothing that is started can be given it
        return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007F")
    if isinstance(value, int):
        return str(value)
    if isinstance(value, tuple):
        return f"[{', '.join(map(_value, value))}]"
    pairs = ", ".join(f"{_key(key)} = {_value(one)}" for key, one in value.items())
    return f"{{ {pairs} }}" if pairs else "{}"
