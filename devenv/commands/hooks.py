"""`devenv hooks`: installs and runs the project's checks before a commit or a push."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from devenv import catalog
from devenv.engine.protocol import Engine
from devenv.errors import UsageError
from devenv.hooks import checks, repository, scripts
from devenv.hooks.checks import Checked, Choose, Result
from devenv.hooks.repository import EMPTY
from devenv.model.project import Hook, HookStage
from devenv.values import dataclass
from devenv.workspace import Workspace


@dataclass(frozen=True, slots=True)
class InstallResult:
    """Paths of the scripts that were written or taken out; `unused` names stages that no hook is for."""

    scripts: tuple[str, ...]
    unused: tuple[str, ...] = ()


def begun_by_pre_commit(environ: Mapping[str, str]) -> str | None:
    """What pre-commit is about to push, as git would tell it; None before a commit, and where pre-commit has no part.

    pre-commit has read itself what git tells: https://pre-commit.com/#pre-push
    """
    if environ.get("PRE_COMMIT") != "1" or not environ.get("PRE_COMMIT_REMOTE_NAME"):
        return None
    branch = environ.get("PRE_COMMIT_LOCAL_BRANCH") or "HEAD"
    after, before = environ.get("PRE_COMMIT_TO_REF") or branch, environ.get("PRE_COMMIT_FROM_REF") or EMPTY
    return f"{branch} {after} {branch} {before}"


def told(environ: Mapping[str, str]) -> None:
    """Tell git's script that it need not run the hooks again: pre-commit just did."""
    if environ.get("PRE_COMMIT") == "1" and (file := environ.get(scripts.RAN)):
        with suppress(OSError), Path(file).open("x"):
            pass


def chosen(project: Workspace, stage: HookStage, names: Sequence[str]) -> tuple[Hook, ...]:
    """The hooks of a stage, or those named whatever their stage.

    Raises:
        UsageError: There is no such hook, or none at all.
    """
    hooks = {one.name: one for one in project.project.hooks}
    for name in names:
        if name not in hooks:
            error = catalog.unknown("hook", name, tuple(hooks))
            raise UsageError(error.message, hint=error.hint if hooks else 'add `[hooks.NAME]` with `run = "…"`')
    return tuple(one for one in hooks.values() if (one.name in names if names else stage in one.stages))


def run(
    project: Workspace, engine: Engine, hooks: Sequence[Hook], choose: Choose, tell: Callable[[Checked], None]
) -> Result:
    """Run hooks on what `choose` says.

    Args:
        tell: Hears of each as soon as it is done.
    """
    return checks.run(project, engine, hooks, repository.of, choose, tell)


def scope(*, everything: bool, pushed: Iterable[str] = ()) -> Choose | None:
    """What is checked; None when there is nothing, for a push only deletes.

    Args:
        everything: Every file, not only what changed.
        pushed: What git tells a script before a push: `REF COMMIT REMOTE-REF REMOTE-COMMIT` a line.
    """
    if everything:
        return checks.everything
    lines = [line.split() for line in pushed if line.strip()]
    if not lines:
        return checks.staged
    sent = [words for words in lines if len(words) == 4 and words[1].strip("0")]
    if not sent:
        return None
    _, after, _, before = sent[0]
    return checks.pushed(None if before == EMPTY or not before.strip("0") else before, after)


def install(project: Workspace) -> InstallResult:
    """Write git's scripts for the stages that the project has hooks for."""
    place = repository.of(project.folder)
    used = {stage for one in project.project.hooks for stage in one.stages}
    stages: tuple[HookStage, ...] = ("pre-commit", "pre-push")
    written = tuple(str(scripts.install(place, stage)) for stage in stages if stage in used)
    return InstallResult(written, tuple(stage for stage in stages if stage not in used))


def uninstall(project: Workspace) -> InstallResult:
    """Take git's scripts out."""
    place = repository.of(project.folder)
    stages: tuple[HookStage, ...] = ("pre-commit", "pre-push")
    gone = [stage for stage in stages if scripts.uninstall(place, stage)]
    return InstallResult(tuple(str(scripts.folder(place) / stage) for stage in gone))
