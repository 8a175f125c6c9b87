"""What is recorded for one checkout, in `.devenv/state.toml`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from devenv import config, files, render, toml
from devenv.errors import DevenvError
from devenv.instances import ledger

FILE = ".devenv/state.toml"


def table(folder: Path, name: str) -> Mapping[Any, Any]:
    """A table of what is recorded for the checkout in a folder; empty when there is none."""
    return of(read(folder), name)


def record(folder: Path, changes: Mapping[str, Any]) -> None:
    """Record tables for the checkout in a folder.

    Raises:
        DevenvError: They cannot be written.
    """
    files.write(folder / ".devenv" / ".gitignore", render.IGNORED)
    toml.update(folder / FILE, changes)


def read(folder: Path) -> Mapping[str, Any]:
    """What is recorded; what came along with a copy of another checkout counts for nothing.

    Raises:
        DevenvError: The file is damaged.
    """
    state = _read(folder)
    return {} if _is_copied(state, folder) else state


def _read(folder: Path) -> Mapping[str, Any]:
    path = folder / FILE
    try:
        return toml.read(path, name=FILE).data if path.is_file() else {}
    except DevenvError as error:
        hint = f"remove `{FILE}`: name and ports of this checkout are found out or chosen again"
        raise DevenvError(error.message, hint=hint, where=error.where) from error


def _is_copied(state: Mapping[str, Any], folder: Path) -> bool:
    told = of(state, "instance").get("folder", "")
    if not isinstance(told, str) or told in ("", str(folder)) or ledger.is_same(told, folder):
        return False
    return ledger.is_there(Path(told) / config.NAME)


def begin_anew(folder: Path) -> None:
    """Remove what is recorded for another checkout."""
    if _is_copied(_read(folder), folder):
        (folder / FILE).unlink()


def of(state: Mapping[str, Any], name: str) -> Mapping[Any, Any]:
    """A table of what was read; empty when there is none."""
    found = state.get(name)
    return found if isinstance(found, dict) else {}
