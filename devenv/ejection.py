"""Writes a project as plain Dockerfiles and compose.yaml that need no devenv; pure."""

from __future__ import annotations

import posixpath
import re
import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import field, replace
from urllib.parse import quote

from devenv import blueprint, render
from devenv.blueprint import mounts, scripts, setup
from devenv.blueprint.hidden import Hidden
from devenv.catalog import Catalog
from devenv.model.blueprint import Blueprint, Container, Health, Image, Mount, Placement, Port
from devenv.model.pins import (
    DerivedRecipe,
    DockerfileRecipe,
    ImageFile,
    ImageRecipe,
    Layer,
    Pins,
    RegistryPin,
)
from devenv.model.project import App, Limits, Project, Service
from devenv.values import dataclass

COMPOSE = "compose.yaml"
EXAMPLE = ".env.example"
ENV = ".env"
FOLDER = "docker"
USER = '"${DEV_UID:-1000}:${DEV_GID:-1000}"'
START = "/usr/local/bin/start-app"
_PLAIN_GLOB = re.compile(r"[\w./*-]+")
_WORD = re.compile(r"[A-Za-z0-9_./:=+~-]+")
_FIRST_PORT = 20000


@dataclass(frozen=True, slots=True)
class Ejected:
    """The files, not yet written.

    Args:
        files: By path in the folder they are for.
        env: What has to stand in `.env`, with values.
        example: The same without secrets.
        losses: What plain compose does not do, in words.
    """

    files: Mapping[str, str]
    env: Mapping[str, str]
    example: Mapping[str, str]
    losses: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Unit:
    """A service of the compose file; what is already YAML is `args`, `user` and `env`."""

    name: str
    image: str = ""
    context: str = ""
    dockerfile: str = ""
    target: str = ""
    is_offline: bool = False
    args: Mapping[str, str] = field(default_factory=dict)
    entrypoint: tuple[str, ...] | None = None
    command: tuple[str, ...] | None = None
    user: str = ""
    working_dir: str | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    secrets: tuple[str, ...] = ()
    mounts: tuple[Mount, ...] = ()
    ports: tuple[Port, ...] = ()
    needs: tuple[str, ...] = ()
    health: Health | None = None
    limits: Limits = Limits()
    stop_signal: str | None = None
    stop_grace: int = 10
    privileged: bool = False
    capabilities: tuple[str, ...] = ()


def make(
    project: Project,
    entries: Catalog,
    pins: Pins | None,
    folder: str,
    user: str,
    known: Mapping[str, str],
    stamp: Callable[[int], str],
) -> Ejected:
    """Write a project as plain files.

    Args:
        folder: The project's, relative to the one that the files are for.
        user: `uid:gid` of who works with them.
        known: The secrets' values, by name.
        stamp: Writes seconds since 1970 as archives of snapshots do.

    Raises:
        DevenvError: The lockfile lacks something.
    """
    plain = replace(project, apps=tuple(map(_alone, project.apps)), balancer=None, joins=())
    place = Placement(project.name, folder, ports=_ports(plain, entries))
    wanted = blueprint.make(plain, entries, pins, place)
    made = _Ejection(plain, entries, pins, wanted, folder, known, stamp)
    return made.result(user, _losses(project, wanted))


def _alone(app: App) -> App:
    """An app as it is without a balancer before it."""
    return replace(app, replicas=None, route=None, sticky=False)


def _ports(project: Project, entries: Catalog) -> dict[str, int]:
    """A port of the host for each that a service publishes: the same number, where no other one has it."""
    taken = {port for app in project.apps for port in app.ports}
    wanted = blueprint.service_ports(project, entries)
    taken |= {port for port in wanted.values() if port is not None}
    found: dict[str, int] = {}
    for key, fixed in wanted.items():
        port = fixed or int(key.rpartition("/")[2])
        while fixed is None and port in taken:
            port = max(port + 1, _FIRST_PORT)
        taken.add(port)
        found[key] = port
    return found


