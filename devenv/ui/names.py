"""Renders what `devenv names` and `devenv trust-ca` return."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from devenv.ui import screen, tables

if TYPE_CHECKING:
    from devenv.commands.names import NamesResult, OffResult
    from devenv.commands.trust_ca import TrustResult


def listed(result: NamesResult, *, as_json: bool) -> None:
    """The names, each with the port that it leads to."""
    if as_json:
        screen.give_json(asdict(result))
        return
    if result.entry is None:
        screen.say("names are off; `devenv names on` gives every app one")
        return
    for note in result.entry.notes:
        screen.say(f"{screen.paint('!', 'yellow')} {screen.safe(note)}")
    if result.names:
        head = ("NAME", "HTTPS", "LEADS TO")
        rows = [head, *((one.url, one.https, f"127.0.0.1:{one.port}") for one in result.names)]
        screen.give(tables.columns(rows, [["dim"] * len(head)]))
    else:
        screen.say("no app that publishes a port is up")
    if not result.entry.running:
        screen.say(f"{screen.paint('!', 'yellow')} the entry does not run; `devenv up` or `devenv names on` starts it")


def on(result: NamesResult, *, as_json: bool) -> None:
    """That names are on, and which there are."""
    if not as_json and result.entry is not None:
        listening = f"ports {result.entry.http} and {result.entry.https} (HTTPS: see `devenv trust-ca`)"
        screen.say(f"{_tick()} names are on: {listening}")
    listed(result, as_json=as_json)


def off(result: OffResult, *, as_json: bool) -> None:
    """What was removed."""
    if as_json:
        screen.give_json({"instance": result.instance, "volumes_kept": list(result.volumes_kept)})
        return
    screen.say(f"{_tick()} names are off" if result.steps else "names were off already")
    if result.volumes_kept:
        screen.say("kept the certificate authority (`--volumes` removes it)")


def trusted(result: TrustResult, *, as_json: bool) -> None:
    """What was done, and what is left for people to do."""
    if as_json:
        screen.give_json(asdict(result))
        return
    for line in result.done:
        screen.say(f"{_tick()} {line}")
    if result.commands:
        screen.say("this needs root; run:")
        for command in result.commands:
            screen.give(f"  {command}")
    for note in result.notes:
        screen.say(f"{screen.paint('note:', 'dim')} {note}")


def _tick() -> str:
    return screen.paint("✓", "green")
