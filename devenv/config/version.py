"""Compares versions of devenv with what a project requires."""

from __future__ import annotations

import operator
import re

_CONDITION = re.compile(r"\s*(>=|<=|==|!=|>|<)\s*([0-9]{1,9}(?:\.[0-9]{1,9}){0,5})\s*")
_COMPARE = {
    ">=": operator.ge,
    "<=": operator.le,
    "==": operator.eq,
    "!=": operator.ne,
    ">": operator.gt,
    "<": operator.lt,
}


def fits(version: str, requirement: str) -> bool | None:
    """Whether `version` meets every condition of `>=0.1,<1`; None when that is no requirement."""
    conditions = [_CONDITION.fullmatch(part) for part in requirement.split(",")]
    known = [condition for condition in conditions if condition is not None]
    if len(known) < len(conditions):
        return None
    return all(_COMPARE[one[1]](_parts(version), _parts(one[2])) for one in known)


def _parts(version: str) -> tuple[int, ...]:
    numbers = [int(number) for number in re.findall(r"[0-9]+", version)[:6]]
    while numbers and numbers[-1] == 0:
        numbers.pop()
    return tuple(numbers)
