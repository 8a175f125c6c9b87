from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests import engines


@pytest.fixture(scope="session")
def applets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A PATH with nothing but busybox, so that the agent is the one in sh."""
    folder = tmp_path_factory.mktemp("applets")
    subprocess.run([engines.busybox(), "--install", "-s", folder], check=True)
    (folder / "inotifyd").unlink(missing_ok=True)
    return folder
