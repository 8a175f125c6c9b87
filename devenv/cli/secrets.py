"""The arguments of `devenv secrets …`, and the questions of `devenv up` about what is missing."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from devenv.cli import session
from devenv.errors import DevenvError, UsageError
from devenv.ui import errors, screen

if TYPE_CHECKING:
    from devenv.vault import Found
    from devenv.workspace import Workspace

app = typer.Typer(no_args_is_help=True, help="Give the project the secrets that it asks you for.")

Json = Annotated[bool, typer.Option("--json", help="Print data as JSON.")]
Name = Annotated[str, typer.Argument(help="A secret of devenv.toml.")]
Value = Annotated[list[str] | None, typer.Argument(hidden=True)]


@app.command("list")
def list_(context: typer.Context, as_json: Json = False) -> None:
    """List the secrets that apps get, and where their values come from; never a value."""
    from devenv.commands import secrets
    from devenv.ui import secrets as shown

    result = secrets.listed(session.workspace(context.obj))
    shown.listed(result, as_json=as_json)
    raise typer.Exit(0 if result.complete else 1)


@app.command("set")
def set_(
    context: typer.Context,
    name: Name,
    value: Value = None,
    keyring: Annotated[bool, typer.Option("--keyring", help="Keep it in the system's keyring.")] = False,
    as_json: Json = False,
) -> None:
    """Keep the value of a secret on this machine, outside the repository; it is asked for, or read from a pipe."""
    from devenv.commands import secrets
    from devenv.ui import secrets as shown

    if value:
        hint = f"run `devenv secrets set {name}`, which asks for it, or pipe it in"
        raise UsageError("a value on the command line stays in the shell's history", hint=hint)
    project = session.workspace(context.obj)
    given = _typed(name) if sys.stdin.isatty() else sys.stdin.buffer.read()
    shown.kept(secrets.keep(project, name, given, in_keyring=keyring), as_json=as_json)


@app.command("unset")
def unset(context: typer.Context, name: Name, as_json: Json = False) -> None:
    """Forget the value that is kept of a secret, and that the project may read this machine's."""
    from devenv.commands import secrets
    from devenv.ui import secrets as shown

    shown.forgotten(secrets.forget(session.workspace(context.obj), name), name, as_json=as_json)


@app.command("allow")
def allow(
    context: typer.Context,
    names: Annotated[list[str] | None, typer.Argument(help="Secrets; all of devenv.toml when none is named.")] = None,
    as_json: Json = False,
) -> None:
    """Let the project read secrets from this machine's variables of that name, and by your config.toml's command."""
    from devenv.commands import secrets
    from devenv.ui import secrets as shown

    shown.allowed(secrets.allow(session.workspace(context.obj), tuple(names or ())), as_json=as_json)


def _typed(name: str) -> str:
    value: str = typer.prompt(f"Value of {name}", hide_input=True, err=True)
    return value


# --- what is missing ---


def ask(project: Workspace) -> None:
    """Ask a person for each secret that apps are not started without, and keep what they say."""
    from devenv import vault

    for found in vault.lacking(vault.look(project)):
        _describe(found)
        if not (found.is_held and _let(project, found.secret.name)):
            _take(project, found.secret.name)


def _describe(found: Found) -> None:
    what = ": ".join(filter(None, (screen.paint(found.secret.name, "bold"), screen.safe(found.secret.description))))
    screen.say(f"The project asks for {what}")
    if found.secret.url:
        screen.say(f"  {screen.safe(found.secret.url)}")
    if found.why:
        screen.say(f"  {screen.safe(found.why)}")


def _let(project: Workspace, name: str) -> bool:
    """Whether the project may read this machine's own, and that is there."""
    from devenv import vault

    question = f"May it have the {name} of this machine?"
    if not typer.confirm(question, default=False, err=True):
        return False
    vault.allow(project, [name])
    return all(one.name != name for one in vault.missing(project))


def _take(project: Workspace, name: str) -> None:
    """Ask until there is a value that can be kept."""
    from devenv import vault

    while True:
        value = _typed(name)
        keyring = vault.has_keyring() and typer.confirm("Keep it in the system's keyring?", default=True, err=True)
        try:
            vault.keep(project, name, value, in_keyring=keyring)
        except DevenvError as error:
            errors.show(error)
        else:
            return
