"""What may stand where in a TOML file, said once: for pydantic's core to check, for people, for editors.

Models of pydantic itself would say it in fewer lines, but take 80 ms longer to import and build than the core alone,
and every command reads a `devenv.toml`.
"""

from __future__ import annotations

import copy
import datetime
import functools
from collections.abc import Callable, Mapping
from dataclasses import field
from typing import TYPE_CHECKING, Any, cast

from devenv import toml
from devenv.config import checker
from devenv.config.findings import Findings, dotted, listed, suggestion
from devenv.values import dataclass

if TYPE_CHECKING:
    from pydantic_core import CoreSchema, ErrorDetails, SchemaValidator


@dataclass(frozen=True, slots=True, eq=False)
class Shape:
    """What may stand in one place.

    Args:
        core: The schema that pydantic's core checks it with.
        words: For people: `a list of strings`.
        json: Its JSON Schema.
        keys: Of a table, the keys it may have.
        items: Of a list or a table with free keys: what each value is.
        whole: Whether it makes no sense without a part that is wrong.
    """

    core: dict[str, Any]
    words: str
    json: dict[str, Any]
    keys: Mapping[str, Key] = field(default_factory=dict)
    items: Shape | None = None
    whole: bool = False


@dataclass(frozen=True, slots=True)
class Key:
    """A key of a table."""

    shape: Shape
    description: str
    required: bool = False


def text(words: str = "a string", *, pattern: str | None = None, least: int = 1) -> Shape:
    """A string of at least `least` characters; `pattern` must match as a whole."""
    core: dict[str, Any] = {"type": "str", "strict": True, "min_length": least}
    json: dict[str, Any] = {"type": "string", "minLength": least}
    if pattern is not None:
        core["pattern"] = json["pattern"] = f"^(?:{pattern})$"
    return Shape(core, words, json)


def integer(words: str, *, least: int, most: int | None = None) -> Shape:
    """A whole number."""
    core: dict[str, Any] = {"type": "int", "strict": True, "ge": least}
    json: dict[str, Any] = {"type": "integer", "minimum": least}
    if most is not None:
        core["le"] = json["maximum"] = most
    return Shape(core, words, json)


def boolean() -> Shape:
    """True or false."""
    return Shape({"type": "bool", "strict": True}, "true or false", {"type": "boolean"})


def number(words: str) -> Shape:
    """A number above 0."""
    core = {"type": "float", "strict": True, "gt": 0, "allow_inf_nan": False}
    return Shape(core, words, {"type": "number", "exclusiveMinimum": 0})


def choice(*values: str) -> Shape:
    """One of some strings."""
    return Shape({"type": "literal", "expected": list(values)}, listed(values, "or"), {"enum": list(values)})


def scalar() -> Shape:
    """A string; a number or a boolean is written as one."""
    core = _before(as_text, {"type": "str", "strict": True})
    return Shape(core, "a string", {"type": ["string", "number", "boolean"]})


def several(item: Shape, words: str) -> Shape:
    """A list."""
    core = {"type": "list", "items_schema": item.core, "strict": True}
    return Shape(core, words, {"type": "array", "items": item.json}, items=item, whole=True)


def one_or_several(item: Shape, words: str, *, before: tuple[str, ...] = (), alone: Shape | None = None) -> Shape:
    """A list, or its only item, which then comes after `before`; `alone` is what that may be, if not any item."""
    listing = several(item, words)
    is_one = (lambda value: isinstance(value, str) and value) if alone else (lambda value: isinstance(value, str))
    core = _before(lambda value: [*before, value] if is_one(value) else value, listing.core)
    return Shape(core, words, {"anyOf": [(alone or item).json, listing.json]}, items=item, whole=True)


def short(item: Shape, key: str, words: str) -> Shape:
    """A table, or only the value of its most important key."""
    core = _before(lambda value: {key: value} if isinstance(value, str) else value, item.core)
    return Shape(core, words, {"anyOf": [item.keys[key].shape.json, item.json]}, keys=item.keys, whole=True)


def free(value: Shape, words: str, *, names: str | None = None) -> Shape:
    """A table with keys of the user's choice; `names` is a pattern for editors alone."""
    core = {"type": "dict", "values_schema": value.core, "strict": True}
    json: dict[str, Any] = {"type": "object", "additionalProperties": value.json}
    if names is not None:
        json["propertyNames"] = {"pattern": f"^(?:{names})$"}
    return Shape(core, words, json, items=value)


