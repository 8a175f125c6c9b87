"""The arguments of `devenv trust`, and the question that other commands ask in its place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from devenv.cli import session
from devenv.errors import Untrusted, UsageError
from devenv.ui import screen

if TYPE_CHECKING:
    from devenv.commands.trust import TrustResult
    from devenv.workspace import Workspace


def trust(
    context: typer.Context,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Allow it without being asked.")] = False,
    withdraw: Annotated[bool, typer.Option("--withdraw", help="Forget what was allowed.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print data as JSON; only --yes allows.")] = False,
) -> None:
    """Show what the project asks for beyond its own containers, and allow it."""
    from devenv import trust as trusting
    from devenv.commands import trust as command
    from devenv.ui import trusting as shown

    if yes and withdraw:
        raise UsageError("`--yes` and `--withdraw` exclude each other", hint="give one of them")
    project = session.workspace(context.obj)
    if withdraw:
        shown.withdrawn(command.withdraw(project), as_json=as_json)
        return
    result = command.run(project)
    if yes and result.missing:
        if not as_json:
            shown.asks(result)
        result = command.allow(project, result.missing)
        shown.allowed(result, as_json=as_json)
        return
    if as_json:
        shown.data(result)
        raise typer.Exit(Untrusted.exit_code if result.missing else 0)
    shown.asks(result)
    if result.missing and not (screen.is_interactive() and _answered(project, result)):
        raise trusting.Refused(project)


def asked(error: Untrusted) -> bool:
    """Whether the user, asked on a terminal, allows what a command needs; where there is none, nobody is asked.

    Raises:
        Refused: He does not.
    """
    from devenv.commands import trust as command
    from devenv.trust import Refused, Unconsented
    from devenv.ui import trusting as shown

    if not isinstance(error, Unconsented) or not screen.is_interactive():
        return False
    result = command.run(error.project)
    shown.asks(result)
    if not _answered(error.project, result):
        raise Refused(error.project)
    return True


def _answered(project: Workspace, result: TrustResult) -> bool:
    from devenv.commands import trust as command
    from devenv.ui import trusting as shown

    try:
        if not typer.confirm("Allow this?", err=True):
            return False
    except typer.Abort as error:
        raise KeyboardInterrupt from error
    shown.allowed(command.allow(project, result.missing), as_json=False)
    return True
