"""Paired samples of two sides, and the numbers that describe them."""

from __future__ import annotations

from dataclasses import dataclass, field
from statistics import median


@dataclass(slots=True)
class Pairs:
    """Seconds that two sides took for the same thing, measured in turn.

    Args:
        target: The ratio that devenv promises not to exceed; None where it promises nothing.
    """

    name: str
    target: float | None = None
    ours: list[float] = field(default_factory=list)
    theirs: list[float] = field(default_factory=list)

    @property
    def ratio(self) -> float:
        """The ratio of the medians."""
        return median(self.ours) / median(self.theirs)

    @property
    def paired(self) -> float:
        """The median of the ratios pair by pair: what slows the machine for a while slows both of a pair."""
        return median(our / their for our, their in zip(self.ours, self.theirs, strict=True))

    def summary(self) -> dict[str, object]:
        """The numbers and what they were made from, for JSON."""
        return {
            "name": self.name,
            "pairs": len(self.ours),
            "devenv": {"median": median(self.ours), "min": min(self.ours), "seconds": self.ours},
            "compose": {"median": median(self.theirs), "min": min(self.theirs), "seconds": self.theirs},
            "ratio_of_medians": self.ratio,
            "median_of_ratios": self.paired,
            "target": self.target,
        }


HEADER = """\
| what | devenv: median (min) | compose: median (min) | ratio of medians | median of ratios | target | pairs |
|---|---|---|---|---|---|---|"""


def row(pairs: Pairs) -> str:
    """Draw a line of the table under `HEADER`."""
    target = "" if pairs.target is None else f"≤ {pairs.target:.2f}"
    cells = (pairs.name, _seconds(pairs.ours), _seconds(pairs.theirs), f"{pairs.ratio:.2f}", f"{pairs.paired:.2f}")
    return f"| {' | '.join((*cells, target, str(len(pairs.ours))))} |"


def _seconds(samples: list[float]) -> str:
    return f"{median(samples):.2f} s ({min(samples):.2f})"
