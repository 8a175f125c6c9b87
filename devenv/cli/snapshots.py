"""The arguments of `devenv snapshot …`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from devenv.cli import session
from devenv.errors import UsageError
from devenv.ui import screen

app = typer.Typer(no_args_is_help=True, help="Keep the data of services, go back to it, and share it.")

Json = Annotated[bool, typer.Option("--json", help="Print data as JSON.")]
Name = Annotated[str, typer.Argument(help="A snapshot.")]
Services = Annotated[list[str] | None, typer.Option("--service", help="Only this service; may be repeated.")]


@app.command()
def save(
    context: typer.Context,
    name: Annotated[str | None, typer.Argument(help="What to call it; the time when left out.")] = None,
    services: Services = None,
    as_json: Json = False,
) -> None:
    """Save the data of services.

    A service without a dump of its own is stopped for as long as its files are copied.
    """
    from devenv import generations
    from devenv.commands import snapshot
    from devenv.ui import progress
    from devenv.ui import snapshots as shown

    project = session.workspace(context.obj)
    chosen = generations.chosen(project, services or ())
    engine = session.engine(context.obj)
    with session.locked(project, engine), progress.drawn(as_json=as_json) as tell:
        result = snapshot.save(project, engine, name, chosen, tell=tell)
    shown.saved(result, as_json=as_json)


@app.command("list")
def list_(context: typer.Context, as_json: Json = False) -> None:
    """List the snapshots of this checkout."""
    from devenv.commands import snapshot
    from devenv.ui import snapshots as shown

    shown.listed(snapshot.listed(session.workspace(context.obj)), as_json=as_json)


@app.command()
def restore(
    context: typer.Context,
    name: Name,
    services: Services = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    as_json: Json = False,
) -> None:
    """Give services the data of a snapshot in place of their own: all of it, or nothing changes."""
    from devenv.commands import restore as command
    from devenv.ui import progress
    from devenv.ui import snapshots as shown

    project = session.workspace(context.obj)
    what = command.chosen(project, name, services or ())
    listed = ", ".join(f"`{one}`" for one in what.services)
    if not yes and not screen.is_interactive():
        raise UsageError(f"this replaces the data of {listed}", hint="`--yes` says that this is meant")
    if not yes and not typer.confirm(f"Replace the data of {listed} by that of `{name}`?", err=True):
        screen.say("nothing was changed")
        return
    project, engine = session.claimed(project), session.engine(context.obj)
    background = session.background(context.obj, project, engine)
    with session.locked(project, engine), progress.drawn(as_json=as_json) as tell:
        result = command.run(project, engine, background, what, tell=tell)
    shown.restored(result, as_json=as_json)


@app.command()
def delete(context: typer.Context, names: Annotated[list[str], typer.Argument(help="Snapshots.")]) -> None:
    """Remove snapshots."""
    from devenv.commands import snapshot

    snapshot.delete(session.workspace(context.obj), names)
    screen.say(f"{screen.paint('✓', 'green')} removed {', '.join(f'`{name}`' for name in names)}")


@app.command()
def export(
    context: typer.Context,
    name: Name,
    file: Annotated[Path | None, typer.Argument(help="Default: `PROJECT-NAME.devenv-snapshot`, here.")] = None,
    as_json: Json = False,
) -> None:
    """Write a snapshot as one file, for `import` elsewhere or as `[data] seed`."""
    from devenv.commands import snapshot
    from devenv.ui import progress
    from devenv.ui import snapshots as shown

    project = session.workspace(context.obj)
    with progress.drawn(as_json=as_json) as tell:
        result = snapshot.export(project, name, file, report=tell)
    shown.exported(result, as_json=as_json)


@app.command("import")
def import_(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="A file of `export`.")],
    name: Annotated[str | None, typer.Option("--name", help="What to call it here; default: as it was.")] = None,
    as_json: Json = False,
) -> None:
    """Make a file of `export` a snapshot of this checkout."""
    from devenv.commands import snapshot
    from devenv.ui import progress
    from devenv.ui import snapshots as shown

    project = session.workspace(context.obj)
    with progress.drawn(as_json=as_json) as tell:
        result = snapshot.bring_in(project, file, name, report=tell)
    shown.imported(result, as_json=as_json)
