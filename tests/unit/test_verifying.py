"""Images are proved by making them once more; whatever is not the same is found and named."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from devenv import verifying
from devenv.blueprint import images
from devenv.engine.memory import MemoryEngine
from devenv.errors import EngineError, ImageError
from devenv.images import client, pack
from devenv.images.compare import PathDifference
from devenv.images.pack import Blob
from devenv.model.blueprint import Image
from devenv.model.machine import Machine
from devenv.model.pins import DerivedRecipe, ImageRecipe, Layer, RegistryPin
from devenv.model.progress import silence
from devenv.supply import Supply
from devenv.verifying import Verdict
from tests import registries
from tests.unit.images import archives, builders
from tests.unit.images.builders import BuilderEngine
from tests.unit.images.registry.servers import Memory, served

FILES: Mapping[str, bytes | None] = {"usr": None, "usr/base": b"base", "usr/other": b"other"}
DAMAGED = "layer 1 in the engine is not what its configuration says"
Altered = Callable[[bytes], bytes]


class Saving(BuilderEngine):
    """An engine that saves an image as it was loaded, but for what the test does to the archive."""

    def __init__(self, *files: Mapping[str, bytes | None]) -> None:
        super().__init__(*files, ends=builders.ended(0))
        self.altered: Altered = lambda content: content

    def save(self, reference: str) -> Iterator[bytes]:
        yield self.altered(b"".join(super().save(reference)))


@dataclass
class World:
    """An image on an engine, and the machine it was made on."""

    machine: Machine
    engine: Saving
    image: Image
    said: list[str] = field(default_factory=list)

    def verify(self, image: Image | None = None) -> Verdict:
        return verifying.image(image or self.image, self.engine, self.machine, silence, self.said.append)

    @property
    def scratch(self) -> list[Path]:
        return list(self.machine.cache.glob("verify-*"))


def flipped(old: bytes, new: bytes) -> Altered:
    """Change the first occurrence of something that an archive holds."""

    def alter(content: bytes) -> bytes:
        assert old in content
        return content.replace(old, new, 1)

    return alter


@pytest.fixture
def built(tmp_path: Path) -> World:
    """An image of one layer, built here from a cached package."""
    made = builders.world(tmp_path)
    engine = Saving(FILES, FILES)
    image = Image("web:1", images.key(made.recipe("base")), made.recipe("base"))
    digest = Supply(engine, made.machine, silence, print).build(image)
    return World(made.machine, engine, replace(image, digest=digest))


@pytest.fixture
def pulled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """An image of a registry, as it was pulled."""
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "nobody"))
    memory = Memory()
    with served(memory):
        made = memory.image("acme/web", "1", files={"usr/base": b"base", "usr/other": b"other"})  # type: ignore[dict-item]
        manifest, config = registries.digest(made.manifest), registries.digest(made.config)
        pin = RegistryPin(f"{memory.address}/acme/web:1", manifest, manifest, config)
        engine, image = Saving(), images.pulled(pin)
        load(engine, made.config, gzip.decompress(made.layer), image.reference, tmp_path)
        yield World(Machine(cache=tmp_path / "cache"), engine, image)


def load(engine: MemoryEngine, config: bytes, layer: bytes, reference: str, folder: Path) -> None:
    path = folder / "layer"
    path.write_bytes(layer)
    blob = Blob(path, hashlib.sha256(layer).hexdigest(), len(layer))
    engine.load(pack.archive(config, [blob], reference))


@pytest.fixture(params=["built", "pulled"])
def world(request: pytest.FixtureRequest) -> World:
    found: World = request.getfixturevalue(request.param)
    return found


def test_an_image_that_comes_out_the_same_holds_and_the_scratch_folder_is_gone(world: World) -> None:
    verdict = world.verify()
    digest = world.image.digest
    assert digest is not None
    assert verdict == Verdict(world.image.reference, digest, digest, digest)
    assert verdict.holds
    assert world.scratch == []


def test_an_image_is_made_anew_and_nothing_that_was_built_before_is_used(built: World) -> None:
    built.engine.built.clear()
    built.verify()
    assert len(built.engine.built) == 1


def test_nothing_is_taken_over_into_the_cache(world: World) -> None:
    before = sorted(path for path in world.machine.cache.rglob("*") if path.is_file())
    world.verify()
    assert sorted(path for path in world.machine.cache.rglob("*") if path.is_file()) == before


def test_a_flipped_bit_in_the_engines_layer_names_the_layer_and_the_path(world: World) -> None:
    world.engine.altered = flipped(b"base" + bytes(508), b"bise" + bytes(508))
    verdict = world.verify()
    assert not verdict.holds
    assert verdict.paths == (PathDifference("/usr/base", "content"),)
    assert verdict.damages == (DAMAGED,)
    assert verdict.found == verdict.digest


def test_a_damage_that_makes_a_layer_unreadable_is_told_all_the_same(world: World) -> None:
    world.engine.altered = flipped(b"usr/", b"usr\0")
    verdict = world.verify()
    assert not verdict.holds
    assert verdict.damages[0] == DAMAGED


def test_a_first_header_that_is_damaged_is_told_all_the_same(pulled: World) -> None:
    pulled.engine.altered = flipped(b"usr/base", b"usr/bise")
    verdict = pulled.verify()
    assert not verdict.holds
    assert verdict.paths == ()
    assert verdict.damages[0] == DAMAGED
    assert verdict.damages[1] == "its files cannot be compared: a layer is damaged: bad checksum"
    assert pulled.scratch == []


def test_what_an_engine_saves_that_is_no_image_is_a_damage(world: World) -> None:
    world.engine.altered = lambda _: b"nothing of the kind"
    verdict = world.verify()
    assert not verdict.holds
    assert (verdict.found, verdict.paths) == (None, ())
    (damage,) = verdict.damages
    assert damage.startswith("the engine cannot give it: the engine saved something that is no image")


def test_an_engine_that_cannot_save_the_image_is_a_damage(world: World) -> None:
    world.engine.fail_on = lambda call, _: EngineError("input/output error") if call == "save" else None
    verdict = world.verify()
    assert not verdict.holds
    assert (verdict.found, verdict.damages) == (None, ("the engine cannot give it: input/output error",))
    assert world.scratch == []


def test_an_image_of_other_bytes_than_locked_does_not_hold(built: World) -> None:
    other = f"sha256:{'0' * 64}"
    verdict = built.verify(replace(built.image, digest=other))
    assert (verdict.found, verdict.pinned) == (verdict.digest, other)
    assert not verdict.holds


def test_an_image_whose_digest_is_not_locked_yet_holds_when_it_comes_out_the_same(built: World) -> None:
    assert built.verify(replace(built.image, digest=None)).holds


def test_another_configuration_over_equal_layers_does_not_hold(world: World) -> None:
    there = world.engine.images[world.image.reference]
    world.engine.altered = flipped(b"PATH=/bin", b"PATH=/bix")
    verdict = world.verify()
    assert not verdict.holds
    assert verdict.found not in (None, there.config_digest)
    assert (verdict.paths, verdict.damages) == ((), ())


def test_the_first_is_the_image_made_anew_and_the_second_the_engines(built: World) -> None:
    built.engine.exports[1] = {**FILES, "usr/new": b""}
    verdict = built.verify()
    assert verdict.paths == (PathDifference("/usr/new", "only in the first"),)
    assert verdict.damages == ()
    assert verdict.digest != verdict.found == built.image.digest


@pytest.mark.parametrize(
    "changes",
    [
        {"found": "sha256:2"},
        {"found": None},
        {"pinned": "sha256:2"},
        {"paths": (PathDifference("/a", "content"),)},
        {"damages": ("a damage",)},
    ],
    ids=["found", "not found", "pinned", "paths", "damages"],
)
def test_anything_that_is_not_as_it_should_be_is_enough_not_to_hold(changes: Mapping[str, Any]) -> None:
    verdict = Verdict("web:1", "sha256:1", "sha256:1", "sha256:1")
    assert verdict.holds
    assert not replace(verdict, **changes).holds


# --- packages ---


def test_a_damaged_cached_package_is_not_used(built: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "PAUSE", 0.0)
    (package,) = (one for layer in _recipe(built) for run in layer.runs for one in run)
    cached = built.machine.cache / "packages" / package.sha256
    content = cached.read_bytes()
    cached.write_bytes(content[:-1] + b"?")
    # A mirror that cannot be reached: the image cannot be made from the damaged file.
    with pytest.raises(ImageError, match="base"):
        built.verify()
    assert built.scratch == []


def test_a_damaged_cached_package_is_fetched_anew_and_told(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    made = builders.world(tmp_path / "home")
    recipe = made.recipe("base")
    with archives.served() as server:
        machine = replace(made.machine, mirror=server.mirror())
        engine = Saving(FILES, FILES)
        image = Image("web:1", images.key(recipe), recipe)
        digest = Supply(engine, machine, silence, print).build(image)
        cached = machine.cache / "packages" / made.packages["base"].sha256
        content = cached.read_bytes()
        server.files[f"/debian/{made.packages['base'].path}"] = content
        cached.write_bytes(content[:-1] + b"?")
        verdict = World(machine, engine, image).verify()
    found = hashlib.sha256(content[:-1] + b"?").hexdigest()
    assert verdict.damages == (f"the cached package `base` 1 is damaged: its hash is {found}",)
    assert (verdict.digest, verdict.paths) == (digest, ())
    assert not verdict.holds
    assert cached.read_bytes() == content[:-1] + b"?"


def test_packages_that_hold_are_taken_over_and_not_fetched(built: World) -> None:
    assert built.verify().holds  # the machine's mirror answers nobody


def test_packages_on_top_of_a_registrys_image_are_held_against_their_hashes_too(built: World, tmp_path: Path) -> None:
    runs = _recipe(built)[0].runs
    pin = RegistryPin("python:3.13", "sha256:1", "sha256:2", "sha256:3")
    derived = DerivedRecipe("web", "amd64", pin, layer=Layer("packages/web", ("base",), pin.manifest, runs))
    kept, scratch = built.machine.cache / "packages", tmp_path / "scratch"
    (kept / runs[0][0].sha256).write_bytes(b"damaged")
    seeded = verifying._seeded(replace(built.image, source=derived), kept, scratch)
    assert [line.partition(" is damaged")[0] for line in seeded] == ["the cached package `base` 1"]
    assert list(scratch.iterdir()) == []


def _recipe(world: World) -> tuple[Layer, ...]:
    source = world.image.source
    assert isinstance(source, ImageRecipe)
    return source.layers


# --- registries ---


def test_a_registry_that_changes_its_mind_is_refused(pulled: World) -> None:
    assert isinstance(pulled.image.source, RegistryPin)
    other = replace(pulled.image.source, config=f"sha256:{'0' * 64}")
    with pytest.raises(ImageError, match="does not exist any more as it is pinned"):
        pulled.verify(replace(pulled.image, source=other))
    assert pulled.scratch == []
