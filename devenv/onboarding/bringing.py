"""The stages that bring the environment, and make the machine a colleague's."""

from __future__ import annotations

import time

from devenv import environment, lockfile, pinning, workspace, worktree
from devenv.engine.apply import StepEvent
from devenv.hooks import repository, scripts
from devenv.model.blueprint import Step
from devenv.model.progress import Progress
from devenv.onboarding.arrival import Arrival, Outcome
from devenv.telling import Event, SetupLine, Tell
from devenv.workspace import Workspace

_SEEDING = ("checking", "restoring")


def lock(arrival: Arrival) -> Outcome:
    """Have a lockfile that covers the project."""
    arrival.project = workspace.claim(arrival.project, None, arrival.engine, tells=arrival.request.tells)
    project, architecture = arrival.project, arrival.engine.info.architecture
    if not workspace.needs_lock(project):
        return Outcome("none", "nothing has to be locked")
    with arrival.means.alone(project, arrival.engine):
        written = pinning.begin(project, architecture, arrival.tell)
    workspace.pins(project, workspace.lock(project), architecture)
    if written:
        return Outcome("done", f"wrote {lockfile.NAME}; commit it")
    return Outcome("already", f"{lockfile.NAME} covers the project")


def images(arrival: Arrival) -> Outcome:
    """Have every image on the engine."""
    project, engine, heard = arrival.project, arrival.engine, _Heard(arrival.tell)
    copies = workspace.copies(project, engine)
    wanted = workspace.resolve(project, engine.info.architecture, copies=copies)
    with arrival.means.alone(project, engine):
        environment.bring(project, engine, wanted, {one.unit for one in wanted.containers}, tell=heard)
    count = f"{len(wanted.images)} image{'s' if len(wanted.images) != 1 else ''}"
    if not heard.brought:
        return Outcome("already", f"{count}, all there")
    return Outcome("done", f"{count}, {' and '.join(f'{n} {past}' for past, n in heard.brought.items())}")


def up(arrival: Arrival) -> Outcome:
    """Have everything running, set up and with its data."""
    heard = _Heard(arrival.tell)
    with arrival.means.alone(arrival.project, arrival.engine):
        started = arrival.means.up(arrival.project, arrival.engine, heard)
    arrival.started = started
    changed = any(step.verb != "wait" for step in started.steps)
    words = f"{started.instance} is up: environment {started.environment}"
    return Outcome("done" if changed else "already", words, heard.parts)


_PAST = {"build": "built", "pull": "pulled"}


class _Heard:
    """Passes on what it is told, and counts and times what is part of a stage."""

    def __init__(self, tell: Tell) -> None:
        self._tell = tell
        self._setups: dict[str, float] = {}
        self._seeding: tuple[float, float] | None = None
        self.brought: dict[str, int] = {}
        self.parts: dict[str, float] = {}

    def __call__(self, event: Event) -> None:
        now = time.monotonic()
        if isinstance(event, SetupLine):
            self._setups.setdefault(event.unit, now)
        elif isinstance(event, Progress) and event.action in _SEEDING:
            begun = self._seeding[0] if self._seeding else now
            self._seeding = begun, now
            self.parts["seed"] = now - begun
        elif isinstance(event, StepEvent) and event.state == "done":
            self._ended(event.step, now)
        self._tell(event)

    def _ended(self, step: Step, now: float) -> None:
        if step.kind == "image" and (past := _PAST.get(step.verb)):
            self.brought[past] = self.brought.get(past, 0) + 1
        if step.verb == "wait" and step.unit in self._setups:
            self.parts[f"setup of {step.unit}"] = now - self._setups.pop(step.unit)


# --- what makes it a colleague's machine ---


def hooks(arrival: Arrival) -> Outcome:
    """Have git run the project's checks."""
    project = arrival.project
    if not project.project.hooks:
        return Outcome("none", "the project has none")
    if worktree.top(project.folder) is None:
        return Outcome("none", "this is no git repository")
    before = _scripts(project)
    arrival.means.install(project)
    stages = dict.fromkeys(stage for one in project.project.hooks for stage in one.stages)
    events = " and ".join(stage.removeprefix("pre-") for stage in stages)
    return Outcome("already" if _scripts(project) == before else "done", f"before each {events}")


def _scripts(project: Workspace) -> dict[str, bytes]:
    """What git runs before a commit or a push, and what others have put beside it."""
    folder = scripts.folder(repository.of(project.folder))
    return {path.name: path.read_bytes() for path in folder.glob("pre-*") if path.is_file()}


def open_(arrival: Arrival) -> Outcome:
    """Have its first page in sight."""
    assert arrival.started is not None
    if not arrival.started.addresses:
        return Outcome("none", "nothing is published")
    first = arrival.started.addresses[0].best
    if arrival.means.browse is None or not first.startswith("http"):
        return Outcome("already", first)
    if arrival.means.browse(first):
        return Outcome("done", f"{first} is open in your browser")
    return Outcome("already", f"{first}; there is no browser to open it in")
