"""The arguments of `devenv hooks …`."""

from __future__ import annotations

from typing import Annotated

import typer

from devenv.cli import session

app = typer.Typer(no_args_is_help=True, help="Check what is to be committed, inside the environment.")

Json = Annotated[bool, typer.Option("--json", help="Print data as JSON.")]


@app.command()
def run(
    context: typer.Context,
    names: Annotated[list[str] | None, typer.Argument(help="Hooks; all of the stage when none is named.")] = None,
    stage: Annotated[
        str, typer.Option(metavar="pre-commit|pre-push", help="When they are run. Default: pre-commit")
    ] = "",
    everything: Annotated[bool, typer.Option("--all", help="Look at every file, not only at changed ones.")] = False,
    as_json: Json = False,
) -> None:
    """Run the project's hooks on what is staged; the working tree is left alone but for what they change."""
    from devenv.cli import hooked

    raise typer.Exit(hooked.run(context.obj, names or (), stage, everything=everything, as_json=as_json))


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
