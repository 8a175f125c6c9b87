"""Renders what the commands that are about all instances return."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from devenv.ui import screen, tables
from devenv.ui.snapshots import size

if TYPE_CHECKING:
    from devenv.commands.down_all import Lowered
    from devenv.commands.ls import Row
    from devenv.commands.prune import Gone, PruneResult
    from devenv.ui.screen import Colour


def listed(rows: tuple[Row, ...], *, as_json: bool) -> None:
    """The table of instances."""
    if as_json:
        screen.give(json.dumps([asdict(one) for one in rows], indent=2))
        return
    if not rows:
        screen.say("there are no instances; `devenv up` makes one")
        return
    head = ("", "NAME", "STATE", "SIZE", "ADDRESSES", "FOLDER")
    cells = [head, *(_cells(one) for one in rows)]
    colours: list[list[Colour | None]] = [["dim"] * len(head)]
    for one in rows:
        state: Colour | None = "green" if one.running and one.running == one.containers else "yellow"
        state = state if one.running else "dim"
        colours.append(["cyan", None, state, None, None, "red" if one.is_gone else "dim" if one.is_foreign else None])
    screen.give(tables.columns(cells, colours))
    if any(one.is_gone for one in rows):
        screen.say("\n`devenv prune` removes those whose folder is gone")


def _cells(row: Row) -> tuple[str, ...]:
    names = {"running": f"running {row.running}/{row.containers}", "data": "only data", "empty": "nothing left"}
    told = ", ".join(f"{one.unit} {one.best}" for one in row.addresses)
    note = " (gone)" if row.is_gone else " (not on this machine)" if row.is_foreign else ""
    folder = f"{_short(row.folder)}{note}"
    return (
        "*" if row.is_this else "",
        screen.safe(row.name),
        names.get(row.state, row.state),
        "?" if row.size is None else size(row.size),
        screen.safe(told) or "-",
        screen.safe(folder) or "?",
    )


def _short(folder: str) -> str:
    home = Path.home()
    return f"~/{Path(folder).relative_to(home)}" if Path(folder).is_relative_to(home) else folder


def gone(found: tuple[Gone, ...]) -> None:
    """What there is to remove."""
    head = ("NAME", "CONTAINERS", "VOLUMES", "SIZE", "FOLDER (GONE)")
    rows = [
        (
            screen.safe(one.name),
            str(one.containers),
            str(len(one.volumes)),
            "?" if one.size is None else size(one.size),
            screen.safe(_short(one.folder)),
        )
        for one in found
    ]
    screen.say(tables.columns([head, *rows]))


def pruned(result: PruneResult, *, as_json: bool) -> None:
    """What was removed."""
    if as_json:
        screen.give(json.dumps(asdict(result), indent=2))
        return
    for one in result.instances:
        freed = "" if one.size is None else f", {size(one.size)}"
        screen.say(f"{_tick()} removed `{screen.safe(one.name)}` of `{screen.safe(one.folder)}`{freed}")
    for name in result.forgotten:
        screen.say(f"{_tick()} forgot `{name}`: its folder is gone, and the engine has nothing of it")
    if not result.instances and not result.forgotten:
        screen.say("nothing to remove: every instance of this machine has its folder")


def lowered(result: tuple[Lowered, ...], *, as_json: bool) -> None:
    """What is down now."""
    if as_json:
        from devenv.ui import progress

        data = [asdict(one) | {"steps": [progress.step_data(step) for step in one.steps]} for one in result]
        screen.give(json.dumps(data, indent=2))
        return
    for one in result:
        kept = "; kept its data" if one.volumes_kept else ""
        screen.say(f"{_tick()} `{screen.safe(one.instance)}` is down{kept}")
    if not result:
        screen.say("nothing of this machine is up")


def _tick() -> str:
    return screen.paint("✓", "green")
