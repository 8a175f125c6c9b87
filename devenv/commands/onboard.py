"""`devenv onboard`: from a repository's address, or its folder, to an environment that answers."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import field
from pathlib import Path

from devenv.addresses import Address
from devenv.errors import DevenvError
from devenv.onboarding import bringing, requirements, suggesting
from devenv.onboarding.arrival import Arrival, Means, Outcome, Request, State
from devenv.onboarding.suggesting import Suggestion
from devenv.telling import Tell
from devenv.values import dataclass


@dataclass(frozen=True, slots=True)
class Stage:
    """One part of the way: looks whether it was gone already, and else goes it."""

    name: str
    go: Callable[[Arrival], Outcome]


STAGES: tuple[Stage, ...] = (
    Stage("clone", requirements.clone),
    Stage("machine", requirements.machine),
    Stage("consent", requirements.consent),
    Stage("secrets", requirements.secrets),
    Stage("lock", bringing.lock),
    Stage("images", bringing.images),
    Stage("up", bringing.up),
    Stage("hooks", bringing.hooks),
    Stage("open", bringing.open_),
)


@dataclass(frozen=True, slots=True)
class Passed:
    """A stage that ended."""

    stage: str
    state: State
    words: str
    seconds: float
    parts: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class OnboardResult:
    """How far it came.

    Args:
        folder: The project's, once it is known.
        ahead: Stages that were not reached.
        next: Commands that fit this project.
        problem: What kept it from going on.
    """

    folder: Path | None
    instance: str | None
    environment: str | None
    stages: tuple[Passed, ...]
    ahead: tuple[str, ...]
    seconds: float
    addresses: tuple[Address, ...]
    next: tuple[Suggestion, ...]
    problem: DevenvError | None = None


def run(
    request: Request,
    means: Means,
    *,
    tell: Tell,
    hear: Callable[[Passed], None],
    begin: Callable[[str], None] = lambda _: None,
    clock: Callable[[], float] = time.monotonic,
) -> OnboardResult:
    """Go through all stages, up to the first that fails; what is done already is only looked at.

    Args:
        hear: Hears of each stage as it ends.
        begin: Hears of each stage as it begins.
    """
    arrival, begun = Arrival(request, means, tell), clock()
    passed: list[Passed] = []
    problem: DevenvError | None = None
    for stage in STAGES:
        begin(stage.name)
        since = clock()
        try:
            outcome = stage.go(arrival)
        except DevenvError as error:
            problem, outcome = error, Outcome("failed", error.message.partition("\n")[0].rstrip(":"))
        passed.append(Passed(stage.name, outcome.state, outcome.words, clock() - since, outcome.parts))
        hear(passed[-1])
        if problem is not None:
            break
    return _result(arrival, tuple(passed), clock() - begun, problem)


def _result(arrival: Arrival, passed: tuple[Passed, ...], seconds: float, problem: DevenvError | None) -> OnboardResult:
    started = arrival.started
    return OnboardResult(
        folder=arrival.folder,
        instance=started.instance if started else None,
        environment=started.environment if started else None,
        stages=passed,
        ahead=tuple(one.name for one in STAGES[len(passed) :]),
        seconds=seconds,
        addresses=started.addresses if started else (),
        next=() if problem else suggesting.of(arrival.project, arrival.request.options),
        problem=problem,
    )
