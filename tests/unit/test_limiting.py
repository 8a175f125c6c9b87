"""Limits in words, and what is said when one is exceeded."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from devenv import blueprint, limiting
from devenv.config import size
from devenv.engine.memory import MemoryEngine, Ran
from devenv.engine.protocol import Chunk, Command, ContainerState, SeenImage, Use
from devenv.model import labels
from devenv.model.blueprint import Container, SeenContainer
from devenv.model.project import MOST_PIDS, Limits
from tests import projects

SMALL = Limits(memory=64 << 20)


def engine(**changes: object) -> MemoryEngine:
    """One with a container that was ended for lack of memory, and its limits."""
    made = MemoryEngine(images={"app:1": SeenImage("1", "1", {})}, **changes)  # type: ignore[arg-type]
    made.create(Container("shop-web-1", "web", "app", "app:1", limits=SMALL, labels={labels.INSTANCE: "shop"}))
    made.start("shop-web-1")
    return made


def ended(status: str = "Exited (137) 2 seconds ago") -> SeenContainer:
    return SeenContainer("1", "shop-web-1", "app:1", "exited", status, {})


@pytest.mark.parametrize(
    ("limits", "used", "said"),
    [
        (Limits(), None, ""),
        (Limits(pids=MOST_PIDS), Use(1, 1), ""),
        (Limits(0.5, 512 << 20, 40), None, "512 MB, 0.5 CPUs, 40 processes"),
        (Limits(1.0, 64 << 20, 40), Use(12 << 20, 3), "12 MB of 64 MB, 1 CPU, 3 of 40 processes"),
    ],
)
def test_limits_in_words(limits: Limits, used: Use | None, said: str) -> None:
    assert limiting.text(limits, used) == said
    assert limits.are_asked_for == bool(said)


@pytest.mark.parametrize("text", ["6 MB", "512 MB", "1.5 GB", "2 TB"])
def test_an_amount_of_memory_reads_back_as_it_was_written(text: str) -> None:
    assert size.text(size.of(text.replace(" ", ""))) == text


def test_an_app_without_limits_has_a_bound_on_processes_and_the_hash_it_had(tmp_path: Path) -> None:
    def web(limits: Limits) -> Container:
        project = projects.project(tmp_path, apps=(projects.app(limits=limits),))
        place = projects.placement(tmp_path, copies=True)
        made = blueprint.make(project, projects.CATALOG, projects.pins(project), place)
        assert [one.limits for one in made.containers if one.kind == "files"] == [Limits()]
        return next(one for one in made.containers if one.unit == "web")

    assert web(Limits()).limits == Limits(pids=MOST_PIDS)
    assert web(Limits(pids=MOST_PIDS)).config_hash == web(Limits()).config_hash
    assert web(Limits(pids=100)).config_hash != web(Limits()).config_hash
    assert web(SMALL).limits == replace(SMALL, pids=MOST_PIDS)


@pytest.mark.parametrize(
    ("code", "flag", "limits", "said"),
    [
        (137, True, SMALL, "out of memory at its limit of 64 MB"),
        (1, True, SMALL, "out of memory at its limit of 64 MB"),
        (137, True, Limits(), "out of memory"),
        (137, False, SMALL, None),
        # It was asked to stop, and something in it had been ended long before.
        (0, True, SMALL, None),
        (143, True, SMALL, None),
    ],
)
def test_a_container_that_ended_for_lack_of_memory_says_so(
    code: int, flag: bool, limits: Limits, said: str | None
) -> None:
    made = engine()
    kept = made.containers["shop-web-1"]
    kept.status, kept.exit_code, kept.oom_killed = "exited", code, flag
    kept.wanted = replace(kept.wanted, limits=limits)
    state: ContainerState = made.look("shop-web-1")
    assert limiting.cause(state) == said
    assert limiting.ends(made, [ended(f"Exited ({code}) now")], {"shop-web-1": SMALL}) == (
        {"shop-web-1": said} if said else {}
    )


def test_a_container_that_runs_is_not_told_to_have_ended() -> None:
    made = engine()
    made.containers["shop-web-1"].oom_killed = True
    assert limiting.cause(made.look("shop-web-1")) is None


def test_who_has_no_limit_and_was_not_killed_is_not_looked_at() -> None:
    made = engine()
    made.calls.clear()
    assert limiting.ends(made, [ended("Exited (1) now"), replace(ended(), status="running")], {}) == {}
    assert limiting.uses(made, ()) == {}
    assert made.calls == []


def test_use_is_asked_of_those_that_are_named_and_may_not_be_told() -> None:
    made = engine()
    assert limiting.uses(made, ["shop-web-1", "absent"]) == {}
    made.containers["shop-web-1"].use = Use(5, 1)
    assert limiting.uses(made, ["shop-web-1", "absent"]) == {"shop-web-1": Use(5, 1)}


def test_a_command_whose_container_ran_out_of_memory_is_explained() -> None:
    made = engine()
    made.containers["shop-web-1"].oom_killed = True
    said = (
        "`web` ran out of memory at its limit of 64 MB, and the kernel ended a process in it; "
        "raise `limits.memory` of `web`"
    )
    assert limiting.killed(made, "shop-web-1", "web", SMALL, 137, 1) == said
    assert limiting.killed(made, "shop-web-1", "web", SMALL, 2, 1) == said
    assert limiting.killed(made, "shop-web-1", "web", SMALL, 0, 1) is None
    assert limiting.killed(made, "shop-web-1", "web", Limits(), 2, 1) is None


@pytest.mark.parametrize(("counted", "is_told"), [(b"under_oom 0\noom_kill 2\n", True), (b"oom_kill 0\n", False)])
def test_the_kernel_s_own_count_is_asked_where_the_engine_missed_it(counted: bytes, is_told: bool) -> None:
    def execute(_name: str, command: Command) -> Ran:
        assert command.argv[0] == "cat"
        return Ran((Chunk("stdout", counted),), 1)

    made = engine(execute=execute)
    assert (limiting.killed(made, "shop-web-1", "web", SMALL, 137, 1) is not None) == is_told
