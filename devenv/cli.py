"""The command line: reads arguments, calls commands, draws what they return; the only place that catches and exits."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from devenv import __version__
from devenv.errors import DevenvError, EngineUnreachable, UsageError
from devenv.ui import errors, parameters, screen

if TYPE_CHECKING:
    from devenv.addresses import Address
    from devenv.engine.protocol import Chunk, Engine
    from devenv.model.machine import Machine
    from devenv.workspace import Workspace

INTERRUPTED = 130
BUG = 3
# Another `up` may be building images for the first time; waiting for it is what the user wants.
PATIENCE = 1800.0


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


@dataclass(frozen=True, slots=True)
class Options:
    """The options that stand before the command."""

    folder: Path
    profile: str | None
    engine: str | None


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
    from devenv.commands import down as down_command
    from devenv.commands import up as up_command
    from devenv.ui import progress, results

    project, engine = _workspace(context), _engine(context)
    with _locked(project, engine), progress.drawn(as_json=as_json) as tell:
        result = up_command.run(project, engine, tell=tell, frozen=frozen, dry_run=dry_run)
    results.up(result, dry_run=dry_run, as_json=as_json)
    if detach or dry_run or as_json:
        return
    try:
        _follow(project, engine)
    except KeyboardInterrupt:
        screen.say()
        with _locked(project, engine), progress.drawn() as tell:
            down_command.stop(project, engine, tell=tell)
        raise


@app.command()
def down(
    context: typer.Context,
    volumes: Annotated[bool, typer.Option("--volumes", "-v", help="Remove the data of the services too.")] = False,
    as_json: Json = False,
) -> None:
    """Stop and remove what `up` made; the services' data stays."""
    from devenv.commands import down as down_command
    from devenv.ui import progress, results

    project, engine = _workspace(context), _engine(context)
    with _locked(project, engine), progress.drawn(as_json=as_json) as tell:
        result = down_command.run(project, engine, volumes=volumes, tell=tell)
    results.down(result, as_json=as_json)


@app.command()
def status(context: typer.Context, as_json: Json = False) -> None:
    """Show what is running, and whether it is what devenv.toml asks for."""
    from devenv.commands import status as status_command
    from devenv.ui import results

    results.status(status_command.run(_workspace(context), _engine(context)), as_json=as_json)


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

    project, engine = _workspace(context), _engine(context)
    results.lines(logs.run(project, engine, units or (), follow=follow, tail=tail))


