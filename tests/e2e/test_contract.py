"""What the catalog says of images of registries, run against Debian's programs in images that keep the same contract.

No registry is asked: the engine has images of Debian packages under the names by which pulled ones are known, and the
lockfile says that these are the ones. So the entries' own side is used as it is for a pulled image: its command, its
wrapper, its paths and variables, its conditions for `ready` and its client.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from devenv import lockfile, performing, workspace
from devenv.config import machine as machines
from devenv.engine.docker import DockerEngine
from devenv.engine.wire import Endpoint
from devenv.images import tarball
from devenv.images.tarball import Header
from devenv.lockfile import wanted
from devenv.model.blueprint import Image
from devenv.model.machine import Machine
from devenv.model.pins import Lockfile, Pins, RegistryPin
from devenv.model.progress import silence
from devenv.supply import Supply
from devenv.workspace import Workspace
from tests import engines, projects
from tests.e2e import checkouts
from tests.e2e.checkouts import Checkout

pytestmark = [pytest.mark.docker, pytest.mark.network]

ENTRIES = {name: projects.CATALOG.service(name) for name in projects.CATALOG.names("service")}
NAMES = tuple(name for name, entry in ENTRIES.items() if entry.debian and entry.registry)
# What the client is asked besides what the entry has it do, and a part of the answer.
ASKED: Mapping[str, tuple[tuple[str, ...], str]] = {
    "etcd": (("endpoint", "health"), "is healthy"),
    "mariadb": (("-Ne", "select 40 + 2"), "42"),
    "mosquitto": (("-W", "1", "-t", "$SYS/broker/version"), "mosquitto version"),
    "postgres": (("-Atc", "select 40 + 2"), "42"),
    "rabbitmq": (("list_users",), "devenv"),
    "redis": (("ping",), "PONG"),
    "valkey": (("ping",), "PONG"),
    "varnish": (("ping",), "PONG"),
}
# What official images have and ours do not: a function that files of `initdb.d` may call, an entrypoint of that name.
PROGRAMS: Mapping[str, tuple[str, bytes]] = {
    "mariadb": (
        "/usr/local/bin/docker_process_sql",
        b"""#!/bin/sh
MYSQL_PWD=${MARIADB_ROOT_PASSWORD:-$(cat "$MARIADB_ROOT_PASSWORD_FILE")}
export MYSQL_PWD
exec mariadb --no-defaults --protocol=socket --user=root "$@"
""",
    ),
    "rabbitmq": ("/usr/local/bin/docker-entrypoint.sh", b'#!/bin/sh\nexec "$@"\n'),
}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Checkout]:
    """Every service of both origins, up by what the catalog says of its image of a registry."""
    folder, machine = tmp_path_factory.mktemp("contract"), machines.load(os.environ, Path.home())
    engine = DockerEngine(Endpoint(engines.require()))
    services = "".join(f"\n[services.{name}]\n" for name in NAMES)
    with checkouts.small(folder / "made", text=f'name = "{{name}}"\nimages = "debian"\n{services}') as made:
        made.run("lock")
        images = _images(workspace.load(made.folder, machine), engine)
    with checkouts.small(folder / "used", text=f'name = "{{name}}"\nimages = "registry"\n{services}') as used:
        pinned = _pinned(used, images, machine, engine)
        made_here = [name for one in PROGRAMS for name in (images[one].reference, pinned[one])]
        try:
            used.run("up", "-d", "--frozen")
            yield used
        finally:
            used.run("down", "--volumes")
            # The other names may be in use by tests that have pulled the same images.
            for name in made_here:
                engine.remove("image", name)
            engine.close()


def _images(made: Workspace, engine: DockerEngine) -> dict[str, Image]:
    """Images of Debian packages by service; those that are not there yet are built."""
    blueprint = workspace.resolve(made, engine.info.architecture)
    images = {image.reference: image for image in blueprint.images}
    for image in images.values():
        if performing.present(engine, image) is None:
            Supply(engine, made.machine, silence, print).build(image)
    found = {container.unit: images[container.image] for container in blueprint.containers}
    return found | {name: _with_program(found[name], *program, engine) for name, program in PROGRAMS.items()}


def _pinned(used: Checkout, images: Mapping[str, Image], machine: Machine, engine: DockerEngine) -> dict[str, str]:
    """Lock the images as if they had been pulled; the names that they got, by service."""
    opened = workspace.load(used.folder, machine)
    architecture, nothing = engine.info.architecture, f"sha256:{'0' * 64}"
    pins = {}
    for service in opened.project.services:
        there = engine.image(images[service.name].reference)
        assert there is not None
        reference = wanted.service_image(service, opened.entries)
        pins[reference] = RegistryPin(reference, nothing, nothing, there.config_digest)
    lock = Lockfile(lockfile.meaning(opened.project, opened.entries), {architecture: Pins(architecture, registry=pins)})
    lockfile.write(used.folder, lock)
    containers = workspace.resolve(opened, architecture).containers
    for container in containers:
        used.docker("tag", images[container.unit].reference, container.image)
    return {container.unit: container.image for container in containers}


def _with_program(image: Image, path: str, content: bytes, engine: DockerEngine) -> Image:
    """The image with one program more."""
    name = f"localhost/devenv-test/contract-{image.key[:12]}:{os.getpid()}"
    dockerfile = f"ARG BASE\nFROM $BASE\nCOPY program {path}\n".encode()
    entries = [("Dockerfile", 0o644, dockerfile), ("program", 0o755, content)]
    context = tarball.stream((Header(path, "file", mode, size=len(text)), (text,)) for path, mode, text in entries)
    engine.build(context, name, arguments={"BASE": image.reference}, report=silence)
    return replace(image, reference=name)


def test_each_client_is_asked_something() -> None:
    assert set(ASKED) == {name for name in NAMES if ENTRIES[name].client}


@pytest.mark.parametrize("name", NAMES)
def test_a_service_is_ready_and_healthy_by_its_registry_entry_and_its_client_gets_an_answer(
    world: Checkout, name: str
) -> None:
    inspected = world.docker("inspect", "-f", "{{.State.Status}} {{.Config.Image}}", f"{world.name}-{name}-1")
    assert inspected.startswith("running localhost/devenv/")
    asked = ("inspect", "-f", "{{.State.Health.Status}}", f"{world.name}-{name}-1")
    checkouts.until(lambda: world.docker(*asked) == "healthy\n")
    if name in ASKED:
        words, answer = ASKED[name]
        assert answer in world.run("connect", name, "--", *words, check=name != "mosquitto").out
