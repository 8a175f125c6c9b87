"""The arguments of `devenv hooks …`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from devenv.cli import session
from devenv.errors import UsageError
from devenv.ui import screen

if TYPE_CHECKING:
    from devenv.cli.session import Options
    from devenv.engine.protocol import Engine
    from devenv.model.project import HookStage
    from devenv.workspace import Workspace

app = typer.Typer(no_args_is_help=True, help="Check what is to be committed, inside the environment.")

Json = Annotated[bool, typer.Option("--json", help="Print data as JSON.")]


@app.command(epilog="Exit code 1: a hook failed, or changed files.")
def run(
    context: typer.Context,
    names: Annotated[list[str] | None, typer.Argument(help="Hooks; all of the stage when none is named.")] = None,
    stage: Annotated[str, typer.Option(metavar="pre-commit|pre-push", help="When they are run.")] = "pre-commit",
    everything: Annotated[bool, typer.Option("--all", help="Look at every file, not only at changed ones.")] = False,
    as_json: Json = False,
) -> None:
    """Run the project's hooks on what is staged; the working tree is left alone but for what they change."""
    from devenv.commands import hooks
    from devenv.ui import hooks as shown

    project, which = session.workspace(context.obj), _stage(stage)
    chosen = hooks.chosen(project, which, names or ())
    pushed = sys.stdin.read().splitlines() if which == "pre-push" and not sys.stdin.isatty() else ()
    scope = hooks.scope(everything=everything, pushed=pushed)
    if not chosen or scope is None:
        shown.nothing(which, as_json=as_json)
        return
    engine = session.engine(context.obj)
    with _running(context.obj, project, engine):
        result = hooks.run(project, engine, chosen, scope, shown.silent if as_json else shown.checked)
    shown.result(result, as_json=as_json)
    raise typer.Exit(0 if result.passed else 1)


@app.command()
def install(context: typer.Context, as_json: Json = False) -> None:
    """Let git run the hooks before each commit and push; scripts that are there are kept and run first."""
    from devenv.commands import hooks
    from devenv.ui import hooks as shown

    shown.installed(hooks.install(session.workspace(context.obj)), as_json=as_json)


@app.command()
def uninstall(context: typer.Context, as_json: Json = False) -> None:
    """Take that back."""
    from devenv.commands import hooks
    from devenv.ui import hooks as shown

    shown.uninstalled(hooks.uninstall(session.workspace(context.obj)), as_json=as_json)


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
