"""The two sides that keep a folder and a container in step: `devenv` in copy mode, and `docker compose watch`."""

from __future__ import annotations

import json
import select
import shutil
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from benchmarks import projects, sides, usage
from benchmarks.probe import Batch, Probe

DEVENV = """\
name = "{name}"
images = "debian"

[apps.web]
run = "sleep infinity"

[sync]
mode = "copy"
"""
COMPOSE = """\
services:
  web:
    image: "{image}"
    pull_policy: never
    command: sleep infinity
    init: true
    volumes: ["files:/work"]
    develop:
      watch:
        - {{path: ., action: sync, target: /work, initial_sync: true}}
  bind:
    image: "{image}"
    pull_policy: never
    command: sleep infinity
    init: true
    volumes: ["../bind:/work"]
volumes:
  files: {{}}
"""


START = 120.0
"""Seconds until a container runs."""
PROBED = "# Looks at files from inside"
"""In the command line of the program that looks."""


def environ(engine: str | None, state: Path) -> dict[str, str]:
    """What `sides.environ` gives; what devenv remembers is gone afterwards."""
    return sides.environ(engine) | {"DEVENV_STATE": str(state)}


@dataclass(frozen=True, slots=True)
class Setting:
    """What one run of the benchmark was told.

    Args:
        runs: Turns of what takes long.
        saves: Turns of saves.
        files: How many, of each first copy.
        reads: Of a file while it is saved.
    """

    runs: int
    saves: int
    files: Sequence[int]
    reads: int
    place: Place


@dataclass(slots=True)
class Copying:
    """A folder and the container that has a copy of it.

    Args:
        command: What keeps them in step, or starts what does.
        container: The one that looks; ours has what devenv runs inside.
        begun: When that which keeps them in step was started, or its container if that was later; by the monotonic
            clock.
        processes: Of the tool, known when it has settled.
    """

    name: str
    folder: Path
    container: str
    probe: Probe
    command: subprocess.Popen[bytes] | None = None
    begun: float = 0.0
    processes: set[int] = field(default_factory=set)


