"""Turns a checked `devenv.toml` into the project it describes, and checks how its parts fit together."""

from __future__ import annotations

import graphlib
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from devenv import toml, worktree
from devenv.config import border, secrets, units
from devenv.config.findings import Findings, listed
from devenv.model.project import BALANCER, App, Hook, Limits, Origin, Project, Reach, Service, Sync, SyncRule, Task

_TASK_NAME = re.compile(border.TASK_NAME)


def project(table: Mapping[str, Any], root: Path, found: Findings) -> Project:
    """The project; what is wrong with it is noted in `found`.

    Args:
        table: What fits the shape `border.FILE`.
    """
    origin = table.get("images", "registry")
    tables: Mapping[str, Mapping[str, Any]] = table.get("apps", {})
    services = tuple(units.service(name, one, root, origin, found) for name, one in table.get("services", {}).items())
    own = {name: units.app(name, one, root, origin, found) for name, one in tables.items()}
    apps = _apps(tables, own, _behind(services, own), found)
    _check_names(own, services, found)
    names = (*own, *(service.name for service in services))
    _check_needs("apps", tables, names, found)
    _check_needs("services", table.get("services", {}), names, found)
    _check_cycles(apps, services, found)
    _check_ports(apps, services, found)
    _check_routes(apps, found)
    balancer = _balancer(apps, origin)
    if balancer is not None:
        _check_reserved(apps, services, found)
    return Project(
        root=root,
        name=_name(table.get("name"), root, found),
        suite=table.get("debian", {}).get("suite", "trixie"),
        apps=apps,
        services=services,
        tasks=tuple(_task(name, one, tuple(own), found) for name, one in table.get("tasks", {}).items()),
        hooks=tuple(_hook(name, one, tuple(own), found) for name, one in table.get("hooks", {}).items()),
        secrets=secrets.read(table.get("secrets", {}), own, found),
        sync=_sync(table.get("sync", {}), found),
        platforms=tuple(dict.fromkeys(table.get("platforms", ()))),
        balancer=balancer,
        seed=_seed(table.get("data", {}).get("seed"), found),
        joins=_joins(table.get("networks", {}).get("join", ()), found),
    )


def _name(name: str | None, root: Path, found: Findings) -> str:
    if name is not None:
        units.check_name(name, ("name",), found, key=False)
        return name
    # A worktree is called after the branch it is for, and its project like the others'.
    linked = worktree.linked(root)
    made = units.label(linked.main.name.removesuffix(".git") if linked and linked.folder == root else root.name)
    if not made and not found.is_broken(("name",)):
        message = f"the folder's name `{toml.printable(root.name)}` cannot be made a project's name"
        found.add(message, ("name",), hint='add `name = "…"` to `devenv.toml`')
    return made


# --- like ---


def _apps(
    tables: Mapping[str, Mapping[str, Any]], own: Mapping[str, App], services: Iterable[str], found: Findings
) -> tuple[App, ...]:
    """The apps with what they share by `like` filled in; `like` then names the app that has an image of its own."""
    everything = tuple(name for name in services if name not in own)
    done: dict[str, App] = {}
    for app in own.values():
        for one in reversed(_way(app, own, done, found)):
            target = done.get(one.like or "")
            if target is not None:
                shared = _shared(one, target, tables[one.name].keys())
                done[one.name] = replace(shared, like=target.like or target.name)
            else:
                needs = one.needs if "needs" in tables[one.name] else everything
                done[one.name] = replace(one, like=None, needs=needs)
    return tuple(done[name] for name in own)


def _behind(services: Sequence[Service], apps: Collection[str]) -> list[str]:
    """The services that need no app: those that apps may wait for when nothing else is said."""
    before = set(apps)
    while more := {one.name for one in services if one.name not in before and before.intersection(one.needs)}:
        before |= more
    return [one.name for one in services if one.name not in before]


def _way(app: App, own: Mapping[str, App], done: Collection[str], found: Findings) -> list[App]:
    """An app, the app it is like, and so on, as far as they are not done."""
    way = {} if app.name in done else {app.name: app}
    while way and (like := (last := next(reversed(way.values()))).like) is not None and like not in done:
        if like not in own:
            others = [name for name in own if name != last.name]
            found.unknown("app", like, others, ("apps", last.name, "like"))
            break
        if like in way:
            names = list(way)
            path = [*names[names.index(like) :], like]
            hint = "one of them needs an image of its own"
            found.add(f"`like` goes in a circle: {_path(path)}", ("apps", like, "like"), hint=hint)
            break
        way[like] = own[like]
    return list(way.values())


