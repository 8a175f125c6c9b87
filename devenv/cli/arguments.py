"""The arguments of every command, for typer to parse; what a command then does stands in `verbs` and `commands/`."""

from __future__ import annotations

import os
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer import Abort as Abort
from typer.core import TyperGroup

from devenv import __version__
from devenv.cli import session, verbs
from devenv.cli.session import Options
from devenv.errors import UsageError
from devenv.ui import parameters, screen

if TYPE_CHECKING:
    from devenv.addresses import Address
    from devenv.engine.protocol import Chunk


class _Commands(TyperGroup):
    """The commands, without typer's slow way to a text: see `ui/parameters.py`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        parameters.shorten(self, ctx)
        return super().parse_args(ctx, args)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        command = super().get_command(ctx, cmd_name)
        if command is not None:
            parameters.shorten(command, ctx)
        return command


app = typer.Typer(
    cls=_Commands,
    name="devenv",
    help="The same development environment on every machine, from one `devenv.toml`.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


Json = Annotated[bool, typer.Option("--json", help="Print data as JSON.")]
Units = Annotated[list[str] | None, typer.Argument(help="Apps and services; all when none is named.")]
Unit = Annotated[str | None, typer.Argument(help="An app or service; the first app when none is named.")]


def _print_version(wanted: bool) -> None:
    if wanted:
        screen.give(f"devenv {__version__}")
        raise typer.Exit


@app.callback()
def options(
    context: typer.Context,
    folder: Annotated[str, typer.Option("--project", "-C", help="Run as if started in this folder.")] = ".",
    profile: Annotated[str | None, typer.Option(help="Lay `[profiles.NAME]` over the project.")] = None,
    engine: Annotated[str | None, typer.Option(help="The engine's address, like `unix:///run/docker.sock`.")] = None,
    _version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Keep the options for the command that follows."""
    context.obj = Options(Path(folder), profile, engine)


@app.command()
def up(
    context: typer.Context,
    detach: Annotated[bool, typer.Option("-d", "--detach", help="Return when all is ready.")] = False,
    frozen: Annotated[bool, typer.Option("--frozen", help="Never write `devenv.lock`.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the steps, change nothing.")] = False,
    as_json: Json = False,
) -> None:
    """Bring the environment to what devenv.toml asks for; then show its logs until ^C, which stops it."""
    verbs.up(context.obj, detach=detach, frozen=frozen, dry_run=dry_run, as_json=as_json)


@app.command()
def down(
    context: typer.Context,
    volumes: Annotated[bool, typer.Option("--volumes", "-v", help="Remove the data of the services too.")] = False,
    as_json: Json = False,
) -> None:
    """Stop and remove what `up` made; the services' data stays."""
    from devenv.commands import down as down_command
    from devenv.ui import progress, results

    project, engine = session.workspace(context.obj), session.engine(context.obj)
    with session.locked(project, engine), progress.drawn(as_json=as_json) as tell:
        result = down_command.run(project, engine, volumes=volumes, tell=tell)
    results.down(result, as_json=as_json)


@app.command()
def status(context: typer.Context, as_json: Json = False) -> None:
    """Show what is running, and whether it is what devenv.toml asks for."""
    verbs.status(context.obj, as_json=as_json)


@app.command("logs")
def logs_(
    context: typer.Context,
    units: Units = None,
    follow: Annotated[bool, typer.Option("-f", "--follow", help="Go on until ^C.")] = False,
    tail: Annotated[int | None, typer.Option("-n", "--tail", min=0, help="Only the last lines.")] = None,
) -> None:
    """Print what apps and services print, merged."""
    from devenv.commands import logs
    from devenv.ui import results

    project, engine = session.workspace(context.obj), session.engine(context.obj)
    results.lines(logs.run(project, engine, units or (), follow=follow, tail=tail))


