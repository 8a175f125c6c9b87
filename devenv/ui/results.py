"""Renders what commands return, as text or as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING

from devenv.ui import screen, tables

if TYPE_CHECKING:
    from devenv.commands.doctor import DoctorResult
    from devenv.commands.down import DownResult
    from devenv.commands.lock import LockResult
    from devenv.commands.logs import LogLine
    from devenv.commands.status import StatusResult
    from devenv.commands.up import UpResult
    from devenv.ui.screen import Colour

_UNIT_COLOURS: tuple[Colour, ...] = ("cyan", "yellow", "green", "magenta", "blue")


def up(result: UpResult, *, dry_run: bool, as_json: bool) -> None:
    """What `up` did: the steps were drawn as they happened, so only a summary and the addresses."""
    from devenv.ui import progress

    if as_json:
        data = asdict(result) | {"steps": [progress.step_data(step) for step in result.steps]}
        screen.give(json.dumps(data, indent=2))
        return
    if dry_run:
        screen.give(progress.plan_text(result.steps) or "nothing to do")
        return
    if result.locked:
        screen.say(f"{screen.paint('✓', 'green')} wrote devenv.lock; commit it")
    if all(step.verb == "wait" for step in result.steps):
        screen.say(f"{screen.paint('✓', 'green')} {result.instance} is up, nothing to do")
    if result.addresses:
        screen.give(tables.columns([(one.unit, one.url) for one in result.addresses]))


def down(result: DownResult, *, as_json: bool) -> None:
    """What `down` removed."""
    from devenv.ui import progress

    if as_json:
        data = asdict(result) | {"steps": [progress.step_data(step) for step in result.steps]}
        screen.give(json.dumps(data, indent=2))
        return
    if not result.steps:
        screen.say(f"{result.instance} is not up")
    if result.volumes_kept:
        screen.say(f"kept the data: {', '.join(result.volumes_kept)} (`--volumes` removes it)")


def status(result: StatusResult, *, as_json: bool) -> None:
    """The table of containers."""
    if as_json:
        screen.give(json.dumps(asdict(result), indent=2))
        return
    if not result.rows:
        screen.say(f"{result.instance} is not up")
    else:
        screen.give(tables.status(result))
    if result.note:
        screen.say(f"{screen.paint('warning:', 'yellow')} {result.note}")


def lock(result: LockResult, *, as_json: bool) -> None:
    """What moved."""
    if as_json:
        screen.give(json.dumps(asdict(result), indent=2))
        return
    if not result.written:
        screen.say(f"{screen.paint('✓', 'green')} devenv.lock is complete: {result.packages} packages")
        return
    if result.moves:
        screen.give(tables.moves(result))
    screen.say(f"{screen.paint('✓', 'green')} wrote devenv.lock: {result.packages} packages")


_MARKS: Mapping[str, tuple[str, Colour]] = {"ok": ("✓", "green"), "warning": ("!", "yellow"), "problem": ("✗", "red")}


def doctor(result: DoctorResult, *, as_json: bool) -> None:
    """Each finding in a line, with its remedy below."""
    if as_json:
        screen.give(json.dumps(asdict(result) | {"healthy": result.healthy}, indent=2))
        return
    for finding in result.findings:
        mark, colour = _MARKS[finding.state]
        screen.give(f"{screen.paint(mark, colour, 'stdout')} {finding.message}")
        if finding.remedy:
            remedy = finding.remedy.replace("\n", "\n    ")
            screen.give(f"    {screen.paint('→', 'cyan', 'stdout')} {remedy}")
    if not result.healthy and any(finding.fixable for finding in result.findings):
        screen.say("run `devenv doctor --fix` to repair what can be repaired")


def lines(found: Iterable[LogLine]) -> None:
    """Log lines, each with its unit in a colour of its own."""
    colours: dict[str, Colour] = {}
    for line in found:
        colour = colours.setdefault(line.unit, _UNIT_COLOURS[len(colours) % len(_UNIT_COLOURS)])
        screen.give(f"{screen.paint(f'{line.unit:<10}', colour, 'stdout')} | {screen.log_text(line.text)}")
