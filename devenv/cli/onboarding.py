"""The arguments of `devenv onboard`."""

from __future__ import annotations

import os
import shlex
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from devenv.cli import secrets, session
from devenv.ui import screen

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from devenv.cli.session import Options
    from devenv.commands.up import UpResult
    from devenv.engine.protocol import Engine
    from devenv.onboarding.arrival import Finding, Means
    from devenv.telling import Tell
    from devenv.ui.onboarding import Drawing
    from devenv.workspace import Workspace


def onboard(
    context: typer.Context,
    url: Annotated[str | None, typer.Argument(metavar="[GIT-URL]", help="Clone this repository first.")] = None,
    folder: Annotated[str | None, typer.Argument(help="Where to; default: a folder named like it.")] = None,
    yes: Annotated[
        bool, typer.Option("--yes", "-y", help="Install or start the engine, if that is needed, without asking.")
    ] = False,
    trust: Annotated[
        bool, typer.Option("--trust", help="Let the project have what it asks for, without asking.")
    ] = False,
    opens: Annotated[bool, typer.Option("--open", help="Open the first page in a browser.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print data as JSON.")] = False,
) -> None:
    """Go from a repository's address, or its folder, to an environment that answers.

    It clones, sees to the machine, asks for consent and secrets, and starts everything; given again, it goes on
    where it stopped.
    """
    from devenv.commands import onboard as command
    from devenv.onboarding.arrival import Request
    from devenv.ui import onboarding as shown

    given: Options = context.obj
    if url is not None:
        _hide(url, given.folder.absolute())
    drawing = shown.Drawing(as_json=as_json)
    request = Request(
        start=given.folder.absolute(),
        machine=session.machine(),
        url=url,
        folder=folder,
        profile=given.profile,
        repairs=yes,
        consents=trust,
        options=_options(given),
        tells=not as_json,
    )
    means = _Here(given, drawing).means(opens=opens, asks=screen.is_interactive() and not as_json)
    try:
        result = command.run(request, means, tell=drawing.tell, hear=drawing.ended, begin=drawing.began)
    finally:
        drawing.pause()
    place = None if result.folder is None else _elsewhere(result.folder)
    again = shlex.join(("devenv", *request.options, *(("-C", place) if place else ()), "onboard"))
    shown.result(result, again=again, place=place, as_json=as_json)
    if result.problem is not None:
        raise typer.Exit(result.problem.exit_code)


def _hide(url: str, start: Path) -> None:
    """Forget passwords in an address: who waits for this process is told its command line, as are reports of bugs.

    Raises:
        UsageError: It is no address.
    """
    from devenv.onboarding import repositories

    text = repositories.parse(url, start).text
    if "://" in url:
        sys.argv[1:] = [text if one == url else one for one in sys.argv[1:]]


def _options(given: Options) -> tuple[str, ...]:
    profile = ("--profile", given.profile) if given.profile is not None else ()
    return (*profile, *(("--engine", given.engine) if given.engine is not None else ()))


def _elsewhere(project: Path) -> str | None:
    """How to get to the project's folder; None from inside it."""
    here = Path.cwd()
    if here.is_relative_to(project):
        return None
    return str(project.relative_to(here)) if project.is_relative_to(here) else str(project)


class _Here:
    """What other commands and people do here."""

    def __init__(self, given: Options, drawing: Drawing) -> None:
        self._given = given
        self._drawing = drawing
        self._engine: Engine | None = None

    def means(self, *, opens: bool, asks: bool) -> Means:
        """All of it, as stages take it."""
        from devenv.commands import hooks
        from devenv.onboarding.arrival import Means

        return Means(
            examine=self._examine,
            connect=self._connect,
            alone=self._alone,
            up=self._up,
            install=hooks.install,
            show=self._show,
            ask=self._ask if asks else None,
            enter=self._enter if asks else None,
            browse=_browse if opens else None,
        )

    def _examine(self, project: Workspace, fix: bool) -> Sequence[Finding]:
        from devenv.commands import doctor

        if fix:
            self._drawing.pause()
        found = doctor.run(
            project.machine,
            os.environ,
            Path.home(),
            flag=self._given.engine,
            fix=fix,
            say=screen.say,
            project=project,
            connect=self._connect,
        )
        return found.findings

    def _connect(self) -> Engine:
        if self._engine is None:
            self._engine = session.engine(self._given)
        return self._engine

    @contextmanager
    def _alone(self, project: Workspace, engine: Engine) -> Iterator[None]:
        self._drawing.pause()
        with session.locked(project, engine):
            self._drawing.resume()
            yield

    def _up(self, project: Workspace, engine: Engine, tell: Tell) -> UpResult:
        from devenv.commands import up

        return up.run(project, engine, session.background(self._given, project, engine), tell=tell)

    def _ask(self, question: str) -> bool:
        self._drawing.pause()
        return typer.confirm(question, err=True)

    def _show(self, project: Workspace) -> None:
        from devenv.commands import trust
        from devenv.ui import trusting

        self._drawing.pause()
        if not self._drawing.is_silent:
            trusting.asks(trust.run(project))

    def _enter(self, project: Workspace) -> None:
        self._drawing.pause()
        secrets.ask(project)


def _browse(address: str) -> bool:
    """Open it where there is a screen; not in CI."""
    if os.environ.get("CI") or not _has_screen():
        return False
    import webbrowser

    return webbrowser.open(address)


def _has_screen() -> bool:
    return sys.platform != "linux" or any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER"))
