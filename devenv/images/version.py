"""The order of Debian package versions."""

from __future__ import annotations

import re
from functools import cache

Key = tuple[int, "Parts", "Parts"]
Parts = tuple[tuple[tuple[int, ...], int], ...]

_PART = re.compile(r"([^0-9]*)([0-9]*)")


@cache
def key(version: str) -> Key:
    """Return what sorts as the version does.

    https://www.debian.org/doc/debian-policy/ch-controlfields.html#version
    """
    epoch, colon, rest = version.partition(":")
    if not colon:
        epoch, rest = "0", version
    upstream, _, revision = rest.rpartition("-") if "-" in rest else (rest, "", "0")
    return int(epoch) if epoch.isdigit() else 0, _parts(upstream), _parts(revision or "0")


def holds(version: str, operator: str, bound: str) -> bool:
    """Whether `version operator bound`, with the operators of Debian's relation fields."""
    left, right = key(version), key(bound)
    match operator:
        case "=":
            return left == right
        case "<<":
            return left < right
        case "<=" | "<":
            return left <= right
        case ">>":
            return left > right
        case _:
            return left >= right


def _parts(text: str) -> Parts:
    # The last match is always empty: it sorts after `~` and before everything else, as the end of a version must.
    return tuple(
        ((*(_weight(character) for character in letters), 0), int(digits or 0))
        for letters, digits in _PART.findall(text)
    )


def _weight(character: str) -> int:
    if character == "~":
        return -1
    return ord(character) if character.isalpha() else ord(character) + 256
