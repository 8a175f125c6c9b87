from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import pytest

from devenv.engine.memory import MemoryEngine
from devenv.engine.protocol import SeenImage
from devenv.errors import DevenvError, EngineError, ImageError
from devenv.images import share
from devenv.images.registry import Registry, manifest
from devenv.images.registry.manifest import Manifest
from devenv.model.blueprint import Image
from devenv.model.machine import Login, Machine
from devenv.model.pins import DerivedRecipe
from devenv.model.progress import silence
from devenv.reference import Reference
from tests import projects
from tests.registries import MANIFEST

REPOSITORY = "ghcr.io/acme/devenv"
RIGHT, OTHER = f"sha256:{'1' * 64}", f"sha256:{'2' * 64}"
RECIPE = DerivedRecipe("shop-web", "amd64", projects.image("docker.io/library/python:3.13"))
BUILT = Image("localhost/devenv/shop-web:1a2b3c4d5e6f7a8b", "1a2b3c4d5e6f7a8b" * 4, RECIPE, RIGHT)
PLACE = f"{REPOSITORY}:shop-web-1a2b3c4d5e6f7a8b"
HINT = "somebody has pushed something else under that name: ask who may write there"


class Holding(Registry):
    """A registry that has manifests, each of the configuration given."""

    def __init__(self, configs: Mapping[str, str], login: Callable[[str], Login | None]) -> None:
        super().__init__(Machine(), login)
        self.manifests = {name: _manifest(config) for name, config in configs.items()}

    def manifest(self, wanted: Reference) -> Manifest | None:
        return self.manifests.get(str(wanted))


def _manifest(config: str) -> Manifest:
    content = f'{{"config": {{"digest": "{config}"}}, "layers": []}}'.encode()
    return manifest.read(content, MANIFEST, "tests")


@dataclass
class World:
    """A team's registry with images of the configurations given, and an engine."""

    configs: Mapping[str, str] = field(default_factory=dict)
    engine: MemoryEngine = field(default_factory=MemoryEngine)
    logins: list[str] = field(default_factory=list)

    def login(self, registry: str) -> Login | None:
        self.logins.append(registry)
        return None

    def push(self, image: Image = BUILT) -> str | None:
        with Holding(self.configs, self.login) as registry:
            return share.push(image, REPOSITORY, engine=self.engine, registry=registry, report=silence)

    def pull(self, image: Image = BUILT) -> bool:
        with Holding(self.configs, self.login) as registry:
            return share.pull(image, REPOSITORY, engine=self.engine, registry=registry, report=silence)

    @property
    def source(self) -> str:
        return f"{REPOSITORY}@{_manifest(self.configs[PLACE]).digest}"

    @property
    def calls(self) -> list[str]:
        return [call for call, _ in self.engine.calls]


def seen(config: str) -> SeenImage:
    return SeenImage(config, config, {})


@pytest.mark.parametrize(
    ("repository", "expected"),
    [
        ("ghcr.io/acme/devenv", PLACE),
        ("ghcr.io/acme/devenv:latest", PLACE),
        ("127.0.0.1:5000/devenv", "127.0.0.1:5000/devenv:shop-web-1a2b3c4d5e6f7a8b"),
        ("acme/devenv", "docker.io/acme/devenv:shop-web-1a2b3c4d5e6f7a8b"),
    ],
)
def test_the_tag_is_made_from_name_and_pin(repository: str, expected: str) -> None:
    assert str(share.name(BUILT, repository)) == expected


def test_a_repository_that_is_none_is_refused() -> None:
    with pytest.raises(DevenvError, match="is no image's name"):
        share.name(BUILT, "Not A Repository")


# --- push ---


def test_what_the_registry_lacks_is_pushed_under_its_pin() -> None:
    world = World(engine=MemoryEngine(images={BUILT.reference: seen(RIGHT)}))
    assert world.push() == RIGHT
    assert world.engine.registry[PLACE] == seen(RIGHT)
    assert world.logins == ["ghcr.io"]


def test_what_the_registry_has_already_is_not_pushed_again() -> None:
    world = World({PLACE: RIGHT})
    assert world.push() is None
    assert world.calls == []


def test_another_image_in_the_registry_is_never_written_over() -> None:
    world = World({PLACE: OTHER}, MemoryEngine(images={BUILT.reference: seen(RIGHT)}))
    with pytest.raises(ImageError) as caught:
        world.push()
    assert caught.value.message == (
        f"`{PLACE}` is another image: its configuration is {OTHER}, `devenv.lock` says {RIGHT}"
    )
    assert caught.value.hint == HINT
    assert world.calls == []


def test_an_image_in_the_registry_is_not_taken_for_one_that_the_lockfile_does_not_name() -> None:
    world = World({PLACE: RIGHT})
    with pytest.raises(ImageError, match=r"it is not the one built here$"):
        world.push(replace(BUILT, digest=None))
    assert world.calls == []


def test_what_is_not_built_here_cannot_be_pushed() -> None:
    with pytest.raises(EngineError, match="no such image"):
        World().push()


# --- pull ---


def test_an_image_is_pulled_by_digest_under_its_own_name() -> None:
    world = World({PLACE: RIGHT})
    world.engine.registry[world.source] = seen(RIGHT)
    assert world.pull()
    assert world.engine.images[BUILT.reference] == seen(RIGHT)
    assert world.logins == ["ghcr.io"]


def test_an_image_the_registry_does_not_have_is_no_error() -> None:
    world = World()
    assert not world.pull()
    assert world.calls == []


def test_another_image_under_the_name_is_refused_before_anything_is_pulled() -> None:
    world = World({PLACE: OTHER})
    world.engine.registry[world.source] = seen(RIGHT)
    with pytest.raises(ImageError) as caught:
        world.pull()
    assert caught.value.message == (
        f"`{PLACE}` is another image: its configuration is {OTHER}, `devenv.lock` says {RIGHT}"
    )
    assert caught.value.hint == HINT
    assert world.calls == []


def test_a_manifest_without_a_configuration_is_told_as_none() -> None:
    with pytest.raises(ImageError, match="its configuration is none, "):
        World({PLACE: ""}).pull()


def test_what_came_is_looked_at_once_more_and_removed_when_it_is_another() -> None:
    world = World({PLACE: RIGHT})
    world.engine.registry[world.source] = seen(OTHER)
    with pytest.raises(ImageError, match=f"^`{PLACE}` gave `{OTHER}` where `devenv.lock` pins `{RIGHT}`"):
        world.pull()
    assert BUILT.reference not in world.engine.images
