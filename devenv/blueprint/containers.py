"""What the engine is to run for each app and each service."""

from __future__ import annotations

import functools
import posixpath
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from devenv import catalog
from devenv.blueprint import hidden, images, setup, substitute
from devenv.blueprint.hidden import Hidden, Value
from devenv.catalog import Catalog
from devenv.errors import DevenvError
from devenv.model.blueprint import (
    Container,
    Health,
    Image,
    Mount,
    MountKind,
    Placement,
    Port,
    Probe,
    Readiness,
    SecretFile,
)
from devenv.model.catalog import EntryOption, ServiceEntry
from devenv.model.pins import ImageRecipe
from devenv.model.project import App, Option, Project, Ready, Service

USERS = "/etc/passwd"
CERTIFICATES = "/etc/devenv/ca-certificates.pem"
CERTIFICATE_VARIABLES = (
    "SSL_CERT_FILE",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    "PIP_CERT",
    "NODE_EXTRA_CA_CERTS",
    "GIT_SSL_CAINFO",
)
SECRETS = ".devenv/secrets"
"""Where the files with secrets are in a checkout: `<unit>/<variable>`."""
SECRETS_INSIDE = catalog.SECRETS
APP_SECRETS = "/etc/devenv/secrets"
"""Where an app's files arrive; its start puts them into memory at `SECRETS_INSIDE`, for its own user alone."""
# Health is for other tools to show, our own readiness does not wait for it: often enough to be true, rare enough
# to cost nothing.
HEALTH_INTERVAL, HEALTH_TIMEOUT, HEALTH_RETRIES = 5.0, 5.0, 5


def for_service(project: Project, service: Service, entries: Catalog, image: Image, placement: Placement) -> Container:
    """The container of a service."""
    plain = Container(
        name=f"{placement.instance}-{service.name}-1",
        unit=service.name,
        kind="service",
        image=image.reference,
        limits=service.limits,
    )
    if service.use is None:
        return _by_image(service, plain, placement)
    return _of_catalog(project, service, entries, image, plain, placement)


def _of_catalog(
    project: Project, service: Service, entries: Catalog, image: Image, plain: Container, placement: Placement
) -> Container:
    assert service.use is not None
    entry = entries.service(service.use)
    values = _values(project, service, entry)
    command = (*substitute.each(entry.command, values), *_arguments(service, entry))
    env = variables(project, service, entry)
    secrets = _secret_files(service.name, hidden.only(env), placement)
    exports = _are_exported(hidden.only(env), entry)
    ready = _ready_with(service.ready, _exported(SECRETS_INSIDE) if exports else ())
    return replace(
        plain,
        entrypoint=(*_exported(SECRETS_INSIDE), *_entrypoint(image, entry)) if exports else None,
        command=(*_wrapper(service, entries, entry), *command) or None,
        env=_surroundings(placement) | hidden.plain(env) | dict(service.env),
        mounts=(
            *_volumes(dict(entry.volumes) | dict(service.volumes), service, placement),
            *_option_files(project, service, entry, placement),
            *_certificates(placement),
            *_delivered(placement, secrets, SECRETS_INSIDE),
        ),
        secrets=secrets,
        ports=_published(service, tuple(entry.ports.values()), placement),
        readiness=_readiness((ready,) if ready else _filled(entry.ready, values), ()),
        health=_health(_probe_command(ready, ())) if ready else _health(substitute.each(entry.health, values)),
        stop_signal=entry.stop_signal or None,
        stop_grace=entry.stop_grace,
    )


def variables(project: Project, service: Service, entry: ServiceEntry) -> dict[str, Value]:
    """What the catalog's entry has in its service's environment; what the project sets itself is not among it."""
    filled = hidden.table(entry.env, _values(project, service, entry), _secrets(service, entry))
    mine = {name: value for name, value in filled.items() if name not in service.env}
    gone = {f"{SECRETS_INSIDE}/{name}" for name in hidden.only(filled) if name in service.env}
    return {name: value for name, value in mine.items() if value not in gone}


