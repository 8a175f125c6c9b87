"""Renders what begins a project: the first `devenv.toml`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from devenv.ui import screen

if TYPE_CHECKING:
    from devenv.commands.init import InitResult


def init(result: InitResult, *, dry_run: bool, as_json: bool) -> None:
    """What was written, what is left open, and what comes next."""
    if as_json:
        screen.give_json(asdict(result))
        return
    if dry_run:
        screen.give("\n".join(map(screen.safe, result.text.splitlines())))
    else:
        what = ", ".join(filter(None, (_counted("app", result.apps), _counted("service", result.services))))
        tick = screen.paint("✓", "green")
        screen.say(f"{tick} wrote {screen.safe(result.file)}{f': {what}' if what else ''}")
    for remark in result.remarks:
        screen.say(f"{screen.paint('!', 'yellow')} {screen.safe(remark)}")
    for name in result.open:
        screen.say(f"{screen.paint('!', 'yellow')} how `{name}` is started could not be seen: add its `run`")
    if not dry_run:
        screen.say("next: look through it, then `devenv up`")


def _counted(what: str, names: Sequence[str]) -> str:
    return f"{what}{'s' if len(names) > 1 else ''} {', '.join(names)}" if names else ""
