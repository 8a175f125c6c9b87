"""Renders what the commands of `devenv snapshot` return."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from devenv.ui import screen, tables

if TYPE_CHECKING:
    from devenv.commands.restore import RestoreResult
    from devenv.commands.snapshot import ExportResult, ListResult
    from devenv.model.snapshot import Part, Snapshot


def saved(result: Snapshot, *, as_json: bool) -> None:
    """What was saved, a service a line."""
    if as_json:
        screen.give(json.dumps(_data(result), indent=2))
        return
    for part in result.parts:
        how = "its own dump" if part.method == "dump" else "its files"
        screen.say(f"  {part.name}: {how}, {size(part.size)}")
    screen.say(
        f"{_tick()} saved `{result.name}`: {size(result.size)}; `devenv snapshot restore {result.name}` goes back"
    )


def listed(result: ListResult, *, as_json: bool) -> None:
    """The table of snapshots."""
    if as_json:
        data = {"snapshots": [_data(one) for one in result.snapshots], "damaged": list(result.damaged)}
        screen.give(json.dumps(data, indent=2))
        return
    head = ("NAME", "CREATED", "SIZE", "SERVICES")
    rows = [
        (one.name, one.created.replace("T", " ").removesuffix("Z"), size(one.size), ", ".join(map(_part, one.parts)))
        for one in result.snapshots
    ]
    if rows:
        screen.give(tables.columns([head, *rows], [["dim"] * len(head)]))
    for name in result.damaged:
        screen.say(
            f"{screen.paint('!', 'yellow')} `{screen.safe(name)}` is damaged; `devenv snapshot delete` removes it"
        )
    if not rows and not result.damaged:
        screen.say("there are no snapshots; `devenv snapshot save` makes one")


def restored(result: RestoreResult, *, as_json: bool) -> None:
    """Which services have the snapshot's data now."""
    if as_json:
        screen.give(json.dumps(asdict(result), indent=2))
        return
    names = ", ".join(f"`{name}`" for name in result.services)
    later = "" if result.is_up else "; `devenv up` starts on it"
    screen.say(f"{_tick()} {names}: the data is that of `{result.snapshot}`{later}")


def exported(result: ExportResult, *, as_json: bool) -> None:
    """The file that was written."""
    if as_json:
        screen.give(json.dumps(asdict(result), indent=2))
        return
    screen.say(f"{_tick()} wrote {screen.safe(result.file)}: {size(result.size)}; `devenv snapshot import` takes it in")


def imported(result: Snapshot, *, as_json: bool) -> None:
    """Under which name it is here."""
    if as_json:
        screen.give(json.dumps(_data(result), indent=2))
        return
    screen.say(f"{_tick()} imported `{result.name}`; `devenv snapshot restore {result.name}` takes its data")


def size(count: int) -> str:
    """`12 bytes`, `3.4 kB`, `1.2 GB`."""
    if count < 1000:
        return f"{count} bytes"
    amount = float(count)
    for unit in ("kB", "MB", "GB", "TB"):
        amount /= 1000
        if amount < 1000 or unit == "TB":
            break
    return f"{amount:.1f} {unit}"


def _part(part: Part) -> str:
    return f"{part.name} {part.version}".rstrip()


def _data(snapshot: Snapshot) -> dict[str, Any]:
    return asdict(snapshot) | {"size": snapshot.size}


def _tick() -> str:
    return screen.paint("✓", "green")
