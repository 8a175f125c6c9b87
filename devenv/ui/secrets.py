"""Renders what `devenv secrets` returns; a value is never among it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING

from devenv.ui import screen, tables

if TYPE_CHECKING:
    from devenv.commands.secrets import ListResult, Named, Row, SetResult
    from devenv.ui.screen import Colour

_SOURCES: Mapping[str, str] = {
    "variable": "a variable of this machine",
    "file": ".devenv/secrets.env",
    "keyring": "the system's keyring",
    "command": "your command",
    "kept": "kept by devenv",
}


def listed(result: ListResult, *, as_json: bool) -> None:
    """The table of secrets."""
    if as_json:
        screen.give(json.dumps({"complete": result.complete} | asdict(result), indent=2))
        return
    if not result.secrets:
        screen.say("the project asks for no secrets")
        return
    cells = [("NAME", "VALUE", "APPS", "WHAT"), *(_cells(one) for one in result.secrets)]
    colours: list[list[Colour | None]] = [["dim"] * 4, *([_colour(one)] * 1 + [None] * 3 for one in result.secrets)]
    screen.give(tables.columns(cells, colours))
    for one in result.secrets:
        if one.note:
            screen.say(f"{screen.paint('!', 'yellow')} {one.name}: {screen.safe(one.note)}")


def _cells(row: Row) -> tuple[str, ...]:
    where = _SOURCES[row.source] if row.source else "missing" if row.required else "none (optional)"
    what = " ".join(filter(None, (row.description, row.url)))
    return row.name, where, ", ".join(row.apps), screen.safe(what)


def _colour(row: Row) -> Colour:
    return "green" if row.source else "red" if row.required else "dim"


def kept(result: SetResult, *, as_json: bool) -> None:
    """Where a value is now."""
    if as_json:
        screen.give(json.dumps(asdict(result), indent=2))
        return
    where = "in the system's keyring" if result.in_keyring else "in a file that only you can read"
    screen.say(f"{_tick()} keeps `{result.name}` {where}; `devenv up` gives it to the apps")
    if result.source not in (None, "keyring" if result.in_keyring else "kept"):
        words = f"`{result.name}` comes from {_SOURCES[result.source or 'kept']}, which goes before what is kept"
        screen.say(f"{screen.paint('!', 'yellow')} {words}")


def forgotten(result: Named, name: str, *, as_json: bool) -> None:
    """Whether a value was taken away."""
    if as_json:
        screen.give(json.dumps(asdict(result), indent=2))
    elif result.names:
        screen.say(f"{_tick()} forgot `{name}`; containers have it until the next `devenv up`")
    else:
        screen.say(f"nothing was kept of `{name}`")


def allowed(result: Named, *, as_json: bool) -> None:
    """What the project may read now."""
    if as_json:
        screen.give(json.dumps(asdict(result), indent=2))
        return
    names = ", ".join(f"`{name}`" for name in result.names)
    screen.say(f"{_tick()} the project may read {names} from this machine's variables and by your command")


def _tick() -> str:
    return screen.paint("✓", "green")
