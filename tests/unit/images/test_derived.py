from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import pytest

from devenv.blueprint import images
from devenv.engine.memory import MemoryEngine
from devenv.engine.protocol import Chunk, SeenImage
from devenv.errors import EngineError, ImageError
from devenv.images import derived, layers, pack
from devenv.images.derived import Builder
from devenv.images.pack import Blob
from devenv.images.store import Store
from devenv.model import labels
from devenv.model.pins import DerivedRecipe, ImageConfig, ImageFile, Layer, Package, RegistryPin
from devenv.model.progress import Progress
from tests.unit.images import archives

EPOCH = 1_700_000_000
OLD = EPOCH - 1000
BASE_NAME = "localhost/devenv/python:1a2b"
# Folders that get fixed permissions, whatever those of the base are.
MOUNTED = {"dev", "proc", "run", "sys", "tmp", "var", "var/tmp"}
BOTTOM: dict[str, bytes | None] = {
    **dict.fromkeys(sorted(MOUNTED)),
    "etc": None,
    "etc/hostname": b"builder",
    "usr": None,
    "usr/old": b"old",
}
MIDDLE: dict[str, bytes | None] = {"run/lock": b"", "usr/base": b"base", "var/log": None, "var/log/dpkg.log": b"2023"}
# What an engine gives of a container: its own files, the image's, and what the build has made.
EXPORT: dict[str, bytes | None] = {
    **BOTTOM,
    ".dockerenv": b"",
    "etc/hostname": b"0123456789ab",
    "run/new": b"",
    "usr/base": b"base",
    "usr/git": b"git",
    "var/log": None,
    "var/log/dpkg.log": b"now",
}
FILES = (ImageFile("/home/dev", None, 0o1777), ImageFile("/work", None, 0o755))


class Exporting(MemoryEngine):
    """An engine whose builds give the file system that the test says."""

    def __init__(self, export: Mapping[str, bytes | None] | None = None) -> None:
        super().__init__(builder=Exporting._note)
        self.export = EXPORT if export is None else export
        self.contexts: list[dict[str, bytes]] = []
        self.arguments: list[Mapping[str, str]] = []

    @staticmethod
    def _note(engine: MemoryEngine, context: bytes, arguments: Mapping[str, str]) -> SeenImage:
        assert isinstance(engine, Exporting)
        with tarfile.open(fileobj=io.BytesIO(context)) as tar:
            files = {member.name: tar.extractfile(member) for member in tar if member.isfile()}
            engine.contexts.append({name: file.read() for name, file in files.items() if file})
        engine.arguments.append(arguments)
        return SeenImage("sha256:built", "sha256:built", {})

    def read(
        self,
        container: str,
        what: Literal["logs", "follow", "files"],
        tail: int | None = None,
        since: float | None = None,
    ) -> Iterator[Chunk]:
        yield from super().read(container, what, tail, since)
        content = archives.tar(self.export, mtime=OLD)
        yield from (Chunk("stdout", content[start:][:1000]) for start in range(0, len(content), 1000))

    @property
    def made(self) -> list[str]:
        return [call for call, _ in self.calls if call in ("build", "create")]


