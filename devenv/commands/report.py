"""`devenv report`: what to send a colleague, or put into an issue."""

from __future__ import annotations

from collections.abc import Iterable

from devenv import reporting
from devenv.diagnosis import Finding
from devenv.engine.protocol import Engine
from devenv.errors import DevenvError
from devenv.model.machine import Machine
from devenv.reporting import Account
from devenv.workspace import Workspace


def run(
    project: Workspace | None,
    engine: Engine | None,
    machine: Machine,
    findings: tuple[Finding, ...],
    troubles: Iterable[DevenvError] = (),
) -> Account:
    """Report on this machine and on the project's environment there, as far as there are any.

    Args:
        findings: What `doctor` has found.
        troubles: Why there is no project or no engine.
    """
    return reporting.account(project, engine, machine, findings, troubles)
