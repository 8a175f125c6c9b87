"""Imports a project from a dict of its files, so that a test has its whole world in its body."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import devenv.importing
from devenv import catalog, detection
from devenv.importing import Imported, Loss
from devenv.model.project import Origin


@dataclass(frozen=True)
class Done:
    """What came of it."""

    data: dict[str, Any]
    local: dict[str, Any]
    made: Imported

    @property
    def services(self) -> dict[str, Any]:
        found: dict[str, Any] = self.data.get("services", {})
        return found

    def losses(self, weight: str = "lost") -> list[str]:
        return [one.what for one in self.made.losses if one.weight == weight]

    def loss(self, what: str) -> Loss:
        (found,) = [one for one in self.made.losses if one.what == what]
        return found


def files(root: Path, given: dict[str, str]) -> None:
    for name, text in given.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def done(root: Path, given: dict[str, str], *, images: Origin = "registry", file: str = "compose.yaml") -> Done:
    """Import `file` of a project of these files; what comes out is read as a project."""
    files(root, given)
    made = devenv.importing.read(root, file, catalog.of(root), images)
    detection.check(root, made.text)
    return Done(tomllib.loads(made.text), tomllib.loads(made.local), made)


def compose(root: Path, text: str, **given: str) -> Done:
    """Import a compose file; further files are there, too, `_` in their names for `.`."""
    return done(root, {"compose.yaml": text} | {name.replace("_", "."): one for name, one in given.items()})


def service(root: Path, lines: str, **given: str) -> Done:
    """Import a compose file of one service `web` by an image, with these lines in it."""
    indented = "\n".join(f"    {line}" for line in lines.splitlines())
    return compose(root, f"services:\n  web:\n    image: acme/web:1\n{indented}\n", **given)