@dataclass
class World:
    """A base of two layers on an engine, packages by hash, and what builds give."""

    folder: Path
    engine: Exporting = field(default_factory=Exporting)
    packages: dict[str, Path] = field(default_factory=dict)
    wanted: list[Sequence[Package]] = field(default_factory=list)
    reports: list[Progress] = field(default_factory=list)
    pulls: list[RegistryPin] = field(default_factory=list)
    mend: Callable[[], object] = list
    """What a pull does to an image that is there already."""
    base: tuple[Blob, ...] = field(init=False)
    config: bytes = field(init=False)

    def __post_init__(self) -> None:
        self.base = tuple(self.blob(archives.tar(files, mtime=OLD)) for files in (BOTTOM, MIDDLE))
        settings = ImageConfig({"PATH": "/usr/local/bin", "LANG": "C"}, command=("python3",), user="nobody")
        self.config = pack.config("amd64", OLD, [("base", one) for one in self.base], settings, {"own": "label"})
        self.engine.load(pack.archive(self.config, self.base, BASE_NAME))

    @property
    def store(self) -> Store:
        return Store(self.folder / "cache")

    @property
    def pin(self) -> RegistryPin:
        digest = f"sha256:{hashlib.sha256(self.config).hexdigest()}"
        return RegistryPin("docker.io/library/python:3.13", digest, digest, digest, "3.13", EPOCH)

    def blob(self, content: bytes) -> Blob:
        digest = hashlib.sha256(content).hexdigest()
        path = self.folder / digest
        path.write_bytes(content)
        return Blob(path, digest, len(content))

    def package(self, name: str, version: str = "1") -> Package:
        content = f"{name} {version}".encode()
        pin = archives.pin(name, content, version)
        self.packages[pin.sha256] = self.folder / pin.sha256
        self.packages[pin.sha256].write_bytes(content)
        return pin

    def recipe(self, *packages: Package, epoch: int = EPOCH - 5, **changes: Any) -> DerivedRecipe:
        runs = tuple((one,) for one in packages)
        layer = Layer("packages/web", tuple(one.name for one in packages), self.pin.manifest, runs, epoch)
        return replace(DerivedRecipe("shop-web", "amd64", self.pin, (), layer if packages else None, FILES), **changes)

    def build(self, recipe: DerivedRecipe) -> tuple[bytes, tuple[Blob, ...]]:
        def fetch(wanted: Sequence[Package]) -> Mapping[str, Path]:
            self.wanted.append(wanted)
            return self.packages

        def pulled(pin: RegistryPin, anew: bool) -> str:
            if anew:
                self.pulls.append(pin)
                self.mend()
            return BASE_NAME if pin == self.pin else f"localhost/devenv/{pin.reference}"

        return Builder(self.engine, self.store, fetch, pulled, self.reports.append).image(recipe)

    def top(self, recipe: DerivedRecipe) -> dict[str, tarfile.TarInfo]:
        """The entries of the layer that a build adds."""
        _, blobs = self.build(recipe)
        with tarfile.open(blobs[-1].path) as tar:
            return {member.name: member for member in tar}


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_the_bases_layers_are_kept_and_one_is_added(world: World) -> None:
    config, blobs = world.build(world.recipe(world.package("git")))
    assert [one.sha256 for one in blobs[:-1]] == [one.sha256 for one in world.base]
    assert json.loads(config)["rootfs"]["diff_ids"] == [f"sha256:{one.sha256}" for one in blobs]
    assert len(blobs) == 3
    assert all(one.path.parent == world.store.folder and one.path.is_file() for one in blobs)


def test_the_layer_holds_what_the_build_has_made_and_our_folders_and_nothing_else(world: World) -> None:
    top = world.top(world.recipe(world.package("git")))
    assert set(top) - MOUNTED == {"home", "home/dev", "usr", "usr/git", "work"}
    assert (top["home/dev"].mode, top["work"].mode) == (0o1777, 0o755)


def test_what_the_engine_adds_by_itself_and_what_logs_say_is_not_in_the_layer(world: World) -> None:
    top = world.top(world.recipe(world.package("git")))
    assert not {"etc/hostname", "run/new", "run/lock", ".dockerenv", "var/log/dpkg.log"} & set(top)


def test_files_of_the_base_that_no_image_of_ours_holds_are_not_whited_out(world: World) -> None:
    without = ("run/lock", "etc/hostname", "var/log/dpkg.log")
    world.engine.export = {path: content for path, content in EXPORT.items() if path not in without}
    assert not [path for path in world.top(world.recipe(world.package("git"))) if ".wh." in path]


