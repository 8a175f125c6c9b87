"""`devenv import`: turns a compose file or a `devcontainer.json` into a `devenv.toml`."""

from __future__ import annotations

import os
from pathlib import Path

from devenv import catalog, config, detection, files, importing
from devenv.errors import DevenvError
from devenv.importing import Loss
from devenv.model.project import Origin
from devenv.values import dataclass


@dataclass(frozen=True, slots=True)
class ImportResult:
    """What was written.

    Args:
        file: Its path.
        local: The path of what is not to be committed; None where there is nothing of that kind.
        sources: The files that were read, relative to the project.
        losses: What was not carried over, in the order of the files.
        remarks: What holds for all of it.
    """

    file: str
    local: str | None
    text: str
    sources: tuple[str, ...]
    apps: tuple[str, ...]
    services: tuple[str, ...]
    losses: tuple[Loss, ...]
    remarks: tuple[str, ...]


def run(folder: Path, file: str, images: Origin, *, output: str = config.NAME, dry_run: bool = False) -> ImportResult:
    """Import a file of the project in `folder`.

    Args:
        file: Relative to `folder`, or absolute and in it.
        output: Where to write, relative to `folder`.
        dry_run: Write nothing.

    Raises:
        DevenvError: The file cannot be imported, or there is a `devenv.toml`.
    """
    path = folder / output
    local = path.with_name(f"{path.stem}.local.toml")
    if not dry_run:
        _refuse(path)
    made = importing.read(folder, _relative(folder, file), catalog.of(folder), images)
    if made.local and not dry_run:
        _refuse(local)
    detection.check(folder, made.text)
    if not dry_run:
        files.write(path, made.text)
        if made.local:
            files.write(local, made.local, mode=0o600)
    names = str(path), str(local) if made.local else None
    return ImportResult(*names, made.text, made.sources, made.apps, made.services, made.losses, made.remarks)


def _refuse(path: Path) -> None:
    if path.exists():
        hint = "`--output FILE` writes elsewhere, `--dry-run` only shows what would be written"
        raise DevenvError(f"`{path}` is there already", hint=hint)


def _relative(folder: Path, file: str) -> str:
    """A path as one in the project."""
    if Path(file).is_absolute():
        return os.path.relpath(Path(file), folder)
    return os.path.normpath(file)
