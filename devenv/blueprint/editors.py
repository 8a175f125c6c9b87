"""What tells the tools of Dev Containers that a container is theirs to work in."""

from __future__ import annotations

import re
from collections.abc import Mapping

from devenv.model.blueprint import Placement
from devenv.model.project import Project

FILE = ".devcontainer/devcontainer.json"
MARK = "Made by devenv"
"""Stands in such a file when `devenv render devcontainer` has made it."""
LIMIT = 64 * 1024
LOCAL_FOLDER = "devcontainer.local_folder"
CONFIG_FILE = "devcontainer.config_file"
_SERVICE = re.compile(r'^  "service": "([a-z0-9-]+)",$', re.MULTILINE)


def labels(project: Project, placement: Placement) -> dict[str, Mapping[str, str]]:
    """The labels that those tools look for, by the name of the app that editors are to work in."""
    path = project.root / FILE
    try:
        with path.open(encoding="utf-8") as file:
            text = file.read(LIMIT)
    except (OSError, ValueError):
        return {}
    found = _SERVICE.search(text)
    if MARK not in text or found is None:
        return {}
    return {found[1]: {LOCAL_FOLDER: placement.folder, CONFIG_FILE: f"{placement.folder}/{FILE}"}}
