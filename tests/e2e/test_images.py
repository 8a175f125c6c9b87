"""Images from Debian packages: the same lockfile gives the same bytes on every engine."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from devenv.blueprint import images
from devenv.config import machine as machines
from devenv.engine.docker import DockerEngine
from devenv.engine.wire import Endpoint
from devenv.images import debian, layers
from devenv.images.store import Store
from devenv.model import labels
from devenv.model.blueprint import Container, Image, SeenContainer
from devenv.model.machine import Machine
from devenv.model.pins import DebianPins, ImageConfig, ImageFile, ImageRecipe, LayerRequest
from devenv.model.progress import Progress, silence
from devenv.supply import Supply
from tests import engines
from tests.e2e import checkouts

pytestmark = [pytest.mark.docker, pytest.mark.network]

BASE = LayerRequest("base", (), None)
REDIS = LayerRequest("service/redis@8", ("redis-server",), "base")
PYTHON = LayerRequest("stack/python@3.13", ("python3", "python3-pip", "python3-venv"), "base")
WEB = LayerRequest("packages/web", ("tree",), PYTHON.name)
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
BUILD = """\
import pathlib, pickle, sys
from devenv.engine.docker import DockerEngine
from devenv.engine.wire import Endpoint
from devenv.model.progress import silence
from devenv.supply import Supply
image, machine = pickle.loads(pathlib.Path(sys.argv[2]).read_bytes())
Supply(DockerEngine(Endpoint(sys.argv[1])), machine, silence, print).build(image)
"""


@dataclass
class Site:
    """An engine with a cache that knows packages, but no layer yet."""

    engine: DockerEngine
    machine: Machine
    reports: list[Progress] = field(default_factory=list)
    references: list[str] = field(default_factory=list)

    def build(self, recipe: ImageRecipe) -> str:
        reference = f"localhost/devenv-test/{recipe.name}-{os.getpid()}:{images.key(recipe)[:12]}"
        self.references.append(reference)
        self.reports.clear()
        supply = Supply(self.engine, self.machine, self.reports.append, print)
        return supply.build(Image(reference, images.key(recipe), recipe))

    @property
    def configured(self) -> list[str]:
        """The layers that the last build installed packages for."""
        return list(dict.fromkeys(one.subject for one in self.reports if one.action == "configuring"))

    @property
    def containers(self) -> Sequence[SeenContainer]:
        return self.engine.observe(layers.instance(Store(self.machine.cache))).containers

    def left(self) -> list[str]:
        """What builds have left in the engine and the cache."""
        return [one.name for one in self.containers] + [
            path.name for path in (self.machine.cache / "layers").glob("*") if path.suffix != ".tar"
        ]


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Machine:
    found = machines.load(os.environ, Path.home())
    return replace(found, cache=tmp_path_factory.mktemp("shared"))


@pytest.fixture(scope="module")
def pins(machine: Machine) -> DebianPins:
    return _lock(machine, [BASE, REDIS, PYTHON], None)


@pytest.fixture(scope="module")
def sites(machine: Machine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Site]]:
    """Two of them: on the first and the last engine, which may be one."""
    engines.require()
    addresses = [engines.addresses()[0], engines.addresses()[-1]]
    (machine.cache / "packages").mkdir(exist_ok=True)
    made = [_site(address, machine, tmp_path_factory.mktemp("cache")) for address in addresses]
    yield made
    for site in made:
        for reference in site.references:
            site.engine.remove("image", reference)
        site.engine.close()


def test_every_engine_gives_the_same_image_and_the_second_build_installs_nothing(
    sites: list[Site], pins: DebianPins
) -> None:
    recipe = _recipe(pins, REDIS, files=(ImageFile("/data", None, 0o1777),))
    digests = {site.build(recipe) for site in sites}
    assert len(digests) == 1
    for site in sites:
        assert site.build(recipe) in digests
        assert site.configured == []
    assert [site.left() for site in sites] == [[], []]


def test_a_package_on_top_builds_the_top_alone(sites: list[Site], pins: DebianPins, machine: Machine) -> None:
    site = sites[0]
    site.build(_recipe(pins, PYTHON))
    more = _lock(machine, [BASE, REDIS, PYTHON, WEB], pins)
    assert {name: more.layers[name] for name in pins.layers} == dict(pins.layers)
    site.build(_recipe(more, PYTHON, WEB))
    assert site.configured == [WEB.name]
    assert _output(site, "tree", "--version").startswith("tree v2")
    assert _output(site, "python3", "-c", "import ssl, venv; print('ready')") == "ready\n"


def test_an_image_is_a_whole_debian_without_what_differs_by_machine(sites: list[Site], pins: DebianPins) -> None:
    site = sites[0]
    site.build(_recipe(pins, REDIS))
    assert _output(site, "dpkg", "--audit") == ""
    assert "redis-server" in _output(site, "dpkg-query", "--show", "--showformat=${Package} ${db:Status-Status}\\n")
    assert _output(site, "sh", "-c", "ls /devenv-build /etc/machine-id /usr/sbin/policy-rc.d 2>&1 | wc -l") == "3\n"
    young = _output(site, "sh", "-c", "find / -xdev -newermt @$(($(date +%s) - 60)) -type f -size +0").split()
    assert set(young) <= {"/etc/hosts", "/etc/hostname", "/etc/resolv.conf"}


def test_a_killed_build_leaves_nothing_for_the_next_one_to_trip_over(
    sites: list[Site], pins: DebianPins, tmp_path: Path
) -> None:
    site = sites[0]
    site.build(_recipe(pins))
    recipe = _recipe(pins, REDIS, files=(ImageFile("/killed", b"", 0o644),))
    image = Image("localhost/devenv-test/killed:1", images.key(recipe), recipe)
    (tmp_path / "work").write_bytes(pickle.dumps((image, site.machine)))
    process = subprocess.Popen(
        [sys.executable, "-c", BUILD, site.engine.info.address, tmp_path / "work"], cwd=checkouts.ROOT
    )
    checkouts.until(lambda: site.containers)
    process.kill()
    process.wait()
    assert site.left() != []
    site.build(recipe)
    assert site.left() == []


def _lock(machine: Machine, requests: list[LayerRequest], previous: DebianPins | None) -> DebianPins:
    return debian.lock(
        requests, suite="trixie", architecture="amd64", machine=machine, previous=previous, report=silence
    )


def _recipe(pins: DebianPins, *above: LayerRequest, files: tuple[ImageFile, ...] = ()) -> ImageRecipe:
    found = tuple(pins.layers[one.name] for one in (BASE, *above))
    name = found[-1].name.replace("/", "-").replace("@", "-")
    return ImageRecipe(name, pins.architecture, found, {found[-1].name: files}, {}, ImageConfig({"PATH": PATH}))


def _site(address: str, machine: Machine, cache: Path) -> Site:
    (cache / "packages").symlink_to(machine.cache / "packages")
    return Site(DockerEngine(Endpoint(address)), replace(machine, cache=cache))


def _output(site: Site, *command: str) -> str:
    """What a command prints in the image that was built last."""
    name = f"devenv-test-images-{os.getpid()}"
    container = Container(
        name, "test", "service", site.references[-1], entrypoint=command, labels={labels.INSTANCE: name}
    )
    try:
        site.engine.create(container)
        site.engine.start(name)
        return b"".join(chunk.data for chunk in site.engine.read(name, "follow")).decode()
    finally:
        site.engine.remove("container", name)
