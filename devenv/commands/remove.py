"""`devenv remove`: takes services out of `devenv.toml`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from devenv import catalog, config, editing, lockfile, toml
from devenv.config import findings, source
from devenv.editing import File
from devenv.errors import DevenvError, UsageError
from devenv.values import dataclass


@dataclass(frozen=True, slots=True)
class RemoveResult:
    """What was removed.

    Args:
        kept: Those of the removed services whose data stays in volumes, if they ever ran.
        locked: Whether there is a lockfile, which then pins too much.
    """

    removed: tuple[str, ...]
    kept: tuple[str, ...]
    locked: bool


def run(start: Path, names: Sequence[str], *, profile: str | None = None) -> RemoveResult:
    """Remove services from the project that `start` lies in: all that are named or none.

    Raises:
        Problems: All that stands in the way.
        UsageError: The only thing that does.
    """
    folder = config.find(start)
    file = editing.read(folder)
    wanted = tuple(dict.fromkeys(names))
    editing.raised(_unknown(name, folder, file) for name in wanted if name not in file.services)
    text = editing.removed(file, wanted)
    try:
        config.read(folder, profile=profile, text=text)
    except DevenvError as error:
        editing.raised(_needing(folder, wanted))
        config.read(folder, profile=profile)  # if the file was wrong before, that is what to tell
        editing.raised(editing.each(error))
    kept = tuple(name for name in wanted if _has_data(folder, file, name))
    editing.write(file, text)
    return RemoveResult(wanted, kept, (folder / lockfile.NAME).is_file())


def _unknown(name: str, folder: Path, file: File) -> DevenvError:
    """Why there is nothing to remove."""
    for document, keys, _ in _layers(folder):
        place = document.place((*keys, editing.SERVICES, name))
        if place is not None:
            message = f"service `{toml.printable(name)}` is not in `{config.NAME}` itself, but laid over it"
            return UsageError(message, hint="take it out there by hand", where=place)
    if file.place(editing.APPS, name) is not None:
        message = f"`{toml.printable(name)}` is an app, not a service"
        return UsageError(message, hint=f"take it out of `{config.NAME}` by hand")
    known = tuple(file.services)
    listed = f"there are: {findings.listed(known, 'and')}" if known else f"`{config.NAME}` has none"
    return editing.unknown(name, known, toml.printable(listed, 400))


def _needing(folder: Path, names: Sequence[str]) -> Iterator[DevenvError]:
    """Where apps and other services say that they need one of these, in whichever file and profile."""
    for document, keys, table in _layers(folder):
        for kind, word in ((editing.APPS, "app"), (editing.SERVICES, "service")):
            for unit, one in editing.tables(table, kind).items():
                needs = () if kind == editing.SERVICES and unit in names else one.get("needs")
                for index, need in enumerate(needs if isinstance(needs, list) else ()):
                    if need in names:
                        where = document.place((*keys, kind, unit, "needs", index))
                        message = f"{word} `{toml.printable(unit)}` needs `{need}`"
                        yield DevenvError(message, hint=f"take `{need}` out of its `needs` first", where=where)


def _layers(folder: Path) -> Iterator[tuple[toml.Document, tuple[str, ...], Mapping[str, Any]]]:
    """Each file and each profile in it: the document, where in it the layer begins, and what it says."""
    for document in source.read(folder):
        yield document, (), document.data
        for name, table in editing.tables(document.data, source.PROFILES).items():
            yield document, (source.PROFILES, name), table


def _has_data(folder: Path, file: File, name: str) -> bool:
    """Whether a service writes to a volume; one of an entry that cannot be read may."""
    table = file.services[name]
    if "image" in table or "volumes" in table:
        return bool(table.get("volumes"))
    try:
        return bool(catalog.of(folder).service(str(table.get("use", name))).volumes)
    except DevenvError:
        return True
