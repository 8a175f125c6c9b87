"""What was measured of both sides and how it compares with what devenv promises."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from math import ceil
from statistics import median


@dataclass(frozen=True, slots=True)
class Target:
    """What devenv promises not to exceed; None where it promises nothing.

    Args:
        ratio: The median of the ratios to the other side, turn by turn.
    """

    p50: float | None = None
    p95: float | None = None
    ratio: float | None = None


@dataclass(slots=True)
class Figures:
    """Samples of one thing, measured in turn.

    Args:
        kind: What was asked for.
        name: How the table calls it.
        unit: `s`, or what stands behind the number.
        limit: Samples of a bind mount, for information.
        never: How often, by side, what was awaited did not come.
    """

    kind: str
    name: str
    unit: str = "s"
    target: Target = Target()
    ours: list[float] = field(default_factory=list)
    theirs: list[float] = field(default_factory=list)
    limit: list[float] = field(default_factory=list)
    ratios: list[float] = field(default_factory=list)
    never: dict[str, int] = field(default_factory=dict)

    def turn(self, samples: Mapping[str, Sequence[float | None]]) -> None:
        """Take what one turn gave, by side: `devenv`, `compose`, `bind`."""
        taken = {side: [one for one in several if one is not None] for side, several in samples.items()}
        for side, several in samples.items():
            if missed := len(several) - len(taken[side]):
                self.never[side] = self.never.get(side, 0) + missed
        ours, theirs = taken.get("devenv", []), taken.get("compose", [])
        self.ours += ours
        self.theirs += theirs
        self.limit += taken.get("bind", [])
        if ours and theirs and median(theirs):
            self.ratios.append(median(ours) / median(theirs))

    @property
    def found(self) -> Target:
        """What there is in the place of each promise."""
        if not self.ours:
            return Target()
        return Target(median(self.ours), percentile(self.ours, 95), median(self.ratios) if self.ratios else None)

    @property
    def missed(self) -> list[str]:
        """The promises that were not kept."""
        promised, found = asdict(self.target), asdict(self.found)
        return [one for one, most in promised.items() if most is not None and (found[one] is None or found[one] > most)]

    def summary(self) -> dict[str, object]:
        """The numbers and what they were made from, for JSON."""
        found = {"found": asdict(self.found), "missed": self.missed}
        return asdict(self) | found


def percentile(samples: Sequence[float], share: float) -> float:
    """The smallest sample that so many percent of all do not exceed."""
    return sorted(samples)[max(0, ceil(len(samples) * share / 100) - 1)]


HEADER = """\
| what | devenv: p50 (p95) | compose: p50 (p95) | bind: p50 (p95) | median of ratios | target | result | samples |
|---|---|---|---|---|---|---|---|"""


def row(figures: Figures) -> str:
    """Draw a line of the table under `HEADER`."""
    sides = (figures.ours, figures.theirs, figures.limit)
    ratio = figures.found.ratio
    cells = [figures.name, *(_samples(one, figures.unit) for one in sides), "" if ratio is None else f"{ratio:.3f}"]
    counts = "/".join(str(len(one)) for one in sides if one)
    return f"| {' | '.join((*cells, _promise(figures), _result(figures), counts))} |"


def _samples(samples: Sequence[float], unit: str) -> str:
    if not samples:
        return ""
    return f"{_amount(median(samples), unit)} ({_amount(percentile(samples, 95), unit)})"


def _amount(number: float, unit: str) -> str:
    if unit != "s":
        return f"{number:.3g} {unit}"
    return f"{number:.2f} s" if number >= 1 else f"{number * 1000:.1f} ms"


def _promise(figures: Figures) -> str:
    promised = figures.target
    amounts = [(name, getattr(promised, name)) for name in ("p50", "p95")]
    words = [f"{name} ≤ {_amount(most, figures.unit)}" for name, most in amounts if most is not None]
    return ", ".join([*words, *([f"ratio ≤ {promised.ratio:.3g}"] if promised.ratio is not None else [])])


def _result(figures: Figures) -> str:
    never = [f"{side} never: {count}" for side, count in figures.never.items()]
    words = f"missed: {', '.join(figures.missed)}" if figures.missed else "met" if _promise(figures) else ""
    return "; ".join(filter(None, (words, *never)))
