"""Where output goes: data to stdout, talk to stderr, colour only where it is wanted."""

from __future__ import annotations

import os
import re
import stat
import sys
import threading
from collections.abc import Iterator
from typing import Literal

Colour = Literal["red", "green", "yellow", "blue", "magenta", "cyan", "dim", "bold"]

_CODES: dict[Colour, str] = {
    "red": "31",
    "green": "32",
    "yellow": "33",
    "blue": "34",
    "magenta": "35",
    "cyan": "36",
    "dim": "2",
    "bold": "1",
}
# Everything below space but tab, DEL, and the C1 block: what a terminal may take for a command.
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f]")
_SGR = re.compile(r"(\x1b\[[0-9;]*m)")
_LOCK = threading.Lock()


def is_live() -> bool:
    """Whether stderr is a terminal that can redraw lines."""
    return sys.stderr.isatty() and os.environ.get("TERM") != "dumb" and not os.environ.get("CI")


def is_interactive() -> bool:
    """Whether a person sits at both ends of a command."""
    return sys.stdin.isatty() and sys.stdout.isatty()


def piped_in() -> Iterator[bytes] | None:
    """What is piped into this process, as it comes; None when its input is a terminal, or nothing."""
    try:
        mode = os.fstat(0).st_mode
    except OSError:  # it is closed
        return None
    if not (stat.S_ISFIFO(mode) or stat.S_ISREG(mode) or stat.S_ISSOCK(mode)):
        return None
    return iter(lambda: os.read(0, 1 << 16), b"")


def has_colour(stream: Literal["stdout", "stderr"] = "stderr") -> bool:
    """Whether to colour; `NO_COLOR` (https://no-color.org) turns it off, `FORCE_COLOR` on."""
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR"):
        return True
    target = sys.stdout if stream == "stdout" else sys.stderr
    return target.isatty() and os.environ.get("TERM") != "dumb"


def paint(text: str, colour: Colour, stream: Literal["stdout", "stderr"] = "stderr") -> str:
    """Colour text where that is wanted."""
    return f"\x1b[{_CODES[colour]}m{text}\x1b[0m" if has_colour(stream) else text


def safe(text: str) -> str:
    """Text without control characters, for anything that came from a file or a container."""
    return _CONTROL.sub("\ufffd", text)


def log_text(text: str) -> str:
    """A container's log line: colours stay where colour is wanted, every other control character goes."""
    keep = has_colour("stdout")
    parts = _SGR.split(text)
    shown = "".join(part if index % 2 and keep else "" if index % 2 else safe(part) for index, part in enumerate(parts))
    return shown + "\x1b[0m" if keep and len(parts) > 1 else shown


def say(line: str = "") -> None:
    """One line of talk."""
    with _LOCK:
        print(line, file=sys.stderr, flush=True)  # noqa: T201


def give(text: str) -> None:
    """Data; ends with a line end."""
    with _LOCK:
        print(text.rstrip("\n"), flush=True)  # noqa: T201


def give_json(data: object) -> None:
    """Data as indented JSON."""
    import json

    give(json.dumps(data, indent=2, ensure_ascii=False))


def give_bytes(stream: Literal["stdout", "stderr"], data: bytes) -> None:
    """A command's own output, untouched."""
    target = sys.stdout.buffer if stream == "stdout" else sys.stderr.buffer
    target.write(data)
    target.flush()
