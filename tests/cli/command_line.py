"""Runs the command line as a user does, in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
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