def _are_exported(secrets: Mapping[str, Hidden], entry: ServiceEntry) -> bool:
    """Whether a service has to be told a secret by a variable: no other variable names its file."""
    return any(f"{SECRETS_INSIDE}/{name}" not in entry.env.values() for name in secrets)


def _entrypoint(image: Image, entry: ServiceEntry) -> tuple[str, ...]:
    """The one that the image has by itself."""
    if isinstance(image.source, ImageRecipe):
        return image.source.config.entrypoint
    return entry.registry.entrypoint if entry.registry is not None else ()


def _exported(folder: str, copies: str = "") -> tuple[str, ...]:
    """What a command begins with so that it has the files of a folder as variables."""
    return ("/bin/sh", "-c", data("secrets.sh"), "devenv-secrets", folder, copies)


def _ready_with(ready: Ready | None, beginning: tuple[str, ...]) -> Ready | None:
    """The project's own check, its command with a beginning."""
    return replace(ready, exec=(*beginning, *ready.exec)) if ready is not None and ready.exec is not None else ready


def _secret_files(unit: str, variables: Mapping[str, Hidden], placement: Placement) -> tuple[SecretFile, ...]:
    folder = f"{placement.folder}/{SECRETS}/{unit}"
    return tuple(
        SecretFile(name, f"{folder}/{name}", value.fingerprint(placement.secrets))
        for name, value in sorted(variables.items())
    )


def _delivered(placement: Placement, secrets: tuple[SecretFile, ...], folder: str) -> tuple[Mount, ...]:
    return tuple(_file(placement, one.source, f"{folder}/{one.name}") for one in secrets)


def _by_image(service: Service, plain: Container, placement: Placement) -> Container:
    """The container of a service that the catalog does not know: the image's own defaults, and what is said of it.

    Without `ready` its first port must accept connections; the image's own health check stays.
    """
    return replace(
        plain,
        command=service.command or None,
        env=_surroundings(placement) | dict(service.env),
        mounts=(*_volumes(service.volumes, service, placement), *_certificates(placement)),
        ports=_published(service, service.ports, placement),
        readiness=_readiness((service.ready,) if service.ready else (), service.ports),
        health=_health(_probe_command(service.ready, service.ports)) if service.ready else None,
    )


def _volumes(volumes: Mapping[str, str], service: Service, placement: Placement) -> tuple[Mount, ...]:
    generation = placement.generations.get(service.name, 1)
    return tuple(
        Mount("volume", volume(service, placement.instance, name, generation), target)
        for name, target in volumes.items()
    )


def volume(service: Service, instance: str, name: str, generation: int = 1) -> str:
    """What the engine calls a volume of a service."""
    first = f"{instance}_{service.name}-{name}"
    return first if generation < 2 else f"{first}-{generation}"


def _published(service: Service, ports: tuple[int, ...], placement: Placement) -> tuple[Port, ...]:
    chosen = ((port, placement.ports.get(f"{service.name}/{port}")) for port in ports)
    return tuple(Port(port, host) for port, host in chosen if host is not None)


def _wrapper(service: Service, entries: Catalog, entry: ServiceEntry) -> tuple[str, ...]:
    """What a registry's image is told to run first, so that it knows the options that ours knows by itself."""
    if service.origin != "registry" or entry.registry is None or not entry.registry.wrapper:
        return ()
    assert service.use is not None
    script = entries.script("service", service.use, entry.registry.wrapper)
    return ("/bin/sh", "-c", script, "devenv-wrapper")


