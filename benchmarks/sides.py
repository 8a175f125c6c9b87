"""The two sides: the same verbs in devenv's and in docker compose's words, each call a process of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from benchmarks import projects
from benchmarks.projects import Project

Verb = Literal["up", "status", "down", "down --volumes", "check"]
RENDERED = ".devenv/compose.yaml"
HEALTHY_TIMEOUT = 120.0


@dataclass(frozen=True, slots=True)
class Side:
    """One tool on one project."""

    project: Project
    environ: Mapping[str, str]
    commands: Mapping[Verb, tuple[str, ...]]

    def run(self, verb: Verb, *, check: bool = True) -> float:
        """Run it to its end; the seconds that took.

        Raises:
            SystemExit: It failed; what it said is in the message.
        """
        command = self.commands[verb]
        begun = time.perf_counter()
        done = subprocess.run(
            command, cwd=self.project.folder, env=self.environ, stdin=subprocess.DEVNULL, capture_output=True, text=True
        )
        seconds = time.perf_counter() - begun
        if check and done.returncode != 0:
            raise SystemExit(f"`{' '.join(command)}` ended with {done.returncode}\n{done.stdout}{done.stderr}")
        return seconds

    def settle(self) -> None:
        """Wait until the engine's own health checks have passed, as they have in an environment in daily use."""
        deadline = time.monotonic() + HEALTHY_TIMEOUT
        label = f"label=com.docker.compose.project={self.project.name}"
        while "starting" in projects.ask(self.environ, "ps", "--filter", label, "--format", "{{.Status}}"):
            if time.monotonic() > deadline:
                raise SystemExit(f"`{self.project.name}` does not become healthy")
            time.sleep(0.1)


def program() -> tuple[str, ...]:
    """The command beside this Python, as its users have it; else the package."""
    script = Path(sys.executable).with_name("devenv")
    return (str(script),) if script.is_file() else (sys.executable, "-m", "devenv")


def devenv(project: Project, environ: Mapping[str, str]) -> Side:
    """What devenv is told."""
    own = program()
    commands: dict[Verb, tuple[str, ...]] = {
        "up": (*own, "up", "-d"),
        "status": (*own, "status"),
        "down": (*own, "down"),
        "down --volumes": (*own, "down", "--volumes"),
        "check": (*own, "check"),
    }
    return Side(project, environ, commands)


def compose(project: Project, environ: Mapping[str, str], file: str = RENDERED) -> Side:
    """Docker compose on the file that devenv rendered."""
    program = ("docker", "compose", "-f", file)
    commands: dict[Verb, tuple[str, ...]] = {
        "up": (*program, "up", "-d", "--wait"),
        "status": (*program, "ps"),
        "down": (*program, "down"),
        "down --volumes": (*program, "down", "--volumes"),
        "check": (*program, "config", "-q"),
    }
    return Side(project, environ, commands)


def compose_version() -> str | None:
    """The version of docker compose; None when it is not installed."""
    if shutil.which("docker") is None:
        return None
    done = subprocess.run(["docker", "compose", "version", "--short"], capture_output=True, text=True)
    return done.stdout.strip() if done.returncode == 0 else None


def environ(engine: str | None) -> dict[str, str]:
    """Both sides find the engine in the same way, neither colours, and Python keeps what it has compiled."""
    ignored = {"COMPOSE_FILE", "COMPOSE_PROJECT_NAME", "COMPOSE_PROFILES", "DEVENV_ENGINE", "PYTHONDONTWRITEBYTECODE"}
    found = {key: value for key, value in os.environ.items() if key not in ignored} | {"NO_COLOR": "1"}
    if engine:
        found.pop("DOCKER_CONTEXT", None)
        found["DOCKER_HOST"] = engine
    return found | {"PYTHONPATH": str(projects.ROOT)}
