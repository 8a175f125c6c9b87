"""A registry on loopback in the place of Docker Hub, with images that devenv itself has built."""

from __future__ import annotations

import fcntl
import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from devenv.model.pins import RegistryPin
from tests import engines, registries
from tests.e2e import checkouts
from tests.registries import RunningRegistry

PROGRAMS = ("sh", "cat", "echo", "env", "httpd", "nc", "sleep", "test", "true")
# What images of the same contract as the official ones are made of; the app's base needs apt, as Debian's have it.
SOURCES = """\
name = "{name}"
images = "debian"

[apps.python]
stack = "python@3.13"
packages = ["apt"]

[services.postgres]
[services.redis]
"""
OFFICIAL = {
    "python": "library/python:3.13-slim",
    "postgres": "library/postgres:17",
    "redis": "library/redis:8",
}


@dataclass(frozen=True)
class Hub:
    """The registry.

    Args:
        environ: What makes devenv ask it in place of Docker Hub.
    """

    registry: RunningRegistry

    @property
    def environ(self) -> dict[str, str]:
        return {"DEVENV_REGISTRY_MIRROR": f"http://{self.registry.address}"}

    def web(self, tag: str, text: str = "hello", architecture: str = "amd64") -> RegistryPin:
        """A tiny image that serves a text on port 80, as `acme/web`."""
        files: dict[str, bytes | str] = {"bin/busybox": engines.busybox().read_bytes(), "www/index.html": text.encode()}
        files |= {f"bin/{program}": "busybox" for program in PROGRAMS}
        files |= {"usr/share/motto": b"as it was built\n", "etc/passwd": b"root:x:0:0::/:/bin/sh\n"}
        config = {"Cmd": ["httpd", "-f", "-p", "80", "-h", "/www"]}
        # A layer of this registry alone: one that another test has left in the engine would not be pulled.
        files["etc/registry"] = self.registry.address.encode()
        labels = {"org.opencontainers.image.version": tag}
        return self.registry.image("acme/web", tag, architecture, files, labels, config)


@contextmanager
def running(folder: Path) -> Iterator[Hub]:
    """Start an empty one."""
    folder.mkdir(parents=True, exist_ok=True)
    with registries.running(folder) as registry:
        yield Hub(registry)


@contextmanager
def official(folder: Path) -> Iterator[Hub]:
    """Start one that has Python, PostgreSQL and Redis under the names that Docker Hub has them by.

    Args:
        folder: For what it keeps. It is filled once, also when several processes ask for it at a time.
    """
    folder.mkdir(exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "filled").exists():
            _fill(folder)
            (folder / "filled").touch()
    with running(folder / "registry") as made:
        yield made


def _fill(folder: Path) -> None:
    with running(folder / "registry") as made, checkouts.small(folder / "sources", text=SOURCES) as sources:
        sources.run("up", "-d")
        compose = (sources.folder / ".devenv" / "compose.yaml").read_text()
        for name, target in OFFICIAL.items():
            (image,) = set(re.findall(rf"localhost/devenv/(?:{sources.name}-)?{name}:[0-9a-f]+", compose))
            copy(sources.docker, image, f"{made.registry.address}/{target}")
        made.registry.image("library/node", "22-slim", files={"usr/local/bin/node": b"#!/bin/sh\necho v22.0.0\n"})


def copy(docker: object, image: str, target: str) -> None:
    """Push an image under another name."""
    assert callable(docker)
    docker("tag", image, target)
    docker("push", "--quiet", target)
    docker("rmi", target)


def docker(*arguments: str, engine: str | None = None) -> str:
    """Ask an engine in another tool's words."""
    host = {"DOCKER_HOST": engine} if engine else {}
    return subprocess.run(
        ["docker", *arguments], env=os.environ | host, capture_output=True, text=True, check=True
    ).stdout
