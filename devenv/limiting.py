"""What containers may use, what they use, and what came of wanting more; in words and in numbers."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from contextlib import suppress

from devenv.config import size
from devenv.engine.protocol import Command, ContainerState, Engine, Use
from devenv.errors import DevenvError
from devenv.model.blueprint import SeenContainer
from devenv.model.project import MOST_PIDS, Limits, Project

HINT = "raise `limits.memory` of `{unit}`"
KILLED = 137
"""The exit code of a program that SIGKILL ended."""
# What the kernel counts for a container, in both versions of its control groups; only one of them is there.
_COUNTERS = ("/sys/fs/cgroup/memory/memory.oom_control", "/sys/fs/cgroup/memory.events")
# What a program that was asked to stop ends with, though something in it was killed long before.
_ASKED = (0, 130, 143)


def of(project: Project, unit: str) -> Limits:
    """The limits of an app or service."""
    limits = {one.name: one.limits for one in project.apps} | {one.name: one.limits for one in project.services}
    return limits.get(unit, Limits())


def text(limits: Limits, used: Use | None = None) -> str:
    """`12 MB of 64 MB, 1 CPU, 3 of 40 processes`; without what is used only the limits."""
    parts = []
    if limits.memory is not None:
        parts.append((f"{size.text(used.memory)} of " if used else "") + size.text(limits.memory))
    if limits.cpus is not None:
        parts.append(f"{limits.cpus:g} {'CPU' if limits.cpus == 1 else 'CPUs'}")
    if limits.pids not in (None, MOST_PIDS):
        parts.append((f"{used.pids} of " if used else "") + f"{limits.pids} processes")
    return ", ".join(parts)


def uses(engine: Engine, names: Iterable[str]) -> dict[str, Use]:
    """What these containers use, by name; an engine that takes long to tell is not asked."""
    chosen = tuple(names)
    if not chosen:
        return {}
    from concurrent.futures import ThreadPoolExecutor

    def use(name: str) -> Use | None:
        with suppress(DevenvError):  # it may end while it is asked
            return engine.use(name)
        return None

    with ThreadPoolExecutor(len(chosen[:16])) as pool:
        found = zip(chosen, pool.map(use, chosen), strict=True)
        return {name: one for name, one in found if one is not None}


def ends(engine: Engine, seen: Iterable[SeenContainer], limits: Mapping[str, Limits]) -> dict[str, str]:
    """Why containers ended, by name, of those that ran out of memory.

    Args:
        limits: By container; one that has none for its memory is looked at only if it was killed.
    """
    found: dict[str, str] = {}
    for one in seen:
        bounded = limits.get(one.name, Limits()).memory is not None
        if one.status in ("exited", "dead") and (f"({KILLED})" in one.status_text or bounded):
            with suppress(DevenvError):  # it may be gone
                if (why := cause(engine.look(one.name))) is not None:
                    found[one.name] = why
    return found


def cause(state: ContainerState) -> str | None:
    """Why a container ended, where that was lack of memory."""
    if state.running or not state.oom_killed or state.exit_code in (None, *_ASKED):
        return None
    return exceeded(state.settings.limits if state.settings else Limits())


def exceeded(limits: Limits) -> str:
    """`out of memory at its limit of 64 MB`."""
    return "out of memory" + (f" at its limit of {size.text(limits.memory)}" if limits.memory is not None else "")


def _counted(engine: Engine, container: str) -> bool:
    """Whether the kernel has ended anything in a container: engines miss what it tells now and then."""
    execution = engine.exec(container, Command(("cat", *_COUNTERS)))
    written = b"".join(chunk.data for chunk in execution if chunk.stream == "stdout")
    return re.search(rb"^oom_kill [1-9]", written, re.MULTILINE) is not None


def killed(engine: Engine, container: str, unit: str, limits: Limits, code: int, seconds: float) -> str | None:
    """What to say of a command that ended so in a container after so many seconds, if the kernel ended some of it."""
    if code == 0 or (code != KILLED and limits.memory is None):
        return None
    with suppress(DevenvError):  # the container may have ended as well
        if engine.ran_out_of_memory(container, seconds) or (code == KILLED and _counted(engine, container)):
            return f"`{unit}` ran {exceeded(limits)}, and the kernel ended a process in it; {HINT.format(unit=unit)}"
    return None
