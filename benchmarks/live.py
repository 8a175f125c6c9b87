"""Measures what happens while both tools keep a folder and a container in step."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import cycle
from pathlib import Path

from benchmarks import probe
from benchmarks.figures import Figures
from benchmarks.probe import Batch
from benchmarks.synced import Copying, Place, Setting

SAVES = 4
"""Of ours in a turn, to one of theirs."""
BURST, CHECKOUT = 1_000, 5_000
"""Files."""
LARGE = 20_000
"""Bytes of the file that is read all the time."""
PAUSE, THEIR_PAUSE = 0.004, 0.6
"""Seconds between two saves of it; theirs waits for half a second without any before it brings one in."""
EQUAL = 10.0
"""Seconds that may pass until all else of a checkout is the same, too."""

WORK = Batch("work", CHECKOUT)
"""What the repository has, on two branches that are named as the contents are marked."""

Live = Sequence[Copying]
"""devenv, compose, bind."""


def measure(setting: Setting, names: Sequence[str]) -> Iterator[Figures]:
    """Measure what is named, with both tools up the whole time."""
    if names:
        with _live(setting.place, names) as live:
            for name in names:
                yield MEASURES[name](setting, live)


@contextmanager
def _live(place: Place, names: Sequence[str]) -> Iterator[Live]:
    folders = [place.make(f"{tool}-live") for tool in ("devenv", "compose")]
    for folder in folders if "checkout" in names else ():
        _repository(place, folder)
    with place.devenv(folders[0]) as ours, place.compose(folders[1]) as theirs, place.bind(folders[1]) as bind:
        place.settle(ours)
        for side in (ours, theirs) if "checkout" in names else ():
            side.probe.await_(WORK)
            if side.probe.seen() is None:
                raise SystemExit(f"{side.name} does not bring the repository in")
        _begin_with((theirs,), Batch("begun", 1))
        yield ours, theirs, bind


def _repository(place: Place, folder: Path) -> None:
    git = ("git", "-c", "user.name=bench", "-c", "user.email=bench@example.com", "-c", "gc.auto=0")
    place.run(*git, "init", "-q", "-b", WORK.marker, folder=folder)
    WORK.write(folder)
    for branch in (WORK.marker, "other"):
        place.run(*git, "add", WORK.folder, folder=folder)
        place.run(*git, "commit", "-q", "-m", branch, folder=folder)
        if branch != "other":
            place.run(*git, "checkout", "-q", "-b", "other", folder=folder)
            WORK.marked("other").write(folder)
    place.run(*git, "checkout", "-q", WORK.marker, folder=folder)


def _begin_with(sides: Sequence[Copying], batch: Batch) -> None:
    """Bring files in before anything is measured, and with them their folders."""
    for side in sides:
        side.probe.await_(batch)
        batch.write(side.folder)
        if side.probe.seen() is None:
            raise SystemExit(f"{side.name} does not bring `{batch.folder}` in")


def _in_turn(found: Figures, turns: int, sides: Live, sample: Callable[[Copying, int], list[float | None]]) -> Figures:
    for turn in range(turns):
        order = sides if turn % 2 == 0 else list(reversed(sides))
        found.turn({side.name: sample(side, turn) for side in order})
    return found


def _visible(side: Copying, batch: Batch, act: Callable[[Path], object], kind: str = "has") -> float | None:
    """From the beginning of a change of the folder to the moment at which all of it is inside."""
    side.probe.await_(batch, kind)
    begun = time.monotonic()
    act(side.folder)
    seen = side.probe.seen()
    return seen - begun if seen is not None else None


def _saves(setting: Setting, live: Live) -> Figures:
    _begin_with(live, Batch("save", 1))

    def sample(side: Copying, turn: int) -> list[float | None]:
        batches = [Batch("save", 1, marker=f"{turn}-{n}-") for n in range(1 if side.name == "compose" else SAVES)]
        return [_visible(side, batch, batch.save) for batch in batches]

    return _in_turn(Figures("save", "save → inside"), setting.saves, live, sample)


def _inside(setting: Setting, live: Live) -> Figures:
    def sample(side: Copying, turn: int) -> list[float | None]:
        return [_visible_here(side, Batch("inside", 1, marker=f"{turn}-{n}-")) for n in range(SAVES)]

    return _in_turn(Figures("inside", "save inside → host"), setting.saves, live[:1], sample)


def _visible_here(side: Copying, batch: Batch) -> float | None:
    side.probe.save(batch)
    seen = probe.seen_here(batch, side.folder)
    begun = side.probe.seen()
    return seen - begun if seen is not None and begun is not None else None


def _bursts(setting: Setting, live: Live) -> Figures:
    def sample(side: Copying, turn: int) -> list[float | None]:
        folder = f"burst-{turn}"
        _begin_with((side,), Batch(folder, 1, width=BURST + 1))
        batch = _burst(folder)
        return [_visible(side, batch, batch.write)]

    return _in_turn(Figures("burst", f"{BURST:,} new files"), setting.runs, live, sample)


def _burst(folder: str) -> Batch:
    return Batch(folder, BURST, first=1, width=BURST + 1, marker="burst")


def _deletes(setting: Setting, live: Live) -> Figures:
    for side in live:
        for turn in range(setting.runs):
            _begin_with((side,), _burst(f"delete-{turn}"))

    def sample(side: Copying, turn: int) -> list[float | None]:
        batch = _burst(f"delete-{turn}")
        return [_visible(side, batch, batch.delete, "gone")]

    return _in_turn(Figures("delete", f"{BURST:,} files deleted"), setting.runs, live, sample)


def _checkouts(setting: Setting, live: Live) -> Figures:
    def sample(side: Copying, turn: int) -> list[float | None]:
        branch = WORK.marker if turn % 2 else "other"
        command = ("git", "checkout", "-q", branch)
        seconds = _visible(
            side,
            WORK.marked(branch),
            lambda folder: setting.place.run(*command, folder=folder),
        )
        return [seconds if _is_equal(setting.place, side) else None]

    return _in_turn(Figures("checkout", f"checkout of {CHECKOUT:,} changed files"), setting.runs, live[:2], sample)


def _is_equal(place: Place, side: Copying) -> bool:
    """Whether names and contents are the same on both sides, soon."""
    words = f"cd {WORK.folder} && find . -type f -print0 | sort -z | xargs -0 sha256sum | sha256sum"
    inside = ("docker", "exec", "-w", "/work", side.container, "sh", "-c", words)
    deadline = time.monotonic() + EQUAL
    while place.run("sh", "-c", words, folder=side.folder) != place.run(*inside, folder=side.folder):
        if time.monotonic() > deadline:
            return False
    return True


def _torn(setting: Setting, live: Live) -> Figures:
    found = Figures("torn", f"wrong among {setting.reads:,} reads", "per million")
    for side in live[:2]:
        pause = THEIR_PAUSE if side.name == "compose" else PAUSE
        found.turn({side.name: [_read_while_saved(side, setting.reads, pause)]})
    return found


def _read_while_saved(side: Copying, reads: int, pause: float) -> float:
    letters = cycle("abcdefghij")
    batch = Batch("torn", 1, size=LARGE, marker="x")
    _begin_with((side,), batch)
    side.probe.read(batch, reads)
    saves = 0
    while side.probe.is_busy():
        batch.marked(next(letters) * LARGE).save(side.folder)
        saves += 1
        time.sleep(pause)
    torn = side.probe.torn(reads)
    print(f"{side.name}: {saves:,} saves, {torn}", file=sys.stderr)
    return torn.per_million


MEASURES: Mapping[str, Callable[[Setting, Live], Figures]] = {
    "save": _saves,
    "inside": _inside,
    "burst": _bursts,
    "checkout": _checkouts,
    "torn": _torn,
    "delete": _deletes,
}
"""What was deleted comes last."""
