"""Changes which services `devenv.toml` has, and writes it only when the result is right."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from devenv import config, files, toml
from devenv.config import findings
from devenv.errors import DevenvError, Place, Problems, UsageError
from devenv.toml import edits
from devenv.values import dataclass

SERVICES = "services"
APPS = "apps"


@dataclass(frozen=True, slots=True)
class File:
    """A project's `devenv.toml`.

    Args:
        text: To the byte, with its line ends.
    """

    folder: Path
    text: str
    document: toml.Document

    @property
    def services(self) -> Mapping[str, Mapping[str, Any]]:
        """What it says of services itself, whatever is laid over it."""
        found = self.document.data.get(SERVICES)
        return found if isinstance(found, dict) else {}

    def place(self, *keys: str | int) -> Place | None:
        """Where something stands in it."""
        return self.document.place(keys)


def read(folder: Path) -> File:
    """Read the file of the project in `folder`.

    Raises:
        DevenvError: It cannot be read, or is no TOML.
    """
    document = toml.read(folder / config.NAME)
    return File(folder, (folder / config.NAME).read_bytes().decode(), document)


def tables(data: Mapping[str, Any], name: str) -> Mapping[str, Mapping[str, Any]]:
    """The tables in a table that a file may have."""
    found = data.get(name)
    return {key: one for key, one in found.items() if isinstance(one, dict)} if isinstance(found, dict) else {}


def added(file: File, services: Mapping[str, Mapping[str, str]]) -> str:
    """The file's text with services that it does not have."""
    text = file.text
    for name, values in services.items():
        text = edits.insert(text, SERVICES, name, values, after=(APPS,))
    return _proven(file, text, {**file.services, **services})


def removed(file: File, names: Iterable[str]) -> str:
    """The file's text without services that it has."""
    text = file.text
    for name in names:
        text = edits.remove(text, SERVICES, name)
    return _proven(file, text, {name: one for name, one in file.services.items() if name not in names})


def write(file: File, text: str) -> None:
    """Replace the file's content; its mode stays, and a link to it stays a link.

    Raises:
        DevenvError: It may not be written.
    """
    path = (file.folder / config.NAME).resolve()
    if not os.access(path, os.W_OK):
        raise DevenvError(f"cannot write `{path}`: it is write-protected", hint="`chmod u+w` allows it")
    files.write(path, text, mode=stat.S_IMODE(path.stat().st_mode))


def unknown(name: str, known: Iterable[str], otherwise: str) -> UsageError:
    """The error for a service that does not exist: the nearest that does, or another remedy."""
    hint = findings.suggestion(name, known) or otherwise
    return UsageError(f"unknown service `{toml.printable(name)}`", hint=hint)


def each(error: DevenvError) -> tuple[DevenvError, ...]:
    """The mistakes in one error, without places in a `devenv.toml` that was never written."""
    found = error.problems if isinstance(error, Problems) else (error,)
    return tuple(_unplaced(one) if one.where and one.where.file == config.NAME else one for one in found)


def raised(problems: Iterable[DevenvError]) -> None:
    """Raise what was found: one mistake as it is, several at once.

    Raises:
        DevenvError: There is at least one.
    """
    found = tuple(problems)
    if len(found) == 1:
        raise found[0]
    if found:
        several = Problems(found)
        several.exit_code = max(one.exit_code for one in found)
        raise several


def _unplaced(error: DevenvError) -> DevenvError:
    return type(error)(error.message, hint=error.hint)


def _proven(file: File, text: str, services: Mapping[str, Mapping[str, Any]]) -> str:
    """A text, after it was seen to say what it is to say; a mistake of ours must not cost the file."""
    wanted = {**file.document.data, SERVICES: services}
    found = {SERVICES: {}, **toml.read_text(text, name=config.NAME).data}
    if _compared(found) != _compared(wanted):
        raise DevenvError(f"cannot change `{config.NAME}`: it is written in an unusual way", hint="change it by hand")
    return text


def _compared(data: Mapping[str, Any]) -> str:
    """Data as text: a number that is none does not equal itself."""
    return json.dumps(data, sort_keys=True, default=str)
