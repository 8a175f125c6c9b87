"""Files of other tools, made from a project alone: for editors with Dev Containers, for workflows on GitHub."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import devenv
from devenv.blueprint import COMPOSE_FILE, editors, images
from devenv.config import reaching
from devenv.model.project import LOOPBACK, App, Project, Reach
from devenv.values import dataclass

MARK = editors.MARK
"""What tells that a file may be written anew."""
WORKFLOW = ".github/workflows/devenv.yml"
PACKAGE = "devenv-up"
TESTS = re.compile(r"(unit|integration|e2e|spec)?[._:-]?(test|tests|check|checks|lint|typecheck)s?([._:-].*)?")
"""Names of tasks that a workflow runs."""


@dataclass(frozen=True, slots=True)
class Companion:
    """A file, not yet written.

    Args:
        path: In the project's folder.
    """

    path: str
    text: str


def devcontainer(project: Project, app: App) -> Companion:
    """What editors with Dev Containers work by: https://containers.dev/implementors/json_reference/.

    devenv starts the environment, setup and secrets included, and the editor joins the app in it.
    """
    labels = {str(port): {"label": f"{one.name} {port}"} for one in project.apps for port in one.ports}
    secrets = {one.name: _about(one.description, one.url) for one in project.secrets}
    content: dict[str, object] = {
        "name": project.name,
        "initializeCommand": ["devenv", "up", "-d"],
        "dockerComposeFile": f"../{COMPOSE_FILE}",
        "service": app.name,
        "workspaceFolder": images.WORK,
        "overrideCommand": False,
        "updateRemoteUserUID": False,
        "shutdownAction": "none",
        "forwardPorts": [int(port) for port in labels],
        "portsAttributes": labels,
    }
    if secrets:
        content["secrets"] = secrets
    mark = f"// {MARK} from devenv.toml: `devenv render devcontainer` writes it anew.\n"
    return Companion(editors.FILE, mark + json.dumps(content, indent=2, ensure_ascii=False) + "\n")


def _about(description: str, url: str | None) -> dict[str, str]:
    found = {"description": description, "documentationUrl": url or ""}
    return {key: value for key, value in found.items() if value}


def workflow(project: Project) -> Companion:
    """A workflow for GitHub that does in CI what a colleague does: the same environment, its hooks and its tests."""
    return Companion(WORKFLOW, "\n".join(_workflow(project)) + "\n")


def _workflow(project: Project) -> Iterator[str]:
    yield f"# {MARK} from devenv.toml: `devenv render github` writes it anew."
    yield "name: devenv"
    yield "on:"
    yield "  push:"
    yield "  pull_request:"
    yield "permissions:"
    yield "  contents: read"
    yield "jobs:"
    yield "  devenv:"
    yield "    runs-on: ubuntu-24.04"
    yield "    timeout-minutes: 60"
    yield from _environment(project)
    yield "    steps:"
    yield "      - uses: actions/checkout@v4"
    yield "      - uses: actions/setup-python@v5"
    yield "        with:"
    yield '          python-version: "3.13"'
    for name, command, condition in _steps(project):
        yield f"      - name: {name}"
        if condition:
            yield f"        if: {condition}"
        yield f"        run: {command}"


def _environment(project: Project) -> Iterator[str]:
    """The secrets that the repository's settings on GitHub have to hold."""
    if project.secrets:
        yield "    env:"
        yield from (f"      {one.name}: ${{{{ secrets.{one.name} }}}}" for one in project.secrets)


def _steps(project: Project) -> Iterator[tuple[str, str, str]]:
    """Each with its name, its command, and when it runs if not everything went well."""
    yield "Install devenv", f"pip install {PACKAGE}~={devenv.__version__}", ""
    yield "Put the machine right", "devenv doctor --fix", ""
    yield "Check devenv.toml and devenv.lock", "devenv check", ""
    if project.secrets:
        yield "Allow secrets", f"devenv secrets allow {' '.join(one.name for one in project.secrets)}", ""
    reaches = [*(app.reach for app in project.apps), *(service.reach for service in project.services)]
    if any(map(_reaches_out, reaches)):
        yield "Consent to what it reaches", "devenv trust --yes", ""
    yield "Start", "devenv up -d --frozen", ""
    if project.hooks:
        yield "Run hooks", "devenv hooks run --all", ""
    for task in project.tasks:
        if TESTS.fullmatch(task.name):
            yield f"Run {task.name}", f"devenv run {task.name}", ""
    yield "Show logs", "devenv logs --tail 500", "failure()"
    yield "Stop", "devenv down --volumes", "always()"


def _reaches_out(reach: Reach) -> bool:
    """Whether a unit asks for what needs consent."""
    outside = any(not reaching.is_inside(one.source) for one in reach.mounts)
    return outside or reach.privileged or bool(reach.capabilities) or reach.address != LOOPBACK
