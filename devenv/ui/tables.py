"""Draws results as aligned columns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from devenv.ui import screen
from devenv.ui.screen import Colour

if TYPE_CHECKING:
    from devenv.commands.lock import LockResult
    from devenv.commands.status import Row, StatusResult

_STATES: dict[str, Colour] = {
    "healthy": "green",
    "running": "green",
    "starting": "yellow",
    "created": "yellow",
    "unhealthy": "red",
    "exited": "red",
    "dead": "red",
    "missing": "dim",
}


def columns(rows: Sequence[Sequence[str]], colours: Sequence[Sequence[Colour | None]] = ()) -> str:
    """Left-aligned columns, two spaces apart; colour does not count for the width."""
    if not rows:
        return ""
    widths = [max(len(row[index]) for row in rows) for index in range(len(rows[0]))]
    lines = []
    for number, row in enumerate(rows):
        cells = []
        for index, cell in enumerate(row):
            colour = colours[number][index] if number < len(colours) else None
            painted = screen.paint(cell, colour, "stdout") if colour else cell
            cells.append(painted + " " * (widths[index] - len(cell)))
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def status(result: StatusResult) -> str:
    """The environment's containers."""
    head = ("NAME", "KIND", "STATE", "CURRENT", "ADDRESS", "DETAIL")
    dim: Colour = "dim"
    rows = [head, *(_status_row(row) for row in result.rows)]
    colours: list[list[Colour | None]] = [[dim] * len(head)]
    colours += [
        [None, None, _STATES.get(row.state), None if row.current else "yellow", None, dim] for row in result.rows
    ]
    return columns(rows, colours)


def _status_row(row: Row) -> tuple[str, ...]:
    current = "?" if row.current is None else "yes" if row.current else "no"
    return (row.unit, row.kind, row.state, current, ", ".join(row.addresses) or "-", row.detail)


def moves(result: LockResult) -> str:
    """What moved in the lockfile: one line a package, whole layers that are new as one line."""
    fresh: dict[tuple[str, str], int] = {}
    rows: list[tuple[str, ...]] = []
    for move in result.moves:
        if move.before is None:
            key = (move.architecture, move.layer)
            fresh[key] = fresh.get(key, 0) + 1
        else:
            rows.append((move.architecture, move.layer, move.package, f"{move.before} → {move.after or 'removed'}"))
    rows += [(arch, layer, f"{count} packages", "added") for (arch, layer), count in fresh.items()]
    return columns(rows)