def table(description: str, keys: Mapping[str, Key], *, more: bool = False, whole: bool = False) -> Shape:
    """A table; with `more` it may have keys beyond `keys`, which are not checked."""
    fields = {
        name: {"type": "typed-dict-field", "schema": key.shape.core, "required": key.required}
        for name, key in keys.items()
    }
    core = {"type": "typed-dict", "fields": fields, "extra_behavior": "allow" if more else "forbid", "strict": True}
    json: dict[str, Any] = {
        "type": "object",
        "description": description,
        "properties": {name: {**key.shape.json, "description": key.description} for name, key in keys.items()},
        "additionalProperties": more,
    }
    if required := [name for name, key in keys.items() if key.required]:
        json["required"] = required
    return Shape(core, "a table", json, keys=keys, whole=whole)


def as_text(value: object) -> object:
    """A boolean or number as a variable's value."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int | float) else value


def kind(value: object) -> str:
    """What a value is, in TOML's words."""
    match value:
        case str():
            return "a string"
        case bool():
            return "a boolean"
        case int() | float():
            return "a number"
        case list():
            return "a list"
        case dict():
            return "a table"
        case datetime.datetime() | datetime.date() | datetime.time():
            return "a date"
    raise AssertionError(type(value))


def check(shape: Shape, data: dict[str, Any], found: Findings) -> dict[str, Any]:
    """What of `data` fits `shape`; the rest is noted in `found`, and left out so that it can be checked further."""
    _, refusal = checker.load()
    _check_characters(data, (), found)
    data = copy.deepcopy(data)
    while True:
        try:
            fitting: dict[str, Any] = _validator(shape).validate_python(data)
        except refusal as error:
            errors = error.errors(include_url=False, include_context=False)
            for one in errors:
                _note(one, shape, data, found)
            for one in errors:
                _leave_out(one["loc"], shape, data)
        else:
            return fitting


def _check_characters(value: Any, keys: toml.Keys, found: Findings) -> None:
    """A zero character ends a string for the kernel, so nothing that has one can be passed on."""
    if isinstance(value, dict):
        for key, one in value.items():
            _check_characters(key, (*keys, key), found)
            _check_characters(one, (*keys, key), found)
    elif isinstance(value, list):
        for index, one in enumerate(value):
            _check_characters(one, (*keys, index), found)
    elif isinstance(value, str) and "\0" in value:
        found.add(f"`{dotted(keys)}` has a zero character", keys)


@functools.cache
def _validator(shape: Shape) -> SchemaValidator:
    validator, _ = checker.load()
    return validator(cast("CoreSchema", shape.core))


def _before(function: Callable[[object], object], core: dict[str, Any]) -> dict[str, Any]:
    return {"type": "function-before", "function": {"type": "no-info", "function": function}, "schema": core}


def _child(shape: Shape, part: str | int) -> Shape | None:
    return shape.keys[part].shape if isinstance(part, str) and part in shape.keys else shape.items


def _leave_out(keys: toml.Keys, shape: Shape, data: Any) -> None:
    for index, part in enumerate(keys):
        child = _child(shape, part)
        if child is None or child.whole or (index == len(keys) - 1 and not child.keys):
            data.pop(part, None)
            return
        if index == len(keys) - 1:
            data[part] = {}
            return
        if part not in data:
            return
        shape, data = child, data[part]


def _note(error: ErrorDetails, shape: Shape, data: Any, found: Findings) -> None:
    keys = error["loc"]
    above = shape
    for part in keys[:-1]:
        above, data = _child(above, part) or above, data[part]
    here = _child(above, keys[-1]) or above
    if error["type"] == "extra_forbidden":
        owner = f" in `{dotted(keys[:-1])}`" if keys[1:] else ""
        found.unknown("key", str(keys[-1]), above.keys, keys, key=True, owner=owner)
    elif error["type"] == "missing":
        owner = dotted(keys[:-1])
        found.add(f"`{owner}` has no `{keys[-1]}`", keys[:-1], hint=f"it needs {here.words}", key=True)
    else:
        _note_value(error, here, keys[:-1] if isinstance(data, str) else keys, found)


def _note_value(error: ErrorDetails, shape: Shape, keys: toml.Keys, found: Findings) -> None:
    value, name = error["input"], dotted(keys)
    if error["type"] == "string_too_short":
        found.add(f"`{name}` is empty", keys)
    elif error["type"].endswith("_type") or isinstance(value, list | dict):
        found.add(f"`{name}`: expected {shape.words}, got {kind(value)}", keys, hint=_quoting(shape, value))
    else:
        near = suggestion(str(value), shape.json.get("enum", ()))
        found.add(f"`{name}`: expected {shape.words}, got `{toml.printable(str(value))}`", keys, hint=near)


def _quoting(shape: Shape, value: object) -> str | None:
    if shape.json.get("type") != "string" or not isinstance(value, int | float):
        return None
    return f'put it in quotes: `"{toml.printable(str(as_text(value)))}"`'
