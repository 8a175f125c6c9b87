"""`devenv report`: what to send a colleague, or put into an issue."""

from __future__ import annotations

from devenv import reporting
from devenv.engine.protocol import Engine
from devenv.reporting import Report
from devenv.workspace import Workspace


def run(project: Workspace, engine: Engine) -> Report:
    """Report on this machine and on the project's environment there."""
    return reporting.make(project, engine)
