"""Draws the way of somebody new to an environment: a line for each stage, and what comes next."""

from __future__ import annotations

import shlex
import threading
from contextlib import ExitStack
from dataclasses import asdict, replace
from typing import TYPE_CHECKING

from devenv.model.progress import Progress
from devenv.ui import errors, progress, screen, tables

if TYPE_CHECKING:
    from devenv.commands.onboard import OnboardResult, Passed
    from devenv.telling import Event, Tell
    from devenv.ui.screen import Colour

_MARKS: dict[str, tuple[str, Colour]] = {
    "done": ("✓", "green"),
    "already": ("✓", "green"),
    "none": ("-", "dim"),
    "failed": ("✗", "red"),
}
_WIDTH = 8
_TIME = 11
_INSTANT = ("consent", "secrets", "open")


class Drawing:
    """The stages as they go; what is under way is drawn from the first thing told of it until the stage ends.

    `is_silent`: only what comes at the end is told.
    """

    def __init__(self, *, as_json: bool) -> None:
        self.is_silent = as_json
        self._stack = ExitStack()
        self._tell: Tell | None = None
        self._stage = ""
        self._lock = threading.Lock()

    def began(self, stage: str) -> None:
        """Draw that a stage is under way, where lines can be drawn anew."""
        self._stage = stage
        self.resume()

    def resume(self) -> None:
        """Go on drawing after a pause."""
        stage = self._stage
        if screen.is_live() and not self.is_silent and stage and stage not in _INSTANT:
            self.tell(Progress(stage, "under way", 0, None, "steps"))

    def tell(self, event: Event) -> None:
        """Draw what is under way."""
        if isinstance(event, Progress) and event.unit == "objects" and not screen.is_live():
            return  # git counts fast; lines of that tell nobody anything
        self._drawn()(event)

    def _drawn(self) -> Tell:
        with self._lock:  # several threads tell
            if self._tell is None:
                drawn = progress.drawn(as_json=self.is_silent, keeps_steps=False)
                self._tell = self._stack.enter_context(drawn)
            return self._tell

    def ended(self, stage: Passed) -> None:
        """Leave a line for the stage."""
        self.pause()
        if not self.is_silent:
            screen.say(line(stage))

    def pause(self) -> None:
        """Draw nothing until there is something to tell: a person is to read or type."""
        with self._lock:
            self._stack.close()
            self._tell = None


def line(stage: Passed) -> str:
    """`✓ images         48.2 s  3 images, 2 built and 1 pulled`."""
    mark, colour = _MARKS[stage.state]
    parts = "".join(f"; {name} {progress.seconds_text(seconds)}" for name, seconds in stage.parts.items())
    words = screen.safe(stage.words) + parts
    time = progress.seconds_text(stage.seconds) if stage.state != "none" else ""
    if stage.state in ("already", "none"):
        words = screen.paint(words, "dim")
    return f"{screen.paint(mark, colour)} {stage.stage:<{_WIDTH}} {time:>{_TIME}}  {words}"


def result(found: OnboardResult, *, again: str, place: str | None, as_json: bool) -> None:
    """How long it took, where it is reached, and three commands; or what is in the way.

    Args:
        again: The command that goes on.
        place: The project's folder, where that is not the one where the command was given.
    """
    if as_json:
        _json(found)
    elif found.problem is not None:
        screen.say()
        errors.show(found.problem)
        if len(found.stages) > 1:
            screen.say(f"\nthen `{screen.safe(again)}` goes on at `{found.stages[-1].stage}`")
    else:
        _ready(found, place)


def _json(found: OnboardResult) -> None:
    problem = found.problem
    # An error is no data, and some cannot be copied.
    data = {name: value for name, value in asdict(replace(found, problem=None)).items() if name != "problem"}
    problems = errors.data(problem) if problem is not None else []
    screen.give_json(data | {"folder": found.folder and str(found.folder), "ready": not problems, "problems": problems})


def _ready(found: OnboardResult, place: str | None) -> None:
    idle = all(one.state != "done" for one in found.stages)
    nothing = "; nothing was left to do" if idle else ""
    screen.say(f"\n{screen.paint(f'ready in {progress.seconds_text(found.seconds)}', 'bold')}{nothing}")
    if found.addresses:
        screen.give(tables.addresses(found.addresses))
    screen.say("\nnext:")
    if place is not None:
        screen.say(f"  {screen.paint(f'cd {screen.safe(shlex.quote(place))}', 'cyan')}")
    width = max(len(one.command) for one in found.next)
    for one in found.next:
        screen.say(f"  {screen.paint(f'{one.command:<{width}}', 'cyan')}  {screen.paint(one.purpose, 'dim')}")
