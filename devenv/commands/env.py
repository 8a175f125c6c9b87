"""`devenv env` and `devenv url`: what programs on the host need to reach the environment."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Mapping

from devenv import addresses, blueprint, entry, running, secrets, workspace
from devenv.addresses import Address
from devenv.engine.protocol import Engine
from devenv.errors import UsageError
from devenv.workspace import Workspace


def variables(project: Workspace) -> Mapping[str, str]:
    """The variables for programs on the host; needs no engine."""
    ports = workspace.placement(project).ports
    provided = blueprint.variables(project.project, project.entries, project.project.services, ports)
    known = secrets.values(project.project, project.entries)
    return {name: one if isinstance(one, str) else one.revealed(known) for name, one in provided.items()}


def urls(project: Workspace, engine: Engine, unit: str | None = None) -> tuple[Address, ...]:
    """Every address, or a unit's.

    Raises:
        UsageError: There is no such unit, or it publishes no port.
    """
    if unit is not None:
        running.known(project, unit)
    named = entry.find(project.machine, engine.address)
    found = addresses.of(workspace.resolve(project, engine.info.architecture), named)
    chosen = tuple(one for one in found if unit in (None, one.unit))
    if unit is not None and not chosen:
        raise UsageError(f"`{unit}` publishes no port", hint="add `ports = […]` to it in `devenv.toml`")
    return chosen


def as_dotenv(values: Mapping[str, str]) -> str:
    """`NAME="value"` lines that dotenv readers and docker compose take."""
    return "".join(f"{key}={_dotenv_value(value)}\n" for key, value in values.items())


def _dotenv_value(value: str) -> str:
    if "'" not in value and "\n" not in value:
        return f"'{value}'" if set(value) & set(' "$#\\`') else value
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("$", "\\$").replace("\n", "\\n")
    return f'"{escaped}"'


def as_shell(values: Mapping[str, str]) -> str:
    """`export` lines for `eval "$(devenv env --format shell)"`."""
    return "".join(f"export {key}={shlex.quote(value)}\n" for key, value in values.items())


def as_json(values: Mapping[str, str]) -> str:
    """One JSON object."""
    return json.dumps(dict(values), indent=2) + "\n"


FORMATS: Mapping[str, Callable[[Mapping[str, str]], str]] = {
    "dotenv": as_dotenv,
    "shell": as_shell,
    "json": as_json,
}