@app.command("exec", context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
def exec_(
    context: typer.Context,
    unit: Annotated[str, typer.Argument(help="An app or service.")],
    command: Annotated[list[str], typer.Argument(help="The command and its arguments.")],
) -> None:
    """Run a command inside; the exit code is the command's own."""
    from devenv.commands import inside

    project, engine = session.workspace(context.obj), session.engine(context.obj)
    argv = command[1:] if command[:1] == ["--"] else command
    code = inside.execute(project, engine, unit, argv, interactive=screen.is_interactive(), write=_write)
    raise typer.Exit(code)


@app.command()
def shell(context: typer.Context, unit: Unit = None) -> None:
    """Open a shell inside."""
    from devenv.commands import inside

    project, engine = session.workspace(context.obj), session.engine(context.obj)
    if not screen.is_interactive():
        raise UsageError("`devenv shell` needs a terminal", hint="in scripts, use `devenv exec`")
    name = unit or inside.default_app(project)
    raise typer.Exit(inside.execute(project, engine, name, inside.SHELL, interactive=True, write=_write))


@app.command("run", context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
def run_(
    context: typer.Context,
    task: Annotated[str, typer.Argument(help="A task of devenv.toml.")],
    arguments: Annotated[list[str] | None, typer.Argument(help="Further arguments for it.")] = None,
) -> None:
    """Run a task inside; the exit code is its own."""
    from devenv.commands import inside

    project, engine = session.workspace(context.obj), session.engine(context.obj)
    more = arguments or []
    more = more[1:] if more[:1] == ["--"] else more
    raise typer.Exit(inside.task(project, engine, task, more, interactive=screen.is_interactive(), write=_write))


@app.command()
def url(context: typer.Context, unit: Unit = None, as_json: Json = False) -> None:
    """Print addresses: all, or the first of one app or service."""
    from devenv.commands import env as env_command

    found = env_command.urls(session.workspace(context.obj), session.engine(context.obj), unit)
    if as_json:
        screen.give_json([asdict(one) for one in found])
    elif unit is not None:
        screen.give(found[0].url)
    else:
        _give_addresses(found)


@app.command()
def env(
    context: typer.Context,
    form: Annotated[str, typer.Option("--format", help="dotenv, shell or json.")] = "dotenv",
) -> None:
    """Print the variables with which programs on this machine reach the services."""
    from devenv.commands import env as env_command

    if form not in env_command.FORMATS:
        raise UsageError(f"unknown format `{form}`", hint=f"there are: {', '.join(env_command.FORMATS)}")
    screen.give(env_command.FORMATS[form](env_command.variables(session.workspace(context.obj))))


@app.command()
def restart(context: typer.Context, units: Units = None) -> None:
    """Stop and start apps and services, and wait until they are ready."""
    from devenv.commands import restart as restart_command
    from devenv.ui import progress

    project, engine = session.workspace(context.obj), session.engine(context.obj)
    with session.locked(project, engine), progress.drawn() as tell:
        restart_command.run(project, engine, units or (), tell=tell)


@app.command()
def lock(
    context: typer.Context,
    upgrade: Annotated[bool, typer.Option("--upgrade", help="Choose newest versions anew.")] = False,
    names: Annotated[list[str] | None, typer.Argument(help="With --upgrade: only these.")] = None,
    architecture: Annotated[str | None, typer.Option("--arch", help="amd64, arm64, …; default: the engine's.")] = None,
    as_json: Json = False,
) -> None:
    """Choose versions and write devenv.lock; what still fits stays."""
    from devenv.commands import lock as lock_command
    from devenv.ui import progress, results

    if names and not upgrade:
        raise UsageError("names go with `--upgrade`", hint=f"run `devenv lock --upgrade {' '.join(names)}`")
    project = session.workspace(context.obj)
    chosen = architecture or session.architecture(context.obj)
    with progress.drawn(as_json=as_json) as tell:
        result = lock_command.run(project, architecture=chosen, upgrade=names or () if upgrade else None, report=tell)
    results.lock(result, as_json=as_json)


@app.command()
def check(context: typer.Context, as_json: Json = False) -> None:
    """Find what is wrong with devenv.toml and devenv.lock; needs no engine and no network."""
    raise typer.Exit(verbs.check(context.obj, as_json=as_json))


@app.command()
def render(
    context: typer.Context,
    stdout: Annotated[bool, typer.Option("--stdout", help="Print compose.yaml, write nothing.")] = False,
) -> None:
    """Write compose.yaml and Dockerfiles to .devenv/."""
    from devenv import blueprint
    from devenv.commands import render as render_command

    project, architecture = session.workspace(context.obj), session.architecture(context.obj)
    if stdout:
        screen.give(render_command.files(project, architecture)[blueprint.COMPOSE_FILE])
        return
    for path in render_command.write(project, architecture) or ("nothing: all is current",):
        screen.say(f"{screen.paint('✓', 'green')} wrote {path}")


@app.command()
def schema() -> None:
    """Print the JSON Schema of devenv.toml."""
    from devenv import config

    screen.give_json(config.schema())


@app.command()
def doctor(
    context: typer.Context,
    fix: Annotated[bool, typer.Option("--fix", help="Repair what can be repaired.")] = False,
    as_json: Json = False,
) -> None:
    """Find what is wrong with this machine, each with its remedy."""
    from devenv.commands import doctor as doctor_command
    from devenv.ui import results

    given: Options = context.obj
    found = doctor_command.run(session.machine(), os.environ, Path.home(), flag=given.engine, fix=fix, say=screen.say)
    results.doctor(found, as_json=as_json)
    raise typer.Exit(0 if found.healthy else 1)


def _write(chunk: Chunk) -> None:
    screen.give_bytes(chunk.stream, chunk.data)


def _give_addresses(found: tuple[Address, ...]) -> None:
    from devenv.ui import tables

    screen.give(tables.columns([(one.unit, one.url) for one in found]))
