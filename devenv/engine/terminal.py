"""This process's terminal connected to a command inside a container."""

from __future__ import annotations

import os
import select
import signal
import sys
import termios
import threading
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType

from devenv.engine.streams import Duplex

Resize = Callable[[int, int], None]
"""Takes rows and columns."""

_BLOCK = 65536


def attach(connection: Duplex, resize: Resize) -> None:
    """Pass keys, output, size and signals through until the command ends; the terminal is as before afterwards.

    Keys that send signals (^C, ^Z) go to the command: the terminal inside turns them into signals there.
    """
    keyboard, screen = sys.stdin.fileno(), sys.stdout.fileno()
    with _raw(keyboard), _follow_size(resize), _forward(keyboard, connection):
        while data := connection.read(_BLOCK):
            _write(screen, data)


@contextmanager
def _raw(keyboard: int) -> Iterator[None]:
    before = termios.tcgetattr(keyboard)
    try:
        tty.setraw(keyboard)
        yield
    finally:
        termios.tcsetattr(keyboard, termios.TCSADRAIN, before)


@contextmanager
def _follow_size(resize: Resize) -> Iterator[None]:
    """Tell the size now and at every change; only the main thread may watch for changes."""

    def tell(_signal: int = 0, _frame: FrameType | None = None) -> None:
        size = os.get_terminal_size(sys.stdout.fileno())
        resize(size.lines, size.columns)

    tell()
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGWINCH, tell)
    try:
        yield
    finally:
        signal.signal(signal.SIGWINCH, before)


@contextmanager
def _forward(keyboard: int, connection: Duplex) -> Iterator[None]:
    """Send keys from a thread of its own, which ends when the pipe that wakes it is closed."""
    awake, wake = os.pipe()
    thread = threading.Thread(target=_send_keys, args=(keyboard, awake, connection), name="devenv-keys", daemon=True)
    thread.start()
    try:
        yield
    finally:
        os.close(wake)
        thread.join()
        os.close(awake)


def _send_keys(keyboard: int, awake: int, connection: Duplex) -> None:
    with suppress(OSError):
        while True:
            ready, _, _ = select.select([keyboard, awake], [], [])
            if awake in ready:
                return
            data = os.read(keyboard, _BLOCK)
            if not data:
                connection.end_input()
                return
            connection.write(data)


def _write(screen: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(screen, view) :]
