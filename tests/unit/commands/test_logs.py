"""What is said after a container's last line."""

from __future__ import annotations

from pathlib import Path

import pytest

from devenv.commands import logs
from devenv.commands.logs import LogLine
from devenv.engine.memory import MemoryEngine, Ran
from devenv.engine.protocol import Chunk, SeenImage
from devenv.model import labels
from devenv.model.blueprint import Container
from devenv.model.machine import Machine
from devenv.model.project import Limits
from devenv.workspace import Workspace
from tests import projects


@pytest.mark.parametrize("killed", [True, False])
def test_a_container_that_runs_out_of_memory_is_named_after_its_last_line(tmp_path: Path, *, killed: bool) -> None:
    project = Workspace(tmp_path, projects.project(tmp_path), projects.CATALOG, Machine(state=tmp_path / "state"))
    program = Ran((Chunk("stdout", b"loading\n"),), 137)
    engine = MemoryEngine(images={"app:1": SeenImage("1", "1", {})}, program=lambda _: program)
    own = {labels.INSTANCE: "shop", labels.UNIT: "web"}
    engine.create(Container("shop-web-1", "web", "app", "app:1", limits=Limits(memory=64 << 20), labels=own))
    engine.start("shop-web-1")
    engine.containers["shop-web-1"].oom_killed = killed
    said = "ended: out of memory at its limit of 64 MB; raise `limits.memory` of `web`"
    lines = list(logs.Following(project, engine, tail=None))
    assert lines == [LogLine("web", "stdout", "loading"), *([LogLine("web", "devenv", said)] if killed else ())]