def _losses(project: Project, wanted: Blueprint) -> Iterator[str]:
    yield "`devenv.lock`: what packages depend on, and what `setup` installs, is as new as the build"
    if any(isinstance(one.source, ImageRecipe) for one in wanted.images):
        yield "images of Debian packages: built on `debian:…-slim`, no longer the same to the byte everywhere"
    if any(isinstance(one.source, DerivedRecipe) and one.source.layer for one in wanted.images):
        yield "Debian packages on top of a registry's image: the newest ones, not those that were locked"
    if any(app.replicas or app.route for app in project.apps):
        yield "`replicas`, `route` and `sticky`: there is no balancer, each app runs once"
    if project.tasks:
        yield f"tasks: `docker compose exec {project.tasks[0].app} sh -c '{project.tasks[0].run}'` and so on"
    if project.hooks:
        yield "hooks: nothing runs before a commit"
    if project.sync.rules or project.sync.mode != "auto":
        yield "`[sync]`: files are mounted, and changes have no consequences but those of the app itself"
    if project.seed:
        yield f"`{project.seed}`: volumes begin empty"
    if project.joins:
        yield "`[networks] join`: add them to `compose.yaml` as external networks"
    yield "data in devenv's volumes stays in them; take it along by a dump, before `devenv down --volumes`"


