"""What processes use of this machine, read from its kernel."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

PROC = Path("/proc")
TICK = os.sysconf("SC_CLK_TCK")


def begun(process: int) -> float:
    """When it began, by the monotonic clock (which agrees with the one since boot if the machine never slept)."""
    return _numbers(process)[18] / TICK


def with_children(process: int) -> set[int]:
    """It and all below it."""
    parents = {int(one.name): _parent(int(one.name)) for one in PROC.iterdir() if one.name.isdigit()}
    found = {process}
    while more := {child for child, parent in parents.items() if parent in found} - found:
        found |= more
    return found


def seconds(processes: Iterable[int]) -> float:
    """Time that they have spent on a processor so far."""
    return sum(sum(_numbers(one)[10:12]) for one in processes) / TICK


def megabytes(processes: Iterable[int]) -> float:
    """Memory they have; what several share is divided between them."""
    found = (
        re.search(r"^Pss: +(\d+)", (PROC / str(one) / "smaps_rollup").read_text(), re.MULTILINE) for one in processes
    )
    return sum(int(one[1]) for one in found if one is not None) * 1024 / 1e6


def _parent(process: int) -> int:
    with suppress(OSError):
        return _numbers(process)[0]
    return 0


def _numbers(process: int) -> list[int]:
    """The fields of `stat` from the fourth on: the second, a name, may have spaces and brackets."""
    return [int(one) for one in (PROC / str(process) / "stat").read_text().rpartition(")")[2].split()[1:]]
