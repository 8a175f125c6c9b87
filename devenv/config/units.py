"""Turns the tables of apps and services into values of the model, and checks what their shape cannot say."""

from __future__ import annotations

import posixpath
import re
import warnings
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any, Literal

from devenv import toml
from devenv.config import border, reaching, size
from devenv.config.findings import Findings, listed
from devenv.config.shape import as_text, kind
from devenv.errors import DevenvError
from devenv.model.project import App, Limits, Option, Origin, Ready, Service, StackRequest

LEAST_CPUS = 0.01
MOST_CPUS = 100_000

_LABEL = re.compile(border.LABEL)
_VARIABLE = re.compile(border.VARIABLE)
_VOLUME = re.compile(r"[a-z0-9][a-z0-9_.-]*")
_KEY = re.compile(r"[A-Za-z0-9_-]+")


def label(text: str) -> str:
    """A DNS label made of any text; empty when nothing of it can be used."""
    import unicodedata

    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    made = re.sub(r"[^a-z0-9]+", "-", plain)[:40].strip("-")
    return made if is_label(made) else ""


def is_label(text: str) -> bool:
    """Whether it can be a name: it becomes a host name, and part of the names of containers."""
    return _LABEL.fullmatch(text) is not None


def check_name(name: str, keys: toml.Keys, found: Findings, *, key: bool = True) -> None:
    """Check the name of a project, an app or a service."""
    if not is_label(name):
        message = f"`{toml.printable(name)}` is no DNS label: lower-case letters, digits and hyphens, at most 40"
        made = label(name)
        found.add(message, keys, hint=f"`{made}` is one" if made else None, key=key)


# --- apps ---


def app(name: str, table: Mapping[str, Any], root: Path, origin: Origin, found: Findings) -> App:
    """An app, its own keys checked and what it shares with another one not yet filled in."""
    keys = ("apps", name)
    check_name(name, keys, found)
    _check_kind(table, keys, found)
    _check_folder(table.get("dir", "."), root, (*keys, "dir"), found)
    ports = _ports(table, keys, found)
    return App(
        name=name,
        like=table.get("like"),
        stacks=tuple(_stacks(table.get("stack", ()), (*keys, "stack"), found)),
        image=table.get("image"),
        origin="registry" if "image" in table else table.get("images", origin),
        dir=PurePosixPath(table.get("dir", ".")).as_posix(),
        packages=tuple(dict.fromkeys(table.get("packages", ()))),
        setup=tuple(table.get("setup", ())),
        run=table.get("run"),
        ports=ports,
        env=_env(table, keys, found),
        needs=tuple(dict.fromkeys(table.get("needs", ()))),
        ready=_ready(table, keys, found, has_ports=bool(ports)),
        limits=_limits(table, keys, found),
        reach=reaching.of(table, root, keys, found),
        **_replication(table, keys, found),
    )


def _replication(table: Mapping[str, Any], keys: toml.Keys, found: Findings) -> dict[str, Any]:
    """How many of an app there are, and how they are reached; none of it is shared by `like`, as ports are not."""
    replicas, sticky, route = table.get("replicas"), table.get("sticky", False), table.get("route")
    has_ports = bool(table.get("ports")) or found.is_broken((*keys, "ports"))
    if route is not None and not has_ports:
        found.add("`route` leads to a port, and there is none", (*keys, "route"), hint="add `ports = […]`", key=True)
    if sticky and not has_ports:
        message = "`sticky` is about requests, which come to a port"
        found.add(message, (*keys, "sticky"), hint="add `ports = […]`, or remove it", key=True)
    elif sticky and replicas is None and route is None:
        message = "`sticky` has an effect behind the balancer only"
        found.add(message, (*keys, "sticky"), hint="add `replicas = 2`, or remove it", key=True)
    return {"replicas": replicas, "sticky": sticky, "route": route}


