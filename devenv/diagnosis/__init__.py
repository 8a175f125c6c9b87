"""What `devenv doctor` looks at, each module one part of the machine; it asks everything of a `Host`."""

from __future__ import annotations

from typing import Literal

from devenv.values import dataclass

State = Literal["ok", "warning", "problem"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at.

    Args:
        name: What was looked at: `engine`, `cache`, `mirror`.
        message: What was seen.
        remedy: What to do; None when all is well.
        fixable: Whether `devenv doctor --fix` does it.
    """

    name: str
    state: State
    message: str
    remedy: str | None = None
    fixable: bool = False
