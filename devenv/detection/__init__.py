"""Looks at a project that has no `devenv.toml` and drafts one: apps, the services they use, what could not be seen."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from devenv import catalog, config
from devenv.catalog import Catalog
from devenv.config import units
from devenv.detection import apps, draft, hints, manifests, services, surroundings, variables
from devenv.detection.apps import PORT, Seen
from devenv.detection.draft import Draft, Entry, Table
from devenv.detection.hints import Hint
from devenv.detection.manifests import Manifest
from devenv.model.project import Origin

OPEN = 'run = "…" # how is it started? until somebody says, its container only waits'
MEETS_MINIMUM = frozenset({"go"})
"""Stacks whose projects name the oldest version that will do."""


def look(root: Path, entries: Catalog, images: Origin) -> Draft:
    """Draft a `devenv.toml` for the project in `root`; nothing of it is run, and nothing changed."""
    told = hints.read(root, entries)
    seen = apps.find(root, entries, told)
    example, given = variables.read(root)
    used = services.find(root, seen, given, entries, images, told)
    known = {name: value for hint in told for name, value in hint.env.items()} | given
    sources = [*(hint.file for hint in told if hint.env), *([example] if example and given else [])]
    env = surroundings.env(known, used, entries)
    tables = [one for app in seen for one in _tables(app, seen, env, " and ".join(sources), entries, images)]
    if tables:
        tables[0] = _advised(tables[0], told)
        tables[0] = replace(tables[0], open=(*tables[0].open, *services.unknown(told, entries)))
        lacking = [
            f"{name} has no value in {example}: give it one in devenv.local.toml"
            for name in surroundings.missing(given)
        ]
        tables[0] = replace(tables[0], open=(*tables[0].open, *lacking))
    name = units.label(root.resolve().name) or "project"
    return Draft(name, images, tuple(tables), used, tuple(_remarks(root, seen)), tuple(_notes(root)))


def check(root: Path, text: str) -> None:
    """Read a draft's text as the project's `devenv.toml`.

    Raises:
        Problems: It is none.
    """
    loaded = config.read(root, text=text)
    catalog.check(loaded.project, catalog.of(root), loaded.place)


def unknown(found: Draft) -> tuple[str, ...]:
    """The apps of which nobody knows yet how they start."""
    return tuple(one.name for one in found.apps if one.value("run") is None)


def answered(found: Draft, app: str, run: str, port: int | None) -> Draft:
    """The draft with how an app starts, and the port it listens on."""
    said = [Entry("run", run), *((Entry("ports", (port,)),) if port is not None else ())]

    def with_answer(table: Table) -> Table:
        kept = [one for one in table.entries if one.key not in ("run", "ports")]
        at = next((index for index, one in enumerate(kept) if one.key == "env"), len(kept))
        still_open = tuple(line for line in table.open if line != OPEN)
        return replace(table, entries=(*kept[:at], *said, *kept[at:]), open=still_open)

    return replace(found, apps=tuple(with_answer(one) if one.name == app else one for one in found.apps))


def _tables(
    app: Seen, seen: tuple[Seen, ...], env: Mapping[str, str], source: str, entries: Catalog, images: Origin
) -> Iterator[Table]:
    """The app's own table, and one for each further process of its Procfile."""
    start = app.start
    run = start.run if start is not None else app.processes.get("web")
    own = dict(env) | dict(start.env if start is not None and start.env else {})
    rows = [
        *_stack(app, entries, images),
        *([Entry("run", run), _port(app)] if run is not None else ()),
        *([Entry("env", own, f"from {source}" if env else "")] if own else ()),
    ]
    framework = f"{start.why}, " if start is not None else ""
    yield Table("apps", app.name, tuple(rows), f"{framework}seen in {app.file}", () if run is not None else (OPEN,))
    taken = {one.name for one in seen}
    for process, command in app.processes.items():
        name = units.label(process)
        if process not in ("web", "release") and name and name not in taken:
            yield Table("apps", name, (Entry("like", app.name), Entry("run", command)), "seen in its Procfile")


