from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from devenv import supply
from devenv.blueprint import images
from devenv.engine.protocol import SeenImage
from devenv.errors import ImageError
from devenv.images import pack
from devenv.images.pack import Blob
from devenv.model.blueprint import Image
from devenv.model.machine import Login, Machine
from devenv.model.pins import DerivedRecipe, ImageConfig, ImageRecipe, RegistryPin
from devenv.model.progress import silence
from devenv.supply import Supply
from tests import registries
from tests.unit.images import archives, builders
from tests.unit.images.builders import BuilderEngine
from tests.unit.images.registry.servers import Memory, served

FILES = {"usr": None, "usr/base": b"base"}
OTHER = f"sha256:{'0' * 64}"


@dataclass
class World:
    """A registry in memory, and an engine on which one image can be built."""

    memory: Memory
    machine: Machine
    engine: BuilderEngine
    image: Image
    said: list[str] = field(default_factory=list)

    @property
    def repository(self) -> str:
        return f"{self.memory.address}/acme/devenv"

    def supply(self, *, shared: bool = False) -> Supply:
        machine = replace(self.machine, registry_images=self.repository) if shared else self.machine
        return Supply(self.engine, machine, silence, self.said.append)

    def publish(self) -> str:
        """Put some image into the team's registry as ours; the digest of its configuration."""
        tag = f"web-{self.image.key[:16]}"
        made = self.memory.image("acme/devenv", tag)
        config = registries.digest(made.config)
        source = f"{self.repository}@{registries.digest(made.manifest)}"
        self.engine.registry[source] = SeenImage(config, config, {})
        return config

    def built(self) -> bool:
        return bool(self.engine.built)


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "nobody"))
    made = builders.world(tmp_path)
    recipe = made.recipe("base")
    key = images.key(recipe)
    memory = Memory()
    with served(memory):
        engine = BuilderEngine(FILES, ends=builders.ended(0))
        yield World(memory, made.machine, engine, Image(f"localhost/devenv/web:{key[:16]}", key, recipe))


# --- the team's registry ---


def test_without_a_registry_of_the_team_an_image_is_built(world: World) -> None:
    digest = world.supply().get(world.image)
    assert world.engine.images[world.image.reference].config_digest == digest
    assert world.built()
    assert world.memory.asked == []


def test_an_image_whose_digest_is_locked_is_taken_from_the_teams_registry(world: World) -> None:
    config = world.publish()
    assert world.supply(shared=True).get(replace(world.image, digest=config)) == config
    assert world.engine.images[world.image.reference].config_digest == config
    assert not world.built()
    assert world.said == []


def test_an_image_whose_digest_is_not_locked_is_built_though_the_registry_has_one(world: World) -> None:
    config = world.publish()
    assert world.supply(shared=True).get(world.image) != config
    assert world.built()
    assert world.memory.asked == []


def test_an_image_that_the_registry_lacks_is_built_without_a_word(world: World) -> None:
    digest = world.supply().get(world.image)
    assert world.supply(shared=True).get(replace(world.image, digest=digest)) == digest
    assert world.memory.asked != []
    assert world.said == []


def test_another_image_in_the_registry_is_told_and_ours_is_built(world: World) -> None:
    digest = world.supply().get(world.image)
    world.engine.images.clear()
    config = world.publish()
    assert world.supply(shared=True).get(replace(world.image, digest=digest)) == digest
    assert world.engine.images[world.image.reference].config_digest == digest
    (line,) = world.said
    assert line.startswith(f"built here: `{world.repository}:web-")
    assert line.endswith(f"its configuration is {config}, `devenv.lock` says {digest}")


def test_what_the_engine_cannot_pull_is_told_and_built(world: World) -> None:
    digest = world.supply().get(world.image)
    made = world.publish()
    world.engine.registry.clear()
    with pytest.raises(ImageError, match=f"came out as {digest}, the lockfile says {made}"):
        world.supply(shared=True).get(replace(world.image, digest=made))
    (line,) = world.said
    assert line.startswith("built here: ")
    assert line.endswith("manifest unknown")


