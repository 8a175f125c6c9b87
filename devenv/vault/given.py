"""The values that a checkout's containers were last given; so only `up` has to collect them anew."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from devenv import files, render
from devenv.errors import DevenvError
from devenv.vault import disk

FILE = ".devenv/secrets/given.json"


def read(root: Path) -> dict[str, str]:
    """The values by name; a file that nobody can make sense of has none."""
    try:
        told = json.loads(disk.read(root, FILE) or "{}")
        return {name: value for name, value in told.items() if isinstance(value, str)}
    except (DevenvError, ValueError, AttributeError):
        return {}


def write(root: Path, values: Mapping[str, str]) -> None:
    """Replace them.

    Raises:
        DevenvError: The file cannot be written.
    """
    path = root / FILE
    if read(root) == values:
        return
    with files.named(path):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.parent.chmod(0o700)
    files.write(root / ".devenv" / ".gitignore", render.IGNORED)
    files.write(path, json.dumps(dict(values)), mode=0o600)
