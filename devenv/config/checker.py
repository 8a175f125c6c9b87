"""Imports pydantic's core without its type declarations."""

from __future__ import annotations

import sys
import types
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pydantic_core import SchemaValidator, ValidationError

DECLARATIONS = "pydantic_core.core_schema"


def load() -> tuple[type[SchemaValidator], type[ValidationError]]:
    """What checks values, and what it raises.

    The core's package imports a module of typed dictionaries for editors and type checkers, which takes as long as the
    rest of reading a `devenv.toml`. An empty stand-in takes its place while the package is imported, none afterwards,
    so that whoever wants it (pydantic itself does) gets the real one.
    """
    fresh = "pydantic_core" not in sys.modules
    if fresh:
        sys.modules[DECLARATIONS] = _Declarations(DECLARATIONS)
    try:
        import pydantic_core
    finally:
        if fresh:
            del sys.modules[DECLARATIONS]
    if fresh:
        vars(pydantic_core).pop("core_schema", None)
    return pydantic_core.SchemaValidator, pydantic_core.ValidationError


class _Declarations(types.ModuleType):
    """Has every type anybody asks for."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return object
