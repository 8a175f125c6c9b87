"""Renders what came from another tool, and what was left to one."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from typing import TYPE_CHECKING

from devenv.ui import beginning, screen

if TYPE_CHECKING:
    from devenv.commands.eject import EjectResult
    from devenv.commands.importing import ImportResult
    from devenv.importing import Loss

_WEIGHTS = {"lost": "not carried over", "changed": "otherwise than it was"}


def imported(result: ImportResult, *, dry_run: bool, as_json: bool) -> None:
    """What was written, what could not be carried over, and what comes next."""
    if as_json:
        screen.give_json(asdict(result))
        return
    beginning.written(result, dry_run=dry_run)
    if not dry_run and result.local is not None:
        screen.say(f"{screen.paint('✓', 'green')} wrote {screen.safe(result.local)}: secrets, keep it out of git")
    for weight, words in _WEIGHTS.items():
        _losses(words, [one for one in result.losses if one.weight == weight])
    harmless = [one for one in result.losses if one.weight == "harmless"]
    if harmless:
        screen.say(f"without effect here: {', '.join(dict.fromkeys(screen.safe(one.what) for one in harmless))}")
    beginning.remarks(result.remarks)
    beginning.following(dry_run=dry_run)


def _losses(words: str, losses: Iterable[Loss]) -> None:
    for number, one in enumerate(losses):
        if number == 0:
            screen.say(f"{words}:")
        where = f"{one.place.file}:{one.place.line}  " if one.place is not None else ""
        remedy = f"; {one.remedy}" if one.remedy else ""
        screen.say(f"  {screen.safe(where)}{screen.safe(one.what)}: {screen.safe(one.why)}{screen.safe(remedy)}")


def ejected(result: EjectResult, *, as_json: bool) -> None:
    """What was written, and what is lost by leaving."""
    if as_json:
        screen.give_json(asdict(result))
        return
    for name in result.files:
        screen.say(f"{screen.paint('✓', 'green')} wrote {screen.safe(name)}")
    screen.say("lost without devenv:")
    for one in result.losses:
        screen.say(f"  {screen.safe(one)}")
    screen.say(f"next: `docker compose up --build` in {screen.safe(result.folder)}; keep `.env` out of git")
