"""Measures a first copy, and what both tools use at rest after it."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from benchmarks import usage
from benchmarks.figures import Figures
from benchmarks.probe import Batch
from benchmarks.synced import Copying, Place, Setting

REST = 30.0
"""Seconds in which nothing happens."""
AFTERWARDS = 5.0
"""Seconds before these, for what a copy leaves to be done."""


def measure(setting: Setting, *, first: bool, rest: bool) -> Iterator[Figures]:
    """Copy each number of files in turn; the last copy of the largest stays, to rest."""
    sizes = sorted(setting.files)
    for count in sizes if first else sizes[-1:] if rest else ():
        found = Figures("first copy", f"first copy of {count:,} files")
        resting: list[Figures] = []
        batch = Batch("tree", count)
        folders = [setting.place.make(f"{tool}-{count}", batch) for tool in ("devenv", "compose")]
        turns = setting.runs if first else 1
        for turn in range(turns):
            is_last = rest and count == sizes[-1] and turn == turns - 1
            with _turn(setting.place, folders, batch, turn, stays=is_last) as (samples, both):
                found.turn(samples)
                resting = _at_rest(both, f"{count:,} files") if is_last else []
        yield from ([found] if first else []) + resting


@contextmanager
def _turn(
    place: Place, folders: Sequence[Path], batch: Batch, turn: int, *, stays: bool
) -> Iterator[tuple[dict[str, list[float | None]], list[Copying]]]:
    """A first copy by each; with `stays` the sides are still up."""
    makers = [(place.devenv, folders[0]), (place.compose, folders[1])]
    samples: dict[str, list[float | None]] = {}
    both: list[Copying] = []
    with ExitStack() as stack:
        for maker, folder in makers if turn % 2 == 0 else reversed(makers):
            side = stack.enter_context(maker(folder, f"{batch.count}-{turn}"))
            both.append(side)
            samples[side.name] = [_first(place, side, batch)]
            if not stays:
                stack.close()
        yield samples, both


def _first(place: Place, side: Copying, batch: Batch) -> float | None:
    """From the start of the process that copies to the moment at which the last file is inside."""
    side.probe.await_(batch)
    seen = side.probe.seen()
    place.settle(side)
    return seen - side.begun if seen is not None else None


def _at_rest(both: Sequence[Copying], tree: str) -> list[Figures]:
    """Both in the same seconds."""
    time.sleep(AFTERWARDS)
    before = {side.name: usage.seconds(side.processes) for side in both}
    time.sleep(REST)
    used = {side.name: (usage.seconds(side.processes) - before[side.name]) / REST * 100 for side in both}
    processor = Figures("rest, processor", f"rest of {tree}: processor", "% of a core")
    processor.turn({name: [one] for name, one in used.items()})
    memory = Figures("rest, memory", f"rest of {tree}: memory", "MB")
    memory.turn({side.name: [usage.megabytes(side.processes)] for side in both})
    return [processor, memory]