class _Ejection:
    def __init__(
        self,
        project: Project,
        entries: Catalog,
        pins: Pins | None,
        wanted: Blueprint,
        folder: str,
        known: Mapping[str, str],
        stamp: Callable[[int], str],
    ) -> None:
        self._project = project
        self._entries = entries
        self._pins = pins
        self._wanted = wanted
        self._folder = folder
        self._known = known
        self._stamp = stamp
        self._hidden = blueprint.secrets(project, entries)
        self._images = {one.reference: one for one in wanted.images}
        self._files: dict[str, str] = {}
        self._variables: dict[str, str] = {}
        self._secrets: dict[str, str] = {}

    def result(self, user: str, losses: Iterable[str]) -> Ejected:
        units = [self._unit(one) for one in self._wanted.containers if one.kind in ("app", "service")]
        compose = render.filled(
            "eject/compose.yaml.j2",
            name=self._project.name,
            units=units,
            checked={one.name for one in units if one.health},
            volumes=sorted({one.source for unit in units for one in unit.mounts if one.kind == "volume"}),
            files=self._secrets,
        )
        env = dict(self._variables)
        if any(one.user == USER for one in units):
            uid, _, gid = user.partition(":")
            env |= {"DEV_UID": uid, "DEV_GID": gid}
        example = {name: value if name.startswith("DEV_") else "change-me" for name, value in env.items()}
        return Ejected({COMPOSE: compose} | self._files, env, example, tuple(losses))

    def _unit(self, container: Container) -> _Unit:
        app = next((one for one in self._project.apps if one.name == container.unit), None)
        service = next((one for one in self._project.services if one.name == container.unit), None)
        hidden = self._hidden.get(container.unit, {})
        unit = _Unit(
            name=container.unit,
            working_dir=container.working_dir,
            mounts=tuple(self._mounts(container)),
            ports=container.ports,
            needs=tuple(one for one in container.needs if one in {two.unit for two in self._wanted.containers}),
            health=_health(container.health),
            limits=container.limits,
            stop_signal=container.stop_signal,
            stop_grace=container.stop_grace,
            privileged=container.privileged,
            capabilities=container.capabilities,
            env={key: render.quoted(value) for key, value in container.env.items()},
        )
        unit = self._built(unit, self._images[container.image], app, service)
        if app is not None:
            return self._app(unit, app, hidden)
        return self._service(unit, container, hidden)

    def _app(self, unit: _Unit, app: App, hidden: Mapping[str, Hidden]) -> _Unit:
        now = setup.of(self._project, app, self._entries, "")
        env = dict(unit.env) | {name: self._text(one) for name, one in hidden.items()}
        run = ("/bin/sh", "-c", app.run) if app.run else ("sleep", "infinity")
        if not now.commands:
            return replace(unit, user=USER, env=env, entrypoint=run)
        path = f"{FOLDER}/{app.name}/start.sh"
        self._files[path] = render.filled(
            "eject/start.sh.j2",
            app=app.name,
            inputs=[one for one in self._inputs(app) if _PLAIN_GLOB.fullmatch(one)],
            setup=now.commands,
            run=shlex.join(run),
        )
        mount = Mount("bind", f"./{path}", START, read_only=True)
        return replace(unit, user=USER, env=env, entrypoint=("/bin/sh", START), mounts=(*unit.mounts, mount))

    def _inputs(self, app: App) -> Iterator[str]:
        """Globs of what an app's setup reads."""
        yield from (glob for stack in app.stacks for glob in self._entries.stack(stack.name).inputs)
        for command in app.setup:
            for word in command.split():
                if (self._project.root / app.dir / word).is_file() and not word.startswith(("/", "-", ".")):
                    yield word

    def _service(self, unit: _Unit, container: Container, hidden: Mapping[str, Hidden]) -> _Unit:
        exported = scripts.exported(mounts.SECRETS_INSIDE)
        entrypoint = container.entrypoint
        env = dict(unit.env)
        if entrypoint is not None and entrypoint[: len(exported)] == exported:
            entrypoint = entrypoint[len(exported) :] or None
            env |= {name: self._text(one) for name, one in hidden.items()}
        for name, one in hidden.items():
            self._secrets[f"{unit.name}.{name}"] = self._variable(one)
        user = render.quoted(container.user) if container.user else ""
        command = _renamed(container.command) if container.command else None
        return replace(unit, env=env, entrypoint=entrypoint, command=command, user=user, secrets=tuple(sorted(hidden)))

    # --- secrets ---

    def _text(self, hidden: Hidden) -> str:
        """A text in YAML with its secrets as variables of compose."""
        parts = [render.quoted(hidden.texts[0])[1:-1]]
        for name, text in zip(hidden.secrets, hidden.texts[1:], strict=True):
            parts += [
                f"${{{self._name(name, is_address=hidden.is_address)}:?it is in .env}}",
                render.quoted(text)[1:-1],
            ]
        return '"' + "".join(parts) + '"'

    def _variable(self, hidden: Hidden) -> str:
        """The variable whose value is the whole text."""
        if hidden.texts == ("", ""):
            return self._name(hidden.secrets[0], is_address=False)
        name = "_".join(_named(one) for one in hidden.secrets) + "_TEXT"
        self._variables[name] = hidden.revealed(self._known)
        return name

    def _name(self, secret: str, *, is_address: bool) -> str:
        name, value = _named(secret), self._known.get(secret, "")
        self._variables.setdefault(name, value)
        encoded = quote(value, safe="")
        if not is_address or encoded == value:
            return name
        self._variables[f"{name}_ENCODED"] = encoded
        return f"{name}_ENCODED"

    # --- files ---

    def _mounts(self, container: Container) -> Iterator[Mount]:
        prefix = f"{self._project.name}_"
        for one in container.mounts:
            if one.target.startswith((mounts.APP_SECRETS, mounts.SECRETS_INSIDE)):
                continue
            if one.kind == "volume":
                yield replace(one, source=one.source.removeprefix(prefix))
            elif one.kind == "bind" and not one.source.startswith(("/", "~", ".")):
                yield replace(one, source=f"./{one.source}")
            elif one.kind in ("bind", "tmpfs"):
                yield one

    # --- images ---

    def _built(self, unit: _Unit, image: Image, app: App | None, service: Service | None) -> _Unit:
        source = image.source
        if isinstance(source, RegistryPin):
            return replace(unit, image=_pinned(source))
        if isinstance(source, DockerfileRecipe):
            assert service is not None
            context = posixpath.normpath(posixpath.join(self._folder, service.context))
            args = {key: render.quoted(value) for key, value in service.args.items()}
            path = posixpath.relpath(source.dockerfile, service.context)
            return replace(unit, context=context, dockerfile=path, target=service.target or "", args=args)
        name = (app.like or app.name) if app is not None else unit.name
        context = f"./{FOLDER}/{name}"
        if isinstance(source, ImageRecipe):
            self._files |= self._of_packages(f"{FOLDER}/{name}", source)
            return replace(unit, context=context, dockerfile="Dockerfile", args={"SNAPSHOT": '"${SNAPSHOT:-}"'})
        self._files |= self._on_top(f"{FOLDER}/{name}", source)
        return replace(unit, context=context, dockerfile="Dockerfile", is_offline=source.layer is None)

    def _on_top(self, folder: str, recipe: DerivedRecipe) -> dict[str, str]:
        """The Dockerfile of an app on a registry's image."""
        copied = [(number, _pinned(pin), paths) for number, (pin, paths) in enumerate(recipe.copied, start=1)]
        names = recipe.layer.request if recipe.layer else ()
        return _dockerfile(folder, _pinned(recipe.base), recipe.files, names=names, copied=copied)

    def _of_packages(self, folder: str, recipe: ImageRecipe) -> dict[str, str]:
        """The Dockerfile of an image of Debian packages, and the files that are put in."""
        assert self._pins is not None
        assert self._pins.debian is not None
        suite = self._pins.debian.suite
        files = [one for layer in recipe.layers for one in recipe.files.get(layer.name, ())]
        return _dockerfile(
            folder,
            f"debian:{suite}-slim",
            files,
            layers=recipe.layers,
            sources=[
                f"archive/{one.archive}/{self._stamp(one.date)} {one.suite} {one.component}"
                for one in self._pins.debian.sources
            ],
            recipe=recipe,
        )


