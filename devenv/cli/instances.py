"""The arguments of the commands that are about all instances: `ls`, `prune`, `down --all`."""

from __future__ import annotations

from typing import Annotated

import typer

from devenv.cli import session
from devenv.cli.session import Options
from devenv.errors import DevenvError, UsageError
from devenv.ui import screen

Json = Annotated[bool, typer.Option("--json", help="Print data as JSON.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


def list_(context: typer.Context, as_json: Json = False) -> None:
    """List every instance on the engine, of whichever project."""
    from devenv import config
    from devenv.commands import ls
    from devenv.ui import instances

    given: Options = context.obj
    try:
        here = config.find(given.folder.absolute())
    except DevenvError:
        here = None
    instances.listed(ls.run(session.engine(given), session.machine(), here), as_json=as_json)


def prune(context: typer.Context, yes: Yes = False, as_json: Json = False) -> None:
    """Remove instances whose folder is gone, with their data."""
    from devenv.commands import prune as command
    from devenv.ui import instances, progress

    engine, machine = session.engine(context.obj), session.machine()
    found = command.gone(engine, machine)
    if found and not yes:
        instances.gone(found)
        if not _confirmed("Remove them, with their data?", f"this removes {len(found)} instances with their data"):
            return
    with progress.drawn(as_json=as_json) as tell:
        result = command.run(engine, machine, found, tell=tell)
    instances.pruned(result, as_json=as_json)


def down(given: Options, *, volumes: bool, force: bool, yes: bool, as_json: bool) -> None:
    """`devenv down --all`."""
    from devenv.commands import down_all
    from devenv.ui import instances, progress

    engine, machine = session.engine(given), session.machine()
    found = down_all.chosen(engine, machine, volumes=volumes)
    if volumes and found and not yes:
        listed = ", ".join(f"`{screen.safe(one.name)}`" for one in found)
        if not _confirmed(f"Remove the data of {listed}?", f"this removes the data of {listed}"):
            return
    with progress.drawn(as_json=as_json) as tell:
        result = down_all.run(engine, machine, found, volumes=volumes, force=force, tell=tell)
    instances.lowered(result, as_json=as_json)


def _confirmed(question: str, what: str) -> bool:
    if not screen.is_interactive():
        raise UsageError(what, hint="`--yes` says that this is meant")
    if typer.confirm(question, err=True):
        return True
    screen.say("nothing was removed")
    return False
