"""Puts values into the catalog's strings."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

from devenv.errors import DevenvError

Values = Mapping[str, str | tuple[str, ...]]

_NAME = re.compile(r"\{([a-z_]+)(?:\.([a-z0-9_-]+))?\}")


def text(template: str, values: Values) -> str:
    """Replace each `{name}` and `{name.part}`, once: a value that looks like a name is left alone.

    Raises:
        DevenvError: The catalog names something that has no value.
    """

    def value(match: re.Match[str]) -> str:
        found = values.get(f"{match[1]}.{match[2]}" if match[2] else match[1])
        if found is None and match[2] == "first" and isinstance(items := values.get(match[1]), tuple):
            return items[0] if items else ""
        if found is None:
            raise DevenvError(f"the catalog asks for `{match[0]}`, which has no value here")
        return found if isinstance(found, str) else ",".join(found)

    return _NAME.sub(value, template)


def apart(template: str, names: Collection[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What stands around some of the names, and those names, in the order they stand in; there is one text more."""
    if not names:
        return (template,), ()
    parts = re.split(rf"\{{({'|'.join(map(re.escape, names))})\}}", template)
    return tuple(parts[::2]), tuple(parts[1::2])


def each(templates: tuple[str, ...], values: Values) -> tuple[str, ...]:
    """`text` for every item."""
    return tuple(text(one, values) for one in templates)


def table(templates: Mapping[str, str], values: Values) -> dict[str, str]:
    """`text` for every value of a table."""
    return {key: text(one, values) for key, one in templates.items()}