def _shared(app: App, target: App, given: Collection[str]) -> App:
    """An app that takes from `target` what it is not given itself; tables are merged."""
    limits = {name: getattr(app.limits, name) or getattr(target.limits, name) for name in ("cpus", "memory", "pids")}
    return replace(
        app,
        stacks=target.stacks,
        image=target.image,
        origin=target.origin,
        packages=target.packages,
        dir=app.dir if "dir" in given else target.dir,
        setup=app.setup if "setup" in given else target.setup,
        needs=app.needs if "needs" in given else tuple(name for name in target.needs if name != app.name),
        env={**target.env, **app.env},
        limits=Limits(**limits),
        reach=_shared_reach(app, target),
    )


def _shared_reach(app: App, target: App) -> Reach:
    """Files go with the settings; each app says itself what more it may do, and where it listens."""
    own = {one.target for one in app.reach.mounts}
    return replace(
        app.reach, mounts=(*(one for one in target.reach.mounts if one.target not in own), *app.reach.mounts)
    )


def _path(names: Iterable[str]) -> str:
    return " → ".join(f"`{toml.printable(name)}`" for name in names)


# --- how the parts fit together ---


def _check_names(apps: Mapping[str, App], services: tuple[Service, ...], found: Findings) -> None:
    for service in services:
        if service.name in apps:
            message = f"`{toml.printable(service.name)}` is an app and a service"
            hint = "give one of them another name; a service can say what it is with `use`"
            found.add(message, ("services", service.name), hint=hint, key=True)


def _check_needs(kind: str, tables: Mapping[str, Mapping[str, Any]], names: Collection[str], found: Findings) -> None:
    for unit, table in tables.items():
        for index, name in enumerate(table.get("needs", ())):
            if name not in names:
                others = [one for one in names if one != unit]
                found.unknown("app or service", name, others, (kind, unit, "needs", index))


def _check_cycles(apps: tuple[App, ...], services: tuple[Service, ...], found: Findings) -> None:
    listed_units: tuple[App | Service, ...] = (*services, *apps)
    all_units = {one.name: one for one in listed_units}
    names = list(all_units)
    needs = {name: [need for need in one.needs if need in names] for name, one in all_units.items()}
    try:
        graphlib.TopologicalSorter(needs).prepare()
    except graphlib.CycleError as error:
        circle: list[str] = error.args[1][:0:-1]
        first = circle.index(min(circle, key=names.index))
        path = [*circle[first:], *circle[: first + 1]]
        kind = "apps" if isinstance(all_units[path[0]], App) else "services"
        keys = (kind, path[0], "needs", needs[path[0]].index(path[1]))
        found.add(f"`needs` goes in a circle: {_path(path)}", keys, hint="remove one of these needs")


def _check_ports(apps: tuple[App, ...], services: tuple[Service, ...], found: Findings) -> None:
    """A port of the host goes to one container."""
    holders: dict[int, str] = {}
    for name, port, keys in _host_ports(apps, services):
        holder = holders.setdefault(port, name)
        if holder != name:
            found.add(f"port `{port}` is taken by `{holder}`", keys, hint="each needs a port of its own on the host")


def _host_ports(apps: tuple[App, ...], services: tuple[Service, ...]) -> Iterator[tuple[str, int, toml.Keys]]:
    for app in apps:
        for index, port in enumerate(app.ports):
            yield app.name, port, ("apps", app.name, "ports", index)
    for service in services:
        if service.port is not None:
            yield service.name, service.port, ("services", service.name, "port")


# --- replicas ---


def _balancer(apps: tuple[App, ...], origin: Origin) -> Service | None:
    """What balanced apps stand behind."""
    return Service(BALANCER, use="haproxy", origin=origin) if any(app.is_balanced for app in apps) else None


def _check_reserved(apps: tuple[App, ...], services: tuple[Service, ...], found: Findings) -> None:
    for table, units_ in (("apps", apps), ("services", services)):
        if any(one.name == BALANCER for one in units_):
            message = f"`{BALANCER}` is the name of what apps with `replicas` or `route` stand behind"
            found.add(message, (table, BALANCER), hint="give this one another name", key=True)


