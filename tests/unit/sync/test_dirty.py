from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from devenv.sync.base import Agreed, Base, State
from devenv.sync.dirty import LONGEST_PAUSE, PATIENCE, REMOVALS_LONGEST, REMOVALS_QUIET, Dirty
from devenv.sync.entries import Seen


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def seen(inode: int) -> Seen:
    return Seen("file", 0o644, 1, 2, f"{inode}.1.2.3", inode)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def dirty(tmp_path: Path, clock: Clock) -> Iterator[Dirty]:
    base = Base(tmp_path / "agreed.sqlite")
    for inode, path in enumerate(("a", "b", "c")):
        base.set(path, Agreed(State("file", 0o644, b""), f"{inode}.1.2.3", f"{inode}.1.2.3"))
    yield Dirty(base, clock)
    base.close()


def taken(dirty: Dirty, *, all_of_it: bool = False) -> set[str]:
    batch = dirty.take(all_of_it=all_of_it)
    return batch.paths if batch is not None else set()


def test_without_a_hint_there_is_nothing_to_do(dirty: Dirty) -> None:
    assert (dirty.due(), dirty.take(), len(dirty)) == (None, None, 0)


def test_hints_of_both_sides_are_taken_together_and_once(dirty: Dirty, clock: Clock) -> None:
    dirty.on_host("a")
    clock.now += 1
    dirty.inside("b", seen(7))
    assert (dirty.due(), len(dirty)) == (0.0, 2)
    batch = dirty.take()
    assert batch is not None
    assert (batch.paths, batch.inner, batch.since) == ({"a", "b"}, {"b": seen(7)}, 100.0)
    assert (dirty.take(), len(dirty)) == (None, 0)


def test_removals_inside_wait_until_no_further_one_comes(dirty: Dirty, clock: Clock) -> None:
    dirty.inside("a", None)
    clock.now += REMOVALS_QUIET / 2
    dirty.inside("b", None)
    dirty.on_host("c")
    assert taken(dirty) == {"c"}
    assert dirty.due() == pytest.approx(REMOVALS_QUIET)
    clock.now += REMOVALS_QUIET + 0.001
    assert dirty.due() == 0.0
    assert taken(dirty) == {"a", "b"}


def test_removals_that_go_on_are_not_waited_for_for_ever(dirty: Dirty, clock: Clock) -> None:
    began = clock.now
    while not taken(dirty):
        dirty.inside("a", None)
        clock.now += REMOVALS_QUIET / 2
    assert clock.now - began == pytest.approx(REMOVALS_LONGEST, abs=REMOVALS_QUIET)


def test_a_removal_whose_other_half_is_there_is_a_rename_and_does_not_wait(dirty: Dirty) -> None:
    dirty.inside("a", None)
    dirty.inside("b", None)
    dirty.inside("new", seen(0))
    assert taken(dirty) == {"a", "new"}
    assert len(dirty) == 1


def test_what_is_there_again_is_no_removal(dirty: Dirty) -> None:
    dirty.inside("a", None)
    dirty.inside("a", seen(9))
    assert taken(dirty) == {"a"}


def test_what_was_never_agreed_on_is_no_removal(dirty: Dirty) -> None:
    dirty.inside("new", None)
    assert taken(dirty) == {"new"}


def test_a_look_that_finds_what_was_agreed_on_corrects_what_was_noted_before(dirty: Dirty) -> None:
    dirty.correct("a", seen(0))
    assert len(dirty) == 0
    dirty.inside("a", None)
    dirty.correct("a", seen(0))
    batch = dirty.take()
    assert batch is not None
    assert batch.inner == {"a": seen(0)}


def test_what_is_tried_again_waits_for_its_time_unless_all_is_taken(dirty: Dirty, clock: Clock) -> None:
    dirty.again("a", 5.0)
    dirty.inside("b", None)
    assert taken(dirty) == set()
    assert taken(dirty, all_of_it=True) == {"a", "b"}
    dirty.again("a", 5.0)
    clock.now += 5.0
    assert taken(dirty) == {"a"}


def test_what_is_tried_again_keeps_what_was_noted_of_it_inside(dirty: Dirty) -> None:
    dirty.inside("a", seen(7))
    assert taken(dirty) == {"a"}
    dirty.again("a", 0.0)
    batch = dirty.take()
    assert batch is not None
    assert batch.inner == {"a": seen(7)}
    dirty.again("a", 0.0)
    dirty.inside("a", seen(8))
    batch = dirty.take()
    assert batch is not None
    assert batch.inner == {"a": seen(8)}


def test_what_never_comes_to_rest_is_tried_ever_later_until_it_does(dirty: Dirty, clock: Clock) -> None:
    pauses = []
    for _ in range(PATIENCE + 12):
        dirty.again("a", 0.0)
        pause = dirty.due()
        assert pause is not None
        pauses.append(pause)
        clock.now += pause
        assert taken(dirty) == {"a"}
    assert pauses[:PATIENCE] == [0.0] * PATIENCE
    assert pauses == sorted(pauses)
    assert pauses[-1] == pytest.approx(LONGEST_PAUSE)
    dirty.on_host("b")
    assert taken(dirty) == {"b"}
    dirty.again("a", 0.0)
    assert dirty.due() == 0.0
