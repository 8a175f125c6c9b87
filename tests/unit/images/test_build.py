from __future__ import annotations

import errno
import json
import tarfile
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest

from devenv.blueprint import images
from devenv.engine.protocol import SeenImage
from devenv.errors import EngineError, ImageError
from devenv.images import layers, staging
from devenv.images.store import Store
from devenv.model import labels
from devenv.model.pins import ImageFile
from devenv.model.progress import Progress
from tests.unit.images import builders
from tests.unit.images.builders import EPOCH, BuilderEngine, World

BASE = {"usr": None, "usr/base": b"base", "etc/hosts": b"the engine's"}
TOP = BASE | {"usr/top": b"top"}
DONE = builders.ended(0, "Unpacking base (1) ...", "Setting up base (1) ...")


@pytest.fixture
def world(tmp_path: Path) -> World:
    return builders.world(tmp_path)


def contents(world: World) -> list[list[str]]:
    """The paths in each layer of the cache, the largest layer first."""
    found = []
    for path in (world.machine.cache / "layers").glob("*.tar"):
        with tarfile.open(path) as tar:
            found.append(tar.getnames())
    return sorted(found, key=len, reverse=True)


def test_a_build_gives_the_digest_that_the_engine_finds(world: World) -> None:
    engine = BuilderEngine(BASE, TOP, ends=DONE)
    recipe = world.recipe("base", "top")
    digest = world.build(recipe, engine)
    seen = engine.image("web:1")
    assert seen is not None
    assert (seen.config_digest, seen.labels) == (digest, {labels.PIN: images.key(recipe)})


def test_a_layer_holds_what_its_packages_add(world: World) -> None:
    world.build(world.recipe("base", "top"), BuilderEngine(BASE, TOP, ends=DONE))
    base, top = contents(world)
    assert "usr/base" in base
    assert "etc/hosts" not in base
    assert top == ["usr", "usr/top"]


def test_nothing_of_the_build_is_left_in_engine_or_cache(world: World) -> None:
    engine = BuilderEngine(BASE, ends=DONE)
    world.build(world.recipe("base"), engine)
    assert list(engine.images) == ["web:1"]
    assert engine.containers == {}
    assert world.kept == [".tar"]


def test_a_second_build_installs_nothing(world: World) -> None:
    first, second = BuilderEngine(BASE, ends=DONE), BuilderEngine(ends=DONE)
    assert world.build(world.recipe("base"), first) == world.build(world.recipe("base"), second)
    assert second.built == []


def test_a_layer_on_top_reuses_the_one_below(world: World) -> None:
    world.build(world.recipe("base"), BuilderEngine(BASE, ends=DONE))
    engine = BuilderEngine(TOP, ends=DONE)
    world.build(world.recipe("base", "top"), engine)
    assert len(engine.built) == 1


def test_packages_are_installed_without_network_under_a_fixed_host_name_and_date(world: World) -> None:
    engine = BuilderEngine(BASE, ends=DONE)
    world.build(world.recipe("base"), engine)
    (container,) = engine.built
    assert container.hostname == "devenv"
    assert container.env["SOURCE_DATE_EPOCH"] == str(EPOCH)
    assert container.entrypoint == ("/usr/bin/dash", staging.INSTALL)
    assert container.labels == {labels.INSTANCE: layers.instance(Store(world.machine.cache))}


def test_our_files_and_drops_make_the_layer(world: World) -> None:
    recipe = replace(
        world.recipe("base"),
        files={"base": (ImageFile("/etc/own", b"own", 0o600), ImageFile("/data", None, 0o1777))},
        drop={"base": ("/usr/base",)},
    )
    world.build(recipe, BuilderEngine(BASE, ends=DONE))
    (names,) = contents(world)
    assert {"etc/own", "data"} <= set(names)
    assert "usr/base" not in names


def test_a_layer_of_files_alone_needs_no_container(world: World) -> None:
    recipe = world.recipe("base")
    world.build(recipe, BuilderEngine(BASE, ends=DONE))
    own = replace(recipe.layers[0], name="own", runs=(), parent="base")
    engine = BuilderEngine(ends=DONE)
    file = ImageFile("/etc/own", b"own", 0o600, early=True)
    world.build(replace(recipe, layers=(*recipe.layers, own), files={"own": (file,)}), engine)
    assert engine.built == []
    assert contents(world)[1] == ["etc", "etc/own"]


