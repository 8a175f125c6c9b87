"""`devenv exec`, `devenv shell` and `devenv run`: commands inside a container."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence

from devenv import catalog, running
from devenv.engine.protocol import Chunk, Command, Engine
from devenv.errors import UsageError
from devenv.workspace import Workspace

SHELL = ("/bin/sh", "-c", "if command -v bash >/dev/null; then exec bash -l; else exec sh -l; fi")

Write = Callable[[Chunk], None]


def execute(
    project: Workspace, engine: Engine, unit: str, argv: Sequence[str], *, interactive: bool, write: Write
) -> int:
    """Run a command in a unit's container; return its exit code.

    Args:
        interactive: Connect this process's terminal; `write` then hears nothing.
    """
    container = running.one(project, engine, unit)
    command = Command(tuple(argv), interactive=interactive)
    execution = engine.exec(container.name, command)
    for chunk in execution:
        write(chunk)
    return execution.exit_code


def task(
    project: Workspace, engine: Engine, name: str, arguments: Sequence[str], *, interactive: bool, write: Write
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
    return execute(project, engine, tasks[name].app, argv, interactive=interactive, write=write)


def default_app(project: Workspace) -> str:
    """The app meant when none is named: the first one.

    Raises:
        UsageError: The project has no app.
    """
    if not project.project.apps:
        raise UsageError("the project has no app", hint="name a service")
    return project.project.apps[0].name