def _check_kind(table: Mapping[str, Any], keys: toml.Keys, found: Findings) -> None:
    """An app's image comes from one place: a stack and packages, an image, or another app."""
    if "like" in table:
        for key in ("stack", "image", "packages", "images"):
            if key in table:
                hint = f"remove `like` or `{key}`"
                found.add(f"an app that is `like` another has no `{key}` of its own", (*keys, key), hint=hint, key=True)
    elif "image" in table:
        for key in ("stack", "packages", "images"):
            if key in table:
                hint = f"remove `image` or `{key}`"
                found.add(f"`{key}` has no effect on an app by `image`", (*keys, key), hint=hint, key=True)


def _stacks(requests: list[str], keys: toml.Keys, found: Findings) -> list[StackRequest]:
    stacks: dict[str, StackRequest] = {}
    for index, request in enumerate(requests):
        name, _, version = request.partition("@")
        if name in stacks:
            found.add(f"stack `{name}` stands here twice", (*keys, index), hint="remove one of them")
        stacks[name] = StackRequest(name, version or None)
    return list(stacks.values())


def _check_folder(folder: str, root: Path, keys: toml.Keys, found: Findings) -> None:
    _check_path(folder, "folder", root, keys, found)


def _check_path(name: str, what: Literal["folder", "file"], root: Path, keys: toml.Keys, found: Findings) -> None:
    """Check that a folder or file is there and inside the project; the key in the file is the last of `keys`."""
    shown = toml.printable(name)
    if outside(name):
        example = "`api`, `.`" if what == "folder" else "`search/Dockerfile`"
        found.add(f"`{shown}` leads out of the project", keys, hint=f"it is relative to the project: {example}")
        return
    try:
        path = (root / name).resolve()
        if not path.is_relative_to(root.resolve()):
            hint = f"it is a symbolic link; name the {what} itself"
            found.add(f"`{shown}` leads out of the project", keys, hint=hint)
        elif not (path.is_dir() if what == "folder" else path.is_file()):
            found.add(f"the project has no {what} `{shown}`", keys, hint=f"create it, or correct `{keys[-1]}`")
    except (OSError, ValueError, RuntimeError):
        found.add(f"`{shown}` cannot be a {what}", keys)


def outside(path: str) -> bool:
    """Whether a path is absolute, or climbs above where it starts."""
    if path.startswith(("/", "~")) or "\\" in path or re.match("[A-Za-z]:", path):
        return True
    return reaching.climbs(path)


# --- services ---


def service(name: str, table: Mapping[str, Any], root: Path, origin: Origin, found: Findings) -> Service:
    """A service, checked as far as it can be without the catalog."""
    keys = ("services", name)
    check_name(name, keys, found)
    options = {key: value for key, value in table.items() if key not in border.SERVICE.keys}
    for key in [key for key in options if key in ("replicas", "sticky", "route")]:
        hint = "only apps have replicas" if key == "replicas" else "only apps stand behind the balancer"
        found.add(f"a service has no `{key}`: it keeps data", (*keys, key), hint=hint, key=True)
        del options[key]
    _check_origin(table, options, keys, found)
    _check_dockerfile(table, root, keys, found)
    by_image = "image" in table or "dockerfile" in table
    ports = _ports(table, keys, found)
    return Service(
        name=name,
        use=None if by_image else table.get("use", name),
        origin="registry" if by_image else table.get("images", origin),
        image=table.get("image"),
        dockerfile=_dockerfile(table),
        context=_context(table),
        target=table.get("target"),
        args=_variables(table.get("args", {}), (*keys, "args"), found),
        version=table.get("version"),
        options=_options(options, keys, found),
        port=table.get("port"),
        ports=ports,
        env=_env(table, keys, found),
        volumes=_volumes(table, keys, found),
        command=tuple(table.get("command", ())),
        entrypoint=tuple(table["entrypoint"]) if "entrypoint" in table else None,
        working_dir=table.get("working_dir"),
        run_as=table.get("run_as"),
        needs=tuple(dict.fromkeys(table.get("needs", ()))),
        ready=_ready(table, keys, found, has_ports=not by_image or bool(ports)),
        limits=_limits(table, keys, found),
        reach=reaching.of(table, root, keys, found),
    )


