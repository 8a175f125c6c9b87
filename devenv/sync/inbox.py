"""What a session is told from other threads."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Literal

from devenv.sync.wire import Message


class Request:
    """Something asked of a session from another thread."""

    def __init__(self, what: Literal["stop", "pause", "resume", "flush"], deadline: float = 0.0) -> None:
        self.what = what
        self.deadline = deadline
        self.done = threading.Event()
        self.well = False

    def answer(self, *, well: bool) -> None:
        self.well = well
        self.done.set()


class Delivered:
    """What a connection delivered, and which one."""

    def __init__(self, source: object, messages: Sequence[Message]) -> None:
        self.source = source
        self.messages = messages
