"""Finds everything wrong with a project that takes neither an engine nor a network to find."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from devenv import blueprint, catalog, config, identity, lockfile, render, toml, workspace
from devenv.catalog import Catalog, Kind
from devenv.errors import DevenvError, LockfileError, Place, Problems, UsageError
from devenv.lockfile import wanted
from devenv.model.catalog import ServiceEntry, StackEntry
from devenv.model.machine import Machine
from devenv.model.pins import DebianPins, Layer, LayerRequest, Lockfile, Pins, RegistryPin
from devenv.model.project import Project
from devenv.values import dataclass
from devenv.workspace import Workspace

FOLDER = ".devenv"
KINDS: tuple[Kind, ...] = ("service", "stack")

_ENVIRONMENT = "# environment "
_MADE = "# Made by devenv"
_PATTERNS = (blueprint.COMPOSE_FILE, f"{FOLDER}/*/Dockerfile", f"{FOLDER}/*/{render.BASE_DOCKERFILE}")


@dataclass(frozen=True, slots=True)
class Judgement:
    """Everything found.

    Args:
        project: None when `devenv.toml` is wrong.
        written: About what people wrote: `devenv.toml` and the project's own files of the catalog.
        locked: About the lockfile.
        rendered: About rendered files that are committed; judged only when there is a blueprint to render.
    """

    project: Workspace | None
    written: tuple[DevenvError, ...] = ()
    locked: tuple[DevenvError, ...] = ()
    rendered: tuple[DevenvError, ...] = ()

    @property
    def problems(self) -> tuple[DevenvError, ...]:
        return (*self.written, *self.locked, *self.rendered)


def project(folder: Path, machine: Machine, *, profile: str | None = None) -> Judgement:
    """Judge the project in `folder`, which has a `devenv.toml`.

    Raises:
        UsageError: There is no such profile.
    """
    entries = _entry_problems(folder, catalog.of(folder))
    read, damage = _read(folder)
    try:
        opened = workspace.load(folder, machine, profile=profile)
    except UsageError:
        raise
    except DevenvError as error:
        return Judgement(None, (*_of_config(error, entries), *entries), damage)
    locked = damage or tuple(_coverage(opened, read))
    units = _blueprint_problems(opened, None if locked else read)
    rendered = () if locked or units else tuple(_rendered_problems(opened, read))
    return Judgement(opened, (*entries, *units), locked, rendered)


def lock(opened: Workspace) -> tuple[DevenvError, ...]:
    """Judge the lockfile alone."""
    read, damage = _read(opened.folder)
    return damage or tuple(_coverage(opened, read))


def _of_config(error: DevenvError, entries: Iterable[DevenvError]) -> tuple[DevenvError, ...]:
    """The mistakes in `devenv.toml`; those in catalog files that it uses are among `entries`, with their whole path."""
    told = {one.message for one in entries}
    return tuple(one for one in _each(error) if one.message not in told or _stands_in_config(one))


def _stands_in_config(problem: DevenvError) -> bool:
    return problem.where is not None and problem.where.file in (config.NAME, config.LOCAL_NAME)


def _each(error: DevenvError) -> tuple[DevenvError, ...]:
    return error.problems if isinstance(error, Problems) else (error,)


def _once(problems: Iterable[DevenvError]) -> tuple[DevenvError, ...]:
    return tuple({(one.message, one.where): one for one in problems}.values())


# --- the lockfile ---


def _read(folder: Path) -> tuple[Lockfile | None, tuple[DevenvError, ...]]:
    try:
        return lockfile.read(folder), ()
    except LockfileError as error:
        return None, (error,)


def _coverage(opened: Workspace, found: Lockfile | None) -> Iterator[LockfileError]:
    """Where the lockfile pins less than the project needs, else where it pins more."""
    needed = workspace.needs_lock(opened)
    if found is None:
        if needed:
            yield LockfileError(f"there is no `{lockfile.NAME}`", hint="run `devenv lock`")
        return
    stale = tuple(_stale(opened, found)) if needed else ()
    yield from stale
    # What an overlay or a profile adds is pinned too, so that the lockfile may rightly hold more.
    if not stale and opened.is_alone and _pins_more(opened, found):
        message = f"`{lockfile.NAME}` pins more than `{config.NAME}` asks for"
        yield LockfileError(message, hint="run `devenv lock`")


def _stale(opened: Workspace, found: Lockfile) -> Iterator[LockfileError]:
    """Each reason once, with the architectures it is true of unless that is all of them."""
    names = opened.project.platforms or tuple(found.platforms)
    if not names:
        yield LockfileError(f"`{lockfile.NAME}` is stale: it pins nothing", hint="run `devenv lock`")
    told: dict[tuple[str, ...], list[str]] = {}
    for name in names:
        told.setdefault(lockfile.stale(found, opened.project, opened.entries, name), []).append(name)
    for reasons, where in told.items():
        if reasons:
            on = "" if len(where) == len(names) else f" on {', '.join(where)}"
            yield LockfileError(f"`{lockfile.NAME}` is stale{on}: {'; '.join(reasons)}", hint="run `devenv lock`")


def _pins_more(opened: Workspace, found: Lockfile) -> bool:
    named = opened.project.platforms
    further = bool(named) and not set(found.platforms) <= set(named)
    return further or found.meaning != lockfile.meaning(opened.project, opened.entries)


# --- the blueprint ---


def _blueprint_problems(opened: Workspace, lock: Lockfile | None) -> tuple[DevenvError, ...]:
    """What stands in the way of a blueprint, on every architecture locked.

    Args:
        lock: None when it does not cover the project; what does not depend on pins is wrong without it too.
    """
    platforms = (lock and tuple(lock.platforms.values())) or (_stand_ins(opened),)
    return _once(problem for pins in platforms for problem in _made(opened, opened.project, pins))


def _made(opened: Workspace, whole: Project, pins: Pins) -> Iterator[DevenvError]:
    try:
        blueprint.make(whole, opened.entries, pins, workspace.nowhere(opened))
    except DevenvError as error:
        # It ended at the first mistake: the others show when each unit is tried alone.
        alone = [one for part in _parts(whole) if part != whole for one in _made(opened, part, pins)]
        yield from alone or _each(error)


def _parts(whole: Project) -> Iterator[Project]:
    yield from (replace(whole, services=(service,), apps=()) for service in whole.services)
    yield from (replace(whole, services=(), apps=(app,)) for app in whole.apps)


def _stand_ins(opened: Workspace) -> Pins:
    """Pins for all that the project wants, of nothing."""
    asked = wanted.of(opened.project, opened.entries)
    nothing = f"sha256:{'0' * 64}"
    return Pins(
        architecture="amd64",
        debian=DebianPins("amd64", opened.project.suite, (), {one.name: _empty(one) for one in asked.layers}),
        registry={one: RegistryPin(one, nothing, nothing, nothing) for one in asked.images},
        added={one.name: replace(_empty(one), parent=nothing) for one in asked.added},
    )


def _empty(request: LayerRequest) -> Layer:
    return Layer(request.name, request.request, request.parent, ())


# --- the project's own files of the catalog ---


def _entry_problems(folder: Path, entries: Catalog) -> tuple[DevenvError, ...]:
    """Mistakes in every service and stack the project brings, whether it uses them or not."""
    found = [(kind, path) for kind in KINDS for path in sorted((folder / FOLDER / f"{kind}s").glob("*.toml"))]
    return tuple(problem for kind, path in found for problem in _entry(folder, entries, kind, path))


def _entry(folder: Path, entries: Catalog, kind: Kind, path: Path) -> Iterator[DevenvError]:
    name = path.relative_to(folder).as_posix()
    try:
        entry = entries.service(path.stem) if kind == "service" else entries.stack(path.stem)
    except DevenvError as error:
        yield from (_placed(one, name) for one in _each(error))
        return
    for keys, source in _sources(entry):
        beside = path.with_suffix("")
        if not (beside / source).is_file() or (beside / source).resolve().parent != beside.resolve():
            message = f"there is no file `{toml.printable(source)}` in `{toml.printable(name.removesuffix('.toml'))}/`"
            where = toml.read(path, name=name).place(keys)
            yield DevenvError(message, hint="put it there, or correct its name", where=where)


def _placed(error: DevenvError, name: str) -> DevenvError:
    where = None if error.where is None else replace(error.where, file=name)
    return DevenvError(error.message, hint=error.hint, where=where)


def _sources(entry: ServiceEntry | StackEntry) -> Iterator[tuple[toml.Keys, str]]:
    """The files an entry names, each with where it does."""
    for index, file in enumerate(entry.debian.files if entry.debian else ()):
        if file.source is not None:
            yield ("debian", "files", index, "source"), file.source
    if entry.registry and entry.registry.wrapper:
        yield ("registry", "wrapper"), entry.registry.wrapper


# --- rendered files ---


def _rendered_problems(opened: Workspace, lock: Lockfile | None) -> Iterator[DevenvError]:
    paths = _committed(opened.folder)
    if blueprint.COMPOSE_FILE in paths:
        yield from _compose_problems(opened, identity.of(opened, lock))
    dockerfiles = [path for path in paths if path != blueprint.COMPOSE_FILE]
    if dockerfiles:
        yield from _dockerfile_problems(opened, lock, dockerfiles)


def _committed(folder: Path) -> tuple[str, ...]:
    """Rendered files that are there and committed; git is asked only when there are any."""
    there = [path.relative_to(folder).as_posix() for pattern in _PATTERNS for path in folder.glob(pattern)]
    if not there:
        return ()
    from devenv import git

    tracked = git.tracked(folder, FOLDER)
    return tuple(path for path in there if path in tracked)


def _compose_problems(opened: Workspace, current: str) -> Iterator[DevenvError]:
    """Only the id is compared: the rest holds the paths and ports of the machine that rendered it."""
    lines = _lines(opened.folder / blueprint.COMPOSE_FILE)
    number = next((index for index, line in enumerate(lines) if line.startswith(_ENVIRONMENT)), 0)
    line = lines[number] if lines else ""
    if line != f"{_ENVIRONMENT}{current}":
        message = f"`{blueprint.COMPOSE_FILE}` is stale: it is not of environment {current}"
        yield _stale_file(message, Place(blueprint.COMPOSE_FILE, number + 1, 1, max(len(line), 1), line))


def _dockerfile_problems(opened: Workspace, lock: Lockfile | None, paths: Iterable[str]) -> Iterator[DevenvError]:
    """A Dockerfile is of one architecture, so that it may be as any of those locked has it."""
    now = [_dockerfiles(opened, pins) for pins in (lock.platforms.values() if lock else ())]
    for path in paths:
        lines = _lines(opened.folder / path)
        texts = [files[path].splitlines() for files in now if path in files]
        if texts and lines not in texts:
            place = _first_difference(path, lines, texts[0])
            yield _stale_file(f"`{path}` is stale: it is not what is rendered now", place)
        elif not texts and lines and lines[0].startswith(_MADE):
            message = f"`{path}` is stale: nothing is rendered there any more"
            yield DevenvError(message, hint=f"run `git rm {path}`", where=Place(path, 1, 1, len(lines[0]), lines[0]))


def _dockerfiles(opened: Workspace, pins: Pins) -> Mapping[str, str]:
    made = blueprint.make(opened.project, opened.entries, pins, workspace.nowhere(opened))
    return render.dockerfiles(made)


def _first_difference(path: str, lines: list[str], now: list[str]) -> Place:
    pairs = zip(lines, now, strict=False)
    number = next((index for index, (line, other) in enumerate(pairs) if line != other), min(len(lines), len(now)))
    number = max(min(number, len(lines) - 1), 0)
    line = lines[number] if lines else ""
    return Place(path, number + 1, 1, max(len(line), 1), line)


def _lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8", errors="replace").splitlines()


def _stale_file(message: str, where: Place) -> DevenvError:
    return DevenvError(message, hint="run `devenv render`, or `devenv check --fix`", where=where)
