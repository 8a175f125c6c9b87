"""The commands that people and git run all day; bare, they do without a parser of arguments."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from devenv.cli import session
from devenv.cli.session import Options
from devenv.errors import DevenvError, Problems
from devenv.ui import errors, screen

if TYPE_CHECKING:
    from devenv.cloning import Origin
    from devenv.commands.check import CheckResult
    from devenv.commands.logs import Following
    from devenv.engine.protocol import Engine
    from devenv.live import Background
    from devenv.workspace import Workspace


def up(
    given: Options,
    *,
    detach: bool = False,
    frozen: bool = False,
    dry_run: bool = False,
    as_json: bool = False,
    instance: str | None = None,
    source: str | None = None,
) -> None:
    """`devenv up`.

    Args:
        instance: The name to give this checkout's instance.
        source: The instance whose data its services begin with.
    """
    from devenv.commands import up as up_command
    from devenv.ui import progress, results

    project = session.workspace(given)
    if project.project.secrets and not (dry_run or as_json) and screen.is_interactive():
        from devenv import environment
        from devenv.cli import secrets

        environment.require_consent(project)
        secrets.ask(project)
    engine = session.engine(given)
    if not dry_run:
        project = session.claimed(project, engine, instance, tells=not as_json)
    background = session.background(given, project, engine)
    stays = not (detach or dry_run or as_json)
    with (
        _stopped_by_interrupt(project, engine, background) if stays else nullcontext(),
        _origin(project, engine, source, given.profile, as_json=as_json) if source else nullcontext() as origin,
    ):
        with session.locked(project, engine), progress.drawn(as_json=as_json) as tell:
            result = up_command.run(
                project, engine, background, tell=tell, frozen=frozen, dry_run=dry_run, origin=origin
            )
        results.up(result, dry_run=dry_run, as_json=as_json)
        if stays:
            _stay(project, engine, background)


@contextmanager
def _origin(project: Workspace, engine: Engine, source: str, profile: str | None, *, as_json: bool) -> Iterator[Origin]:
    """The data of another instance; its lock is held only while it is saved, for two might want each other's."""
    from devenv import cloning
    from devenv.ui import progress

    with ExitStack() as stack:
        with progress.drawn(as_json=as_json) as tell:
            origin = stack.enter_context(cloning.saved(project, engine, source, profile=profile, tell=tell))
        yield origin


def _stay(project: Workspace, engine: Engine, background: Background) -> None:
    """Show logs, and what the background process does, until the last container ends."""
    from devenv.commands import logs
    from devenv.ui import results

    following = logs.Following(project, engine)
    threading.Thread(target=_hear, args=(background, following), name="devenv-news", daemon=True).start()
    results.lines(following)


def _hear(background: Background, following: Following) -> None:
    """Show what the background process does; containers that it makes anew or restarts are followed again."""
    from devenv.ui import news

    try:
        for one in background.follow():
            if one.kind == "began":
                following.hold()
            news.show(one)
            if one.kind in ("done", "failed"):
                following.look()
    except DevenvError as error:
        errors.show(error)


@contextmanager
def _stopped_by_interrupt(project: Workspace, engine: Engine, background: Background) -> Iterator[None]:
    """Stop what runs on ^C, at whatever point it comes."""
    from devenv.commands import down
    from devenv.ui import progress

    try:
        yield
    except KeyboardInterrupt:
        screen.say()
        with session.locked(project, engine), progress.drawn() as tell:
            down.stop(project, engine, background, tell=tell)
        raise


def status(given: Options, *, as_json: bool = False) -> None:
    """`devenv status`."""
    from devenv.commands import status as status_command
    from devenv.ui import results

    project, engine = session.workspace(given), session.engine(given)
    background = session.background(given, project, engine)
    results.status(status_command.run(project, engine, background), as_json=as_json)


def check(given: Options, *, fix: bool = False, as_json: bool = False) -> int:
    """`devenv check`; the exit code."""
    try:
        result = _checked(given, fix=fix, as_json=as_json)
    except DevenvError as error:
        if not as_json:
            raise
        screen.give_json({"problems": errors.data(error), "fixed": []})
        return error.exit_code
    found = Problems(result.problems)
    if as_json:
        screen.give_json({"problems": errors.data(found), "fixed": list(result.fixed)})
    else:
        _tell(result, found)
    # Pre-commit overlooks files that are new, and would commit without them.
    staged = not (result.fixed and os.environ.get("PRE_COMMIT"))
    return 0 if staged and not found.problems else found.exit_code


def _checked(given: Options, *, fix: bool, as_json: bool) -> CheckResult:
    from devenv.commands import check as check_command

    start, machine = given.folder.absolute(), session.machine()
    if not fix:
        return check_command.run(start, machine, profile=given.profile)
    from devenv.ui import progress

    with progress.drawn(as_json=as_json) as tell:
        own = session.own_architecture()
        return check_command.fix(start, machine, profile=given.profile, architecture=own, report=tell)


def _tell(result: CheckResult, found: Problems) -> None:
    for line in result.fixed:
        screen.say(f"{screen.paint('fixed:', 'green')} {screen.safe(line)}")
    if not found.problems:
        screen.say(f"{screen.paint('✓', 'green')} {result.name}: no mistakes")
        return
    errors.show(found)
    if os.environ.get("GITHUB_ACTIONS") == "true":
        for line in errors.github(found, "devenv check", _in_repository(result.folder)):
            screen.give(line)


def _in_repository(folder: Path) -> str:
    """Where the project lies in what GitHub checked out; empty at its root, and outside."""
    root = Path(os.environ.get("GITHUB_WORKSPACE") or folder).resolve()
    return "/".join(folder.relative_to(root).parts) if folder.is_relative_to(root) else ""


def _up_detached(given: Options) -> None:
    up(given, detach=True)


def _hooks(stage: str = "", *, as_json: bool = False) -> Callable[[Options], int]:
    def run(given: Options) -> int:
        from devenv.cli import hooked

        return hooked.run(given, (), stage, as_json=as_json)

    return run


BARE: Mapping[tuple[str, ...], Callable[[Options], int | None]] = {
    ("check",): check,
    ("status",): status,
    ("up",): up,
    ("up", "-d"): _up_detached,
    # As git's scripts and pre-commit say it.
    ("hooks", "run"): _hooks(),
    ("hooks", "run", "--json"): _hooks(as_json=True),
    ("hooks", "run", "--stage", "pre-commit"): _hooks("pre-commit"),
    ("hooks", "run", "--stage", "pre-push"): _hooks("pre-push"),
}