def test_a_file_of_the_base_that_the_build_has_removed_is_whited_out(world: World) -> None:
    world.engine.export = {path: content for path, content in EXPORT.items() if path != "usr/old"}
    assert "usr/.wh.old" in world.top(world.recipe(world.package("git")))


def test_the_configuration_has_the_bases_variables_and_our_name_and_date(world: World) -> None:
    recipe = world.recipe(world.package("git"))
    config = json.loads(world.build(recipe)[0])
    assert config["config"] == {
        "Env": ["LANG=C", "PATH=/usr/local/bin"],
        "WorkingDir": "/work",
        "Labels": {labels.PIN: images.derived_key(recipe)},
    }
    assert config["created"] == "2023-11-14T22:13:20Z"
    assert [one["created_by"] for one in config["history"]] == ["base", "base", "devenv: shop-web"]


def test_an_image_counts_as_made_when_the_newest_of_its_parts_was(world: World) -> None:
    newer = replace(world.pin, created=EPOCH + 7)
    assert derived.epoch_of(world.recipe()) == EPOCH
    assert derived.epoch_of(world.recipe(world.package("git"), epoch=EPOCH + 5)) == EPOCH + 5
    assert derived.epoch_of(world.recipe(copied=((newer, ("/opt",)),))) == EPOCH + 7


def test_without_packages_and_stacks_nothing_is_built(world: World) -> None:
    assert set(world.top(world.recipe())) - MOUNTED == {"home", "home/dev", "work"}
    assert (world.engine.made, world.wanted) == ([], [])


def test_the_context_has_the_dockerfile_and_the_packages_under_apts_names(world: World) -> None:
    world.build(world.recipe(world.package("git", "1:2.47.3-0+deb13u1"), world.package("libssl3t64", "3.5.1-1")))
    (context,) = world.engine.contexts
    dockerfile = context.pop("Dockerfile").decode()
    assert context == {
        "packages/git_1%3a2.47.3-0+deb13u1_amd64.deb": b"git 1:2.47.3-0+deb13u1",
        "packages/libssl3t64_3.5.1-1_amd64.deb": b"libssl3t64 3.5.1-1",
    }
    assert "FROM ${BASE}\n" in dockerfile
    assert "COPY packages/ /devenv-build/" in dockerfile
    assert world.engine.arguments == [{"BASE": BASE_NAME}]


def test_further_stacks_are_given_to_the_build_and_need_no_packages(world: World) -> None:
    node = replace(world.pin, reference="node:22")
    world.build(world.recipe(copied=((node, ("/usr/local/lib/node_modules",)),)))
    (context,) = world.engine.contexts
    assert list(context) == ["Dockerfile"]
    assert world.engine.arguments == [{"BASE": BASE_NAME, "STACK_1": "localhost/devenv/node:22"}]
    assert world.wanted == []


def test_the_container_of_a_build_is_ours_and_nothing_of_it_is_left(world: World) -> None:
    recipe = world.recipe(world.package("git"))
    world.build(recipe)
    name = f"{layers.instance(world.store)}-{images.derived_key(recipe)[:12]}"
    assert ("create", name) in world.engine.calls
    assert ("start", name) not in world.engine.calls
    assert (list(world.engine.images), world.engine.containers) == ([BASE_NAME], {})
    assert {path.suffix for path in world.store.folder.iterdir()} == {".tar"}


def test_a_second_build_takes_the_layer_from_the_store(world: World) -> None:
    recipe = world.recipe(world.package("git"))
    first = world.build(recipe)
    world.engine.calls.clear()
    assert world.build(recipe) == first
    assert world.engine.made == []


def test_a_layer_of_the_store_that_was_damaged_is_built_anew(world: World) -> None:
    recipe = world.recipe(world.package("git"))
    _, blobs = first = world.build(recipe)
    blobs[-1].path.write_bytes(b"damaged")
    assert world.build(recipe) == first
    assert world.engine.made == ["build", "create"] * 2


