"""Runs a plan's steps, in parallel along their graph."""

from __future__ import annotations

import graphlib
import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Literal

from devenv.errors import DevenvError
from devenv.model.blueprint import Plan, Step
from devenv.values import dataclass

# Engine calls wait for the engine, not for a processor; more than this only queues inside the engine.
WORKERS = 16


@dataclass(frozen=True, slots=True)
class StepEvent:
    """A step began or ended; `seconds` since it began."""

    step: Step
    state: Literal["started", "done", "failed"]
    seconds: float = 0.0


Perform = Callable[[Step, threading.Event], None]
"""Does one step; the event is set when the run is called off, long work then ends early."""


def run(plan: Plan, perform: Perform, tell: Callable[[StepEvent], None]) -> None:
    """Do every step as soon as the steps it waits for are done.

    After a failure no step begins any more, those under way are called off, and the first failure is raised.
    `tell` is called from this thread only.

    Raises:
        DevenvError: The first step that failed.
        KeyboardInterrupt: The user's ^C, after the steps under way have ended.
    """
    steps = {step.id: step for step in plan.steps}
    graph = graphlib.TopologicalSorter({step.id: [one for one in step.after if one in steps] for step in plan.steps})
    graph.prepare()
    ended: queue.SimpleQueue[tuple[Step, float, BaseException | None]] = queue.SimpleQueue()
    off = threading.Event()
    failures: list[BaseException] = []
    under_way = 0

    def work(step: Step) -> None:
        begun = time.monotonic()
        try:
            perform(step, off)
        except BaseException as error:  # handed to the waiting thread, which raises it
            ended.put((step, time.monotonic() - begun, error))
        else:
            ended.put((step, time.monotonic() - begun, None))

    with ThreadPoolExecutor(WORKERS, thread_name_prefix="step") as pool:
        try:
            while graph.is_active():
                for identity in () if failures else graph.get_ready():
                    tell(StepEvent(steps[identity], "started"))
                    pool.submit(work, steps[identity])
                    under_way += 1
                if not under_way:
                    break
                step, seconds, error = ended.get()
                under_way -= 1
                if error is not None:
                    off.set()
                    failures.append(error)
                else:
                    graph.done(step.id)
                tell(StepEvent(step, "failed" if error else "done", seconds))
        except KeyboardInterrupt:
            off.set()
            raise
    if failures:
        raise _first(failures)


def _first(failures: list[BaseException]) -> BaseException:
    """A bug before a refusal: it must not hide behind one. Steps called off follow from the others."""
    bugs = [one for one in failures if not isinstance(one, DevenvError | CalledOff)]
    real = [one for one in failures if not isinstance(one, CalledOff)]
    return (bugs or real or failures)[0]


class CalledOff(Exception):
    """A step ended early because the run was called off."""
