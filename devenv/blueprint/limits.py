"""The bound on processes that every app and service has, asked for or not."""

from __future__ import annotations

from dataclasses import replace

from devenv.model.blueprint import Container
from devenv.model.project import MOST_PIDS, Limits


def bounded(container: Container) -> Container:
    """A container that cannot take the machine's whole table of processes; what only holds files runs nothing."""
    if container.limits.pids is not None or not container.is_attached:
        return container
    return replace(container, limits=replace(container.limits, pids=MOST_PIDS))


def given(container: Container) -> Limits:
    """Its limits without that bound: hashes and ids from before there was one stay what they are."""
    bound = container.limits.pids == MOST_PIDS
    return replace(container.limits, pids=None) if bound else container.limits