class Place:
    """Where the projects of one run of the benchmark lie, and all that they leave on the engine.

    Args:
        folder: On a disk.
        environ: Of every command.
    """

    def __init__(self, folder: Path, environ: Mapping[str, str]) -> None:
        self.folder = folder
        self.environ = environ
        self.name = f"bench-sync-{uuid.uuid4().hex[:6]}"
        self.image = ""
        self._lock = folder / "image" / "devenv.lock"
        self._log = (folder / "log").open("wb")
        self._instances: dict[str, Path] = {}
        self._projects: dict[str, Path] = {}

    def make(self, kind: str, batch: Batch | None = None) -> Path:
        """The folder of a project of this kind, with files."""
        folder = self.folder / kind
        folder.mkdir()
        if self._lock.is_file():
            shutil.copy(self._lock, folder)
        if batch is not None:
            batch.write(folder)
        return folder

    @contextmanager
    def devenv(self, folder: Path, turn: str = "live") -> Iterator[Copying]:
        """Our side, from `devenv up`; each turn has an instance of its own, so that no volume need be deleted yet."""
        name = f"{self.name}-{turn}"
        (folder / "devenv.toml").write_text(DEVENV.format(name=name))
        self._instances[name] = folder
        since = f"{time.time() - 0.01:.3f}"
        up = self._started(devenv("up", "-d"), folder)
        try:
            files = self._first_container(name, since)
            with _closing(Probe(files, self.environ)) as probe:
                yield Copying("devenv", folder, files, probe, up)
        finally:
            up.wait()
            self.run(*devenv("down"), folder=folder)

    def _started(self, command: Sequence[str], folder: Path) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            command, cwd=folder, env=self.environ, stdin=subprocess.DEVNULL, stdout=self._log, stderr=self._log
        )

    def _first_container(self, name: str, since: str) -> str:
        """The first one that starts; it has the files, and waits for nothing but itself."""
        label = f"label=dev.devenv.instance={name}"
        command = ("docker", "events", "--since", since, "--filter", label, "--filter", "event=start")
        told = subprocess.Popen((*command, "--format", "{{.ID}}"), env=self.environ, stdout=subprocess.PIPE, text=True)
        assert told.stdout is not None
        with told.stdout:
            found = told.stdout.readline().strip() if select.select([told.stdout], [], [], START)[0] else ""
        _end(told)
        if not found:
            raise SystemExit(f"no container of `{name}` has started\n{Path(self._log.name).read_text()}")
        return found

    def settle(self, side: Copying) -> None:
        """Wait until its command has nothing more to start; see what runs."""
        assert side.command is not None
        if side.name == "compose":
            side.processes = usage.with_children(side.command.pid)
            return
        if side.command.wait() != 0:
            raise SystemExit(f"`devenv up -d` failed\n{Path(self._log.name).read_text()}")
        process = json.loads(self.run(*devenv("sync", "status", "--json"), folder=side.folder))["report"]["pid"]
        # Both have a container that runs when their process begins, or the other way round.
        side.begun = max(usage.begun(process), self._started_at(side.container))
        # The container's own process and the agent; not what measures here.
        _, *inside = projects.ask(self.environ, "top", side.container, "-eo", "pid,args").splitlines()
        agent = {int(line.split()[0]) for line in inside if PROBED not in line}
        side.processes = usage.with_children(process) | agent

    def _started_at(self, container: str) -> float:
        """When it was started, by the monotonic clock."""
        told = projects.ask(self.environ, "inspect", "-f", "{{.State.StartedAt}}", container).strip()
        whole, _, fraction = told.rstrip("Z").partition(".")
        started = datetime.fromisoformat(f"{whole}+00:00").timestamp() + float(f"0.{fraction or 0}")
        return started - time.time() + time.monotonic()

    @contextmanager
    def compose(self, folder: Path, turn: str = "live") -> Iterator[Copying]:
        """Their side: the container runs already when `docker compose watch` is started."""
        (folder / "compose.yaml").write_text(COMPOSE.format(image=self.image))
        project = f"{self.name}-compose-{turn}"
        self._projects[project] = folder
        command = ("docker", "compose", "-p", project)
        self.run(*command, "up", "-d", "web", folder=folder)
        with ExitStack() as stack:
            stack.callback(self.run, *command, "down", "--timeout", "0", folder=folder)
            container = self._container(project, "web")
            probe = stack.enter_context(_closing(Probe(container, self.environ)))
            begun = time.monotonic()
            watch = self._started((*command, "watch", "--no-up"), folder)
            stack.callback(_end, watch)
            yield Copying("compose", folder, container, probe, watch, begun=begun)

    @contextmanager
    def bind(self, beside: Path) -> Iterator[Copying]:
        """A folder that the engine shares, by the file of their side."""
        project = f"{self.name}-compose-live"
        folder = self.make("bind")
        self.run("docker", "compose", "-p", project, "up", "-d", "bind", folder=beside)
        container = self._container(project, "bind")
        with _closing(Probe(container, self.environ)) as probe:
            yield Copying("bind", folder, container, probe)

    def _container(self, project: str, service: str) -> str:
        """The container of a service of a compose project."""
        labels = (f"com.docker.compose.project={project}", f"com.docker.compose.service={service}")
        filters = [word for label in labels for word in ("--filter", f"label={label}")]
        return projects.ask(self.environ, "ps", "-q", *filters).strip()

    def build(self) -> None:
        """Have devenv build the image that both sides' containers are made from."""
        folder = self.make("image")
        with self.devenv(folder, "image") as side:
            self.settle(side)
        self.image = projects.ask(self.environ, "images", "-q", "--no-trunc", f"*/*/{self.name}*").split()[0]

    def run(self, *command: str, folder: Path, check: bool = True) -> str:
        """Run a command to its end; what it printed.

        Raises:
            SystemExit: It failed; what it said is in the message.
        """
        done = subprocess.run(
            command, cwd=folder, env=self.environ, stdin=subprocess.DEVNULL, capture_output=True, text=True
        )
        if check and done.returncode != 0:
            raise SystemExit(f"`{' '.join(command)}` ended with {done.returncode}\n{done.stdout}{done.stderr}")
        return done.stdout

    def clean(self) -> None:
        """Remove from the engine what is this run's."""
        self._log.close()
        for name, folder in self._instances.items():
            (folder / "devenv.toml").write_text(DEVENV.format(name=name))
            self.run(*devenv("down", "--volumes"), folder=folder, check=False)
        for project, folder in self._projects.items():
            command = ("docker", "compose", "-p", project, "down", "--volumes", "--timeout", "0")
            self.run(*command, folder=folder, check=False)
        images = projects.ask(self.environ, "images", "--format", "{{.Repository}}:{{.Tag}}", f"*/*/{self.name}*")
        for image in images.split():
            self.run("docker", "image", "rm", image, folder=self.folder, check=False)


def devenv(*arguments: str) -> tuple[str, ...]:
    """A command line of the devenv beside this Python."""
    return (sys.executable, "-m", "devenv", *arguments)


@contextmanager
def _closing(probe: Probe) -> Iterator[Probe]:
    try:
        yield probe
    finally:
        probe.close()


def _end(process: subprocess.Popen[Any]) -> None:
    process.terminate()
    process.wait()