def for_app(
    project: Project, app: App, entries: Catalog, image: Image, placement: Placement, provided: Mapping[str, Value]
) -> Container:
    """The container of an app; `provided` are the variables of the services it needs."""
    now = setup.of(project, app, entries, image.key)
    stacks = [entries.stack(stack.name) for stack in app.stacks]
    values = {"home": images.HOME}
    paths = [path for stack in stacks for path in substitute.each(stack.path, values)]
    stack_env = {key: value for stack in stacks for key, value in substitute.table(stack.env, values).items()}
    # An image that the project names itself knows best where its programs are.
    path = {} if app.image else {"PATH": ":".join((*paths, images.PATH))}
    base_env = {"HOME": images.HOME} | path | stack_env
    run = ("/bin/sh", "-c", app.run) if app.run else ("sleep", "infinity")
    start = ("/bin/sh", "-c", data("start.sh"), "devenv-start") if now.commands else run
    secrets = _secret_files(app.name, app_secrets(app, provided), placement)
    if secrets:
        start = (*_exported(APP_SECRETS, SECRETS_INSIDE), *start)
    ready = _ready_with(app.ready, _exported(APP_SECRETS) if secrets else ())
    return Container(
        name=f"{placement.instance}-{app.name}-1",
        unit=app.name,
        kind="app",
        image=image.reference,
        entrypoint=start,
        command=(now.hash, now.key, *now.commands, "--", *run) if now.commands else (),
        env=_surroundings(placement) | base_env | hidden.plain(provided) | dict(app.env),
        base_env=base_env,
        user=placement.user,
        working_dir=images.WORK,
        mounts=(
            _folder(project, app, placement),
            Mount("volume", f"{placement.instance}_{app.like or app.name}-home", images.HOME),
            *_passwd(placement, image),
            *_certificates(placement),
            *_delivered(placement, secrets, APP_SECRETS),
            *((Mount("tmpfs", "", SECRETS_INSIDE, owner=placement.user),) if secrets else ()),
        ),
        secrets=secrets,
        ports=tuple(Port(port, placement.ports.get(f"{app.name}/{port}", port)) for port in app.ports),
        needs=(*app.needs, files_unit(project, app)) if placement.copies else app.needs,
        setup=bool(now.commands),
        readiness=_readiness((ready,) if ready else (), app.ports),
        health=_health(_app_health(replace(app, ready=ready), now)),
        limits=app.limits,
    )


def app_secrets(app: App, provided: Mapping[str, Value]) -> dict[str, Hidden]:
    """The variables with secrets that an app gets: those that it does not set itself."""
    return {name: value for name, value in hidden.only(provided).items() if name not in app.env}


def inside(service: Service | None, secrets: Mapping[str, Hidden], entries: Catalog) -> tuple[str, ...]:
    """What a command in a running container begins with to have the variables that the container's own program has.

    Args:
        service: None for an app.
        secrets: The unit's variables with secrets.
    """
    if service is None:
        return _exported(APP_SECRETS) if secrets else ()
    entry = entries.service(service.use) if service.use else None
    return _exported(SECRETS_INSIDE) if entry is not None and _are_exported(secrets, entry) else ()


def for_files(project: Project, app: App, image: Image, placement: Placement) -> Container:
    """The container that holds the volume of an app's folder, so that files can be brought in before the app starts."""
    unit = files_unit(project, app)
    return Container(
        name=f"{placement.instance}-{unit}-1",
        unit=unit,
        kind="files",
        image=image.reference,
        # A new volume is root's, and the app has to write there.
        entrypoint=("/bin/sh", "-c", 'chown -h "$1" . && exec sleep infinity', "devenv-files"),
        command=(placement.user,),
        user="0:0",
        working_dir=images.WORK,
        mounts=(_folder(project, app, placement),),
        network="none",
        stop_signal="SIGTERM",
        stop_grace=1,
    )


def files_unit(project: Project, app: App) -> str:
    """The unit that holds an app's folder; apps of one folder share it, it is called after the first of them."""
    folder = posixpath.normpath(app.dir)
    return f"{next(one.name for one in project.apps if posixpath.normpath(one.dir) == folder)}.files"


def _folder(project: Project, app: App, placement: Placement) -> Mount:
    folder = _inside(project, app.dir, f"`dir` of app `{app.name}`", placement)
    if not placement.copies:
        return Mount("bind", folder, images.WORK)
    return Mount("volume", f"{placement.instance}_{files_unit(project, app).replace('.', '-')}", images.WORK)


