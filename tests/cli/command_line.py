"""Runs the command line as a user does, in a process of its own."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Ran:
    code: int
    out: str
    err: str


def run(folder: Path, *arguments: str, **variables: str) -> Ran:
    """Run `devenv` in a folder, with a home, a cache and a state of its own."""
    return python(folder, "-m", "devenv", *arguments, **variables)


def python(folder: Path, *arguments: str, **variables: str) -> Ran:
    """Run Python likewise."""
    home = folder / ".home"
    environ = {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "PYTHONPATH": str(ROOT),
        "PYTHONWARNINGS": "error",
        "PYTHONUTF8": "1",
        "DEVENV_CACHE": str(home / "cache"),
        "DEVENV_STATE": str(home / "state"),
    }
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=folder, env=environ | variables, capture_output=True, text=True, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    return Ran(done.returncode, done.stdout, done.stderr)


def on_terminal(argv: Sequence[str], folder: Path, environ: Mapping[str, str], answer: str) -> tuple[int, str]:
    """Run a program on a terminal, answer its question, and return its exit code and all that it wrote."""
    own, its = pty.openpty()
    with subprocess.Popen(argv, cwd=folder, env=dict(environ), stdin=its, stdout=its, stderr=its) as process:
        os.close(its)
        written, answered = b"", False
        while (piece := _read(own)) is not None:
            written += piece
            if b"[y/N]" in written and not answered:
                os.write(own, f"{answer}\n".encode())
                answered = True
    os.close(own)
    return process.returncode, written.decode().replace("\r\n", "\n")


def _read(terminal: int) -> bytes | None:
    """What comes next; None when nobody is left to write."""
    try:
        return os.read(terminal, 4096) or None
    except OSError:
        return None