def _check_origin(table: Mapping[str, Any], options: Mapping[str, object], keys: toml.Keys, found: Findings) -> None:
    way = next((way for way in ("image", "dockerfile") if way in table), None)
    if way is None:
        if "use" in table and not is_label(table["use"]):
            found.add(f"`{toml.printable(table['use'])}` cannot be in the catalog", (*keys, "use"))
        for key in ("ports", "command", "entrypoint", "working_dir", "run_as"):
            if key in table:
                hint = "`port` fixes the port on the host" if key == "ports" else "set `image`, or remove it"
                found.add(f"`{key}` is for services by `image` or `dockerfile`", (*keys, key), hint=hint, key=True)
        return
    for key in ("use", "version", "images", *(["dockerfile"] if way == "image" else [])):
        if key in table:
            version = "the version is the image's tag" if way == "image" else "the version is the Dockerfile's business"
            hint = version if key == "version" else f"remove `{way}` or `{key}`"
            found.add(f"`{key}` has no effect on a service by `{way}`", (*keys, key), hint=hint, key=True)
    for key in options:
        found.unknown("key", key, border.SERVICE.keys, (*keys, key), key=True, owner=f" in `services.{keys[1]}`")
    if "port" in table and not table.get("ports") and not found.is_broken((*keys, "ports")):
        found.add("`port` needs a port inside", (*keys, "port"), hint="add `ports = […]`", key=True)


def _check_dockerfile(table: Mapping[str, Any], root: Path, keys: toml.Keys, found: Findings) -> None:
    """Check that Dockerfile and context are the project's own, and that its images can be pinned."""
    name = _dockerfile(table)
    if name is None:
        for key in (one for one in ("context", "target", "args") if one in table):
            hint = "add `dockerfile = …`, or remove it"
            found.add(f"`{key}` has an effect with `dockerfile` only", (*keys, key), hint=hint, key=True)
        return
    _check_path(name, "file", root, (*keys, "dockerfile"), found)
    if "context" in table:
        _check_path(_context(table), "folder", root, (*keys, "context"), found)
    if not found.is_broken((*keys, "dockerfile")):
        from devenv import dockerfile

        try:
            dockerfile.read(root, name, table.get("args", {}), table.get("target"))
        except DevenvError as error:
            if error.where is None and "target" in table:
                found.add(error.message, (*keys, "target"), hint=error.hint)
            else:
                found.problems.append(error)


def _dockerfile(table: Mapping[str, Any]) -> str | None:
    return posixpath.normpath(table["dockerfile"]) if "dockerfile" in table else None


def _context(table: Mapping[str, Any]) -> str:
    own = posixpath.dirname(_dockerfile(table) or "")
    context: str = table.get("context", own)
    return posixpath.normpath(context)


def _options(options: Mapping[str, Any], keys: toml.Keys, found: Findings) -> dict[str, Option]:
    """Options of the catalog's entry, which alone knows their types."""
    made: dict[str, Option] = {}
    for key, value in options.items():
        here = (*keys, key)
        if not _KEY.fullmatch(key):
            found.add(f"`{toml.printable(key)}` cannot be an option", here, key=True)
        elif isinstance(value, list):
            made[key] = tuple(_text(one, (*here, index), found) for index, one in enumerate(value))
        elif isinstance(value, dict):
            made[key] = {name: _text(one, (*here, name), found) for name, one in value.items()}
        elif isinstance(value, str | int | float):
            made[key] = value
        else:
            found.add(f"`{key}`: expected a string, got {kind(value)}", here)
    init = made.get("init")
    for index, path in enumerate(init if isinstance(init, tuple) else ()):
        if outside(path):
            message = f"`{toml.printable(path)}` leads out of the project"
            found.add(message, (*keys, "init", index), hint="it is relative to the project: `db/*.sql`")
    return made


def _text(value: object, keys: toml.Keys, found: Findings) -> str:
    try:
        text = as_text(value)
    except ValueError:  # more digits than Python writes out
        text = None
    if isinstance(text, str):
        return text
    found.add(f"`{toml.printable(str(keys[2]))}`: expected a string, got {kind(value)}", keys)
    return ""


