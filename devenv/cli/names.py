"""The arguments of `devenv names …` and `devenv trust-ca`; neither needs a project."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from devenv.cli import session
from devenv.errors import DevenvError, UsageError
from devenv.ui import screen

if TYPE_CHECKING:
    from devenv.commands.trust_ca import Authority
    from devenv.model.project import Project

app = typer.Typer(invoke_without_command=True, help="Give every app a name in place of a port; list them.")

Json = Annotated[bool, typer.Option("--json", help="Print data as JSON.")]


@app.callback()
def listed(context: typer.Context, as_json: Json = False) -> None:
    """Give every app a name in place of a port: http://web.bookshop.localhost.

    Without a command: list the names there are, and where they lead.
    """
    if context.invoked_subcommand is not None:
        return
    from devenv.commands import names
    from devenv.ui import names as shown

    shown.listed(names.listed(session.machine(), session.engine(context.obj)), as_json=as_json)


@app.command()
def on(context: typer.Context, as_json: Json = False) -> None:
    """Start the entry, the proxy behind the names; from now on every `up` and `down` keeps them current."""
    from devenv.commands import names
    from devenv.ui import names as shown
    from devenv.ui import progress

    engine = session.engine(context.obj)
    with progress.drawn(as_json=as_json) as tell:
        result = names.on(session.machine(), engine, _project(context), tell=tell)
    shown.on(result, as_json=as_json)


@app.command()
def off(
    context: typer.Context,
    volumes: Annotated[bool, typer.Option("--volumes", "-v", help="Remove the certificate authority too.")] = False,
    as_json: Json = False,
) -> None:
    """Remove the entry; 127.0.0.1 and the ports stay as they are."""
    from devenv.commands import names
    from devenv.ui import names as shown
    from devenv.ui import progress

    engine = session.engine(context.obj)
    with progress.drawn(as_json=as_json) as tell:
        result = names.off(session.machine(), engine, volumes=volumes, tell=tell)
    shown.off(result, as_json=as_json)


def trust_ca(
    context: typer.Context,
    remove: Annotated[bool, typer.Option("--remove", help="Take it out of the system's store again.")] = False,
    only_print: Annotated[bool, typer.Option("--print", help="Print the certificate, change nothing.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    as_json: Json = False,
) -> None:
    """Let this machine believe the certificates of https://web.bookshop.localhost."""
    from devenv.commands import trust_ca as command
    from devenv.ui import names as shown

    machine = session.machine()
    if remove:
        shown.trusted(command.remove(machine, session.endpoint(context.obj).address), as_json=as_json)
        return
    found = command.find(machine, session.engine(context.obj))
    if only_print:
        screen.give(found.pem)
        return
    _explain(found)
    if not yes and not screen.is_interactive():
        raise UsageError(
            "this adds a certificate authority to the system's store", hint="`--yes` says that this is meant"
        )
    if not yes and not typer.confirm("Trust it?", err=True):
        screen.say("nothing was changed")
        return
    shown.trusted(command.install(found), as_json=as_json)


def _explain(found: Authority) -> None:
    screen.say(
        "The entry signs certificates for names that end in .localhost with an authority of its own, made on this"
    )
    screen.say(
        "machine for this machine. Programs that trust it believe whatever is signed with its key, which lies in"
    )
    screen.say("the entry's volume and nowhere else: who controls the engine can read it.")
    screen.say(f"  certificate  {found.file}")
    screen.say(f"  SHA-256      {found.fingerprint}")


def _project(context: typer.Context) -> Project | None:
    """The project at hand, if there is one that can be read."""
    try:
        return session.workspace(context.obj).project
    except DevenvError:
        return None
