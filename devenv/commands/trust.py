"""`devenv trust`: shows what a project asks for beyond its own containers, and records what its user allows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from devenv import trust
from devenv.trust import Ask
from devenv.values import dataclass
from devenv.workspace import Workspace


@dataclass(frozen=True, slots=True)
class TrustResult:
    """What the project asks for.

    Args:
        withdrawn: Whether consent was taken back by this command.
    """

    project: str
    folder: str
    asks: tuple[Ask, ...]
    withdrawn: bool = False

    @property
    def missing(self) -> tuple[Ask, ...]:
        """Those without consent."""
        return tuple(one for one in self.asks if not one.given)


def run(project: Workspace) -> TrustResult:
    """Look at what it asks for; changes nothing and needs no engine."""
    return TrustResult(project.project.name, str(project.folder), trust.asked(project))


def allow(project: Workspace, asks: Sequence[Ask]) -> TrustResult:
    """Record consent to asks that were shown."""
    trust.consent(project, asks)
    return run(project)


def withdraw(project: Workspace) -> TrustResult:
    """Forget all consent; what runs goes on until `devenv down`."""
    withdrawn = trust.withdraw(project)
    return replace(run(project), withdrawn=withdrawn)
