"""Names the commands that somebody who is new to a project wants first."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence

from devenv.blueprint import services
from devenv.model.project import Task
from devenv.values import dataclass
from devenv.workspace import Workspace

MOST = 3

# The word that a task's name has which a newcomer runs first; the earlier the better.
_WISHED = ("test", "check", "lint", "seed", "migrate")


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A command line, and what it is for."""

    command: str
    purpose: str


def of(project: Workspace, options: Sequence[str] = ()) -> tuple[Suggestion, ...]:
    """Three commands that fit the project.

    Args:
        options: Those before the command that led to this environment, such as `--profile ci`.
    """
    start = shlex.join(("devenv", *options))
    each = (Suggestion(f"{start} {command}", purpose) for command, purpose in _fitting(project))
    return tuple(one for one, _ in zip(each, range(MOST), strict=False))


def _fitting(project: Workspace) -> Iterator[tuple[str, str]]:
    """Command lines, the most useful first; every project has three."""
    apps = [one.name for one in project.project.apps]
    if task := _task(project.project.tasks):
        yield f"run {shlex.quote(task.name)}", "run that task inside"
    if apps:
        yield f"shell {shlex.quote(apps[0])}", "open a shell inside"
    yield "logs -f", "follow what everything prints"
    for service in project.project.services:
        if services.client(project.project, service, project.entries):
            yield f"connect {shlex.quote(service.name)}", "talk to it by its own client"
    yield "status", "see what runs"
    yield "down", "stop it; the data stays"


def _task(tasks: Sequence[Task]) -> Task | None:
    ranked = [one for word in _WISHED for one in tasks if word in one.name]
    return next(iter((*ranked, *tasks)), None)
