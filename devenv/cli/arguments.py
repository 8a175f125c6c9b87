"""The arguments of every command, for typer to parse; what a command then does stands in `verbs` and `commands/`."""

from __future__ import annotations

import os
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer import Abort as Abort
from typer.core import TyperCommand, TyperGroup

from devenv import __version__
from devenv.cli import (
    beginning,
    hooks,
    instances,
    names,
    onboarding,
    porting,
    scaling,
    secrets,
    session,
    snapshots,
    trusting,
    verbs,
)
from devenv.cli.session import Options
from devenv.errors import DevenvError, UsageError
from devenv.ui import parameters, screen

if TYPE_CHECKING:
    from types import ModuleType

    from devenv.commands.inside import Terminal
    from devenv.engine.protocol import Chunk
    from devenv.live import Background


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


class _Connect(TyperCommand):
    """Takes `-- ARGUMENTS…` without a service, which `--` in front would make the first argument."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        return super().parse_args(ctx, ["", *args] if args[:1] == ["--"] else args)


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


app.command()(beginning.init)
app.command()(onboarding.onboard)
app.command("import")(porting.import_)


@app.command()
def up(
    context: typer.Context,
    detach: Annotated[bool, typer.Option("-d", "--detach", help="Return when all is ready.")] = False,
    frozen: Annotated[bool, typer.Option("--frozen", help="Never write `devenv.lock`.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the steps, change nothing.")] = False,
    instance: Annotated[str | None, typer.Option(help="Give this checkout's instance this name.")] = None,
    source: Annotated[
        str | None, typer.Option("--from", help="Begin with the data of this instance or `main`.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Bring the environment to what devenv.toml asks for; then show its logs until ^C, which stops it."""
    if dry_run and (instance or source):
        raise UsageError("`--dry-run` changes nothing: neither a name nor data")
    verbs.up(
        context.obj,
        detach=detach,
        frozen=frozen,
        dry_run=dry_run,
        as_json=as_json,
        instance=instance,
        source=source,
    )


