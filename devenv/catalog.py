"""Finds and checks the catalog's files: services, stacks and frameworks."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, TypeVar, cast

from devenv import config, files, toml
from devenv.config import units
from devenv.errors import DevenvError, Place, Problems
from devenv.model.catalog import (
    EntryDebian,
    EntryFile,
    EntryOption,
    EntryRegistry,
    FrameworkEntry,
    ServiceEntry,
    StackEntry,
)
from devenv.model.project import Origin, Project, Ready, Service
from devenv.values import dataclass

Entry = TypeVar("Entry", ServiceEntry, StackEntry, FrameworkEntry)
Kind = Literal["service", "stack", "framework"]
SECRETS = "/run/secrets"
"""Where a service finds its secrets."""


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

    def framework(self, name: str) -> FrameworkEntry:
        """Read a framework's entry.

        Raises:
            DevenvError: There is no such framework, or its file is wrong.
        """
        return _read(FrameworkEntry, self._file("framework", name, None))

    def names(self, kind: Kind) -> tuple[str, ...]:
        """The name of every entry of a kind, sorted."""
        return tuple(sorted({file.stem for folder in self.folders for file in folder.glob(f"{kind}s/*.toml")}))

    def content(self, kind: Kind, name: str, file: EntryFile) -> bytes | None:
        """What stands in a file of an entry's folder; None when `file` is a folder."""
        return None if file.source is None else self._beside(kind, name, file.source)

    def script(self, kind: Kind, name: str, source: str) -> str:
        """A text file of an entry's folder."""
        return self._beside(kind, name, source).decode("utf-8", "replace")

    def _beside(self, kind: Kind, name: str, source: str) -> bytes:
        folder = self._file(kind, name, None).with_suffix("")
        path = folder / source
        if path.resolve().parent != folder.resolve():
            raise DevenvError(f"`{source}` is not in the folder of {kind} `{name}`")
        self._check_place(path)
        try:
            return path.read_bytes()
        except OSError as error:
            raise DevenvError(f"cannot read `{path}`: {error.strerror}") from error

    def _file(self, kind: Kind, name: str, where: Place | None) -> Path:
        for folder in self.folders:
            file = folder / f"{kind}s" / f"{name}.toml"
            if file.is_file():
                self._check_place(file)
                return file
        raise unknown(kind, name, self.names(kind), where=where)

    def _check_place(self, path: Path) -> None:
        """Refuse a project's entry that links lead to, out of the project: it would get into images and messages."""
        own = self.folders[0].parent
        if path.is_relative_to(own) and not path.is_relative_to(data_folder()) and files.leads_out(path, own):
            shown = toml.printable(path.relative_to(own).as_posix())
            raise DevenvError(f"`{shown}` leads out of the project by a link", hint="put the file itself there")


def of(root: Path) -> Catalog:
    """The catalog for the project in `root`."""
    return Catalog((root / ".devenv", data_folder()))


def unknown(kind: str, name: str, known: Iterable[str], *, where: Place | None = None) -> DevenvError:
    """The error for a name that does not exist, with the nearest that does."""
    import difflib

    known = tuple(known)
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean `{near[0]}`?" if near else f"there are: {', '.join(f'`{one}`' for one in known)}"
    return DevenvError(f"unknown {kind} `{toml.printable(name)}`", hint=hint, where=where)


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


def named_package(debian: EntryDebian, version: str, names: tuple[str, ...]) -> str:
    """The package whose version is the software's, of what `packages` chose."""
    return debian.named.replace("{version}", version) or names[0]


def chosen_version(entry: ServiceEntry | StackEntry, origin: Origin, suite: str, version: str | None) -> str:
    """The version asked for, or the one that is taken when none is; empty when there is none."""
    if version is not None:
        return version
    if origin == "debian":
        return entry.debian.default.get(suite, "") if entry.debian is not None else ""
    return entry.registry.default if entry.registry is not None else ""


