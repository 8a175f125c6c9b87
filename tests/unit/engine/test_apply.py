from __future__ import annotations

import threading

import pytest

from devenv.engine import apply
from devenv.engine.apply import StepEvent
from devenv.errors import EngineError
from devenv.model.blueprint import Plan, Step


def step(target: str, *after: str) -> Step:
    return Step("create", "container", target, "missing", tuple(f"create container {one}" for one in after))


def ignore(event: StepEvent) -> None:
    """Tell nobody."""


def test_a_step_runs_after_those_it_waits_for() -> None:
    done: list[str] = []
    plan = Plan((step("c", "a", "b"), step("b", "a"), step("a")))
    apply.run(plan, lambda one, _: done.append(one.target), ignore)
    assert done == ["a", "b", "c"]


def test_independent_steps_run_at_the_same_time() -> None:
    together = threading.Barrier(3, timeout=10)

    def perform(_step: Step, _off: threading.Event) -> None:
        together.wait()

    apply.run(Plan((step("a"), step("b"), step("c"))), perform, ignore)
    assert not together.broken


def test_after_a_failure_nothing_more_begins_and_the_failure_is_raised() -> None:
    done: list[str] = []

    def perform(one: Step, _off: threading.Event) -> None:
        if one.target == "a":
            raise EngineError("no")
        done.append(one.target)

    with pytest.raises(EngineError, match="no"):
        apply.run(Plan((step("a"), step("b", "a"))), perform, ignore)
    assert done == []


def test_a_failure_calls_off_what_is_under_way_and_is_the_one_reported() -> None:
    begun = threading.Event()

    def perform(one: Step, off: threading.Event) -> None:
        if one.target == "slow":
            begun.set()
            assert off.wait(10)
            raise apply.CalledOff
        begun.wait(10)
        raise EngineError("the reason")

    with pytest.raises(EngineError, match="the reason"):
        apply.run(Plan((step("slow"), step("bad"))), perform, ignore)


def test_a_bug_is_not_hidden_by_a_refusal() -> None:
    both = threading.Barrier(2, timeout=10)

    def perform(one: Step, _off: threading.Event) -> None:
        both.wait()
        raise EngineError("no") if one.target == "a" else ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        apply.run(Plan((step("a"), step("b"))), perform, ignore)


def test_every_step_is_told_when_it_begins_and_when_it_ends() -> None:
    events: list[tuple[str, str]] = []
    apply.run(
        Plan((step("a"), step("b", "a"))),
        lambda *_: None,
        lambda event: events.append((event.step.target, event.state)),
    )
    assert events == [("a", "started"), ("a", "done"), ("b", "started"), ("b", "done")]


def test_a_need_that_is_not_part_of_the_plan_is_already_met() -> None:
    done: list[str] = []
    apply.run(Plan((step("a", "kept"),)), lambda one, _: done.append(one.target), ignore)
    assert done == ["a"]
