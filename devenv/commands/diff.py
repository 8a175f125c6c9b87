"""`devenv diff`: how what runs differs from what is asked for, or this machine from another."""

from __future__ import annotations

from pathlib import Path

from devenv import drift, identity, reporting, workspace
from devenv.drift import Difference
from devenv.engine.protocol import Engine
from devenv.reporting import Contrast
from devenv.values import dataclass
from devenv.workspace import Workspace


@dataclass(frozen=True, slots=True)
class DiffResult:
    """What differs between the blueprint and what runs."""

    instance: str
    environment: str
    differences: tuple[Difference, ...]


@dataclass(frozen=True, slots=True)
class ContrastResult:
    """What differs between this machine's report and another's.

    Args:
        environment: This machine's environment id.
        other: The other's.
    """

    environment: str
    other: str
    contrasts: tuple[Contrast, ...]


def run(project: Workspace, engine: Engine) -> DiffResult:
    """Compare blueprint and containers."""
    observed = engine.observe(project.instance)
    workspace.guard(project, observed)
    copies = workspace.copies_recorded(project, engine.address)
    wanted = workspace.resolve(project, engine.info.architecture, copies=copies, records=False)
    found = drift.of(engine, wanted, observed)
    return DiffResult(wanted.instance, identity.current(project), found)


def against(project: Workspace, engine: Engine, report: Path) -> ContrastResult:
    """Compare this machine with the one that wrote a report.

    Raises:
        UsageError: The file is no report.
    """
    there = reporting.read(report)
    here = reporting.make(project, engine)
    return ContrastResult(here.environment, str(there.get("environment")), reporting.contrast(here, there))