def _volumes(table: Mapping[str, Any], keys: toml.Keys, found: Findings) -> dict[str, str]:
    volumes: dict[str, str] = table.get("volumes", {})
    for name, path in volumes.items():
        here = (*keys, "volumes", name)
        if not _VOLUME.fullmatch(name):
            message = f"`{toml.printable(name)}` cannot name a volume: lower-case letters, digits, `_`, `.` and `-`"
            hint = "a folder of the project is given by `mounts`" if "/" in name else None
            found.add(message, here, hint=hint, key=True)
        if not path.startswith("/") or ".." in path.split("/") or not path.strip("/") or ":" in path:
            found.add(f"`{toml.printable(path)}` is no absolute path", here, hint="such as `/var/lib/data`")
    return volumes


# --- what both have ---


def _ports(table: Mapping[str, Any], keys: toml.Keys, found: Findings) -> tuple[int, ...]:
    ports: tuple[int, ...] = tuple(table.get("ports", ()))
    for index, port in enumerate(ports):
        if port in ports[:index]:
            found.add(f"port `{port}` stands here twice", (*keys, "ports", index), hint="remove one of them")
    return ports


def _env(table: Mapping[str, Any], keys: toml.Keys, found: Findings) -> dict[str, str]:
    return _variables(table.get("env", {}), (*keys, "env"), found)


def _variables(given: dict[str, str], keys: toml.Keys, found: Findings) -> dict[str, str]:
    for name in given:
        if not _VARIABLE.fullmatch(name):
            message = f"`{toml.printable(name)}` cannot name a variable"
            found.add(message, (*keys, name), hint="letters, digits and `_`, no digit first", key=True)
    return given


def _ready(table: Mapping[str, Any], keys: toml.Keys, found: Findings, *, has_ports: bool) -> Ready | None:
    ready: Mapping[str, Any] | None = table.get("ready")
    if ready is None:
        return None
    here = (*keys, "ready")
    ways = ("tcp", "http", "exec", "log")
    given = [way for way in ways if way in ready]
    if len(given) != 1:
        has = f"has {listed(given, 'and')}" if given else "has none"
        found.add(f"`ready` {has}", here, hint=f"it takes exactly one of {listed(ways, 'and')}", key=True)
    if "port" in ready and "http" not in ready:
        found.add("`port` has an effect with `http` only", (*here, "port"), hint="or write `tcp = …`", key=True)
    if "http" in ready and "port" not in ready and not has_ports and not found.is_broken((*keys, "ports")):
        found.add("`http` needs a port", (*here, "http"), hint="add `ports = […]`, or `port` to `ready`", key=True)
    _check_command(ready.get("exec"), (*here, "exec"), found)
    _check_pattern(ready.get("log", ""), (*here, "log"), found)
    command = ready.get("exec")
    return Ready(
        tcp=ready.get("tcp"),
        http=ready.get("http"),
        exec=None if command is None else tuple(command),
        log=ready.get("log"),
        port=ready.get("port"),
        timeout=float(ready.get("timeout", 60.0)),
    )


def _check_command(command: list[str] | None, keys: toml.Keys, found: Findings) -> None:
    if command == []:
        found.add("a command is empty", keys)


def _check_pattern(pattern: str, keys: toml.Keys, found: Findings) -> None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            re.compile(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        found.add(f"this is no regular expression: {toml.printable(str(error))}", keys)


def _limits(table: Mapping[str, Any], keys: toml.Keys, found: Findings) -> Limits:
    limits: Mapping[str, Any] = table.get("limits", {})
    memory = limits.get("memory")
    amount = None if memory is None else size.of(memory)
    if amount is not None and amount < size.LEAST:
        hint = "`512M` is half a gibibyte"
        found.add(f"`{memory}` of memory is too little: engines want 6M", (*keys, "limits", "memory"), hint=hint)
    elif amount is not None and amount > size.MOST:
        found.add(f"`{memory}` of memory is no limit", (*keys, "limits", "memory"), hint="remove it for none")
    cpus = limits.get("cpus")
    if cpus is not None and not LEAST_CPUS <= cpus <= MOST_CPUS:
        message = f"`{cpus}` of cpus: engines take from {LEAST_CPUS} to the number that the machine has"
        found.add(message, (*keys, "limits", "cpus"), hint="`0.5` is half of one; remove it for no limit")
    return Limits(None if cpus is None else float(cpus), amount, limits.get("pids"))