@app.command("exec", context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
def exec_(
    context: typer.Context,
    unit: Annotated[str, typer.Argument(help="An app or service.")],
    command: Annotated[list[str], typer.Argument(help="The command and its arguments.")],
) -> None:
    """Run a command inside; the exit code is the command's own."""
    from devenv.commands import inside

    project, engine = _workspace(context), _engine(context)
    argv = command[1:] if command[:1] == ["--"] else command
    code = inside.execute(project, engine, unit, argv, interactive=screen.is_interactive(), write=_write)
    raise typer.Exit(code)


@app.command()
def shell(context: typer.Context, unit: Unit = None) -> None:
    """Open a shell inside."""
    from devenv.commands import inside

    project, engine = _workspace(context), _engine(context)
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

    project, engine = _workspace(context), _engine(context)
    more = arguments or []
    more = more[1:] if more[:1] == ["--"] else more
    raise typer.Exit(inside.task(project, engine, task, more, interactive=screen.is_interactive(), write=_write))


@app.command()
def url(context: typer.Context, unit: Unit = None, as_json: Json = False) -> None:
    """Print addresses: all, or the first of one app or service."""
    from devenv.commands import env as env_command

    found = env_command.urls(_workspace(context), _engine(context), unit)
    if as_json:
        _give_json([asdict(one) for one in found])
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
    screen.give(env_command.FORMATS[form](env_command.variables(_workspace(context))))


@app.command()
def restart(context: typer.Context, units: Units = None) -> None:
    """Stop and start apps and services, and wait until they are ready."""
    from devenv.commands import restart as restart_command
    from devenv.ui import progress

    project, engine = _workspace(context), _engine(context)
    with _locked(project, engine), progress.drawn() as tell:
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
    project = _workspace(context)
    chosen = architecture or _architecture(context)
    with progress.drawn(as_json=as_json) as tell:
        result = lock_command.run(project, architecture=chosen, upgrade=names or () if upgrade else None, report=tell)
    results.lock(result, as_json=as_json)


@app.command()
def check(context: typer.Context, as_json: Json = False) -> None:
    """Find what is wrong with devenv.toml and devenv.lock; needs no engine and no network."""
    from devenv.commands import check as check_command

    given: Options = context.obj
    project = check_command.run(given.folder.absolute(), _machine(), profile=given.profile)
    if as_json:
        _give_json({"project": project.project.name, "problems": []})
    else:
        screen.say(f"{screen.paint('✓', 'green')} {project.project.name}: no mistakes")


@app.command()
def render(
    context: typer.Context,
    stdout: Annotated[bool, typer.Option("--stdout", help="Print compose.yaml, write nothing.")] = False,
) -> None:
    """Write compose.yaml and Dockerfiles to .devenv/."""
    from devenv import blueprint
    from devenv.commands import render as render_command

    project, architecture = _workspace(context), _architecture(context)
    if stdout:
        screen.give(render_command.files(project, architecture)[blueprint.COMPOSE_FILE])
        return
    for path in render_command.write(project, architecture) or ("nothing: all is current",):
        screen.say(f"{screen.paint('✓', 'green')} wrote {path}")


@app.command()
def schema() -> None:
    """Print the JSON Schema of devenv.toml."""
    from devenv import config

    _give_json(config.schema())


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
    found = doctor_command.run(_machine(), os.environ, Path.home(), flag=given.engine, fix=fix, say=screen.say)
    results.doctor(found, as_json=as_json)
    raise typer.Exit(0 if found.healthy else 1)


def main() -> None:
    """Run the command line; the exit codes stand in `docs/reference/exit-codes.md`."""
    sys.exit(_guarded(sys.argv[1:]))


def _guarded(arguments: list[str]) -> int:
    try:
        result = app(arguments, standalone_mode=False)
    except DevenvError as error:
        errors.show(error)
        return error.exit_code
    except (KeyboardInterrupt, typer.Abort):
        screen.say("interrupted")
        return INTERRUPTED
    except BrokenPipeError:
        # The reader has gone (`devenv logs | head`); Python would complain again when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        return _usage(error) if hasattr(error, "format_message") else _bug(error)
    return result if isinstance(result, int) else 0


def _usage(error: Any) -> int:
    """The command line is wrong; the error is click's own, which typer carries under a private name."""
    words = str(error.format_message()).rstrip(".").replace("'", "`")
    if words:
        errors.show(UsageError(words[0].lower() + words[1:], hint="`devenv --help` lists the commands"))
    return UsageError.exit_code


def _bug(error: Exception) -> int:
    path = errors.write_report(error, _machine().state)
    errors.show(
        DevenvError(
            f"this is a bug in devenv: {type(error).__name__}: {error}",
            hint=f"a report ready to paste into an issue is in `{path}`",
        )
    )
    return BUG


def _machine() -> Machine:
    from devenv.config import machine

    return machine.load(os.environ, Path.home())


def _workspace(context: typer.Context) -> Workspace:
    from devenv import workspace

    given: Options = context.obj
    return workspace.load(given.folder.absolute(), _machine(), profile=given.profile)


def _engine(context: typer.Context) -> Engine:
    from devenv.engine import address

    given: Options = context.obj
    machine = _machine()
    return address.connect(address.find(machine, os.environ, Path.home(), given.engine), machine.cache)


def _architecture(context: typer.Context) -> str:
    """The engine's architecture, or this machine's when no engine answers."""
    import platform

    try:
        return _engine(context).info.architecture
    except EngineUnreachable:
        return {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())


@contextmanager
def _locked(project: Workspace, engine: Engine) -> Iterator[None]:
    from devenv.engine import lock

    def tell(holder: object) -> None:
        screen.say(f"waiting for {holder}")

    with lock.hold(project.machine, engine.info.address, project.project.name, patience=PATIENCE, tell=tell):
        yield


def _follow(project: Workspace, engine: Engine) -> None:
    from devenv.commands import logs
    from devenv.ui import results

    results.lines(logs.run(project, engine, (), follow=True, tail=0))


def _write(chunk: Chunk) -> None:
    screen.give_bytes(chunk.stream, chunk.data)


def _give_json(data: object) -> None:
    import json

    screen.give(json.dumps(data, indent=2, ensure_ascii=False))


def _give_addresses(found: tuple[Address, ...]) -> None:
    from devenv.ui import tables

    screen.give(tables.columns([(one.unit, one.url) for one in found]))