def _check_routes(apps: tuple[App, ...], found: Findings) -> None:
    """A path leads to one app, from the port of another."""
    holders: dict[str, str] = {}
    for app in apps:
        if app.route is None:
            continue
        keys = ("apps", app.name, "route")
        holder = holders.setdefault(app.route, app.name)
        if holder != app.name:
            found.add(f"`{app.route}` leads to `{holder}`", keys, hint="each app needs a path of its own")
        if app.ports and not any(one.is_balanced and one.route is None for one in apps):
            message = f"no port of another app is there to be `{app.route}` at"
            found.add(message, keys, hint="add `replicas = 1` to the app at whose port it is to be")


# --- the rest ---


def _task(name: str, table: Mapping[str, Any], apps: tuple[str, ...], found: Findings) -> Task:
    return Task(name, table["run"], _app_of(("tasks", name), "task", table, apps, found))


def _hook(name: str, table: Mapping[str, Any], apps: tuple[str, ...], found: Findings) -> Hook:
    keys = ("hooks", name)
    files = tuple(table.get("files", ()))
    for index, text in enumerate(files):
        _check_pattern(text, (*keys, "files", index), found)
    return Hook(
        name,
        table["run"],
        _app_of(keys, "hook", table, apps, found),
        files,
        tuple(dict.fromkeys(table.get("stages", ("pre-commit",)))),
        table.get("parallel", True),
    )


def _app_of(keys: tuple[str, str], what: str, table: Mapping[str, Any], apps: tuple[str, ...], found: Findings) -> str:
    """The app that a task or a hook runs in."""
    name = keys[1]
    if not _TASK_NAME.fullmatch(name):
        hint = "letters, digits, `.`, `_`, `:` and `-`"
        found.add(f"`{toml.printable(name)}` cannot name a {what}", keys, hint=hint, key=True)
    app: str | None = table.get("app")
    if app is None and len(apps) != 1 and not found.is_broken(("apps",)):
        hint = f"add `app`: {listed(apps, 'or')}" if apps else "add an app: `[apps.web]`"
        found.add(f"`{toml.printable('.'.join(keys))}` does not say in which app", keys, hint=hint, key=True)
    elif app is not None and app not in apps:
        found.unknown("app", app, apps, (*keys, "app"))
    return app or (apps[0] if apps else "")


def _seed(path: str | None, found: Findings) -> str | None:
    hint = "it is relative to the project: `db/seed.devenv-snapshot`"
    if path is not None and units.outside(path):
        found.add(f"`{toml.printable(path)}` leads out of the project", ("data", "seed"), hint=hint)
    elif path is not None and not path.isprintable():
        found.add(f"`{toml.printable(path)}` cannot be a file", ("data", "seed"), hint=hint)
    return path


def _joins(names: Sequence[str], found: Findings) -> tuple[str, ...]:
    for index, name in enumerate(names):
        keys = ("networks", "join", index)
        units.check_name(name, keys, found, key=False)
        if name in names[:index]:
            found.add(f"network `{toml.printable(name)}` stands here twice", keys, hint="remove one of them")
    return tuple(dict.fromkeys(names))


def _sync(table: Mapping[str, Any], found: Findings) -> Sync:
    ignore = tuple(table.get("ignore", ()))
    for index, text in enumerate(ignore):
        _check_pattern(text, ("sync", "ignore", index), found)
    rules = tuple(SyncRule(one["path"], one["action"]) for one in table.get("rules", ()))
    for index, rule in enumerate(rules):
        _check_rule(rule.path, ("sync", "rules", index, "path"), found)
    return Sync(table.get("mode", "auto"), ignore, rules)


def _check_rule(text: str, keys: toml.Keys, found: Findings) -> None:
    if text.startswith("!"):
        found.add("a rule cannot take back another", keys, hint='add one for this path with `action = "sync"`')
    else:
        _check_pattern(text, keys, found)


def _check_pattern(text: str, keys: toml.Keys, found: Findings) -> None:
    """A pattern is taken as git takes it, but one that can match nothing is a mistake here."""
    from devenv import patterns

    try:
        pattern = patterns.parse(text)
    except ValueError as error:
        found.add(f"this is no pattern: {toml.printable(str(error))}", keys, hint="it is written as in .gitignore")
        return
    if pattern is None:
        hint = f"a name that begins so is written `\\{text}`" if text.strip(" ") else None
        found.add("this is no pattern: it is a comment" if hint else "this is no pattern: it is empty", keys, hint=hint)
    elif ".." in text.removeprefix("!").split("/"):
        found.add(f"`{toml.printable(text)}` leads out of the project", keys, hint="it is relative to the app's `dir`")
