"""Makes dataclasses as the standard library does, in a third of the time: devenv makes some seventy at every start.

The standard library compiles text for each method of each class. Most of them need none of it: one function does for
all classes. `__init__` does, but only of a class that is made use of, at its first instance.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dataclasses import dataclass as dataclass
else:

    def dataclass(
        cls: type | None = None, /, *, frozen: bool = False, eq: bool = True, **options: Any
    ) -> type | Callable[[type], type]:
        """`dataclasses.dataclass`, with the same options."""

        def made(plain: type) -> type:
            value = dataclasses.dataclass(init=False, eq=False, repr=False, **options)(plain)
            value.__init__, value.__repr__ = _late_init(value), _repr
            if eq:
                value.__eq__, value.__hash__ = _eq, _hash if frozen else None
            if frozen:
                value.__setattr__, value.__delattr__ = _refuse, _refuse
                value.__getstate__, value.__setstate__ = _contents, _restore
            return value

        return made if cls is None else made(cls)


def _late_init(cls: Any) -> Callable[..., None]:
    """An `__init__` that makes way for the true one when it is first called."""

    def initialise(self: object, *arguments: object, **named: object) -> None:
        cls.__init__ = _init(cls)
        cls.__init__(self, *arguments, **named)

    return initialise


def _init(cls: Any) -> Callable[..., None]:
    known: dict[str, Any] = {"_put": object.__setattr__, "_later": object()}
    parameters, lines = ["self"], ["pass"]
    for one in dataclasses.fields(cls):
        name = one.name
        if one.default is not dataclasses.MISSING:
            known[f"_default_{name}"] = one.default
            parameters.append(f"{name}=_default_{name}")
        elif one.default_factory is not dataclasses.MISSING:
            known[f"_make_{name}"] = one.default_factory
            parameters.append(f"{name}=_later")
            lines.append(f"if {name} is _later: {name} = _make_{name}()")
        else:
            parameters.append(name)
        lines.append(f"_put(self, {name!r}, {name})")
    body = "\n ".join(lines)
    exec(f"def __init__({', '.join(parameters)}):\n {body}", known)  # noqa: S102 -- as `dataclasses` does
    made: Callable[..., None] = known["__init__"]
    made.__qualname__ = f"{cls.__qualname__}.__init__"
    return made


def _refuse(self: object, name: str, *_: object) -> None:
    raise dataclasses.FrozenInstanceError(f"cannot change `{name}` of a `{type(self).__qualname__}`")


def _contents(value: Any) -> tuple[object, ...]:
    return tuple(getattr(value, name) for name in value.__dataclass_fields__)


def _restore(self: Any, contents: Iterable[object]) -> None:
    for name, content in zip(self.__dataclass_fields__, contents, strict=True):
        object.__setattr__(self, name, content)


def _repr(self: Any) -> str:
    shown = (name for name, one in self.__dataclass_fields__.items() if one.repr)
    fields = ", ".join(f"{name}={getattr(self, name)!r}" for name in shown)
    return f"{type(self).__qualname__}({fields})"


def _eq(self: object, other: object) -> bool:
    return _contents(self) == _contents(other) if type(other) is type(self) else NotImplemented


def _hash(self: Any) -> int:
    return hash(_contents(self))
