"""The log of a background process: its own lines, and whatever else it and its children print."""

from __future__ import annotations

import logging
import logging.handlers
import os
import sys
from pathlib import Path

from devenv.live.news import printable

LARGEST = 5_000_000
"""Bytes after which the log is renamed to `log.1` and begun anew."""


def begin(path: Path, *, takes_output: bool = True) -> logging.Handler:
    """Write what is logged to a file.

    Args:
        takes_output: Whether stdout and stderr go there too.
    """
    handler = _Rotating(path, takes_output=takes_output)
    handler.setFormatter(_Lines("%(asctime)s %(message)s", "%Y-%m-%d %H:%M:%S"))
    root = logging.getLogger()
    root.addHandler(handler)
    # Foreign libraries tell each request they make.
    root.setLevel(logging.WARNING)
    logging.getLogger("devenv").setLevel(logging.INFO)
    return handler


class _Rotating(logging.handlers.RotatingFileHandler):
    def __init__(self, path: Path, *, takes_output: bool) -> None:
        super().__init__(path, maxBytes=LARGEST, backupCount=1, encoding="utf-8", errors="backslashreplace")
        self._takes_output = takes_output
        self._take()

    def doRollover(self) -> None:  # noqa: N802 -- logging's name
        super().doRollover()
        self._take()

    def _take(self) -> None:
        if self._takes_output and self.stream is not None:
            for stream in (sys.stdout, sys.stderr):
                stream.flush()
            for descriptor in (1, 2):
                os.dup2(self.stream.fileno(), descriptor)


class _Lines(logging.Formatter):
    """One line a message whatever is in it; only a traceback has several."""

    def format(self, record: logging.LogRecord) -> str:
        record.message = printable(record.getMessage())
        record.asctime = self.formatTime(record, self.datefmt)
        text = self.formatMessage(record)
        if record.exc_info:
            lines = self.formatException(record.exc_info).splitlines()
            text = "\n".join([text, *(f"    {printable(line)}" for line in lines)])
        return text
