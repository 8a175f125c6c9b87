"""Renders what a project asks for beyond its own containers."""

from __future__ import annotations

import shutil
import textwrap
from typing import TYPE_CHECKING

from devenv.ui import screen

if TYPE_CHECKING:
    from devenv.commands.trust import TrustResult
    from devenv.trust import Ask


def asks(result: TrustResult) -> None:
    """Each thing it asks for, with its place; what was allowed before is said so."""
    name = screen.safe(result.project)
    if not result.asks:
        screen.say(f"{screen.paint('✓', 'green')} `{name}` asks for nothing beyond its own containers")
        return
    screen.say(f"`{name}` in {screen.safe(result.folder)} asks for more than its own containers:")
    screen.say()
    for one in result.asks:
        sign = screen.paint("✓", "green") if one.given else screen.paint("?", "yellow")
        place = _place(one)
        first, *further = _lines(screen.safe(one.words), len(place))
        lines = [f"  {sign} {first}", *(f"    {line}" for line in further)]
        screen.say("\n".join(lines) + screen.paint(place, "dim"))
    screen.say()
    if not result.missing:
        screen.say(f"{screen.paint('✓', 'green')} all of it is allowed; `devenv trust --withdraw` takes that back")


def _lines(words: str, rest: int) -> list[str]:
    """The words as they fit into the terminal with as many characters behind; whole, where they go to a file."""
    if not screen.is_live():
        return [words]
    width = shutil.get_terminal_size().columns - 5 - rest
    return textwrap.wrap(words, max(width, 40), break_long_words=False, break_on_hyphens=False)


def _place(ask: Ask) -> str:
    if ask.where is None:
        return ""
    return f"  ({screen.safe(ask.where.file)}:{ask.where.line})"


def allowed(result: TrustResult, *, as_json: bool) -> None:
    """That it may."""
    if as_json:
        data(result)
        return
    screen.say(
        f"{screen.paint('✓', 'green')} allowed, until any of it changes; `devenv trust --withdraw` takes it back"
    )


def withdrawn(result: TrustResult, *, as_json: bool) -> None:
    """That it may no longer."""
    if as_json:
        data(result)
    elif result.withdrawn:
        screen.say(f"{screen.paint('✓', 'green')} withdrawn; what runs goes on until `devenv down`")
    else:
        screen.say("nothing was allowed")


def data(result: TrustResult) -> None:
    """All of it, as JSON."""
    told = [
        {
            "kind": one.kind,
            "unit": one.unit,
            "words": one.words,
            "file": one.where.file if one.where else None,
            "line": one.where.line if one.where else None,
            "allowed": one.given,
        }
        for one in result.asks
    ]
    screen.give_json({"project": result.project, "folder": result.folder, "asks": told, "allowed": not result.missing})
