"""The projects that are measured: on disk, under names and ports of their own, gone afterwards."""

from __future__ import annotations

import re
import shutil
import socket
import subprocess
import tempfile
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
BOOKSHOP = ROOT / "examples" / "bookshop"
BOOKSHOP_PORT = "8000"


@dataclass(frozen=True, slots=True)
class Project:
    """A project's folder, and the name under which the engine knows it."""

    folder: Path
    name: str


def _bookshop(folder: Path, name: str) -> None:
    ignored = shutil.ignore_patterns(".devenv", "__pycache__", ".pytest_cache", "devenv.local.toml")
    shutil.copytree(BOOKSHOP, folder, ignore=ignored)
    file = folder / "devenv.toml"
    text = re.sub(r'^name = ".*"', f'name = "{name}"', file.read_text(), count=1)
    file.write_text(text.replace(BOOKSHOP_PORT, str(_free_port())))


def _services(count: int) -> Callable[[Path, str], None]:
    def make(folder: Path, name: str) -> None:
        folder.mkdir()
        sections = [f'[services.redis-{number}]\nuse = "redis"\n' for number in range(1, count + 1)]
        (folder / "devenv.toml").write_text(f'name = "{name}"\nimages = "debian"\n\n' + "\n".join(sections))

    return make


def _apps(count: int) -> Callable[[Path, str], None]:
    """Apps of one image that do nothing."""

    def make(folder: Path, name: str) -> None:
        folder.mkdir()
        sections = ["[apps.app-1]\n", *(f'[apps.app-{number}]\nlike = "app-1"\n' for number in range(2, count + 1))]
        (folder / "devenv.toml").write_text(f'name = "{name}"\nimages = "debian"\n\n' + "\n".join(sections))

    return make


MAKERS: Mapping[str, Callable[[Path, str], None]] = {
    "bookshop": _bookshop,
    "10-services": _services(10),
    "30-services": _services(30),
}


@contextmanager
def made(kind: str, environ: Mapping[str, str]) -> Iterator[Project]:
    """Make a project, and in the end take away its folder and the images that only it has.

    Args:
        kind: One of `MAKERS`, or `30-apps`: so many apps that do nothing.
    """
    name = f"bench-{kind}-{uuid.uuid4().hex[:6]}"
    with tempfile.TemporaryDirectory(prefix="devenv-bench-") as place:
        folder = Path(place) / name
        maker = MAKERS[kind] if kind in MAKERS else _apps(int(kind.removesuffix("-apps")))
        maker(folder, name)
        try:
            yield Project(folder, name)
        finally:
            _forget(name, environ)


def _forget(name: str, environ: Mapping[str, str]) -> None:
    """Remove the project's images; one that is still used stays, for what left it so has already been told."""
    found = ask(environ, "images", "--format", "{{.Repository}}:{{.Tag}}", f"*/*/{name}*").split()
    if found:
        subprocess.run(["docker", "image", "rm", *found], env=environ, capture_output=True)


def ask(environ: Mapping[str, str], *arguments: str) -> str:
    """Ask docker's own command line, which takes no part in the measurement."""
    return subprocess.run(["docker", *arguments], env=environ, check=True, capture_output=True, text=True).stdout


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