def test_progress_counts_packages(world: World) -> None:
    world.build(world.recipe("base"), BuilderEngine(BASE, ends=DONE))
    configured = [one for one in world.reports if one.action == "configuring"]
    assert configured == [Progress("base", "configuring", done, 1, "packages") for done in (0, 1)]
    assert [one.action for one in world.reports if one.unit == "steps"] == ["packing", "loading"]


def test_a_failed_installation_shows_the_end_of_its_log_and_leaves_nothing(world: World) -> None:
    lines = [f"line {number}" for number in range(20)]
    engine = BuilderEngine(ends=builders.ended(1, *lines, "dpkg: error \x1b[31mprocessing\x1b[0m base"))
    with pytest.raises(ImageError) as caught:
        world.build(world.recipe("base"), engine)
    first, _, *log = caught.value.message.split("\n")
    assert first == "the packages of `base` could not be installed; the end of dpkg's log:"
    assert log == [*lines[6:], "dpkg: error [31mprocessing[0m base"]
    assert (engine.images, engine.containers, world.kept) == ({}, {}, [])


def test_a_clock_that_is_behind_is_named(world: World) -> None:
    engine = BuilderEngine(ends=builders.ended(staging.CLOCK_BEHIND))
    with pytest.raises(ImageError, match="the engine's clock is behind the packages' date"):
        world.build(world.recipe("base"), engine)


def test_a_killed_installation_points_to_memory(world: World) -> None:
    with pytest.raises(ImageError) as caught:
        world.build(world.recipe("base"), BuilderEngine(ends=builders.ended(137)))
    assert caught.value.hint == "give the engine more memory"


@pytest.mark.parametrize("call", ["load", "create", "start", "look", "read"])
def test_a_build_broken_off_by_the_engine_goes_on_next_time(world: World, call: str) -> None:
    engine = BuilderEngine(BASE, ends=DONE)
    engine.fail_on = lambda made, _: EngineError("gone") if made == call else None
    with pytest.raises(EngineError):
        world.build(world.recipe("base"), engine)
    assert (engine.images, engine.containers, world.kept) == ({}, {}, [])
    engine.fail_on = lambda *_: None
    engine.built.clear()
    assert world.build(world.recipe("base"), engine)


def test_an_engine_that_has_other_bytes_than_it_was_sent_is_not_believed(world: World) -> None:
    class Liar(BuilderEngine):
        def image(self, reference: str) -> SeenImage | None:
            return SeenImage("sha256:other", "sha256:other", {})

    with pytest.raises(ImageError) as caught:
        world.build(world.recipe("base"), Liar(BASE, ends=DONE))
    assert caught.value.message.startswith("the engine was given the image `sha256:")
    assert caught.value.message.endswith("has `sha256:other` as `web:1`")


def test_a_full_disk_while_building_is_our_error(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "no space")

    monkeypatch.setattr(staging, "write", full)
    with pytest.raises(ImageError, match=r"^the disk of `.*` is full$"):
        world.build(world.recipe("base"), BuilderEngine(BASE, ends=DONE))
    assert world.kept == []


def test_two_engines_with_differing_habits_give_one_image(tmp_path: Path) -> None:
    digests = set()
    for number, files in enumerate((BASE | {"run/x": b"1"}, dict(reversed(BASE.items())) | {"etc/mtab": b""})):
        (tmp_path / str(number)).mkdir()
        world = builders.world(tmp_path / str(number))
        digests.add(world.build(world.recipe("base"), BuilderEngine(files, ends=DONE)))
    assert len(digests) == 1


def test_the_staging_layer_brings_the_system_the_packages_and_early_files(world: World, tmp_path: Path) -> None:
    loaded: list[bytes] = []

    class Watching(BuilderEngine):
        def load(self, archive: Iterable[bytes]) -> None:
            loaded.append(b"".join(archive))
            super().load([loaded[-1]])

    recipe = replace(world.recipe("base"), files={"base": (ImageFile("/etc/early", b"e", 0o644, early=True),)})
    world.build(recipe, Watching(BASE, ends=DONE))
    names = _staged(loaded[0], tmp_path)
    assert {"bin", "usr/share/base", "var/lib/dpkg/status", "etc/early", "usr/sbin/policy-rc.d"} <= set(names)
    assert "devenv-build/runs/000/0000.deb" in names
    assert len(names) == len(set(names))


def _staged(archive: bytes, folder: Path) -> list[str]:
    path = folder / "archive"
    path.write_bytes(archive)
    with tarfile.open(path) as tar:
        manifest = tar.extractfile("manifest.json")
        assert manifest is not None
        top = tar.extractfile(json.loads(manifest.read())[0]["Layers"][-1])
        with tarfile.open(fileobj=top) as layer:
            return layer.getnames()