def _advised(table: Table, told: tuple[Hint, ...]) -> Table:
    """The first app's table with what other tools' files say of packages and setup."""
    rows = {one.key: one for one in table.entries}
    before = tuple(_several(rows["packages"].value)) if "packages" in rows else ()
    packages = tuple(dict.fromkeys((*before, *(name for hint in told for name in hint.packages))))
    if packages != before:
        why = "; ".join(filter(None, (rows["packages"].why if before else "", *_files(told, "packages"))))
        rows["packages"] = Entry("packages", packages, why)
    commands = tuple(one for hint in told for one in hint.setup)
    if commands and "setup" not in rows:
        rows["setup"] = Entry("setup", commands, "; ".join(_files(told, "setup")))
        commands = ()
    lines = [f"{hint.file} also runs `{one}`" for hint in told for one in hint.setup if one in commands]
    lines += [line for hint in told for line in hint.open]
    order = ("dir", "stack", "like", "packages", "setup")
    ordered = sorted(rows.values(), key=lambda one: order.index(one.key) if one.key in order else len(order))
    return replace(table, entries=tuple(ordered), open=(*table.open, *lines))


def _several(value: draft.Value) -> Iterator[str]:
    if isinstance(value, tuple):
        yield from map(str, value)


def _files(told: tuple[Hint, ...], what: str) -> Iterator[str]:
    yield from (f"from {hint.file}" for hint in told if getattr(hint, what))


def _stack(app: Seen, entries: Catalog, images: Origin) -> Iterator[Entry]:
    """Where its files are, what it is written in, and what is installed."""
    if app.folder != ".":
        yield Entry("dir", app.folder)
    stacks = tuple(_request(one, entries, images) for one in app.manifests)
    lacking = [words for one in app.manifests if (words := _lacking(one, entries, images))]
    yield Entry("stack", stacks[0] if len(stacks) == 1 else stacks, "; ".join(lacking))
    libraries = {name for one in app.manifests for name in one.libraries}
    builds = [entries.stack(one.stack).builds for one in app.manifests]
    packages = sorted({package for one in builds for name in one.keys() & libraries for package in one[name]})
    if packages:
        yield Entry("packages", tuple(packages), "what its libraries are compiled with")
    setup = [*(command for one in app.manifests for command in one.setup), *(app.start.setup if app.start else ())]
    if setup:
        yield Entry("setup", tuple(dict.fromkeys(setup)), "the first time, and when its files change")


def _port(app: Seen) -> Entry:
    if app.start is None:
        return Entry("ports", (PORT,), "guessed: the one it listens on")
    return Entry("ports", (app.start.port,), "" if app.start.is_sure else "guessed: the one it listens on")


def _request(manifest: Manifest, entries: Catalog, images: Origin) -> str:
    """The stack with the version that the project asks for, where the catalog has it."""
    version, has = manifest.version, _versions(manifest.stack, entries, images)
    exact = version in has and manifest.stack not in MEETS_MINIMUM
    return f"{manifest.stack}@{version}" if exact else manifest.stack


def _lacking(manifest: Manifest, entries: Catalog, images: Origin) -> str:
    """What cannot be had of what the project asks for."""
    version, has = manifest.version, _versions(manifest.stack, entries, images)
    if version is None or version in has:
        return ""
    if manifest.stack in MEETS_MINIMUM and any(_number(one) >= _number(version) for one in has):
        return ""
    return f"the project asks for {manifest.stack} {version}, which is not to be had from here"


def _number(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".") if part.isdecimal())


def _versions(stack: str, entries: Catalog, images: Origin) -> tuple[str, ...]:
    entry = entries.stack(stack)
    if images == "debian":
        return tuple(entry.debian.packages.get(services.SUITE, ())) if entry.debian is not None else ()
    return entry.registry.versions if entry.registry is not None else ()


def _remarks(root: Path, seen: tuple[Seen, ...]) -> Iterator[str]:
    if not seen:
        yield "nothing here tells what the project is written in: add its apps by hand, `[apps.web]`"
    for name in services.COMPOSE:
        if (root / name).is_file():
            yield f"of `{name}`, the services that the catalog knows were taken over; what else stands in it was not"
    for file, reason in hints.broken(root):
        yield f"`{file}` could not be read and was passed over: {reason}"
    for folder in dict.fromkeys((".", *(app.folder for app in seen))):
        for file, reason in manifests.broken(root / folder):
            yield f"`{(Path(folder) / file).as_posix()}` could not be read and was passed over: {reason}"


def _notes(root: Path) -> Iterator[str]:
    """Files that another command takes over as a whole."""
    there = [name for name in services.COMPOSE if (root / name).is_file()]
    there += [name for name in hints.DEVCONTAINERS if (root / name).is_file()]
    for name in there:
        yield f"{name} was looked at for what it uses; `devenv import {name}` converts all of it."


__all__ = ["Draft", "answered", "check", "draft", "look", "unknown"]
