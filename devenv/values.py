"""Makes dataclasses as the standard library does, in two thirds of the time: devenv makes some sixty at every start.

The standard library compiles text for each method of each class. `__repr__`, `__eq__` and `__hash__` need none of it:
one function each does for all classes.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dataclasses import dataclass as dataclass
else:

    def dataclass(cls: type | None = None, /, *, eq: bool = True, **options: Any) -> type | Callable[[type], type]:
        """`dataclasses.dataclass`, with the same options."""

        def made(plain: type) -> type:
            value = dataclasses.dataclass(eq=False, repr=False, **options)(plain)
            value.__repr__ = _repr
            if eq:
                value.__eq__, value.__hash__ = _eq, _hash if options.get("frozen") else None
            return value

        return made if cls is None else made(cls)


def _contents(value: Any) -> tuple[object, ...]:
    return tuple(getattr(value, name) for name in value.__dataclass_fields__)


def _repr(self: Any) -> str:
    fields = ", ".join(f"{name}={getattr(self, name)!r}" for name in self.__dataclass_fields__)
    return f"{type(self).__qualname__}({fields})"


def _eq(self: object, other: object) -> bool:
    return _contents(self) == _contents(other) if type(other) is type(self) else NotImplemented


def _hash(self: Any) -> int:
    return hash(_contents(self))