def provides(
    project: Project, service: Service, entries: Catalog, *, host: str, ports: Mapping[int, int]
) -> dict[str, Value]:
    """The variables a service gives to apps.

    Args:
        host: The name or address it is reached at.
        ports: Where a container port is reached, when it is not the same number.
    """
    if service.use is None:
        return {}
    entry = entries.service(service.use)
    reached = {name: str(ports.get(port, port)) for name, port in entry.ports.items()}
    main = next(iter(reached.values()), "0")
    named = {f"port.{name}": port for name, port in reached.items()}
    values = _values(project, service, entry) | {"host": host, "port": main} | named
    return hidden.table(entry.provides, values, _secrets(service, entry))


def client(project: Project, service: Service, entries: Catalog) -> tuple[str, ...]:
    """The command that talks to a service from inside its container; () when the catalog knows none."""
    if service.use is None:
        return ()
    entry = entries.service(service.use)
    return substitute.each(entry.client, _values(project, service, entry))


def dump(project: Project, service: Service, entries: Catalog) -> tuple[str, ...]:
    """The command that writes all data of a service, inside; () when its data is copied as files."""
    entry = entries.service(service.use) if service.use else None
    return substitute.each(entry.dump, _values(project, service, entry)) if entry else ()


def restore(project: Project, service: Service, entries: Catalog) -> tuple[str, ...]:
    """The command that reads what `dump` wrote."""
    entry = entries.service(service.use) if service.use else None
    return substitute.each(entry.restore, _values(project, service, entry)) if entry else ()


@functools.cache
def data(name: str) -> str:
    """A script of `templates/`."""
    return (catalog.data_folder() / name).read_text(encoding="utf-8")


def _secrets(service: Service, entry: ServiceEntry) -> dict[str, str]:
    """The full names of a service's secrets, by option."""
    return {name: f"{service.name}.{name}" for name, option in entry.options.items() if option.secret}


def _values(project: Project, service: Service, entry: ServiceEntry) -> dict[str, str | tuple[str, ...]]:
    """What the entry's strings may name, but for secrets."""
    base = {"project": project.name, "service": service.name, "version": service.version or ""}
    values: dict[str, str | tuple[str, ...]] = dict(base)
    for name, option in entry.options.items():
        given = service.options.get(name)
        default = substitute.each(option.default, base)
        if option.type == "list":
            values[name] = given if isinstance(given, tuple) else default
        elif option.type == "string" and not option.secret:
            values[name] = str(given) if given is not None else "".join(default)
    return values


def _arguments(service: Service, entry: ServiceEntry) -> tuple[str, ...]:
    """What options add to the command: `-c shared_buffers=128MB`."""
    return tuple(
        part.replace("{key}", key).replace("{value}", value)
        for name, option in entry.options.items()
        for key, value in _items(service.options.get(name))
        for part in option.argument
    )


def _items(value: Option | None) -> Sequence[tuple[str, str]]:
    if isinstance(value, Mapping):
        return [(key, str(one)) for key, one in sorted(value.items())]
    return []


def _option_files(project: Project, service: Service, entry: ServiceEntry, placement: Placement) -> tuple[Mount, ...]:
    return tuple(
        mount
        for name, option in entry.options.items()
        if option.type in ("file", "files")
        for mount in _files(
            project, f"`{name}` of service `{service.name}`", service.options.get(name), option, placement
        )
    )


def _files(
    project: Project, what: str, globs: Option | None, option: EntryOption, placement: Placement
) -> tuple[Mount, ...]:
    """Mount what the globs match, numbered so that it runs in the order written; one file goes where it has to be."""
    if option.type == "file":
        return (_file(placement, _inside(project, str(globs), what, placement), option.into),) if globs else ()
    found: list[Path] = []
    for glob in (globs,) if isinstance(globs, str) else globs if isinstance(globs, tuple) else ():
        matching = sorted(path for path in project.root.glob(glob) if path.is_file())
        if not matching:
            raise DevenvError(f"{what}: no file matches `{glob}`", hint="paths are relative to `devenv.toml`")
        found += [path for path in matching if path not in found]
    return tuple(
        _file(
            placement,
            _inside(project, path.relative_to(project.root).as_posix(), what, placement),
            f"{option.into}/{number:03}-{path.name}",
        )
        for number, path in enumerate(found, start=10)
    )


