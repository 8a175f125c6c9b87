"""Renders what begins a project: the first `devenv.toml`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from devenv.ui import screen

if TYPE_CHECKING:
    from devenv.commands.importing import ImportResult
    from devenv.commands.init import InitResult


def init(result: InitResult, *, dry_run: bool, as_json: bool) -> None:
    """What was written, what is left open, and what comes next."""
    if as_json:
        screen.give_json(asdict(result))
        return
    written(result, dry_run=dry_run)
    remarks(result.remarks)
    for name in result.open:
        screen.say(f"{screen.paint('!', 'yellow')} how `{name}` is started could not be seen: add its `run`")
    following(dry_run=dry_run)


def written(result: InitResult | ImportResult, *, dry_run: bool) -> None:
    """The first `devenv.toml`: that it is there, or itself where it is only shown."""
    if dry_run:
        screen.give("\n".join(map(screen.safe, result.text.splitlines())))
        return
    what = ", ".join(filter(None, (_counted("app", result.apps), _counted("service", result.services))))
    screen.say(f"{screen.paint('✓', 'green')} wrote {screen.safe(result.file)}{f': {what}' if what else ''}")


def remarks(lines: Iterable[str]) -> None:
    """What people should know."""
    for line in lines:
        screen.say(f"{screen.paint('!', 'yellow')} {screen.safe(line)}")


def following(*, dry_run: bool) -> None:
    """What comes next."""
    if not dry_run:
        screen.say("next: look through it, then `devenv up`")


def _counted(what: str, names: Sequence[str]) -> str:
    return f"{what}{'s' if len(names) > 1 else ''} {', '.join(names)}" if names else ""
