"""The values of a file of another tool, each with its place."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import field, replace
from pathlib import Path

from devenv import toml
from devenv.errors import DevenvError, Place
from devenv.values import dataclass

DEPTH = 64
"""Levels of nesting that are read."""
MOST = 50_000
"""Values in a file, those counted again that an alias repeats."""


@dataclass(frozen=True, slots=True)
class Node:
    """A value: a table when it has `table`, a list when it has `items`, else a scalar.

    Args:
        text: Of a scalar, as it was written; None for nothing at all (`null`).
        key: Where the key stands that it is under.
        is_secret: Whether a variable with a secret was put in.
        folder: The folder that paths in it are relative to, itself relative to the project.
    """

    place: Place
    text: str | None = None
    items: tuple[Node, ...] | None = None
    table: Mapping[str, Node] | None = None
    key: Place | None = None
    is_secret: bool = False
    folder: str = "."
    size: int = field(default=1)

    @property
    def at(self) -> Place:
        """Where to point: at the key, if there is one."""
        return self.key or self.place

    @property
    def is_nothing(self) -> bool:
        """Whether nothing stands there."""
        return self.text is None and self.items is None and self.table is None

    def get(self, key: str) -> Node | None:
        """What stands under a key, unless that is nothing."""
        found = (self.table or {}).get(key)
        return None if found is None or found.is_nothing else found

    def each(self, key: str) -> tuple[Node, ...]:
        """The items of the list under a key."""
        found = self.get(key)
        return found.as_items(key) if found is not None else ()

    def as_table(self, what: str) -> Mapping[str, Node]:
        """The table that it has to be.

        Raises:
            DevenvError: It is something else.
        """
        if self.is_nothing:
            return {}
        if self.table is None:
            raise wrong(f"`{what}`: expected a table", self)
        return self.table

    def as_items(self, what: str) -> tuple[Node, ...]:
        """The list that it has to be."""
        if self.is_nothing:
            return ()
        if self.items is None:
            raise wrong(f"`{what}`: expected a list", self)
        return self.items

    def as_text(self, what: str) -> str:
        """The single value that it has to be; nothing is an empty text."""
        if self.items is not None or self.table is not None:
            raise wrong(f"`{what}`: expected a single value", self)
        return self.text or ""

    def texts(self, what: str) -> tuple[str, ...]:
        """A list of single values, or only one."""
        if self.items is not None:
            return tuple(one.as_text(what) for one in self.items)
        return () if self.is_nothing else (self.as_text(what),)

    def walk(self) -> Iterator[Node]:
        """It and everything in it."""
        yield self
        for one in self.items or (self.table or {}).values():
            yield from one.walk()


def mapped(node: Node, change: Callable[[Node], Node]) -> Node:
    """The same tree with every scalar changed."""
    if node.items is not None:
        return replace(node, items=tuple(mapped(one, change) for one in node.items))
    if node.table is not None:
        return replace(node, table={key: mapped(one, change) for key, one in node.table.items()})
    return change(node)


def listed(items: tuple[Node, ...], place: Place) -> Node:
    """A list; see `counted`."""
    return counted(Node(place, items=items), items)


def tabled(table: Mapping[str, Node], place: Place) -> Node:
    """A table; see `counted`."""
    return counted(Node(place, table=table), tuple(table.values()))


def counted(node: Node, parts: tuple[Node, ...]) -> Node:
    """The node with its size, within the limit: aliases of aliases grow without end."""
    size = 1 + sum(one.size for one in parts)
    if size > MOST:
        raise DevenvError(f"there are more than {MOST} values", hint="this cannot be the right file", where=node.place)
    return replace(node, size=size)


def wrong(message: str, node: Node, hint: str | None = None) -> DevenvError:
    """A mistake at a value."""
    return DevenvError(message, hint=hint, where=node.at)


def read(path: Path, name: str, limit: int) -> str:
    """The text of a file.

    Raises:
        DevenvError: It cannot be read, is larger than `limit` bytes, or no text in UTF-8.
    """
    shown = toml.printable(name, 400)
    try:
        if not path.is_file():
            raise DevenvError(f"there is no file `{shown}`", hint="name the file to be imported")
        with path.open("rb") as file:
            content = file.read(limit + 1)
    except (OSError, ValueError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or "no such file"
        raise DevenvError(f"cannot read `{shown}`: {reason}", hint="correct its rights") from error
    if len(content) > limit:
        raise DevenvError(f"`{shown}` is larger than {limit // 1024} KiB", hint="this cannot be the right file")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DevenvError(f"`{shown}` is no text in UTF-8", hint="save it with the encoding UTF-8") from error
    return text.replace("\r\n", "\n").replace("\r", "\n")