def _dockerfile(
    folder: str,
    base: str,
    given: Iterable[ImageFile],
    *,
    names: Iterable[str] = (),
    layers: Iterable[Layer] = (),
    sources: Iterable[str] = (),
    copied: Iterable[object] = (),
    recipe: ImageRecipe | None = None,
) -> dict[str, str]:
    """A Dockerfile, and the files beside it."""
    config = recipe.config if recipe is not None else None
    packages = [*((name, "") for name in names), *_requested(layers)]
    files: dict[str, str] = {}
    laid: dict[bool, list[tuple[str, str, str]]] = {True: [], False: []}
    folders = []
    for one in given:
        if one.content is None:
            folders.append((_shell(one.path), f"{one.mode:04o}"))
            continue
        name = f"files/{posixpath.basename(one.path)}"
        files[f"{folder}/{name}"] = one.content.decode()
        laid[one.early].append((name, one.path, f"{one.mode:04o}"))
    dropped = [path for paths in recipe.drop.values() for path in paths] if recipe is not None else []
    files[f"{folder}/Dockerfile"] = render.filled(
        "eject/Dockerfile.j2",
        base=base,
        copied=copied,
        early=laid[True],
        packages=packages,
        sources=list(sources),
        dropped=[_shell(path) + ("*" if path.endswith("/") else "") for path in dropped],
        folders=folders,
        files=laid[False],
        env=config.env if config is not None else {},
        workdir=config.working_dir if config is not None else "",
        user=config.user if config is not None else "",
        entrypoint=config.entrypoint if config is not None else (),
    )
    return files


def _shell(path: str) -> str:
    """A path as a word of a command in a Dockerfile."""
    render.dockerfile_word(path)
    return shlex.quote(path)


def _requested(layers: Iterable[Layer]) -> Iterator[tuple[str, str]]:
    """The packages asked for by name, each with the version that was locked."""
    for layer in layers:
        versions = {one.name: one.version for run in layer.runs for one in run}
        yield from ((name, versions[name]) for name in layer.request if name in versions)


def _pinned(pin: RegistryPin) -> str:
    return f"{pin.reference.partition('@')[0]}@{pin.digest}"


def _named(secret: str) -> str:
    """What a secret is called in `.env`: `POSTGRES_PASSWORD` for `postgres.password`."""
    return re.sub(r"[^A-Za-z0-9]", "_", secret).upper() if "." in secret else secret


def _health(health: Health | None) -> Health | None:
    if health is None:
        return None
    exported = scripts.exported(mounts.APP_SECRETS)
    command = health.command[len(exported) :] if health.command[: len(exported)] == exported else health.command
    return replace(health, command=_renamed(command))


def _renamed(command: tuple[str, ...]) -> tuple[str, ...]:
    """A command whose scripts are not called after devenv."""
    return tuple(part.removeprefix("devenv-") if part.startswith("devenv-") else part for part in command)
