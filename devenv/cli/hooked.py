"""`devenv hooks run`, which git starts before each commit: bare, it does without a parser of arguments."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from devenv.cli import session
from devenv.errors import UsageError
from devenv.ui import screen

if TYPE_CHECKING:
    from devenv.cli.session import Options
    from devenv.engine.protocol import Engine
    from devenv.model.project import HookStage
    from devenv.workspace import Workspace


def run(
    given: Options, names: Sequence[str] = (), stage: str = "", *, everything: bool = False, as_json: bool = False
) -> int:
    """Run the hooks of a stage, or those named; the exit code."""
    from devenv.commands import hooks
    from devenv.ui import hooks as shown

    by_pre_commit = hooks.begun_by_pre_commit(os.environ)
    project, which = session.workspace(given), _stage(stage or ("pre-push" if by_pre_commit else "pre-commit"))
    chosen = hooks.chosen(project, which, names)
    scope = hooks.scope(everything=everything, pushed=_pushed(by_pre_commit) if which == "pre-push" else ())
    hooks.told(os.environ)
    if not chosen or scope is None:
        shown.nothing(which, as_json=as_json)
        return 0
    engine = session.engine(given)
    with _running(given, project, engine):
        result = hooks.run(project, engine, chosen, scope, shown.silent if as_json else shown.checked)
    shown.result(result, as_json=as_json)
    return 0 if result.passed else 1


def _pushed(by_pre_commit: str | None) -> Sequence[str]:
    """The lines that git gives a script before a push."""
    if by_pre_commit is not None:
        return (by_pre_commit,)
    return () if sys.stdin.isatty() else sys.stdin.read().splitlines()


def _stage(text: str) -> HookStage:
    if text == "pre-commit":
        return "pre-commit"
    if text == "pre-push":
        return "pre-push"
    raise UsageError(f"there is no stage `{text}`", hint="there are: `pre-commit` and `pre-push`")


@contextmanager
def _running(given: Options, project: Workspace, engine: Engine) -> Iterator[None]:
    """Start the environment for the while, unless it is up."""
    from devenv import running

    if running.is_up(project, engine):
        yield
        return
    from devenv.commands import down, up
    from devenv.ui import progress

    background = session.background(given, project, engine)
    screen.say(f"`{project.instance}` is not up: it is started for the hooks")
    with session.locked(project, engine), progress.drawn() as tell:
        up.run(project, engine, background, tell=tell)
    try:
        yield
    finally:
        with session.locked(project, engine), progress.drawn() as tell:
            down.stop(project, engine, background, tell=tell)
