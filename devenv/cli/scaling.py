"""The arguments of `devenv scale`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

import typer

from devenv.cli import session
from devenv.errors import UsageError


def scale(
    context: typer.Context,
    counts: Annotated[list[str], typer.Argument(metavar="APP=NUMBER...", help="Such as `web=5`.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print data as JSON.")] = False,
) -> None:
    """Set how many containers of an app run in this checkout, until `down`.

    Behind the balancer, new ones get requests when they are ready, and leaving ones answer theirs first.
    """
    from devenv.commands import scale as command
    from devenv.ui import progress
    from devenv.ui import replicas as shown

    project = session.workspace(context.obj)
    wanted = _parsed(counts)
    command.check(project, wanted)
    engine = session.engine(context.obj)
    background = session.background(context.obj, project, engine)
    with session.locked(project, engine), progress.drawn(as_json=as_json) as tell:
        result = command.run(project, engine, background, wanted, tell=tell)
    shown.scale(result, as_json=as_json)


def _parsed(counts: Iterable[str]) -> dict[str, int]:
    wanted: dict[str, int] = {}
    for one in counts:
        name, _, number = one.partition("=")
        if not (name and number.isascii() and number.isdigit() and len(number) < 6):
            raise UsageError(f"`{one}` is no number of replicas", hint="write it as `web=5`")
        if name in wanted:
            raise UsageError(f"`{name}` stands here twice", hint="leave one of them out")
        wanted[name] = int(number)
    return wanted