def _inside(project: Project, relative: str, what: str, placement: Placement) -> str:
    """A path of the checkout on the host; a link that leads out of the project is refused."""
    path = project.root / relative
    if not path.resolve().is_relative_to(project.root.resolve()):
        raise DevenvError(f"{what} leads out of the project: `{relative}`", hint="keep it inside the project's folder")
    return placement.folder if relative in (".", "") else f"{placement.folder}/{relative.removeprefix('./')}"


def _surroundings(placement: Placement) -> dict[str, str]:
    """What the machine gives to every container: proxy variables and where the CA certificates are."""
    env = dict(placement.env)
    if placement.certificates is not None:
        env |= dict.fromkeys(CERTIFICATE_VARIABLES, CERTIFICATES)
    return env


def _certificates(placement: Placement) -> tuple[Mount, ...]:
    if placement.certificates is None:
        return ()
    return (_file(placement, placement.certificates, CERTIFICATES),)


def _passwd(placement: Placement, image: Image) -> tuple[Mount, ...]:
    if placement.passwd is None:
        return ()
    return (_file(placement, f"{placement.passwd}/{image.key[:16]}", USERS),)


def _file(placement: Placement, source: str, target: str) -> Mount:
    """A single file of the host, to be read only."""
    kind: MountKind = "copy" if placement.copies else "bind"
    return Mount(kind, source, target, read_only=True)


def _filled(ready: tuple[Ready, ...], values: substitute.Values) -> tuple[Ready, ...]:
    return tuple(replace(one, exec=substitute.each(one.exec, values)) if one.exec else one for one in ready)


def _readiness(ready: tuple[Ready, ...], ports: tuple[int, ...]) -> Readiness:
    """The probes asked for; without any, an app's first port must accept connections."""
    if not ready:
        return Readiness((Probe(tcp=ports[0]),) if ports else ())
    probes = tuple(
        Probe(tcp=one.tcp, http=one.http, port=_port(one, ports) if one.http else None, exec=one.exec, log=one.log)
        for one in ready
    )
    return Readiness(probes, max(one.timeout for one in ready))


def _port(ready: Ready, ports: tuple[int, ...]) -> int:
    if ready.port is None and not ports:
        raise DevenvError("`ready.http` needs a port", hint="add `ports = […]`, or `port` to `ready`")
    return ready.port if ready.port is not None else ports[0]


def _app_health(app: App, now: setup.Setup) -> tuple[str, ...]:
    command = _probe_command(app.ready, app.ports)
    if not command and now.commands:
        return ("test", "-e", f"{images.HOME}/.devenv/setup-{now.key}")
    return command


def _probe_command(ready: Ready | None, ports: tuple[int, ...]) -> tuple[str, ...]:
    """The same check as a command that runs inside, for the engine's own health check."""
    if ready is None:
        return _probe_script(str(ports[0])) if ports else ()
    if ready.exec is not None:
        return ready.exec
    if ready.tcp is not None:
        return _probe_script(str(ready.tcp))
    if ready.http is not None:
        # A request every other second would fill the app's log; readiness has asked for the page once.
        return _probe_script(str(_port(ready, ports)))
    return ()


def _probe_script(port: str) -> tuple[str, ...]:
    return ("/bin/sh", "-c", data("probe.sh"), "devenv-probe", port)


def _health(command: tuple[str, ...]) -> Health | None:
    if not command:
        return None
    return Health(command, HEALTH_INTERVAL, HEALTH_TIMEOUT, HEALTH_RETRIES, start_period=300.0)
