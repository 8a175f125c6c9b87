"""Renders how many containers of an app run."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING

from devenv.ui import progress, screen

if TYPE_CHECKING:
    from devenv.commands.scale import ScaleResult
    from devenv.workspace import Scaled


def scale(result: ScaleResult, *, as_json: bool) -> None:
    """What runs now; the steps were drawn as they happened."""
    if as_json:
        screen.give_json(asdict(result) | {"steps": [progress.step_data(step) for step in result.steps]})
        return
    told = ", ".join(f"{name} {_counted(number)}" for name, number in result.replicas.items())
    screen.say(f"{screen.paint('✓', 'green')} {result.instance}: {told}")


def remarks(scaled: Iterable[Scaled]) -> Iterator[str]:
    """A line for each app that runs in another number than `devenv.toml` says."""
    for one in scaled:
        yield f"{one.app}: {_counted(one.here)} here (devenv.toml: {one.declared})"


def _counted(number: int) -> str:
    return "1 replica" if number == 1 else f"{number} replicas"
