"""Draws work under way: redrawn lines on a terminal, one line a step elsewhere, JSON lines on request."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from devenv.engine.apply import StepEvent
from devenv.model.blueprint import Step
from devenv.model.progress import Progress
from devenv.telling import Event, Filled, Remark, SetupLine, Tell
from devenv.ui import screen

if TYPE_CHECKING:
    from rich.live import Live

_PAST = {
    "build": "built",
    "pull": "pulled",
    "create": "created",
    "start": "started",
    "drain": "drained",
    "stop": "stopped",
    "remove": "removed",
    "wait": "ready",
}
_PRESENT = {
    "build": "building",
    "pull": "pulling",
    "create": "creating",
    "start": "starting",
    "drain": "draining",
    "stop": "stopping",
    "remove": "removing",
    "wait": "waiting for",
}


_INTERVAL = 1 / 12
"""Seconds between two drawings."""


@contextmanager
def drawn(*, as_json: bool = False, keeps_steps: bool = True) -> Iterator[Tell]:
    """Draw what the yielded function is told, in the way that fits where it goes.

    Args:
        keeps_steps: Whether steps that ended stay in sight.
    """
    if as_json:
        yield _tell_nothing
    elif screen.is_live():
        with _Live(keeps_steps=keeps_steps) as live:
            yield live.tell
    else:
        yield _Lines(keeps_steps=keeps_steps).tell


def _tell_nothing(event: Event) -> None:
    """JSON output is one document at the end."""


def done_line(step: Step, seconds: float) -> str:
    """`✓ created   container bookshop-web-1   missing  0.1 s`."""
    mark = screen.paint("✓", "green")
    cause = "" if step.verb == "wait" else screen.paint(f"  {step.cause}", "dim")
    return f"{mark} {_PAST[step.verb]:<8} {_subject(step)}{cause}  {seconds_text(seconds)}"


def filled_line(filled: Filled) -> str:
    """`✓ synced   web.files: 1,024 paths`."""
    noun = "path" if filled.paths == 1 else "paths"
    return f"{screen.paint('✓', 'green')} {'synced':<8} {filled.unit}: {filled.paths:,} {noun}"


def remark_line(remark: Remark) -> str:
    """`! not taken from …`."""
    return f"{screen.paint('!', 'yellow')} {screen.safe(remark.text)}"


def seconds_text(seconds: float) -> str:
    """`0.12 s`, `12.3 s`, `2 min 5 s`."""
    if seconds < 10:
        return f"{seconds:.2f} s"
    return f"{seconds:.1f} s" if seconds < 60 else f"{int(seconds // 60)} min {seconds % 60:.0f} s"


def amount(progress: Progress) -> str:
    """`12.3 / 45.0 MB`, `57 / 120 packages`; nothing where nothing is counted."""
    if not progress.done and progress.total is None:
        return ""
    if progress.unit == "bytes":
        done, total = progress.done / 1e6, None if progress.total is None else progress.total / 1e6
        return f"{done:.1f} MB" if total is None else f"{done:.1f} / {total:.1f} MB"
    total_text = "" if progress.total is None else f" / {progress.total}"
    return f"{progress.done}{total_text} {progress.unit}"


def step_data(step: Step) -> dict[str, Any]:
    """A step for JSON."""
    return {"verb": step.verb, "kind": step.kind, "target": step.target, "cause": step.cause}


def plan_text(steps: tuple[Step, ...]) -> str:
    """A plan in lines, one step each."""
    return "\n".join(f"{step.verb:<7} {step.kind:<9} {step.target}  ({step.cause})" for step in steps)


def _subject(step: Step) -> str:
    if step.kind == "image":
        return "image " + step.target.rpartition("/")[2].partition(":")[0]
    if step.verb == "wait" and step.unit:
        number = step.target.rpartition("-")[2]
        return step.unit if number == "1" else f"{step.unit}-{number}"
    return f"{step.kind} {step.target}"


class _Lines:
    """One line for each step that ended and each kind of work that began."""

    def __init__(self, *, keeps_steps: bool) -> None:
        self._keeps_steps = keeps_steps
        self._lock = threading.Lock()
        self._begun: set[tuple[str, str]] = set()

    def tell(self, event: Event) -> None:
        if isinstance(event, StepEvent | SetupLine | Filled) and not self._keeps_steps:
            return
        if isinstance(event, StepEvent):
            if event.state == "done":
                screen.say(done_line(event.step, event.seconds))
        elif isinstance(event, SetupLine):
            screen.say(f"  {event.unit} | {screen.safe(event.text)}")
        elif isinstance(event, Filled):
            screen.say(filled_line(event))
        elif isinstance(event, Remark):
            screen.say(remark_line(event))
        else:
            with self._lock:
                if (key := (event.subject, event.action)) in self._begun:
                    return
                self._begun.add(key)
            total = f" ({amount(event)})" if event.total else ""
            screen.say(f"  {event.subject}: {event.action}{total}")


class _Live:
    """Steps under way at the bottom, redrawn; what ended scrolls up above them.

    Redrawing is done here and not by Rich's own thread: when that redraws while a line is printed, both go up by the
    same number of lines, and one of them takes a printed line away.
    """

    def __init__(self, *, keeps_steps: bool = True) -> None:
        self._keeps_steps = keeps_steps
        self._lock = threading.Lock()
        self._drawing = threading.Lock()
        self._over = threading.Event()
        self._redrawing = threading.Thread(target=self._redraw, name="devenv-progress", daemon=True)
        self._steps: dict[str, tuple[Step, float]] = {}
        self._work: dict[str, Progress] = {}
        self._setup: dict[str, str] = {}
        self._live: Live | None = None

    def __enter__(self) -> _Live:
        from rich.console import Console
        from rich.live import Live

        console = Console(stderr=True, highlight=False, soft_wrap=True)
        self._live = Live(console=console, get_renderable=self._render, auto_refresh=False, transient=True)
        self._live.__enter__()
        self._redrawing.start()
        return self

    def __exit__(self, *error: object) -> None:
        assert self._live is not None
        self._over.set()
        self._redrawing.join()
        with self._lock:
            self._steps.clear()
            self._work.clear()
            self._setup.clear()
        self._live.__exit__(None, None, None)

    def tell(self, event: Event) -> None:
        with self._lock:
            self._note(event)
        # Printed outside that lock: the console redraws while it prints, and so asks `_render`.
        if isinstance(event, Remark):
            self._print(remark_line(event))
        elif not self._keeps_steps:
            return
        elif isinstance(event, StepEvent) and event.state == "done":
            self._print(done_line(event.step, event.seconds))
        elif isinstance(event, Filled):
            self._print(filled_line(event))

    def _note(self, event: Event) -> None:
        if isinstance(event, Remark):
            return
        if isinstance(event, Filled):
            self._work.pop(event.unit, None)
            return
        if isinstance(event, SetupLine):
            self._setup[event.unit] = event.text
        elif isinstance(event, Progress):
            # Of counted steps the next subject takes the place of the last.
            self._work[event.action if event.unit == "steps" else event.subject] = event
        elif event.state == "started":
            if not any(step.kind == "image" for step, _ in self._steps.values()):
                self._work.clear()
            self._steps[event.step.id] = (event.step, time.monotonic())
        else:
            self._steps.pop(event.step.id, None)
            self._setup.pop(event.step.unit or "", None)
            if event.step.kind == "image":
                self._work.clear()

    def _print(self, line: str) -> None:
        from rich.text import Text

        assert self._live is not None
        with self._drawing:
            self._live.console.print(Text.from_ansi(line))

    def _redraw(self) -> None:
        assert self._live is not None
        while not self._over.wait(_INTERVAL):
            with self._drawing:
                self._live.refresh()

    def _render(self) -> Any:
        from rich.console import Group
        from rich.spinner import Spinner
        from rich.table import Table
        from rich.text import Text

        grid = Table.grid(padding=(0, 1))
        now = time.monotonic()
        with self._lock:
            steps, work, setup = list(self._steps.values()), list(self._work.values()), dict(self._setup)
        for step, since in steps:
            spinner = Spinner("dots", style="cyan")
            grid.add_row(spinner, f"{_PRESENT[step.verb]} {_subject(step)}", seconds_text(now - since))
        for one in work:
            if one.total is None or one.done < one.total:
                grid.add_row(" ", f"  {one.subject}: {one.action}", amount(one))
        if not setup:
            return grid
        said = [Text(f"    {unit} | {screen.safe(line)}", "dim", no_wrap=True) for unit, line in setup.items()]
        return Group(grid, *said)
