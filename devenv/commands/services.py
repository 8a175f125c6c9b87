"""`devenv services`: what the catalog has."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from devenv import catalog, config
from devenv.catalog import Catalog
from devenv.config import Loaded
from devenv.errors import DevenvError, UsageError
from devenv.model.catalog import ServiceEntry
from devenv.model.project import Origin
from devenv.values import dataclass

OWN = ".devenv/services"
MOST_NEAR = 5


@dataclass(frozen=True, slots=True)
class Offer:
    """The versions of an entry from one origin.

    Args:
        suite: Of Debian; None for a registry, which may have any other tag as well.
    """

    origin: Origin
    suite: str | None
    versions: tuple[str, ...]
    default: str


@dataclass(frozen=True, slots=True)
class Listed:
    """A service of the catalog.

    Args:
        own: Whether the project itself brings it.
        used_as: The names of the project's services that are made from it.
    """

    name: str
    summary: str
    docs: str
    own: bool
    used_as: tuple[str, ...]
    offers: tuple[Offer, ...]
    provides: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ServicesResult:
    """What was found.

    Args:
        services: The project's own first.
        near: Names that were perhaps meant, when nothing was found.
        origin: The project's; None outside of a project.
        suite: The project's.
        notes: What people should know.
    """

    words: tuple[str, ...]
    services: tuple[Listed, ...]
    near: tuple[str, ...]
    origin: Origin | None
    suite: str | None
    notes: tuple[str, ...]


def run(start: Path, words: Sequence[str] = (), *, profile: str | None = None) -> ServicesResult:
    """Find services by words in their name and summary; `start` need not lie in a project.

    Raises:
        UsageError: There is no such profile.
    """
    folder, project, notes = _opened(start, profile)
    entries = Catalog((catalog.data_folder(),)) if folder is None else catalog.of(folder)
    used = _used(project)
    listed: list[Listed] = []
    for name in entries.names("service"):
        own = folder is not None and (folder / OWN / f"{name}.toml").is_file()
        try:
            listed.append(_listed(name, entries.service(name), own, used.get(name, ())))
        except DevenvError:
            notes = (*notes, f"`{OWN}/{name}.toml` has mistakes: `devenv check` tells them")
    found = [one for one in listed if all(_has(one, word) for word in words)]
    return ServicesResult(
        words=tuple(words),
        services=tuple(sorted(found, key=lambda one: not one.own)),
        near=() if found else _near(words, listed),
        origin=_origin(project),
        suite=project.project.suite if project else None,
        notes=notes,
    )


def _opened(start: Path, profile: str | None) -> tuple[Path | None, Loaded | None, tuple[str, ...]]:
    """The project's folder, the project if there is nothing wrong with it, and what is."""
    try:
        folder = config.find(start)
    except DevenvError:
        return None, None, ()
    try:
        return folder, config.read(folder, profile=profile), ()
    except UsageError:
        raise
    except DevenvError:
        return folder, None, (f"`{config.NAME}` has mistakes: `devenv check` tells them",)


def _used(project: Loaded | None) -> Mapping[str, tuple[str, ...]]:
    """The names of the project's services by the entry they are made from."""
    used: dict[str, tuple[str, ...]] = {}
    for service in project.project.services if project else ():
        if service.use is not None:
            used[service.use] = (*used.get(service.use, ()), service.name)
    return used


def _origin(project: Loaded | None) -> Origin | None:
    if project is None:
        return None
    return "debian" if project.source.data().get("images") == "debian" else "registry"


def _listed(name: str, entry: ServiceEntry, own: bool, used_as: tuple[str, ...]) -> Listed:
    return Listed(name, entry.summary, entry.docs, own, used_as, tuple(_offers(entry)), tuple(entry.provides))


def _offers(entry: ServiceEntry) -> Iterator[Offer]:
    if entry.debian is not None:
        for suite, versions in entry.debian.packages.items():
            yield Offer("debian", suite, tuple(versions), entry.debian.default.get(suite, ""))
    if entry.registry is not None:
        yield Offer("registry", None, entry.registry.versions, entry.registry.default)


def _has(one: Listed, word: str) -> bool:
    return word.casefold() in f"{one.name} {one.summary}".casefold()


def _near(words: Iterable[str], listed: Sequence[Listed]) -> tuple[str, ...]:
    """Names like one of the words, and services that have one of them."""
    import difflib

    names = [one.name for one in listed]
    alike = [name for word in words for name in difflib.get_close_matches(word.casefold()[:100], names)]
    having = [one.name for word in words for one in listed if word and _has(one, word)]
    return tuple(dict.fromkeys([*alike, *having]))[:MOST_NEAR]
