"""The arguments of `devenv import`, `devenv eject` and `devenv render`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from devenv.cli import session
from devenv.errors import UsageError
from devenv.ui import screen

if TYPE_CHECKING:
    from devenv.model.project import Origin

Json = Annotated[bool, typer.Option("--json", help="Print data as JSON.")]


def import_(
    context: typer.Context,
    file: Annotated[str, typer.Argument(metavar="FILE", help="A compose file, or a devcontainer.json.")],
    images: Annotated[str, typer.Option(metavar="registry|debian", help="Where images come from.")] = "registry",
    output: Annotated[str, typer.Option(metavar="FILE", help="Where to write.")] = "devenv.toml",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print it, write nothing.")] = False,
    as_json: Json = False,
) -> None:
    """Turn a compose file or a devcontainer.json into a devenv.toml, and list what could not be carried over."""
    from devenv.commands import importing
    from devenv.ui import porting as shown

    if images not in ("registry", "debian"):
        raise UsageError(f"`--images` is `registry` or `debian`, not `{images}`")
    origin: Origin = "debian" if images == "debian" else "registry"
    result = importing.run(context.obj.folder.absolute(), file, origin, output=output, dry_run=dry_run)
    shown.imported(result, dry_run=dry_run, as_json=as_json)


def render(
    context: typer.Context,
    target: Annotated[
        str | None, typer.Argument(metavar="[devcontainer|github]", help="A file of another tool instead.")
    ] = None,
    app: Annotated[str | None, typer.Option(help="With `devcontainer`: the app to work in.")] = None,
    stdout: Annotated[bool, typer.Option("--stdout", help="Print it, write nothing.")] = False,
) -> None:
    """Write compose.yaml and Dockerfiles to .devenv/; or a dev container's or a workflow's file."""
    if target is not None:
        _render_other(context, target, app, stdout=stdout)
        return
    from devenv import blueprint
    from devenv.commands import render as command

    if app is not None:
        raise UsageError("`--app` has an effect with `devcontainer` only")
    project, architecture = session.workspace(context.obj), session.architecture(context.obj)
    if stdout:
        screen.give(command.files(project, architecture)[blueprint.COMPOSE_FILE])
        return
    for path in command.write(project, architecture) or ("nothing: all is current",):
        screen.say(f"{screen.paint('✓', 'green')} wrote {path}")


def _render_other(context: typer.Context, target: str, app: str | None, *, stdout: bool) -> None:
    from devenv.commands import render as command

    if target not in ("devcontainer", "github"):
        raise UsageError(f"there is nothing to render for `{target}`", hint="there are: `devcontainer` and `github`")
    which: command.Target = "github" if target == "github" else "devcontainer"
    done = command.for_other(session.workspace(context.obj), which, app=app, dry_run=stdout)
    if stdout:
        screen.give(done.text)
        return
    words = f"wrote {done.path}" if done.is_new else f"nothing: {done.path} is current"
    screen.say(f"{screen.paint('✓', 'green')} {words}")


def eject(
    context: typer.Context,
    folder: Annotated[str, typer.Argument(metavar="[DIR]", help="Where to write; default: the project's folder.")] = "",
    force: Annotated[bool, typer.Option("--force", help="Write over files that are there.")] = False,
    as_json: Json = False,
) -> None:
    """Leave plain Dockerfiles and compose.yaml that work without devenv, and say what is lost."""
    from pathlib import Path

    from devenv.commands import eject as command
    from devenv.ui import porting as shown

    project, architecture = session.workspace(context.obj), session.architecture(context.obj)
    target = (Path.cwd() / folder).resolve() if folder else project.folder
    shown.ejected(command.run(project, architecture, target, force=force), as_json=as_json)