def test_a_repository_may_be_named_instead_of_the_machines(world: World) -> None:
    image = replace(world.image, digest=world.publish())
    assert not world.supply().shared(image)
    assert world.supply().shared(image, world.repository)
    assert not world.supply().shared(replace(image, digest=None), world.repository)


# --- built ---


def test_an_image_that_comes_out_other_than_locked_is_refused_and_not_loaded(world: World) -> None:
    digest = world.supply().get(world.image)
    world.engine.images.clear()
    with pytest.raises(ImageError) as caught:
        world.supply().get(replace(world.image, digest=OTHER))
    assert caught.value.message == (f"image `{world.image.reference}` came out as {digest}, the lockfile says {OTHER}")
    assert caught.value.hint is not None
    assert "`devenv verify`" in caught.value.hint
    assert world.engine.images == {}


# --- pulled ---


def pulled(world: World) -> tuple[RegistryPin, Image]:
    made = world.memory.image("acme/web", "1")
    manifest, config = registries.digest(made.manifest), registries.digest(made.config)
    pin = RegistryPin(f"{world.memory.address}/acme/web:1", manifest, manifest, config)
    world.engine.registry[f"{world.memory.address}/acme/web@{manifest}"] = SeenImage(config, config, {})
    return pin, images.pulled(pin)


def test_an_image_of_a_registry_is_pulled_and_known_by_its_pin(world: World) -> None:
    pin, image = pulled(world)
    assert world.supply().get(image) == pin.config
    assert world.engine.images[image.reference].config_digest == pin.config
    assert not world.built()


# --- on top of a pulled one ---


def derived(world: World, folder: Path) -> tuple[RegistryPin, Image]:
    """An app's image with a package on top of a base that the registry has."""
    layer = archives.tar({"usr": None, "usr/python": b"python"}, mtime=builders.EPOCH - 5)
    (folder / "base.tar").write_bytes(layer)
    blob = Blob(folder / "base.tar", hashlib.sha256(layer).hexdigest(), len(layer))
    config = pack.config("amd64", builders.EPOCH, [("", blob)], ImageConfig({"LANG": "C"}), {})
    world.engine.load(pack.archive(config, [blob], "elsewhere:1"))
    pin = RegistryPin("ghcr.io/acme/python:3", "sha256:1", f"sha256:{'2' * 64}", registries.digest(config))
    world.engine.registry[f"ghcr.io/acme/python@{pin.manifest}"] = world.engine.images.pop("elsewhere:1")
    assert isinstance(world.image.source, ImageRecipe)
    added = replace(world.image.source.layers[0], name="packages/web", parent=pin.manifest)
    recipe = DerivedRecipe("shop-web", "amd64", pin, layer=added)
    key = images.derived_key(recipe)
    return pin, Image(f"localhost/devenv/shop-web:{key[:16]}", key, recipe)


def pulls(world: World) -> int:
    return [call for call, _ in world.engine.calls].count("pull")


def test_an_image_on_top_of_another_is_built_from_it_with_cached_packages(world: World, tmp_path: Path) -> None:
    pin, image = derived(world, tmp_path)
    digest = world.supply().get(image)
    made, base = world.engine.images[image.reference], world.engine.images[images.pulled(pin).reference]
    assert made.config_digest == digest
    assert made.layers[:-1] == base.layers
    assert made.env == {"LANG": "C"}
    assert pulls(world) == 1


def test_a_base_that_is_there_is_not_pulled_and_another_in_its_place_is(world: World, tmp_path: Path) -> None:
    pin, image = derived(world, tmp_path)
    digest = world.supply().get(image)
    assert world.supply().get(image) == digest
    assert pulls(world) == 1
    world.engine.images[images.pulled(pin).reference] = SeenImage("sha256:other", OTHER, {})
    assert world.supply().get(image) == digest
    assert pulls(world) == 2


def login(registry: str) -> Login | None:
    with supply.registry(Machine(), silence) as opened:
        return opened.login(registry)


def test_a_login_is_found_in_dockers_own_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    assert login("ghcr.io") is None
    (tmp_path / "config.json").write_text('{"auths": {"ghcr.io": {"auth": "YW5uYTpzM2NyZXQ="}}}')
    assert login("ghcr.io") == Login("ghcr.io", "anna", "s3cret")
