"""Draws results as aligned columns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from devenv.ui import screen
from devenv.ui.screen import Colour

if TYPE_CHECKING:
    from devenv.addresses import Address
    from devenv.commands.diff import ContrastResult
    from devenv.commands.lock import LockResult
    from devenv.commands.status import Row, StatusResult
    from devenv.commands.sync import SyncResult
    from devenv.drift import Difference
    from devenv.sync.events import Status
    from devenv.upgrades import Move
    from devenv.verifying import Verdict

_SHARES: dict[str, Colour] = {"up": "green", "down": "red", "maint": "yellow", "drain": "yellow"}
_STATES: dict[str, Colour] = {
    "healthy": "green",
    "running": "green",
    "starting": "yellow",
    "created": "yellow",
    "unhealthy": "red",
    "exited": "red",
    "dead": "red",
    "restarting": "red",
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


def addresses(found: Sequence[Address]) -> str:
    """Where units are reached, by name first."""
    return columns([(one.unit, ", ".join((*one.names, one.url))) for one in found])


def status(result: StatusResult) -> str:
    """The environment's containers."""
    limits = _limits(result.rows) if any(row.limits.are_asked_for for row in result.rows) else {}
    balanced = any(row.balanced for row in result.rows)
    several = {row.unit for row in result.rows if row.replica > 1}
    more = (*(("REPLICA", "GETS", "REQUESTS") if balanced else ()), *(("LIMITS",) if limits else ()))
    head = ("NAME", "KIND", "STATE", "CURRENT", "ADDRESS", *more, "DETAIL")
    dim: Colour = "dim"
    rows: list[Sequence[str]] = [head]
    colours: list[list[Colour | None]] = [[dim] * len(head)]
    for row in result.rows:
        told: list[Colour | None] = [None, _SHARES.get(row.balanced or ""), None] if balanced else []
        told += [None] if limits else []
        further = (*(_shares(row) if balanced else ()), *((limits[row.container],) if limits else ()))
        rows.append(_status_row(row, further, several=row.unit in several))
        colours.append([None, None, _STATES.get(row.state), None if row.current else "yellow", None, *told, dim])
    return columns(rows, colours)


def _limits(rows: Sequence[Row]) -> dict[str, str]:
    """The limits of each container, and what it uses of them."""
    from devenv import limiting

    return {row.container: limiting.text(row.limits, row.use) or "-" for row in rows}


def _status_row(row: Row, further: tuple[str, ...], *, several: bool) -> tuple[str, ...]:
    """Replicas have numbers where there are several; the first of them has the address of all."""
    current = "?" if row.current is None else "yes" if row.current else "no"
    name = f"{row.unit}-{row.replica}" if several else row.unit
    urls = ", ".join(row.addresses if row.replica == 1 else ()) or "-"
    return (name, row.kind, row.state, current, urls, *further, row.detail)


def _shares(row: Row) -> tuple[str, ...]:
    """Where the balancer finds a replica, what it gets of its app's requests, and how many it had."""
    if row.balanced is None:
        return ("-", "-", "-")
    share = f"{row.share:.0%}" if row.share is not None else row.balanced
    return (row.address, share if row.balanced == "up" else row.balanced, f"{row.requests:,}")


def sync(result: SyncResult) -> str:
    """A row for each folder; below it conflicts and troubles with their reasons."""
    report = result.report
    if report is None or not result.copies:
        return _sync_line(result)
    head = ("APP", "FOLDER", "VOLUME", "STAGE", "PATHS", "WAITING", "MEDIAN")
    rows = [head, *(_sync_row(one) for one in report.sessions)]
    colours: list[list[Colour | None]] = [["dim"] * len(head)]
    for one in report.sessions:
        colours.append([None, None, None, "green" if one.stage == "live" else "yellow", None, None, None])
    lines = [columns(rows, colours), *(_sync_note(line) for one in report.sessions for line in _differing(one))]
    lines += [screen.paint(f"`{report.action}` runs", "dim", "stdout")] if report.action else []
    return "\n".join(lines)


