"""The three commands that people and hooks run all day; bare, they do without a parser of arguments."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING

from devenv.cli import session
from devenv.cli.session import Options
from devenv.errors import DevenvError
from devenv.ui import errors, screen

if TYPE_CHECKING:
    from devenv.engine.protocol import Engine
    from devenv.workspace import Workspace


def up(
    given: Options, *, detach: bool = False, frozen: bool = False, dry_run: bool = False, as_json: bool = False
) -> None:
    """`devenv up`."""
    from devenv.commands import up as up_command
    from devenv.ui import progress, results

    project, engine = session.workspace(given), session.engine(given)
    stays = not (detach or dry_run or as_json)
    with _stopped_by_interrupt(project, engine) if stays else nullcontext():
        with session.locked(project, engine), progress.drawn(as_json=as_json) as tell:
            result = up_command.run(project, engine, tell=tell, frozen=frozen, dry_run=dry_run)
        results.up(result, dry_run=dry_run, as_json=as_json)
        if stays:
            from devenv.commands import logs

            results.lines(logs.run(project, engine, (), follow=True, tail=0))


@contextmanager
def _stopped_by_interrupt(project: Workspace, engine: Engine) -> Iterator[None]:
    """Stop what runs on ^C, at whatever point it comes."""
    from devenv.commands import down
    from devenv.ui import progress

    try:
        yield
    except KeyboardInterrupt:
        screen.say()
        with session.locked(project, engine), progress.drawn() as tell:
            down.stop(project, engine, tell=tell)
        raise


def status(given: Options, *, as_json: bool = False) -> None:
    """`devenv status`."""
    from devenv.commands import status as status_command
    from devenv.ui import results

    results.status(status_command.run(session.workspace(given), session.engine(given)), as_json=as_json)


def check(given: Options, *, as_json: bool = False) -> int:
    """`devenv check`; the exit code."""
    from devenv.commands import check as check_command

    try:
        project = check_command.run(given.folder.absolute(), session.machine(), profile=given.profile)
    except DevenvError as error:
        if not as_json:
            raise
        screen.give_json({"problems": errors.data(error)})
        return error.exit_code
    if as_json:
        screen.give_json({"problems": []})
    else:
        screen.say(f"{screen.paint('✓', 'green')} {project.project.name}: no mistakes")
    return 0


def _up_detached(given: Options) -> None:
    up(given, detach=True)


BARE: Mapping[tuple[str, ...], Callable[[Options], int | None]] = {
    ("check",): check,
    ("status",): status,
    ("up",): up,
    ("up", "-d"): _up_detached,
}
