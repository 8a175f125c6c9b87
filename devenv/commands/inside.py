"""`devenv exec`, `devenv shell`, `devenv run` and `devenv connect`: commands inside a container."""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable, Iterable, Sequence

from devenv import blueprint, catalog, limiting, live, running, workspace
from devenv.blueprint import services
from devenv.config import findings
from devenv.engine.protocol import Chunk, Command, Engine
from devenv.errors import UsageError
from devenv.live import Background
from devenv.model.project import Service
from devenv.values import dataclass
from devenv.workspace import Workspace

SHELL = ("/bin/sh", "-c", "if command -v bash >/dev/null; then exec bash -l; else exec sh -l; fi")

Write = Callable[[Chunk], None]


@dataclass(frozen=True, slots=True)
class Terminal:
    """Where a command's output goes, and where its input comes from.

    Args:
        interactive: Connect this process's terminal; `write` then hears nothing.
        write: Hears the output.
        remark: Hears what people should know though the command runs.
        stdin: The command's input, when this process's terminal is not; None is an empty one.
    """

    interactive: bool
    write: Write
    remark: Callable[[str], None]
    stdin: Iterable[bytes] | None = None


def execute(
    project: Workspace, engine: Engine, background: Background, unit: str, argv: Sequence[str], terminal: Terminal
) -> int:
    """Run a command in a unit's container; return its exit code.

    Where files are copied, it sees what was changed outside before, and what it changes is outside when it has ended.
    """
    container = running.one(project, engine, unit)
    unit = running.replica_of(project, unit) or unit
    argv = (*blueprint.inside(project.project, project.entries, unit), *argv)
    copies = workspace.has_copies(project, engine.address)
    bring_out = live.in_step(background, terminal.remark, copies=copies)
    begun = time.monotonic()
    execution = engine.exec(container.name, Command(argv, interactive=terminal.interactive, stdin=terminal.stdin))
    for chunk in execution:
        terminal.write(chunk)
    code, limits = execution.exit_code, limiting.of(project.project, unit)
    if (why := limiting.killed(engine, container.name, unit, limits, code, time.monotonic() - begun)) is not None:
        terminal.remark(why)
    bring_out()
    return code


def task(
    project: Workspace,
    engine: Engine,
    background: Background,
    name: str,
    arguments: Sequence[str],
    terminal: Terminal,
) -> int:
    """Run a task in its app's container, with further arguments at the end; return its exit code.

    Raises:
        UsageError: There is no such task.
    """
    tasks = {one.name: one for one in project.project.tasks}
    if name not in tasks:
        error = catalog.unknown("task", name, tuple(tasks))
        raise UsageError(error.message, hint=error.hint if tasks else "add `[tasks.<name>]` to `devenv.toml`")
    words = " ".join([tasks[name].run, *(shlex.quote(one) for one in arguments)])
    argv = ("/bin/sh", "-c", words)
    return execute(project, engine, background, tasks[name].app, argv, terminal)


def default_app(project: Workspace) -> str:
    """The app meant when none is named: the first one.

    Raises:
        UsageError: The project has no app.
    """
    if not project.project.apps:
        raise UsageError("the project has no app", hint="name a service")
    return project.project.apps[0].name


def client(project: Workspace, name: str | None = None) -> tuple[str, tuple[str, ...]]:
    """The service meant and the command that talks to it; without a name the only one that has such a command.

    Raises:
        UsageError: There is no such service, it has no such command, or none or several have one.
    """
    known = {one.name: one for one in project.project.services}
    if name is None:
        name = _only(one for one in known.values() if _client(project, one))
    if name not in known:
        running.known(project, name)
        raise UsageError(f"`{name}` is an app, not a service", hint=f"run `devenv shell {name}`")
    command = _client(project, known[name])
    if not command:
        use = known[name].use
        why = f"the catalog's entry `{use}` names none" if use else "it is made from an image, not from the catalog"
        raise UsageError(f"`{name}` has no client: {why}", hint=f"run `devenv shell {name}`")
    return name, command


def _client(project: Workspace, service: Service) -> tuple[str, ...]:
    return services.client(project.project, service, project.entries)


def _only(found: Iterable[Service]) -> str:
    """The name of the service meant when none is named."""
    names = [one.name for one in found]
    if not names:
        raise UsageError("no service of the project has a client", hint="`devenv shell NAME` opens a shell in one")
    if len(names) > 1:
        listed = findings.listed(names, "and")
        raise UsageError(f"several services have a client: {listed}", hint=f"run `devenv connect {names[0]}`")
    return names[0]