def test_engines_with_differing_habits_give_one_image(tmp_path: Path) -> None:
    found = set()
    for number, export in enumerate((EXPORT, dict(reversed(EXPORT.items())) | {"run/x": b"", "etc/hosts": b"x"})):
        (tmp_path / str(number)).mkdir()
        world = World(tmp_path / str(number), Exporting(export))
        found.add(world.build(world.recipe(world.package("git")))[0])
    assert len(found) == 1


def test_a_base_of_equal_layers_is_taken_as_it_is(world: World) -> None:
    twice = (world.base[0], *world.base)
    world.config = pack.config("amd64", OLD, [("base", one) for one in twice], ImageConfig({}), {})
    world.engine.load(pack.archive(world.config, twice, BASE_NAME))
    _, blobs = world.build(world.recipe())
    assert [one.sha256 for one in blobs[:-1]] == [one.sha256 for one in twice]


def test_a_base_of_which_the_engine_has_lost_a_part_is_pulled_anew(world: World) -> None:
    whole = world.base[1].path.read_bytes()
    recipe = world.recipe(world.package("git"))
    world.base[1].path.write_bytes(whole.replace(b"base\0", b"bass\0"))
    world.engine.load(pack.archive(world.config, world.base, BASE_NAME))

    def mend() -> None:
        world.base[1].path.write_bytes(whole)
        world.engine.load(pack.archive(world.config, world.base, BASE_NAME))

    world.mend = mend
    world.build(recipe)
    assert world.pulls == [world.pin]


def test_a_damaged_base_is_refused_with_the_remedy_and_nothing_is_built(world: World) -> None:
    content = world.base[1].path.read_bytes()
    world.base[1].path.write_bytes(content.replace(b"base\0", b"bass\0"))
    world.engine.load(pack.archive(world.config, world.base, BASE_NAME))
    with pytest.raises(ImageError) as caught:
        world.build(world.recipe(world.package("git")))
    assert caught.value.message == "the engine's copy of `docker.io/library/python:3.13` is damaged"
    assert caught.value.hint == f"remove it with `docker rmi {BASE_NAME}` and try again"
    assert world.engine.made == []


def test_another_image_under_the_bases_name_is_refused(world: World) -> None:
    other = pack.config("amd64", OLD, [("", world.base[0])], ImageConfig({}), {})
    recipe = world.recipe()
    world.engine.load(pack.archive(other, world.base[:1], BASE_NAME))
    with pytest.raises(ImageError, match=r"is damaged$"):
        world.build(recipe)


@pytest.mark.parametrize("call", ["build", "create", "read"])
def test_a_build_that_the_engine_breaks_off_leaves_nothing_and_goes_on_next_time(world: World, call: str) -> None:
    recipe = world.recipe(world.package("git"))
    world.engine.fail_on = lambda made, _: EngineError("gone") if made == call else None
    with pytest.raises(EngineError, match="gone"):
        world.build(recipe)
    assert (list(world.engine.images), world.engine.containers) == ([BASE_NAME], {})
    assert {path.suffix for path in world.store.folder.iterdir()} == {".tar"}
    world.engine.fail_on = lambda *_: None
    assert len(world.build(recipe)[1]) == 3


def test_a_failed_build_is_told_of_the_app_and_not_of_its_temporary_image(world: World) -> None:
    world.engine.fail_on = lambda made, _: EngineError("apt-get: exit 100") if made == "build" else None
    with pytest.raises(EngineError) as caught:
        world.build(world.recipe(world.package("git")))
    assert caught.value.message == "the image of `shop-web` could not be built: apt-get: exit 100"


def test_progress_is_told_of_the_base_and_the_app(world: World) -> None:
    world.build(world.recipe(world.package("git")))
    assert [(one.subject, one.action) for one in world.reports] == [
        ("python", "reading"),
        ("shop-web", "building"),
        ("shop-web", "packing"),
    ]
