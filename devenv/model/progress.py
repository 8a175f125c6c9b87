"""How long work tells what it is doing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from devenv.values import dataclass


@dataclass(frozen=True, slots=True)
class Progress:
    """One report of a piece of work under way.

    Args:
        subject: What is worked on: `postgres`, `package index`.
        action: Present participle: `downloading`, `configuring`, `packing`.
        done: So far, in `unit`.
        total: At the end, None when unknown.
    """

    subject: str
    action: str
    done: int
    total: int | None
    unit: Literal["bytes", "objects", "packages", "paths", "steps"]


Report = Callable[[Progress], None]


def silence(progress: Progress) -> None:
    """Report to nobody."""
