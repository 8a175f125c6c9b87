"""Every file of the catalog that comes with devenv keeps the rules that its readers rely on."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from devenv import blueprint, catalog, config, reference, toml
from devenv.blueprint import substitute
from devenv.catalog import Kind
from devenv.model.blueprint import Container
from devenv.model.catalog import ServiceEntry, StackEntry
from devenv.model.project import Origin, StackRequest
from tests import projects

FOLDER = catalog.data_folder()
SERVICES = projects.CATALOG.names("service")
STACKS = projects.CATALOG.names("stack")
KINDS: tuple[tuple[Kind, tuple[str, ...]], ...] = (("service", SERVICES), ("stack", STACKS))
SCRIPTS = sorted(path for path in (FOLDER / "services").glob("*/*") if path.read_bytes().startswith(b"#!/bin/sh"))
PLACEHOLDER = re.compile(r"\{[\w.]+\}")
NOT_FOR_OPTIONS = {"host", "port", "project", "service", "version", "key", "value", "home"}


def entry_of(kind: Kind, name: str) -> ServiceEntry | StackEntry:
    return projects.CATALOG.service(name) if kind == "service" else projects.CATALOG.stack(name)


ENTRIES = [(kind, name) for kind, names in KINDS for name in names]
OF_REGISTRY = [(kind, name) for kind, name in ENTRIES if entry_of(kind, name).registry is not None]
OF_DEBIAN = [(kind, name) for kind, name in ENTRIES if entry_of(kind, name).debian is not None]


def origins(entry: ServiceEntry | StackEntry) -> Iterator[tuple[Origin, str]]:
    """Each origin the entry has, with a suite for it."""
    for suite in entry.debian.packages if entry.debian else ():
        yield "debian", suite
    if entry.registry is not None:
        yield "registry", "trixie"


def values(entry: ServiceEntry, **further: str) -> dict[str, str | tuple[str, ...]]:
    """What the strings of a service may name, each with a value in which no name is left."""
    filled: dict[str, str | tuple[str, ...]] = {"project": "shop", "service": "one", "version": "1", **further}
    for name, option in entry.options.items():
        if option.type in ("string", "list"):
            filled[name] = ("one", "two") if option.type == "list" else "one"
    return filled


def texts(entry: ServiceEntry) -> tuple[str, ...]:
    """The strings of a service that its options may stand in."""
    ready = (part for one in entry.ready for part in one.exec or ())
    inside = (*entry.command, *entry.client, *entry.health, *entry.dump, *entry.restore)
    return (*inside, *entry.env.values(), *ready, *entry.provides.values())


def is_line(text: str) -> bool:
    return text == text.strip() != "" and "\n" not in text and not text.endswith(".")


@pytest.mark.parametrize(("kind", "name"), ENTRIES)
def test_the_file_is_valid_and_says_how_at_least_one_origin_makes_it(kind: Kind, name: str) -> None:
    shape = ServiceEntry if kind == "service" else StackEntry
    catalog.validate(shape, toml.read(FOLDER / f"{kind}s" / f"{name}.toml"))
    entry = entry_of(kind, name)
    assert entry.debian is not None or entry.registry is not None


@pytest.mark.parametrize(("kind", "name"), ENTRIES)
def test_people_are_told_what_it_is_in_one_line_and_where_to_read_more(kind: Kind, name: str) -> None:
    entry = entry_of(kind, name)
    assert is_line(entry.summary)
    address = urlsplit(entry.docs)
    assert address.scheme == "https"
    assert "." in (address.hostname or "")


@pytest.mark.parametrize(("kind", "name"), OF_REGISTRY)
def test_each_version_of_the_registry_is_an_image_and_the_default_is_one_of_them(kind: Kind, name: str) -> None:
    registry = entry_of(kind, name).registry
    assert registry is not None
    tags = {registry.tag.replace("{version}", one) for one in registry.versions}
    assert len(tags) == len(registry.versions)
    assert not any(PLACEHOLDER.search(tag) for tag in tags)
    for tag in tags:
        assert reference.parse(f"{registry.image}:{tag}").tag == tag
    assert reference.parse(registry.image).tag == reference.DEFAULT_TAG
    assert registry.default in registry.versions
    assert all(folder.startswith("/") and folder.endswith("/") for folder in registry.copied)


@pytest.mark.parametrize(("kind", "name"), OF_DEBIAN)
def test_each_suite_has_packages_for_each_version_and_a_default_among_them(kind: Kind, name: str) -> None:
    debian = entry_of(kind, name).debian
    assert debian is not None
    assert set(debian.default) == set(debian.packages)
    for suite, versions in debian.packages.items():
        assert debian.default[suite] in versions
        for packages in versions.values():
            assert packages
            assert PLACEHOLDER.search(debian.named.replace("{version}", "1")) is None
            assert len(set(packages)) == len(packages)
            assert all(re.fullmatch(r"[a-z0-9][a-z0-9+.-]+", package) for package in packages)


@pytest.mark.parametrize("name", SERVICES)
def test_a_services_strings_name_only_what_has_a_value(name: str) -> None:
    entry = projects.CATALOG.service(name)
    inside = (*entry.command, *entry.env.values(), *entry.client, *entry.health)
    ready = tuple(part for one in entry.ready for part in one.exec or ())
    filled = substitute.each((*inside, *ready), values(entry))
    ports = {f"port.{name}": "1" for name in entry.ports}
    filled += substitute.each(tuple(entry.provides.values()), values(entry, host="there", port="1", **ports))
    for option in entry.options.values():
        filled += substitute.each(option.default, {"project": "shop", "version": "1"})
        filled += substitute.each(option.argument, {"key": "k", "value": "v"})
    if entry.debian is not None:
        filled += substitute.each((*entry.debian.path, *entry.debian.entrypoint), {"version": "1"})
    assert [text for text in filled if PLACEHOLDER.search(text)] == []


@pytest.mark.parametrize("name", SERVICES)
def test_the_first_of_an_option_is_only_asked_of_a_list(name: str) -> None:
    entry = projects.CATALOG.service(name)
    asked = {found for text in texts(entry) for found in re.findall(r"\{([a-z_]+)\.first\}", text)}
    assert {one for one in asked if entry.options[one].type != "list"} == set()


@pytest.mark.parametrize("name", STACKS)
def test_a_stacks_strings_name_only_the_home_folder(name: str) -> None:
    entry = projects.CATALOG.stack(name)
    filled = substitute.each((*entry.path, *entry.env.values()), {"home": "/home/dev"})
    assert [text for text in filled if PLACEHOLDER.search(text)] == []
    assert all(folder.startswith("/") for folder in substitute.each(entry.path, {"home": "/home/dev"}))
    assert not any(glob.startswith("/") for glob in entry.inputs)


@pytest.mark.parametrize("name", SERVICES)
def test_variables_for_apps_have_names_that_a_shell_can_use(name: str) -> None:
    provided = projects.CATALOG.service(name).provides
    assert provided
    assert [one for one in provided if not re.fullmatch(r"[A-Z][A-Z0-9_]*", one)] == []


@pytest.mark.parametrize("name", SERVICES)
def test_each_port_has_one_name_and_what_ready_asks_is_among_them(name: str) -> None:
    entry = projects.CATALOG.service(name)
    ports = tuple(entry.ports.values())
    assert ports
    assert len(set(ports)) == len(ports)
    assert all(0 < port < 65536 for port in ports)
    assert entry.ready
    for ready in entry.ready:
        conditions = (ready.tcp, ready.http, ready.exec, ready.log)
        assert sum(one is not None for one in conditions) == 1
        if ready.tcp is not None:
            assert ready.tcp in ports
        if ready.http is not None:
            assert ready.http.startswith("/")
            assert ready.port in ports


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_with_data_says_how_long_it_may_take_to_stop(name: str) -> None:
    said = toml.read(FOLDER / "services" / f"{name}.toml").data
    entry = projects.CATALOG.service(name)
    assert "stop_grace" in said or not entry.volumes
    assert re.fullmatch(r"(SIG[A-Z0-9]+)?", entry.stop_signal)
    assert all(path.startswith("/") for path in entry.volumes.values())


@pytest.mark.parametrize("name", SERVICES)
def test_what_is_dumped_can_be_restored_and_is_the_way_from_one_major_version_to_the_next(name: str) -> None:
    entry = projects.CATALOG.service(name)
    assert bool(entry.dump) == bool(entry.restore)
    assert entry.volumes or not entry.dump
    assert entry.dump or entry.data == "any" or entry.debian is None
    for script in (part for part in (*entry.dump, *entry.restore) if "\n" in part):
        read = subprocess.run(["sh", "-n"], input=script, capture_output=True, text=True)
        assert (read.returncode, read.stderr) == (0, "")


@pytest.mark.parametrize("name", SERVICES)
def test_each_option_is_explained_can_be_set_and_leads_somewhere(name: str) -> None:
    entry = projects.CATALOG.service(name)
    for key, option in entry.options.items():
        assert is_line(option.summary)
        assert key not in {*config.SERVICE_KEYS, *NOT_FOR_OPTIONS}
        if option.type in ("file", "files"):
            assert option.into.startswith("/")
        elif option.type == "table":
            assert any("{value}" in part for part in option.argument)
        else:
            assert any(f"{{{key}}}" in text or f"{{{key}.first}}" in text for text in texts(entry))
            assert option.type == "list" or len(option.default) < 2


@pytest.mark.parametrize("name", SERVICES)
def test_each_file_that_is_named_exists_and_each_that_exists_is_named(name: str) -> None:
    entry = projects.CATALOG.service(name)
    files = entry.debian.files if entry.debian else ()
    for file in files:
        assert file.path.startswith("/")
        assert file.source is None or projects.CATALOG.content("service", name, file)
    named = {file.source for file in files if file.source is not None}
    if entry.registry is not None and entry.registry.wrapper:
        assert projects.CATALOG.script("service", name, entry.registry.wrapper).startswith("#!/bin/sh\n")
        named.add(entry.registry.wrapper)
    assert named == {path.name for path in (FOLDER / "services" / name).glob("*")}


@pytest.mark.parametrize("name", STACKS)
def test_each_file_of_a_stack_that_is_named_exists_and_each_that_exists_is_named(name: str) -> None:
    debian = projects.CATALOG.stack(name).debian
    files = debian.files if debian else ()
    assert all(projects.CATALOG.content("stack", name, one) for one in files)
    assert {one.source for one in files} == {path.name for path in (FOLDER / "stacks" / name).glob("*")}


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_a_script_is_one_that_a_plain_shell_can_read(script: Path) -> None:
    read = subprocess.run(["sh", "-n", script], capture_output=True, text=True)
    assert (read.returncode, read.stderr) == (0, "")


def containers(kind: Kind, name: str, origin: Origin, suite: str, root: Path) -> tuple[Container, ...]:
    app = projects.app(origin=origin, stacks=(StackRequest(name),) if kind == "stack" else ())
    services = (projects.service(name, origin=origin),) if kind == "service" else ()
    project = projects.project(root, apps=(app,), services=services, suite=suite)
    return blueprint.make(project, projects.CATALOG, projects.pins(project), projects.placement(root)).containers


@pytest.mark.parametrize(("kind", "name"), ENTRIES)
def test_a_project_that_only_names_it_gets_a_container_from_each_origin(kind: Kind, name: str, tmp_path: Path) -> None:
    for origin, suite in origins(entry_of(kind, name)):
        for one in containers(kind, name, origin, suite, tmp_path):
            words = (*(one.command or ()), *(one.entrypoint or ()), *one.env.values())
            scripts = {word for word in words if "\n" in word}
            assert [word for word in words if word not in scripts and PLACEHOLDER.search(word)] == []
            assert one.kind == "app" or one.readiness.probes
