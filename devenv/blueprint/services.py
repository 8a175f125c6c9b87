"""What the engine is to run for each service."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from devenv.blueprint import checks, hidden, mounts, scripts, substitute
from devenv.blueprint.hidden import Hidden, Value
from devenv.catalog import Catalog
from devenv.errors import DevenvError
from devenv.model.blueprint import Container, Image, Mount, Placement, Port
from devenv.model.catalog import EntryOption, ServiceEntry
from devenv.model.pins import ImageRecipe
from devenv.model.project import Option, Project, Ready, Service


def for_service(project: Project, service: Service, entries: Catalog, image: Image, placement: Placement) -> Container:
    """The container of a service."""
    plain = Container(
        name=f"{placement.instance}-{service.name}-1",
        unit=service.name,
        kind="service",
        image=image.reference,
        limits=service.limits,
        needs=service.needs,
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
    secrets = mounts.secret_files(service.name, hidden.only(env), placement)
    exports = are_exported(hidden.only(env), entry)
    ready = checks.ready_with(service.ready, scripts.exported(mounts.SECRETS_INSIDE) if exports else ())
    return replace(
        plain,
        entrypoint=(*scripts.exported(mounts.SECRETS_INSIDE), *_entrypoint(image, entry)) if exports else None,
        command=(*_wrapper(service, entries, entry), *command) or None,
        env=mounts.surroundings(placement) | hidden.plain(env) | dict(service.env),
        mounts=(
            *_volumes(dict(entry.volumes) | dict(service.volumes), service, placement),
            *_option_files(project, service, entry, placement),
            *mounts.certificates(placement),
            *mounts.delivered(placement, secrets, mounts.SECRETS_INSIDE),
        ),
        secrets=secrets,
        ports=_published(service, tuple(entry.ports.values()), placement),
        readiness=checks.readiness((ready,) if ready else _filled(entry.ready, values), ()),
        health=checks.health(checks.command_of(ready, ()))
        if ready
        else checks.health(substitute.each(entry.health, values)),
        stop_signal=entry.stop_signal or None,
        stop_grace=entry.stop_grace,
    )


def variables(project: Project, service: Service, entry: ServiceEntry) -> dict[str, Value]:
    """What the catalog's entry has in its service's environment; what the project sets itself is not among it."""
    filled = hidden.table(entry.env, _values(project, service, entry), _secrets(service, entry))
    mine = {name: value for name, value in filled.items() if name not in service.env}
    gone = {f"{mounts.SECRETS_INSIDE}/{name}" for name in hidden.only(filled) if name in service.env}
    return {name: value for name, value in mine.items() if value not in gone}


def are_exported(secrets: Mapping[str, Hidden], entry: ServiceEntry) -> bool:
    """Whether a service has to be told a secret by a variable: no other variable names its file."""
    return any(f"{mounts.SECRETS_INSIDE}/{name}" not in entry.env.values() for name in secrets)


def _entrypoint(image: Image, entry: ServiceEntry) -> tuple[str, ...]:
    """The one that the image has by itself."""
    if isinstance(image.source, ImageRecipe):
        return image.source.config.entrypoint
    return entry.registry.entrypoint if entry.registry is not None else ()


def _by_image(service: Service, plain: Container, placement: Placement) -> Container:
    """The container of a service that the catalog does not know: the image's own defaults, and what is said of it.

    Without `ready` its first port must accept connections; the image's own health check stays.
    """
    return replace(
        plain,
        entrypoint=service.entrypoint,
        command=service.command or None,
        user=service.run_as,
        working_dir=service.working_dir,
        env=mounts.surroundings(placement) | dict(service.env),
        mounts=(*_volumes(service.volumes, service, placement), *mounts.certificates(placement)),
        ports=_published(service, service.ports, placement),
        readiness=checks.readiness((service.ready,) if service.ready else (), service.ports),
        health=checks.health(checks.command_of(service.ready, service.ports)) if service.ready else None,
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
    return tuple(Port(port, host, service.reach.address) for port, host in chosen if host is not None)


def _wrapper(service: Service, entries: Catalog, entry: ServiceEntry) -> tuple[str, ...]:
    """What a registry's image is told to run first, so that it knows the options that ours knows by itself."""
    if service.origin != "registry" or entry.registry is None or not entry.registry.wrapper:
        return ()
    assert service.use is not None
    script = entries.script("service", service.use, entry.registry.wrapper)
    return ("/bin/sh", "-c", script, "devenv-wrapper")


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
        return (
            (mounts.file(placement, mounts.inside(project, str(globs), what, placement), option.into),) if globs else ()
        )
    found: list[Path] = []
    for glob in (globs,) if isinstance(globs, str) else globs if isinstance(globs, tuple) else ():
        matching = sorted(path for path in project.root.glob(glob) if path.is_file())
        if not matching:
            raise DevenvError(f"{what}: no file matches `{glob}`", hint="paths are relative to `devenv.toml`")
        found += [path for path in matching if path not in found]
    return tuple(
        mounts.file(
            placement,
            mounts.inside(project, path.relative_to(project.root).as_posix(), what, placement),
            f"{option.into}/{number:03}-{path.name}",
        )
        for number, path in enumerate(found, start=10)
    )


def _filled(ready: tuple[Ready, ...], values: substitute.Values) -> tuple[Ready, ...]:
    return tuple(replace(one, exec=substitute.each(one.exec, values)) if one.exec else one for one in ready)
