"""`devenv scale`: how many containers of an app run in this checkout."""

from __future__ import annotations

from collections.abc import Mapping

from devenv import balancing, entry, environment, running, workspace
from devenv.blueprint import balancer
from devenv.config import findings
from devenv.engine.protocol import Engine
from devenv.errors import UsageError
from devenv.live import Background
from devenv.model.blueprint import Step
from devenv.model.project import App
from devenv.telling import Tell
from devenv.values import dataclass
from devenv.workspace import Scaled, Workspace


@dataclass(frozen=True, slots=True)
class ScaleResult:
    """What runs now.

    Args:
        replicas: The number by app, of those asked for.
        scaled: Apps that run in another number than `devenv.toml` says.
    """

    instance: str
    replicas: Mapping[str, int]
    scaled: tuple[Scaled, ...]
    steps: tuple[Step, ...]


def check(project: Workspace, wanted: Mapping[str, int]) -> None:
    """Refuse what cannot be scaled; needs no engine.

    Raises:
        UsageError: It is no app, no possible number, or it would have no balancer.
    """
    apps = {app.name: app for app in project.project.apps}
    for name, number in wanted.items():
        running.known(project, name)
        if name not in apps:
            listed = findings.listed(tuple(apps), "and") if apps else "none"
            raise UsageError(f"`{name}` is no app: a service keeps data", hint=f"apps are: {listed}")
        if not 1 <= number <= balancer.MOST:
            raise UsageError(f"`{name}` cannot have {number} replicas", hint=f"from 1 to {balancer.MOST}")
        if number > 1 and apps[name].ports and project.project.balancer is None:
            raise UsageError(
                f"`{name}` has ports, and the project has no balancer to share them out",
                hint=f"add `replicas = 1` to `[apps.{name}]` in `devenv.toml`, then `devenv lock` and `devenv up -d`",
            )


def run(
    project: Workspace, engine: Engine, background: Background, wanted: Mapping[str, int], *, tell: Tell
) -> ScaleResult:
    """Start or stop containers of apps until there are so many; the number holds until `down`.

    Raises:
        NotReady: The environment is not up, or a new replica does not become ready.
    """
    environment.require_consent(project)
    running.containers(project, engine)
    apps = {app.name: app for app in project.project.apps}
    workspace.record_replicas(project, {name: _recorded(apps[name], number) for name, number in wanted.items()})
    asked = workspace.resolve(project, engine.info.architecture, copies=workspace.copies(project, engine))
    fill = background.filling(asked, tell)
    with entry.kept(project.machine, engine, tell):
        outcome = environment.converge(project, engine, asked, tell=tell, fill=fill)
    for one in asked.containers:
        if one.kind == "balancer":
            balancing.clear(engine, one.name, balancing.backends(asked))
    return ScaleResult(project.instance, dict(wanted), workspace.scaled(project), outcome.steps)


def _recorded(app: App, number: int) -> int | None:
    return None if number == (app.replicas or 1) else number