def check(project: Project, catalog: Catalog, place: toml.Locate) -> None:
    """Find every name, version and option in `project` that the catalog does not know.

    Raises:
        Problems: All of them.
    """
    problems: list[DevenvError] = []
    for app in (one for one in project.apps if one.like is None):
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
        where = place(("services", name, key), key=True)
        if key not in entry.options:
            guess = unknown("option", key, (*entry.options, *config.SERVICE_KEYS)).hint or ""
            hint = guess if guess.startswith("did you mean") else unknown("option", key, entry.options).hint
            message = f"service `{service.use}` has no option `{toml.printable(key)}`"
            problems.append(DevenvError(message, hint=hint, where=where))
        elif not _fits(value, entry.options[key]):
            problems.append(DevenvError(f"`{key}` must be {_WORDS[entry.options[key].type]}", where=where))
        elif entry.options[key].secret and (wrong := _no_secret(str(value))):
            # Not with its own line, which holds the secret.
            at = place(("services", name), key=True)
            hint = "without one, a long one is generated"
            problems.append(DevenvError(f"`{key}` of service `{name}` {wrong}", hint=hint, where=at))
        elif entry.options[key].type == "file":
            problems += _file_problems(project.root, str(value), place(("services", name, key)))
        elif entry.options[key].type == "files":
            problems += _files_problems(project.root, service, key, place)
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


_WORDS = {
    "string": "a string",
    "list": "a list",
    "table": "a table",
    "file": "the path of a file",
    "files": "a list of files",
}


def _fits(value: object, option: EntryOption) -> bool:
    if option.type == "table":
        return isinstance(value, dict)
    if option.type == "list":
        return isinstance(value, tuple)
    return isinstance(value, str) or (option.type == "files" and isinstance(value, tuple))


def _file_problems(root: Path, name: str, where: Place | None) -> Iterator[DevenvError]:
    shown, path = f"`{toml.printable(name)}`", root / name
    try:
        if units.outside(name) or not path.resolve().is_relative_to(root.resolve()):
            hint = "it is relative to the project"
            yield DevenvError(f"{shown} leads out of the project", hint=hint, where=where)
        elif not path.is_file():
            hint = "create it, or correct the path"
            yield DevenvError(f"the project has no file {shown}", hint=hint, where=where)
    except (OSError, ValueError, RuntimeError):
        yield DevenvError(f"{shown} cannot be a file", where=where)


def _no_secret(value: str) -> str | None:
    """What keeps a text from being a secret: it is handed over as a line of a file, and as a variable."""
    if not value:
        return "is empty"
    return "has a line break or a NUL, which no password can have" if set(value) & set("\r\n\0") else None


def _caught(function: object, *arguments: object) -> list[DevenvError]:
    assert callable(function)
    try:
        function(*arguments)
    except Problems as error:
        return list(error.problems)
    except DevenvError as error:
        return [error]
    return []


def _files_problems(root: Path, service: Service, key: str, place: toml.Locate) -> Iterator[DevenvError]:
    """Globs that cannot be followed, or lead out of the project; what they match is known with the blueprint."""
    given, keys = service.options[key], ("services", service.name, key)
    for index, glob in enumerate(given if isinstance(given, tuple) else (str(given),)):
        where = place((*keys, index)) or place(keys)
        shown = f"`{toml.printable(glob)}`"
        if units.outside(glob):
            message = f"{shown} leads out of the project"
            yield DevenvError(message, hint="it is relative to the project: `ops/*.conf`", where=where)
            continue
        try:
            next(root.glob(glob), None)
        except (ValueError, IndexError, NotImplementedError):
            message = f"{shown} is no pattern for files"
            yield DevenvError(message, hint="such as `ops/*.conf` or `ops/**/*.conf`", where=where)


_Any = ServiceEntry | StackEntry | FrameworkEntry
_KNOWN: dict[tuple[str, Path, int], _Any] = {}


def _read(entry: type[Entry], file: Path) -> Entry:
    """Read a file, once for each of its states; one that is not devenv's own is checked first."""
    state = (entry.__name__, file, file.stat().st_mtime_ns)
    if state not in _KNOWN:
        document = toml.read(file, name=file.name)
        if not file.is_relative_to(data_folder()):
            validate(entry, document)
        _KNOWN[state] = _made(entry, document.data)
    return cast(Entry, _KNOWN[state])


