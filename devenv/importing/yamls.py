"""Reads YAML within limits, as compose reads it: YAML 1.2, so that `yes` and `22:22` are texts."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from devenv import toml
from devenv.errors import DevenvError, Place
from devenv.importing import tree
from devenv.importing.tree import Node
from devenv.toml import places

if TYPE_CHECKING:
    from collections.abc import Mapping

LIMIT = 256 * 1024
NOTHING = re.compile(r"~|null|Null|NULL|")
_MERGE = "<<"
_KNOWN = ("tag:yaml.org,2002:", "!")


def read(text: str, name: str) -> Node:
    """Read one document.

    Raises:
        DevenvError: It is no YAML, or beyond the limits; with its place.
    """
    import yaml

    try:
        return _Reading(text, name).result(iter(yaml.parse(text, Loader=yaml.SafeLoader)))
    except yaml.MarkedYAMLError as error:
        raise _syntax(error, text, name) from error
    except yaml.reader.ReaderError as error:
        where = places.make(name, text, min(error.position, len(text)), error.position + 1)
        raise DevenvError("a character that YAML does not allow", hint="remove it", where=where) from error
    except (ValueError, OverflowError, yaml.YAMLError) as error:
        raise DevenvError(f"`{name}` is no YAML: {toml.printable(str(error), 200)}", hint="correct it") from error


def _syntax(error: Any, text: str, name: str) -> DevenvError:
    mark = error.problem_mark or error.context_mark
    words = " ".join(part for part in (error.problem, error.context) if part) or "this is no YAML"
    where = places.make(name, text, mark.index, mark.index + 1) if mark is not None else None
    hint = "indent with spaces" if "'\\t'" in words else "correct the file; `docker compose config` may tell more"
    return DevenvError(toml.printable(words.replace("'", "`"), 200), hint=hint, where=where)


class _Reading:
    """One pass over the events of a text."""

    def __init__(self, text: str, name: str) -> None:
        self._text = text
        self._name = name
        self._anchors: dict[str, Node] = {}

    def result(self, events: Iterator[Any]) -> Node:
        import yaml

        next(events)  # of the stream
        begin = next(events)
        if isinstance(begin, yaml.StreamEndEvent):
            raise DevenvError(f"`{self._name}` is empty", hint="name the file to be imported")
        node = self._node(next(events), events, 0)
        next(events)
        further = next(events)
        if not isinstance(further, yaml.StreamEndEvent):
            place = self._place(further)
            raise DevenvError("a second document begins here", hint="one file, one document: remove it", where=place)
        return node

    def _place(self, event: Any, end: Any = None) -> Place:
        stop = (end or event).end_mark.index
        return places.make(self._name, self._text, event.start_mark.index, stop)

    def _node(self, event: Any, events: Iterator[Any], depth: int) -> Node:
        import yaml

        if depth > tree.DEPTH:
            raise DevenvError(f"values are nested in more than {tree.DEPTH} levels", where=self._place(event))
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event)
        if event.tag is not None and not event.tag.startswith(_KNOWN[0]) and event.tag != _KNOWN[1]:
            hint = "remove it; what it does has to be written out"
            raise DevenvError(
                f"the tag `{toml.printable(event.tag)}` is not known", hint=hint, where=self._place(event)
            )
        if isinstance(event, yaml.ScalarEvent):
            node = self._scalar(event)
        elif isinstance(event, yaml.SequenceStartEvent):
            node = self._list(event, events, depth)
        else:
            node = self._table(event, events, depth)
        if event.anchor is not None:
            self._anchors[event.anchor] = node
        return node

    def _alias(self, event: Any) -> Node:
        found = self._anchors.get(event.anchor)
        if found is None:
            name = toml.printable(event.anchor)
            message = f"`*{name}` refers to nothing that stands above it"
            raise DevenvError(message, hint=f"mark what it means with `&{name}`", where=self._place(event))
        return replace(found, place=self._place(event))

    def _scalar(self, event: Any) -> Node:
        plain = event.style is None and event.tag in (None, f"{_KNOWN[0]}null")
        nothing = plain and NOTHING.fullmatch(event.value) is not None
        where = self._place(event)
        try:
            # JSON writes characters beyond U+FFFF as two escapes.
            text = event.value.encode("utf-16", "surrogatepass").decode("utf-16")
        except UnicodeError as error:
            hint = "write the character itself"
            raise DevenvError("half a character stands here", hint=hint, where=where) from error
        return Node(where, text=None if nothing else text)

    def _list(self, event: Any, events: Iterator[Any], depth: int) -> Node:
        import yaml

        items = []
        while not isinstance(one := next(events), yaml.SequenceEndEvent):
            items.append(self._node(one, events, depth + 1))
        return tree.listed(tuple(items), self._place(event))

    def _table(self, event: Any, events: Iterator[Any], depth: int) -> Node:
        import yaml

        own: dict[str, Node] = {}
        merged: dict[str, Node] = {}
        while not isinstance(one := next(events), yaml.MappingEndEvent):
            key = self._node(one, events, depth + 1)
            if key.text is None:
                raise DevenvError("a key has to be a text", hint="quote it", where=key.place)
            value = self._node(next(events), events, depth + 1)
            if key.text == _MERGE:
                merged = self._merged(merged, value)
            elif key.text in own:
                shown = toml.printable(key.text)
                raise DevenvError(f"`{shown}` stands here twice", hint="remove one of them", where=key.place)
            else:
                own[key.text] = replace(value, key=key.place)
        return tree.tabled(merged | own, self._place(event))

    def _merged(self, merged: Mapping[str, Node], value: Node) -> dict[str, Node]:
        """What `<<` brings; of several the first one counts."""
        found = dict(merged)
        for one in value.items if value.items is not None else (value,):
            if one.table is None:
                raise DevenvError("`<<` takes a table", hint="such as `<<: *defaults`", where=value.place)
            found = dict(one.table) | found
        return found
