"""The files a project is described in, laid over each other, and which of them says what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from devenv import files, toml
from devenv.config import findings
from devenv.errors import DevenvError, Place
from devenv.values import dataclass

NAME = "devenv.toml"
LOCAL_NAME = "devenv.local.toml"
PROFILES = "profiles"

_ABSENT = object()
_HIDDEN = object()


@dataclass(frozen=True, slots=True)
class Layer:
    """One file, or one profile in it.

    Args:
        keys: Where in the document it begins.
    """

    document: toml.Document
    keys: toml.Keys = ()

    @property
    def table(self) -> Mapping[str, Any]:
        found = _at(self.document.data, self.keys)
        return found if isinstance(found, dict) else {}


@dataclass(frozen=True, slots=True)
class Source:
    """Layers, each over the one before it: tables merge, everything else replaces."""

    layers: tuple[Layer, ...]

    @property
    def is_alone(self) -> bool:
        """Whether `devenv.toml` says everything there is to say: no overlay on this machine, no profiles."""
        return len(self.layers) == 1 and PROFILES not in self.layers[0].table

    def data(self) -> dict[str, Any]:
        """What the layers say together, without the profiles."""
        merged: dict[str, Any] = {}
        for layer in self.layers:
            table = {key: value for key, value in layer.table.items() if key != PROFILES}
            merged = _merged(merged, table)
        return merged

    def place(self, keys: toml.Keys, *, key: bool = False) -> Place | None:
        """Where the value that counts was written; of a table, where it was written first."""
        found: Place | None = None
        for layer in reversed(self.layers):
            value = _at(layer.table, keys)
            if value is _ABSENT:
                continue
            if value is _HIDDEN or (found is not None and not isinstance(value, dict)):
                break
            found = layer.document.place((*layer.keys, *keys), key=key)
            if not isinstance(value, dict):
                break
        return found


def read(folder: Path, text: str | None = None) -> tuple[toml.Document, ...]:
    """Read the project's file and, when there is one, its overlay on this machine.

    Args:
        text: What the project's file is to say; it need not be there then.

    Raises:
        Problems: Of each file what is wrong with it.
    """
    documents: list[toml.Document] = []
    problems: list[DevenvError] = []
    names = (NAME, LOCAL_NAME) if (folder / LOCAL_NAME).exists() else (NAME,)
    for name in names:
        try:
            given = text if name == NAME else None
            path = folder / name
            _check_place(path)
            documents.append(toml.read(path, name=name) if given is None else toml.read_text(given, name=name))
        except DevenvError as error:
            problems.append(error)
    findings.raised(problems)
    return tuple(documents)


def _check_place(path: Path) -> None:
    """Refuse a link that leads out of the project: lines of any file would stand in messages, or be taken for its."""
    if path.is_symlink() and files.leads_out(path, path.parent):
        hint = "put the file itself there"
        raise DevenvError(f"`{path.name}` is a symbolic link that leads out of the project", hint=hint)


def layered(documents: Sequence[toml.Document], profile: str | None) -> Source:
    """Lay the documents over each other, and the profile of each over all of them."""
    files = tuple(Layer(document) for document in documents)
    if profile is None:
        return Source(files)
    return Source((*files, *(Layer(document, (PROFILES, profile)) for document in documents)))


def _merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(below)
    for key, value in above.items():
        there = merged.get(key)
        both = isinstance(there, dict) and isinstance(value, dict)
        merged[key] = _merged(there, value) if both and there is not None else value
    return merged


def _at(value: Any, keys: toml.Keys) -> Any:
    """The value at `keys`; `_HIDDEN` when something that is no table stands in the way."""
    for key in keys:
        if isinstance(value, dict):
            value = value.get(str(key), _ABSENT)
        elif isinstance(value, list) and isinstance(key, int) and key < len(value):
            value = value[key]
        else:
            return _HIDDEN
        if value is _ABSENT:
            return _ABSENT
    return value
