"""What a Procfile says of an app's processes."""

from __future__ import annotations

import re
from pathlib import Path

from devenv.detection import manifests

_LINE = re.compile(r"([A-Za-z0-9_-]+):\s*(.+)")


def read(folder: Path) -> dict[str, str]:
    """The commands by the processes' names; empty when there is none."""
    for name in ("Procfile.dev", "Procfile"):
        text = manifests.read(folder / name)
        if text is not None:
            found = (_LINE.fullmatch(line.strip()) for line in text.splitlines())
            return {match.group(1): match.group(2) for match in found if match}
    return {}
