"""What is told of work on an environment while it goes on."""

from __future__ import annotations

import threading
from collections.abc import Callable

from devenv.engine.apply import StepEvent
from devenv.model.blueprint import Container
from devenv.model.progress import Progress
from devenv.values import dataclass


@dataclass(frozen=True, slots=True)
class SetupLine:
    """A line an app's setup printed."""

    unit: str
    text: str


@dataclass(frozen=True, slots=True)
class Filled:
    """The volume that a container holds is equal to the project's folder: so many files, folders and links."""

    unit: str
    paths: int


@dataclass(frozen=True, slots=True)
class Remark:
    """Something people should know though the work goes on."""

    text: str


Event = StepEvent | Progress | SetupLine | Filled | Remark
Tell = Callable[[Event], None]
"""Hears what happens, from several threads."""

Fill = Callable[[Container, threading.Event], int]
"""Brings a folder into the volume that a files container holds; returns the number of paths.

The event is set when nobody waits for it any more.
"""
