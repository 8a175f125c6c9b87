"""A project in a real git repository; an engine in memory runs its commands on this machine."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from devenv.blueprint import images
from devenv.commands import hooks as command
from devenv.engine.memory import MemoryEngine, Ran
from devenv.engine.protocol import Chunk, Command, SeenImage
from devenv.hooks import checks
from devenv.hooks.checks import Checked, Choose, Result
from devenv.model import labels
from devenv.model.blueprint import Container
from devenv.model.machine import Machine
from devenv.model.project import Hook
from devenv.workspace import Workspace
from tests import projects


class Shop:
    """A project in a repository, whose app `runs` where its folder is mounted, or in a copy."""

    def __init__(self, folder: Path, *, below: str = "", app: str = ".", copy: Path | None = None) -> None:
        self.top, self.folder = folder, folder / below
        self.where = copy or self.folder / app
        self.commands: list[str] = []
        self.meanwhile: Callable[[str], None] | None = None  # called before each hook's command
        self.cut: int | None = None  # bytes of what is packed that arrive
        for place in (self.folder / app, self.where):
            place.mkdir(parents=True, exist_ok=True)
        self.git("init", "-q", "-b", "main")
        project = projects.project(self.folder, apps=(projects.app(dir=app),))
        if copy is not None:
            project = replace(project, sync=replace(project.sync, mode="copy"))
        self.project = Workspace(self.folder, project, projects.CATALOG, Machine(state=folder.parent / "state"))
        image = SeenImage("image", "image", {})
        self.engine = MemoryEngine(images={"image": image}, execute=self._execute)
        own = {labels.INSTANCE: "shop", labels.FOLDER: str(self.folder), labels.UNIT: "web"}
        self.engine.create(Container("shop-web-1", "web", "app", "image", labels=own))
        self.engine.start("shop-web-1")

    def git(self, *arguments: str) -> str:
        own = ("-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false")
        return subprocess.run(
            ["git", *own, *arguments], cwd=self.top, check=True, capture_output=True, text=True
        ).stdout

    def put(self, path: str, text: str, *, staged: bool = True) -> None:
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        if staged:
            self.git("add", "-f", str(file))

    def has(self, path: str) -> str:
        return (self.folder / path).read_text()

    def run(self, *hooks: Hook, choose: Choose = checks.staged) -> Result:
        heard: list[Checked] = []
        result = command.run(self.project, self.engine, hooks, choose, heard.append)
        assert tuple(heard) == result.checked
        return result

    def interrupted(self, *hooks: Hook) -> None:
        """Run hooks and be interrupted after the first."""

        def tell(_one: Checked) -> None:
            raise KeyboardInterrupt

        command.run(self.project, self.engine, hooks, checks.staged, tell)

    def _execute(self, _container: str, given: Command) -> Ran:
        argv = [str(one).replace(images.WORK, str(self.where)) for one in given.argv]
        if given.env:
            self.commands.append(argv[-1])
            if self.meanwhile is not None:
                self.meanwhile(argv[-1])
        folder = (given.working_dir or "/").replace(images.WORK, str(self.where))
        env = {"PATH": os.environ["PATH"], **(given.env or {})}
        done = subprocess.run(
            argv, cwd=folder, env=env, input=b"".join(given.stdin or ())[: self.cut], capture_output=True, check=False
        )
        return Ran((Chunk("stdout", done.stdout), Chunk("stderr", done.stderr)), done.returncode)
