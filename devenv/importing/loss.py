"""What could not be carried over as it was."""

from __future__ import annotations

from typing import Literal

from devenv.errors import Place
from devenv.values import dataclass

Weight = Literal["lost", "changed", "harmless"]
"""`lost` wants somebody to act, `changed` works otherwise than before, `harmless` has no effect here."""


@dataclass(frozen=True, slots=True)
class Loss:
    """Something of the source.

    Args:
        what: Its name in the source: `services.web.logging`.
        why: In words, without the name.
        remedy: What to do; empty where nothing has to be done.
        unit: The service or app it is about; empty for the whole file.
    """

    what: str
    why: str
    remedy: str = ""
    weight: Weight = "lost"
    place: Place | None = None
    unit: str = ""
