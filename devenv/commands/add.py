"""`devenv add`: puts services of the catalog into `devenv.toml`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from devenv import blueprint, catalog, config, editing, lockfile, toml
from devenv.catalog import Catalog
from devenv.config import Loaded, units
from devenv.editing import File
from devenv.errors import DevenvError, UsageError
from devenv.model.project import Origin, Project, Service
from devenv.values import dataclass

OTHERWISE = '`devenv services` lists them; any image can be one: `[services.NAME]` with `image = "…"`'

_VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+~-]*")


@dataclass(frozen=True, slots=True)
class Request:
    """A service to add.

    Args:
        key: What it is called in the project.
        entry: The catalog's entry.
    """

    key: str
    entry: str
    version: str | None


@dataclass(frozen=True, slots=True)
class Added:
    """A service that is now in `devenv.toml`.

    Args:
        origin: Where its image comes from, when that is not where the project's others do.
        variables: What it gives to apps.
        apps: Those that it gives them to.
        others: Apps that list what they need, and do not list it.
    """

    name: str
    entry: str
    version: str | None
    origin: Origin | None
    variables: Mapping[str, str]
    apps: tuple[str, ...]
    others: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AddResult:
    """What was added.

    Args:
        present: Services asked for that were there already.
        locked: Whether there is a lockfile, which then lacks their pins.
    """

    added: tuple[Added, ...]
    present: tuple[str, ...]
    locked: bool


def run(start: Path, words: Sequence[str], *, key: str | None = None, profile: str | None = None) -> AddResult:
    """Add services to the project that `start` lies in: all that are asked for or none.

    Args:
        words: `NAME` or `NAME@VERSION`.
        key: What to call the only one.

    Raises:
        Problems: Everything that is wrong with what is asked for, or with the project.
        UsageError: The only thing that is wrong.
    """
    folder = config.find(start)
    file, entries = editing.read(folder), catalog.of(folder)
    before = config.read(folder, profile=profile)
    catalog.check(before.project, entries, before.place)
    requests = _requests(words, key)
    refused = {one: tuple(_refusals(one, file, before, entries)) for one in requests}
    wanted = [one for one in requests if not refused[one] and one.key not in file.services]
    origins = {one: _other_origin(one, before, entries) for one in wanted}
    text = editing.added(file, {one.key: _values(one, origins[one]) for one in wanted})
    problems = [problem for found in refused.values() for problem in found]
    after = before
    try:
        after = config.read(folder, profile=profile, text=text)
        catalog.check(after.project, entries, after.place)
    except DevenvError as error:
        problems += editing.each(error)
    editing.raised(problems)
    if wanted:
        editing.write(file, text)
    return AddResult(
        added=tuple(_added(one, origins[one], after.project, entries) for one in wanted),
        present=tuple(one.key for one in requests if one not in wanted),
        locked=(folder / lockfile.NAME).is_file(),
    )


def _requests(words: Sequence[str], key: str | None) -> tuple[Request, ...]:
    """What is asked for, each once.

    Raises:
        UsageError: One name is to stand for two things.
    """
    names = tuple(dict.fromkeys(words))
    if key is not None and len(names) > 1:
        raise UsageError("`--as` goes with one service", hint="add them one by one")
    split = [(name, version if at else None) for name, at, version in (one.partition("@") for one in names)]
    made = tuple(Request(name if key is None else key, name, version) for name, version in split)
    for request in made:
        if [one.key for one in made].count(request.key) > 1:
            raise UsageError(f"`{toml.printable(request.key)}` is asked for twice", hint="leave one of them out")
    return made


def _values(request: Request, origin: Origin | None) -> dict[str, str]:
    use = {} if request.key == request.entry else {"use": request.entry}
    images = {} if origin is None else {"images": origin}
    return use | images | ({} if request.version is None else {"version": request.version})


def _other_origin(request: Request, before: Loaded, entries: Catalog) -> Origin | None:
    """The only origin that has it, when that is not the project's."""
    entry = entries.service(request.entry)
    in_debian = entry.debian is not None and before.project.suite in entry.debian.packages
    if before.source.data().get("images") == "debian":
        return "registry" if not in_debian and entry.registry is not None else None
    return "debian" if entry.registry is None and in_debian else None


def _refusals(request: Request, file: File, before: Loaded, entries: Catalog) -> Iterator[DevenvError]:
    """What is wrong with a request before it is tried."""
    known = entries.names("service")
    if request.entry not in known:
        yield editing.unknown(request.entry, known, OTHERWISE)
    elif request.version is not None and not _VERSION.fullmatch(request.version):
        given = toml.printable(f"{request.entry}@{request.version}")
        yield UsageError(f"`{given}` names no version", hint=f"such as `{request.entry}@17`")
    elif not units.is_label(request.key):
        words = "is no DNS label: lower-case letters, digits and hyphens, at most 40"
        yield UsageError(f"`{toml.printable(request.key)}` {words}", hint="give it another name with `--as`")
    elif request.key in file.services:
        yield from _differences(request, file, before, entries)


def _differences(request: Request, file: File, before: Loaded, entries: Catalog) -> Iterator[DevenvError]:
    """Where a service that is there is not the one that is asked for."""
    there = next(one for one in before.project.services if one.name == request.key)
    where = file.place("services", request.key)
    if there.use != request.entry:
        what = f"of `{there.use}`" if there.use else f"by `{there.image or there.dockerfile}`"
        message = f"there is a service `{request.key}` already, {what}"
        yield UsageError(message, hint="give this one another name with `--as`", where=where)
    elif request.version not in (None, version := _version(there, before.project.suite, entries)):
        message = f"`{request.key}` is there already, in version `{version}`"
        where = file.place("services", request.key, "version") or where
        yield UsageError(message, hint=f'set `version = "{request.version}"` there', where=where)


def _version(service: Service, suite: str, entries: Catalog) -> str:
    """The version that a service has or gets."""
    assert service.use is not None
    return catalog.chosen_version(entries.service(service.use), service.origin, suite, service.version)


def _added(request: Request, origin: Origin | None, project: Project, entries: Catalog) -> Added:
    apps = tuple(app.name for app in project.apps if request.key in app.needs)
    return Added(
        name=request.key,
        entry=request.entry,
        version=request.version,
        origin=origin,
        variables=_variables(request.key, project, entries),
        apps=apps,
        others=tuple(app.name for app in project.apps if app.name not in apps),
    )


def _variables(name: str, project: Project, entries: Catalog) -> dict[str, str]:
    """What a service gives to an app that needs it and all before it, by the names it then has."""
    at = next(index for index, one in enumerate(project.services) if one.name == name)
    given = blueprint.variables(project, entries, project.services[:at])
    now = blueprint.variables(project, entries, project.services[: at + 1])
    return {key: str(value) for key, value in now.items() if key not in given}