def validate(entry: type[_Any], document: toml.Document) -> None:
    """Check a catalog file.

    Pydantic does it by the dataclasses themselves; importing it takes as long as the rest of `devenv check`, so files
    that come with devenv are checked by its tests only.

    Raises:
        Problems: Every mistake, with its place.
    """
    from pydantic import ConfigDict, TypeAdapter, ValidationError

    for one in (ServiceEntry, StackEntry, FrameworkEntry, EntryDebian, EntryFile, EntryOption, EntryRegistry, Ready):
        one.__pydantic_config__ = ConfigDict(extra="forbid")  # type: ignore[union-attr]  # read by TypeAdapter
    try:
        TypeAdapter(entry).validate_python(document.data)
    except ValidationError as error:
        raise Problems([_mistake(one["loc"], one["msg"], document) for one in error.errors()]) from error
    made = _made(entry, document.data)
    if isinstance(made, ServiceEntry) and (problems := list(_misused(made, document))):
        raise Problems(problems)


_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def _misused(entry: ServiceEntry, document: toml.Document) -> Iterator[DevenvError]:
    """Where a secret would become known, or would not arrive."""

    def problem(keys: tuple[str | int, ...], message: str, hint: str) -> DevenvError:
        path = toml.printable(".".join(map(str, keys)))
        return DevenvError(f"`{path}`: {message}", hint=hint, where=document.place(keys))

    for name, option in entry.options.items():
        if option.secret and option.default:
            hint = "leave it out: without a value, one is generated"
            yield problem(("options", name, "default"), "a secret has no default", hint)
        if option.secret and option.type != "string":
            yield problem(("options", name, "type"), "a secret is a string", 'write `type = "string"`')
        if option.kept and not option.secret:
            yield problem(("options", name, "kept"), "only a secret can be kept", "add `secret = true`")
    names = [name for name, option in entry.options.items() if option.secret]
    hint = f"let it read the file: `sh -c '… \"$(cat {SECRETS}/NAME)\"'`; see `env`"
    for keys, words in _commands(entry):
        for name in (name for name in names if any(f"{{{name}}}" in word for word in words)):
            yield problem(keys, f"the secret `{name}` would be seen in a command", hint)
    variables = [key for key, value in entry.env.items() if any(f"{{{name}}}" in value for name in names)]
    given = [key for key, value in entry.provides.items() if any(f"{{{name}}}" in value for name in names)]
    for table, key in [*(("env", key) for key in variables), *(("provides", key) for key in given)]:
        if not _VARIABLE.fullmatch(key):
            yield problem((table, key), "no shell takes this name for a variable", "use letters, digits and `_`")
    exported = [key for key in variables if f"{SECRETS}/{key}" not in entry.env.values()]
    if exported and "registry" in document.data and "entrypoint" not in document.data["registry"]:
        hint = f"add it, as `docker inspect` tells it, or a variable of the image that names `{SECRETS}/{exported[0]}`"
        yield problem(("registry",), f"`entrypoint` is missing, before which `{exported[0]}` is set", hint)


def _commands(entry: ServiceEntry) -> Iterator[tuple[tuple[str | int, ...], tuple[str, ...]]]:
    """What is run in the service's container, by its keys in the file."""
    names = ("command", "client", "health", "dump", "restore")
    yield from (((name,), getattr(entry, name)) for name in names)
    yield from ((("ready", index), one.exec) for index, one in enumerate(entry.ready) if one.exec)
    yield from ((("options", name, "argument"), one.argument) for name, one in entry.options.items() if one.argument)


def _mistake(keys: tuple[str | int, ...], message: str, document: toml.Document) -> DevenvError:
    path = ".".join(str(part) for part in keys)
    return DevenvError(f"`{toml.printable(path)}`: {message.lower()}", where=document.place(keys))


def _made(entry: type[_Any], data: Mapping[str, Any]) -> _Any:
    values: dict[str, Any] = {key: _frozen(value) for key, value in data.items()}
    if "debian" in values:
        files = tuple(EntryFile(**one) for one in values["debian"].get("files", ()))
        values["debian"] = EntryDebian(**values["debian"] | {"files": files})
    if "registry" in values:
        values["registry"] = EntryRegistry(**values["registry"])
    if "ready" in values:
        values["ready"] = tuple(Ready(**one) for one in values["ready"])
    if "options" in values:
        values["options"] = {key: EntryOption(**one) for key, one in values["options"].items()}
    return entry(**values)


def _frozen(value: Any) -> Any:
    """The value with tuples for lists, all the way down."""
    if isinstance(value, dict):
        return {key: _frozen(one) for key, one in value.items()}
    return tuple(_frozen(one) for one in value) if isinstance(value, list) else value
