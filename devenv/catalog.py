"""Finds and checks the catalog's files: services and stacks."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeVar, cast

from pydantic import ConfigDict, TypeAdapter, ValidationError

from devenv import toml
from devenv.errors import DevenvError, Place, Problems
from devenv.model.catalog import EntryDebian, EntryFile, EntryOption, ServiceEntry, StackEntry
from devenv.model.project import Origin, Project, Ready

Entry = TypeVar("Entry", ServiceEntry, StackEntry)
Kind = Literal["service", "stack"]


def data_folder() -> Path:
    """The folder `templates/`: inside the installed package, or beside it in a checkout."""
    package = Path(__file__).parent
    installed = package / "templates"
    return installed if installed.is_dir() else package.parent / "templates"


@dataclass(frozen=True, slots=True)
class Catalog:
    """The catalog as one project sees it: its own `.devenv/services/` first."""

    folders: tuple[Path, ...]

    def service(self, name: str, where: Place | None = None) -> ServiceEntry:
        """Read a service's entry.

        Raises:
            DevenvError: There is no such service, or its file is wrong.
        """
        return _read(ServiceEntry, self._file("service", name, where))

    def stack(self, name: str, where: Place | None = None) -> StackEntry:
        """Read a stack's entry.

        Raises:
            DevenvError: There is no such stack, or its file is wrong.
        """
        return _read(StackEntry, self._file("stack", name, where))

    def names(self, kind: Kind) -> tuple[str, ...]:
        """Every service's or stack's name, sorted."""
        return tuple(sorted({file.stem for folder in self.folders for file in folder.glob(f"{kind}s/*.toml")}))

    def content(self, kind: Kind, name: str, file: EntryFile) -> bytes | None:
        """What stands in a file of an entry's folder; None when `file` is a folder."""
        if file.source is None:
            return None
        path = self._file(kind, name, None).with_suffix("") / file.source
        if path.resolve().parent != path.parent.resolve():
            raise DevenvError(f"`{file.source}` is not in the folder of {kind} `{name}`")
        try:
            return path.read_bytes()
        except OSError as error:
            raise DevenvError(f"cannot read `{path}`: {error.strerror}") from error

    def _file(self, kind: Kind, name: str, where: Place | None) -> Path:
        for folder in self.folders:
            file = folder / f"{kind}s" / f"{name}.toml"
            if file.is_file():
                return file
        raise unknown(kind, name, self.names(kind), where=where)


def of(root: Path) -> Catalog:
    """The catalog for the project in `root`."""
    return Catalog((root / ".devenv", data_folder()))


def unknown(kind: str, name: str, known: Iterable[str], *, where: Place | None = None) -> DevenvError:
    """The error for a name that does not exist, with the nearest that does."""
    known = tuple(known)
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean `{near[0]}`?" if near else f"there are: {', '.join(f'`{one}`' for one in known)}"
    return DevenvError(f"unknown {kind} `{name}`", hint=hint, where=where)


def packages(
    debian: EntryDebian | None, *, what: str, suite: str, version: str | None, where: Place | None
) -> tuple[str, tuple[str, ...]]:
    """The version chosen and the Debian packages to ask for.

    Raises:
        DevenvError: The suite does not have it, in no version or not in this one.
    """
    versions = debian.packages.get(suite, {}) if debian else {}
    if debian is None or not versions:
        raise DevenvError(f"Debian {suite} does not have {what}", hint='set `images = "registry"` for it', where=where)
    chosen = version or debian.default[suite]
    if chosen not in versions:
        have = ", ".join(f"`{one}`" for one in versions)
        raise DevenvError(
            f"Debian {suite} does not have {what} in version `{chosen}`", hint=f"it has: {have}", where=where
        )
    return chosen, versions[chosen]


def check(project: Project, catalog: Catalog, place: toml.Locate) -> None:
    """Find every name, version and option in `project` that the catalog does not know.

    Raises:
        Problems: All of them.
    """
    problems: list[DevenvError] = []
    for app in project.apps:
        for index, stack in enumerate(app.stacks):
            where = place(("apps", app.name, "stack", index)) or place(("apps", app.name, "stack"))
            problems += _caught(_check_stack, project.suite, catalog, app.origin, stack.name, stack.version, where)
    for service in project.services:
        if service.use is not None:
            problems += _caught(_check_service, project, catalog, service.name, place)
    if problems:
        raise Problems(problems)


def _check_stack(
    suite: str, catalog: Catalog, origin: Origin, name: str, version: str | None, where: Place | None
) -> None:
    entry = catalog.stack(name, where)
    _check_version(entry, f"stack `{name}`", suite, origin, version, where)


def _check_service(project: Project, catalog: Catalog, name: str, place: toml.Locate) -> None:
    service = next(one for one in project.services if one.name == name)
    assert service.use is not None
    entry = catalog.service(service.use, place(("services", name, "use")) or place(("services", name)))
    problems = _caught(
        _check_version,
        entry,
        f"service `{service.use}`",
        project.suite,
        service.origin,
        service.version,
        place(("services", name, "version")) or place(("services", name)),
    )
    for key, value in service.options.items():
        where = place(("services", name, key))
        if key not in entry.options:
            problems.append(unknown(f"option of service `{service.use}`", key, entry.options, where=where))
        elif not _fits(value, entry.options[key]):
            problems.append(DevenvError(f"`{key}` must be a {entry.options[key].type}", where=where))
    if problems:
        raise Problems(problems)


def _check_version(
    entry: ServiceEntry | StackEntry,
    what: str,
    suite: str,
    origin: Origin,
    version: str | None,
    where: Place | None,
) -> None:
    if origin == "debian":
        packages(entry.debian, what=what, suite=suite, version=version, where=where)
    elif entry.registry is None:
        raise DevenvError(f"no registry image is known for {what}", hint='set `images = "debian"` for it', where=where)


def _fits(value: object, option: EntryOption) -> bool:
    if option.type == "table":
        return isinstance(value, dict)
    if option.type in ("list", "files"):
        return isinstance(value, tuple)
    return isinstance(value, str)


def _caught(function: object, *arguments: object) -> list[DevenvError]:
    assert callable(function)
    try:
        function(*arguments)
    except Problems as error:
        return list(error.problems)
    except DevenvError as error:
        return [error]
    return []


for _one in (ServiceEntry, StackEntry, EntryDebian, EntryFile, EntryOption, Ready):
    _one.__pydantic_config__ = ConfigDict(extra="forbid")  # type: ignore[union-attr]  # read by TypeAdapter


def _read(entry: type[Entry], file: Path) -> Entry:
    """Read and check a file, once for each of its states."""
    state = (entry.__name__, file, file.stat().st_mtime_ns)
    if state not in _KNOWN:
        _KNOWN[state] = _validated(entry, file)
    return cast(Entry, _KNOWN[state])


_KNOWN: dict[tuple[str, Path, int], ServiceEntry | StackEntry] = {}


def _validated(entry: type[Entry], file: Path) -> Entry:
    document = toml.read(file, name=file.name)
    try:
        return TypeAdapter(entry).validate_python(document.data)
    except ValidationError as error:
        raise Problems(
            [
                DevenvError(
                    f"`{'.'.join(str(part) for part in one['loc'])}`: {one['msg'].lower()}",
                    where=document.place(one["loc"]),
                )
                for one in error.errors()
            ]
        ) from error
