"""`devenv init`: writes a first `devenv.toml` by looking at the project."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from devenv import catalog, config, detection, files
from devenv.detection import draft as drafts
from devenv.detection.draft import Draft
from devenv.errors import DevenvError
from devenv.model.project import Origin
from devenv.values import dataclass

Ask = Callable[[str], tuple[str, int | None] | None]
"""Asks how an app is started, and on which port it listens; None leaves it open."""


@dataclass(frozen=True, slots=True)
class InitResult:
    """What was written.

    Args:
        file: Its path.
        apps: With the stacks or the app that each is like.
        open: Apps of which nobody said how they start.
        remarks: What was found and could not be taken over.
    """

    file: str
    text: str
    apps: tuple[str, ...]
    services: tuple[str, ...]
    open: tuple[str, ...]
    remarks: tuple[str, ...]


def run(folder: Path, images: Origin, ask: Ask, *, dry_run: bool = False) -> InitResult:
    """Look at the project in `folder` and write its `devenv.toml`.

    Args:
        dry_run: Write nothing.

    Raises:
        DevenvError: There is one.
    """
    path = folder / config.NAME
    if path.exists() and not dry_run:
        raise DevenvError(
            f"`{path}` is there already", hint="`devenv up` starts what it says; `devenv init --dry-run` shows another"
        )
    found = _asked(detection.look(folder, catalog.of(folder), images), ask)
    text = drafts.text(found)
    detection.check(folder, text)
    if not dry_run:
        files.write(path, text)
    names = tuple(one.name for one in found.apps), tuple(one.name for one in found.services)
    return InitResult(str(path), text, *names, detection.unknown(found), found.remarks)


def _asked(found: Draft, ask: Ask) -> Draft:
    for name in detection.unknown(found):
        answer = ask(name)
        if answer is not None:
            found = detection.answered(found, name, *answer)
    return found