def _sync_line(result: SyncResult) -> str:
    if result.report is not None:
        apps = ", ".join(result.report.followed)
        return f"bind: the engine shares this folder; process {result.report.pid} follows changes for: {apps}"
    if not result.copies:
        return "bind: the engine shares this folder; nothing is followed"
    why = f": {screen.safe(result.ended)}" if result.ended else ""
    return screen.paint(f"copy: no process keeps files equal{why}; `devenv up -d` starts it", "yellow", "stdout")


def _sync_row(one: Status) -> tuple[str, ...]:
    times = sorted(one.seconds)
    median = f"{times[len(times) // 2] * 1000:.0f} ms" if times else "-"
    return (one.app, screen.safe(one.folder), one.volume, one.stage, f"{one.paths:,}", f"{one.waiting:,}", median)


def _differing(one: Status) -> Iterator[str]:
    if one.reason:
        yield f"{one.app} is {one.stage}: {one.reason}"
    for conflict in one.conflicts:
        yield f"{conflict.path} was changed on both sides; the one from inside is at {conflict.kept}"
    for trouble in one.troubles:
        yield f"{trouble.path}: {trouble.reason}"


def _sync_note(words: str) -> str:
    return screen.paint(f"! {screen.safe(words)}", "yellow", "stdout")


def moves(result: LockResult) -> str:
    """What moved in the lockfile: first what software it is about, then digests and packages, a new layer as a line."""
    fresh: dict[tuple[str, str], int] = {}
    rows: dict[str, list[tuple[str, ...]]] = {"version": [], "digest": [], "package": []}
    for move in result.moves:
        if move.what == "package" and move.before is None:
            key = (move.architecture, move.subject)
            fresh[key] = fresh.get(key, 0) + 1
        else:
            rows[move.what].append((move.name, _change(move), move.subject, move.architecture))
    added = [(subject, f"{count} packages added", subject, arch) for (arch, subject), count in fresh.items()]
    return columns([*rows["version"], *rows["digest"], *rows["package"], *added])


def _change(move: Move) -> str:
    """`17.6 → 17.7`; digests in short."""
    before, after = (one and one[:19] if move.what == "digest" else one for one in (move.before, move.after))
    if before is None:
        return f"{after} added"
    return f"{before} → {after}" if after is not None else f"{before} removed"


def differences(found: Sequence[Difference]) -> str:
    """Each difference under its unit: what, from what to what, and why."""
    lines: list[str] = []
    unit = ""
    for one in found:
        if one.unit != unit:
            unit = one.unit
            lines.append(screen.paint(unit, "bold", "stdout"))
        name = f"{one.what} {one.name}".strip()
        lines.append(f"  {screen.safe(name)}: {_sides(one)}")
        lines.append(f"    {screen.paint(one.explanation, 'dim', 'stdout')}")
    return "\n".join(lines)


def _sides(one: Difference) -> str:
    if one.what == "file":
        return one.found or ""
    wanted, found = ("not there" if side is None else _short(side) for side in (one.wanted, one.found))
    return f"should be {wanted}, is {found}"


def _short(text: str, length: int = 100) -> str:
    plain = screen.safe(text.replace("\n", "⏎"))
    return plain if len(plain) <= length else plain[: length - 1] + "…"


def contrasts(result: ContrastResult) -> str:
    """What differs between two machines, decisive things first."""
    head = ("WHAT", "HERE", "THERE", "")
    rows = [
        (one.name, _short(one.here or "-", 40), _short(one.there or "-", 40), _WEIGHTS[one.weight])
        for one in result.contrasts
    ]
    return columns([head, *rows], [["dim"] * len(head)])


_WEIGHTS = {"decisive": "makes them different", "circumstance": "may explain what behaves differently"}


def verdict(found: Verdict, most: int = 50) -> Iterator[str]:
    """What is wrong with an image, in lines."""
    yield from found.damages
    if found.found is not None and found.found != found.digest:
        yield f"the engine has {found.found}"
    if found.pinned not in (None, found.digest):
        yield f"devenv.lock says {found.pinned}"
    for one in found.paths[:most]:
        where = one.what.replace("the first", "the image made anew").replace("the second", "the engine's image")
        yield f"{one.path}: {where}"
    if len(found.paths) > most:
        yield f"… and {len(found.paths) - most} more paths (`--json` lists all)"