@app.command()
def down(
    context: typer.Context,
    volumes: Annotated[bool, typer.Option("--volumes", "-v", help="Remove the data of the services too.")] = False,
    force: Annotated[bool, typer.Option("--force", help="With --volumes: even if files inside differ.")] = False,
    everything: Annotated[bool, typer.Option("--all", help="Every instance of this machine.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="With --all --volumes: do not ask.")] = False,
    as_json: Json = False,
) -> None:
    """Stop and remove what `up` made; the services' data stays."""
    if everything:
        instances.down(context.obj, volumes=volumes, force=force, yes=yes, as_json=as_json)
        return
    from devenv.commands import down as down_command
    from devenv.ui import progress, results

    project, engine = session.workspace(context.obj), session.engine(context.obj)
    background = session.background(context.obj, project, engine)
    with session.locked(project, engine), progress.drawn(as_json=as_json) as tell:
        result = down_command.run(project, engine, background, volumes=volumes, tell=tell, force=force)
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
    background = session.background(context.obj, project, engine)
    argv = command[1:] if command[:1] == ["--"] else command
    raise typer.Exit(inside.execute(project, engine, background, unit, argv, _terminal(inside)))


@app.command()
def shell(context: typer.Context, unit: Unit = None) -> None:
    """Open a shell inside."""
    from devenv.commands import inside

    project, engine = session.workspace(context.obj), session.engine(context.obj)
    if not screen.is_interactive():
        raise UsageError("`devenv shell` needs a terminal", hint="in scripts, use `devenv exec`")
    name, background = unit or inside.default_app(project), session.background(context.obj, project, engine)
    raise typer.Exit(inside.execute(project, engine, background, name, inside.SHELL, _terminal(inside)))


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
    background = session.background(context.obj, project, engine)
    raise typer.Exit(inside.task(project, engine, background, task, more, _terminal(inside)))


@app.command(cls=_Connect, context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
def connect(
    context: typer.Context,
    service: Annotated[str | None, typer.Argument(help="A service; the only one with a client when left out.")] = None,
    arguments: Annotated[list[str] | None, typer.Argument(help="Further arguments for the client.")] = None,
) -> None:
    """Talk to a service by its own client, like `psql`, inside; the exit code is the client's own."""
    from devenv.commands import inside

    project = session.workspace(context.obj)
    name, command = inside.client(project, service or None)
    more = arguments or []
    more = more[1:] if more[:1] == ["--"] else more
    engine = session.engine(context.obj)
    background = session.background(context.obj, project, engine)
    raise typer.Exit(inside.execute(project, engine, background, name, [*command, *more], _terminal(inside)))


@app.command()
def url(context: typer.Context, unit: Unit = None, as_json: Json = False) -> None:
    """Print addresses: all, or the first of one app or service."""
    from devenv.commands import env as env_command

    found = env_command.urls(session.workspace(context.obj), session.engine(context.obj), unit)
    if as_json:
        screen.give_json([asdict(one) for one in found])
    elif unit is not None:
        screen.give(found[0].best)
    else:
        from devenv.ui import tables

        screen.give(tables.addresses(found))


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

    project, engine = session.claimed(session.workspace(context.obj)), session.engine(context.obj)
    background = session.background(context.obj, project, engine)
    with session.locked(project, engine), progress.drawn() as tell:
        restart_command.run(project, engine, background, units or (), tell=tell)


@app.command()
def reset(
    context: typer.Context,
    names: Annotated[list[str] | None, typer.Argument(help="Services; all that keep data when none is named.")] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Let services begin anew: remove their data, and start them again where the environment is up."""
    from devenv.commands import reset as reset_command
    from devenv.ui import progress, results

    project = session.workspace(context.obj)
    services = reset_command.chosen(project, names or ())
    listed = ", ".join(f"`{name}`" for name in services)
    if not yes and not screen.is_interactive():
        raise UsageError(f"this removes the data of {listed}", hint="`--yes` says that this is meant")
    if not yes and not typer.confirm(f"Remove the data of {listed}?", err=True):
        screen.say("nothing was removed")
        return
    engine = session.engine(context.obj)
    background = session.background(context.obj, project, engine)
    with session.locked(project, engine), progress.drawn() as tell:
        result = reset_command.run(project, engine, background, services, tell=tell)
    results.reset(result)


@app.command(epilog="Exit code 1: nothing was found.")
def services(
    context: typer.Context,
    words: Annotated[list[str] | None, typer.Argument(help="Only those that have all these words.")] = None,
    as_json: Json = False,
) -> None:
    """List the services of the catalog, for `devenv add`; it needs no project."""
    from devenv.commands import services as services_command
    from devenv.ui import services as shown

    given: Options = context.obj
    found = services_command.run(given.folder.absolute(), words or (), profile=given.profile)
    shown.services(found, as_json=as_json)
    raise typer.Exit(0 if found.services else 1)


@app.command()
def add(
    context: typer.Context,
    names: Annotated[list[str], typer.Argument(help="Services of the catalog: NAME or NAME@VERSION.")],
    key: Annotated[str | None, typer.Option("--as", help="What to call the service in the project.")] = None,
    as_json: Json = False,
) -> None:
    """Add services of the catalog to devenv.toml."""
    from devenv.commands import add as add_command
    from devenv.ui import services as shown

    given: Options = context.obj
    shown.add(add_command.run(given.folder.absolute(), names, key=key, profile=given.profile), as_json=as_json)


@app.command()
def remove(
    context: typer.Context,
    names: Annotated[list[str], typer.Argument(help="Services of devenv.toml.")],
    as_json: Json = False,
) -> None:
    """Remove services from devenv.toml; their data stays."""
    from devenv.commands import remove as remove_command
    from devenv.ui import services as shown

    given: Options = context.obj
    shown.remove(remove_command.run(given.folder.absolute(), names, profile=given.profile), as_json=as_json)


sync = typer.Typer(cls=_Commands, no_args_is_help=True, help="See and steer how files are kept equal.")
app.add_typer(sync, name="sync")


app.command()(scaling.scale)
app.add_typer(snapshots.app, name="snapshot", cls=_Commands)
app.command("ls")(instances.list_)
app.command()(instances.prune)
app.add_typer(names.app, name="names", cls=_Commands)
app.command("trust-ca")(names.trust_ca)
app.command()(trusting.trust)
app.add_typer(hooks.app, name="hooks", cls=_Commands)
app.add_typer(secrets.app, name="secrets", cls=_Commands)


def _background(context: typer.Context) -> Background:
    """That of the project; no engine has to answer."""
    return session.background(context.obj, session.workspace(context.obj))


@sync.command("status")
def sync_status(context: typer.Context, as_json: Json = False) -> None:
    """Show what is synced, and what is not and why."""
    from devenv.commands import sync as sync_command
    from devenv.ui import results

    results.sync(sync_command.status(_background(context)), as_json=as_json)


@sync.command("pause")
def sync_pause(context: typer.Context) -> None:
    """Change nothing on either side until `resume`."""
    from devenv.commands import sync as sync_command

    sync_command.pause(_background(context))
    screen.say(f"{screen.paint('✓', 'green')} paused; `devenv sync resume` goes on")


@sync.command("resume")
def sync_resume(context: typer.Context) -> None:
    """Go on, also where it has halted."""
    from devenv.commands import sync as sync_command

    sync_command.resume(_background(context))
    screen.say(f"{screen.paint('✓', 'green')} resumed")


@sync.command("flush")
def sync_flush(context: typer.Context) -> None:
    """Wait until everything changed so far is equal inside and outside."""
    from devenv.commands import sync as sync_command

    sync_command.flush(_background(context))
    screen.say(f"{screen.paint('✓', 'green')} files inside and outside are equal")


@sync.command("log")
def sync_log(
    context: typer.Context,
    follow: Annotated[bool, typer.Option("-f", "--follow", help="Go on until ^C.")] = False,
) -> None:
    """Print the log of the background process."""
    from devenv.commands import sync as sync_command

    for line in sync_command.log(_background(context), follow=follow):
        screen.give(screen.safe(line))


@app.command(epilog="Exit code 1, with --check: it does not cover the project.")
def lock(
    context: typer.Context,
    names: Annotated[list[str] | None, typer.Argument(help="With --upgrade or --outdated: only these.")] = None,
    upgrade: Annotated[bool, typer.Option("--upgrade", help="Choose newest versions anew.")] = False,
    outdated: Annotated[bool, typer.Option("--outdated", help="Print what an upgrade would move.")] = False,
    only_check: Annotated[bool, typer.Option("--check", help="Only see whether it covers the project.")] = False,
    architecture: Annotated[str | None, typer.Option("--arch", help="amd64, arm64, …; default: the engine's.")] = None,
    as_json: Json = False,
) -> None:
    """Choose versions and write devenv.lock; what still fits stays."""
    from devenv.commands import lock as lock_command
    from devenv.ui import progress, results

    if names and not (upgrade or outdated):
        raise UsageError("names go with `--upgrade`", hint=f"run `devenv lock --upgrade {' '.join(names)}`")
    if upgrade + outdated + only_check > 1:
        raise UsageError("`--upgrade`, `--outdated` and `--check` exclude each other", hint="give one of them")
    project = session.workspace(context.obj)
    if only_check:
        lock_command.check(project)
        screen.say(f"{screen.paint('✓', 'green')} devenv.lock covers the project")
        return
    chosen = architecture or session.architecture(context.obj)
    with progress.drawn(as_json=as_json) as tell:
        if outdated:
            result = lock_command.outdated(project, architecture=chosen, names=names or (), report=tell)
        else:
            moved = names or () if upgrade else None
            result = lock_command.run(project, architecture=chosen, upgrade=moved, report=tell)
    results.lock(result, outdated=outdated, as_json=as_json)


@app.command(epilog="Exit code 1: something differs.")
def diff(
    context: typer.Context,
    report: Annotated[Path | None, typer.Option("--with", help="A colleague's `devenv report`, as a file.")] = None,
    as_json: Json = False,
) -> None:
    """Explain how what runs differs from what is asked for.

    With --with: how this machine and its environment differ from a colleague's.
    """
    from devenv.commands import diff as diff_command
    from devenv.ui import results

    project, engine = session.workspace(context.obj), session.engine(context.obj)
    if report is None:
        found = diff_command.run(project, engine)
        results.diff(found, as_json=as_json)
        raise typer.Exit(1 if found.differences else 0)
    contrast = diff_command.against(project, engine, report)
    results.contrast(contrast, as_json=as_json)
    raise typer.Exit(1 if contrast.contrasts else 0)


@app.command()
def report(context: typer.Context) -> None:
    """Print what this machine and environment are, as JSON.

    It is for `devenv diff --with` and for issues, and holds nothing secret. It also works where there is no project and
    no engine.
    """
    from devenv.commands import doctor as doctor_command
    from devenv.commands import report as report_command

    given, machine, troubles = context.obj, session.machine(), list[DevenvError]()
    project = session.tried(lambda: session.workspace(given), troubles)
    engine = session.tried(lambda: session.engine(given), troubles)
    connect = None if engine is None else lambda: engine
    found = doctor_command.run(machine, os.environ, Path.home(), flag=given.engine, project=project, connect=connect)
    made = report_command.run(project, engine, machine, found.findings, troubles)
    screen.give_json(made.data(Path.home()))


@app.command(epilog="Exit code 1: an image is not what its pin says.")
def verify(context: typer.Context, units: Units = None, as_json: Json = False) -> None:
    """Make images once more and compare every byte with those in use."""
    from devenv.commands import verify as verify_command
    from devenv.ui import progress, results

    project, engine = session.workspace(context.obj), session.engine(context.obj)
    with progress.drawn(as_json=as_json) as tell:
        found = verify_command.run(project, engine, units or (), tell=tell)
    results.verify(found, as_json=as_json)
    raise typer.Exit(0 if found.holds else 1)


@app.command()
def push(
    context: typer.Context,
    target: Annotated[str | None, typer.Option("--to", help="A repository; default: of your config.toml.")] = None,
    as_json: Json = False,
) -> None:
    """Share the images that were built here through a registry."""
    from devenv.commands import push as push_command
    from devenv.ui import progress, results

    project, engine = session.workspace(context.obj), session.engine(context.obj)
    with session.locked(project, engine), progress.drawn(as_json=as_json) as tell:
        result = push_command.run(project, engine, target, tell=tell)
    results.push(result, as_json=as_json)


@app.command()
def pull(
    context: typer.Context,
    source: Annotated[str | None, typer.Option("--from", help="A repository; default: of your config.toml.")] = None,
    as_json: Json = False,
) -> None:
    """Bring every image that a registry has, and build nothing."""
    from devenv.commands import pull as pull_command
    from devenv.ui import progress, results

    project, engine = session.workspace(context.obj), session.engine(context.obj)
    with session.locked(project, engine), progress.drawn(as_json=as_json) as tell:
        result = pull_command.run(project, engine, source, tell=tell)
    results.pull(result, as_json=as_json)


@app.command(epilog="Exit code 1: something was found.")
def check(
    context: typer.Context,
    fix: Annotated[bool, typer.Option("--fix", help="Put right what has one right answer.")] = False,
    as_json: Json = False,
) -> None:
    """Find everything wrong with the project's files.

    It needs no engine and no network; only --fix may, to complete the lockfile.
    """
    raise typer.Exit(verbs.check(context.obj, fix=fix, as_json=as_json))


app.command()(porting.render)
app.command()(porting.eject)


@app.command()
def schema() -> None:
    """Print the JSON Schema of devenv.toml."""
    from devenv import config

    screen.give_json(config.schema())


@app.command(epilog="Exit code 1: something was found.")
def doctor(
    context: typer.Context,
    fix: Annotated[bool, typer.Option("--fix", help="Repair what can be repaired.")] = False,
    as_json: Json = False,
) -> None:
    """Find what is wrong with this machine, each with its remedy."""
    from devenv.commands import doctor as doctor_command
    from devenv.ui import results

    given: Options = context.obj
    found = doctor_command.run(
        session.machine(),
        os.environ,
        Path.home(),
        flag=given.engine,
        fix=fix,
        say=screen.say,
        project=session.tried(lambda: session.workspace(given), []),
        connect=lambda: session.engine(given),
    )
    results.doctor(found, as_json=as_json)
    raise typer.Exit(0 if found.healthy else 1)


def _terminal(inside: ModuleType) -> Terminal:
    def write(chunk: Chunk) -> None:
        screen.give_bytes(chunk.stream, chunk.data)

    def remark(words: str) -> None:
        screen.say(f"{screen.paint('warning:', 'yellow')} {screen.safe(words)}")

    is_interactive = screen.is_interactive()
    terminal: Terminal = inside.Terminal(is_interactive, write, remark, None if is_interactive else screen.piped_in())
    return terminal


def command() -> Any:
    """The whole command line as one command, for what reads it: shells and the reference."""
    return typer.main.get_command(app)
