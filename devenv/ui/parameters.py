"""Takes texts of the command line as they are.

Newer versions of typer hand every value to pydantic, also a string that is to be a string and one that is not given.
Importing pydantic for it takes longer than the whole of `devenv check`.
"""

from __future__ import annotations

import functools
from typing import Any

_TEXTS = (str, list[str])


def shorten(command: Any, context: Any) -> None:
    """Give the parameters of one of typer's commands a short way to values that need no conversion."""
    for parameter in command.get_params(context):
        parameter.process_value = functools.partial(_value, parameter, parameter.process_value)


def _value(parameter: Any, convert: Any, context: Any, value: Any) -> Any:
    """A parameter's value; `convert` is typer's own way, which also complains about one that is missing."""
    kind = getattr(getattr(parameter, "type_descriptor", None), "annotation", None)
    if (value is not None and kind not in _TEXTS) or (parameter.required and not value):
        return convert(context, value)
    return value if parameter.callback is None else parameter.callback(context, parameter, value)
