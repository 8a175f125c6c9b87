"""Renders how hooks went."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from devenv.ui import screen

if TYPE_CHECKING:
    from devenv.commands.hooks import InstallResult
    from devenv.hooks.checks import Checked, Result
    from devenv.ui.screen import Colour

_COLOURS: dict[str, Colour] = {"passed": "green", "failed": "red", "changed": "red", "skipped": "dim"}


def silent(_one: Checked) -> None:
    """Say nothing."""


def checked(one: Checked) -> None:
    """A line for a hook; below it what its commands said when it failed, and the files that it changed."""
    mark = {"passed": "✓", "skipped": "-"}.get(one.outcome, "✗")
    time = f"  {one.seconds:.2f} s" if one.outcome != "skipped" else "  no files"
    words = "changed files" if one.outcome == "changed" else one.outcome
    screen.say(f"{screen.paint(mark, _COLOURS[one.outcome])} {screen.safe(one.hook)}  {words}{time}")
    if one.outcome in ("failed", "changed"):
        for line in one.output.rstrip("\n").splitlines():
            screen.say(f"  {screen.log_text(line)}")
    for path in one.changed:
        screen.say(f"  changed: {screen.safe(path)}")


def result(found: Result, *, as_json: bool) -> None:
    """What came back into the working tree, and what to do about it."""
    if as_json:
        screen.give_json(asdict(found) | {"passed": found.passed})
        return
    if any(one.changed for one in found.returned.values()):
        screen.say("the changes are in your files now: look at them, `git add` them, and commit again")
    for one in found.returned.values():
        for path in one.left:
            words = "what you have not staged there does not go together with the change; it was left alone"
            screen.say(f"{screen.paint('!', 'yellow')} {screen.safe(path)}: {words}")


def nothing(stage: str, *, as_json: bool) -> None:
    """There is nothing to do."""
    if as_json:
        screen.give_json({"checked": [], "returned": {}, "passed": True})
    else:
        screen.say(f"nothing to check before a {stage.removeprefix('pre-')}")


def installed(found: InstallResult, *, as_json: bool) -> None:
    """Where the scripts are."""
    _scripts(found, "wrote", "the project has no hooks: add `[hooks.NAME]` to devenv.toml", as_json=as_json)


def uninstalled(found: InstallResult, *, as_json: bool) -> None:
    """Which scripts are gone."""
    _scripts(found, "took out", "there were none of devenv's", as_json=as_json)


def _scripts(found: InstallResult, done: str, none: str, *, as_json: bool) -> None:
    if as_json:
        screen.give_json(asdict(found))
        return
    for path in found.scripts:
        screen.say(f"{screen.paint('✓', 'green')} {done} {screen.safe(path)}")
    if not found.scripts:
        screen.say(none)
