"""Which framework an app is written with, and so how it is started for development."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath

from devenv.blueprint import substitute
from devenv.catalog import Catalog
from devenv.detection import manifests
from devenv.detection.manifests import Manifest
from devenv.model.catalog import FrameworkEntry
from devenv.values import dataclass

DEPTH = 3
"""Folders down to which Python's files are looked through for the app's object."""
SKIPPED = frozenset({"node_modules", "vendor", "venv", "env", "site-packages", "tests", "test", "migrations", "dist"})


@dataclass(frozen=True, slots=True)
class Start:
    """How an app is started.

    Args:
        why: The framework, for people.
        setup: Besides what installs the libraries.
        is_sure: Whether its port is known from the project or the framework, not guessed.
    """

    why: str
    run: str
    port: int
    setup: tuple[str, ...] = ()
    env: Mapping[str, str] | None = None
    is_sure: bool = True


def find(folder: Path, manifest: Manifest, entries: Catalog) -> Start | None:
    """How the app in a folder is started; None where nothing is known of it."""
    known = [one for name in entries.names("framework") if (one := entries.framework(name)).stack == manifest.stack]
    for entry in sorted(known, key=lambda one: one.last):
        if _is_used(entry, folder, manifest) and (start := _start(entry, folder, manifest)) is not None:
            return start
    return None


def _is_used(entry: FrameworkEntry, folder: Path, manifest: Manifest) -> bool:
    if not (entry.packages or entry.files):
        return True
    if entry.files and not entry.packages:
        return any((folder / name).is_file() for name in entry.files)
    used = not manifest.libraries.isdisjoint(entry.packages)
    return used and (not entry.files or any((folder / name).is_file() for name in entry.files))


def _start(entry: FrameworkEntry, folder: Path, manifest: Manifest) -> Start | None:
    script = next((one for one in entry.scripts if one in (manifest.scripts or {})), None)
    values = {"port": "{port}"}
    if script is None:
        found = _values(entry, folder)
        if found is None:
            return None
        values |= found
    listens = _listens(entry, folder)
    port = listens or entry.port
    run = f"npm run {script}" if script is not None else substitute.text(entry.run, values | {"port": str(port)})
    missing = [one for one in entry.install if one not in manifest.libraries]
    setup = (*((f"pip install {' '.join(missing)}",) if missing else ()), *entry.setup)
    env = {entry.variable: str(port)} if entry.variable else None
    return Start(entry.summary, run, port, setup, env, is_sure=not entry.listens or listens is not None)


def _values(entry: FrameworkEntry, folder: Path) -> dict[str, str] | None:
    """What the run command names; None where it cannot be found."""
    if entry.object:
        return _object(entry.object, folder)
    if not entry.main:
        return {}
    for pattern in entry.main:
        for path in sorted(folder.glob(pattern)):
            relative = path.relative_to(folder)
            return {
                "main": relative.as_posix(),
                "folder": "" if relative.parent.name == "" else relative.parent.as_posix(),
            }
    return None


def _object(name: str, folder: Path) -> dict[str, str] | None:
    """The module and the variable of `app = Flask(…)`, or the module of a function that makes one."""
    variable = re.compile(rf"^(\w+)\s*(?::\s*[\w.]+\s*)?=\s*(?:\w+\.)?{re.escape(name)}\(", re.M)
    factory = re.compile(r"^def\s+(create_app|make_app)\(", re.M)
    made: dict[str, str] | None = None
    for path in _python_files(folder):
        text = manifests.read(path) or ""
        module = _module(path.relative_to(folder))
        if match := variable.search(text):
            return {"module": module, "object": match.group(1)}
        if made is None and f"{name}(" in text and factory.search(text):
            made = {"module": module, "object": f"{factory.findall(text)[0]} --factory"}
    return made


def _module(path: Path) -> str:
    parts = PurePosixPath(path).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts)


def _python_files(folder: Path, depth: int = DEPTH) -> Iterator[Path]:
    """Those at the top first."""
    try:
        paths = sorted(folder.iterdir())
    except OSError:
        return
    yield from (path for path in paths if path.suffix == ".py" and path.name.isascii())
    if depth > 1:
        for path in paths:
            if path.is_dir() and not path.is_symlink() and path.name not in SKIPPED and not path.name.startswith("."):
                yield from _python_files(path, depth - 1)


def _listens(entry: FrameworkEntry, folder: Path) -> int | None:
    """The port that the sources name."""
    for expression in entry.listens:
        for source in entry.sources:
            for path in sorted(folder.glob(source)):
                match = re.search(expression, manifests.read(path) or "")
                if match and 0 < int(match.group(1)) < 65536:
                    return int(match.group(1))
    return None
