"""`devenv check`: everything wrong with the project that needs no engine to find; puts right what has one answer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from devenv import blueprint, config, identity, judging, lockfile, render, workspace
from devenv.errors import DevenvError, LockfileConflict
from devenv.judging import Judgement
from devenv.model.machine import Machine
from devenv.model.pins import Lockfile
from devenv.model.progress import Report
from devenv.values import dataclass
from devenv.workspace import Workspace


@dataclass(frozen=True, slots=True)
class CheckResult:
    """What is wrong with a project.

    Args:
        name: The project's; its folder's when `devenv.toml` is wrong.
        fixed: What was wrong and is not any more.
    """

    folder: Path
    name: str
    problems: tuple[DevenvError, ...]
    fixed: tuple[str, ...] = ()


def run(start: Path, machine: Machine, *, profile: str | None = None) -> CheckResult:
    """Judge the project that `start` lies in.

    Raises:
        DevenvError: There is no project.
        UsageError: There is no such profile.
    """
    folder = config.find(start)
    return _result(folder, judging.project(folder, machine, profile=profile))


def fix(start: Path, machine: Machine, *, profile: str | None, architecture: str, report: Report) -> CheckResult:
    """Judge the project, and put right what has one right answer; only completing the lockfile may need the network.

    Args:
        architecture: What to lock for when there is no lockfile and the project names no platforms.
    """
    folder = config.find(start)

    def judge() -> Judgement:
        return judging.project(folder, machine, profile=profile)

    before = judge()
    failures = [*_tried(before.locked, before.project, lambda one: _lock(one, architecture, report))]
    # Only with a lockfile that covers the project can the rendered files be judged.
    between = judge()
    failures += _tried(between.rendered, between.project, lambda one: _render(one, architecture))
    after = judge()
    seen = dict.fromkeys(one.message for one in (*before.problems, *between.problems))
    left = {one.message for one in after.problems}
    return _result(folder, after, failures, fixed=tuple(message for message in seen if message not in left))


def _tried(
    problems: tuple[DevenvError, ...], project: Workspace | None, mend: Callable[[Workspace], None]
) -> Iterator[DevenvError]:
    """Mend when there is something to mend; yields why it could not be."""
    if problems and project is not None:
        try:
            mend(project)
        except DevenvError as error:
            yield error


def _result(
    folder: Path, found: Judgement, failures: list[DevenvError] | None = None, *, fixed: tuple[str, ...] = ()
) -> CheckResult:
    told = {one.message for one in found.problems}
    further = [one for one in failures or () if one.message not in told]
    name = found.project.project.name if found.project else folder.name
    return CheckResult(folder, name, (*found.problems, *further), fixed)


def _lock(project: Workspace, architecture: str, report: Report) -> None:
    """Complete the lockfile, or take out what it pins too much, for the architectures it has."""
    from devenv import pinning

    before = _locked(project)
    known = tuple(before.platforms) if before else ()
    names = project.project.platforms or known or (architecture,)
    lockfile.write(project.folder, pinning.complete(project, names, previous=before, report=report))


def _locked(project: Workspace) -> Lockfile | None:
    """The lockfile as it is, a merge's two sides together; one that was damaged is not ours to guess at."""
    try:
        return lockfile.read(project.folder)
    except LockfileConflict:
        from devenv import merging

        return merging.merged(project.folder)


def _render(project: Workspace, architecture: str) -> None:
    """Render again, for this machine's architecture when it is locked."""
    locked = lockfile.read(project.folder)
    names = tuple(locked.platforms) if locked else ()
    chosen = architecture if architecture in names or not names else names[0]
    wanted = workspace.resolve(project, chosen, copies=workspace.copies_recorded(project))
    # The mark in it would say that all is current.
    (project.folder / blueprint.COMPOSE_FILE).unlink(missing_ok=True)
    render.write(wanted, project.folder, lambda: identity.current(project))
