"""What Debian packages say about each other: `Depends`, `Conflicts`, `Provides`."""

from __future__ import annotations

import re
from functools import lru_cache

from devenv.images import version
from devenv.values import dataclass


@dataclass(frozen=True, slots=True)
class Relation:
    """A package name with an optional bound on its version; `operator` is empty when there is none."""

    name: str
    operator: str = ""
    bound: str = ""

    def admits(self, found: str | None) -> bool:
        """Whether a package of this name and version meets it; None is a provided name without a version."""
        if not self.operator:
            return True
        return found is not None and version.holds(found, self.operator, self.bound)

    def __str__(self) -> str:
        return f"{self.name} ({self.operator} {self.bound})" if self.operator else self.name


Groups = tuple[tuple[Relation, ...], ...]

_RELATION = re.compile(r"\s*([^\s(:\[<]+)(?::[a-z0-9-]+)?\s*(?:\(\s*([<>=]+)\s*([^\s)]+)\s*\))?")


@lru_cache(maxsize=4096)
def parse(field: str) -> Groups:
    """Read a relation field: groups that must all hold, each of alternatives in order of preference."""
    return tuple(
        tuple(_relation(alternative) for alternative in group.split("|")) for group in field.split(",") if group.strip()
    )


def flat(field: str) -> tuple[Relation, ...]:
    """Read a relation field without alternatives."""
    return tuple(relation for group in parse(field) for relation in group)


def _relation(text: str) -> Relation:
    found = _RELATION.match(text)
    if found is None:
        return Relation(text.strip())
    name, operator, bound = found.groups()
    return Relation(name, operator or "", bound or "")
