from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from devenv.errors import ImageError
from devenv.model.progress import Progress
from tests import registries
from tests.unit.images.registry import servers
from tests.unit.images.registry.servers import World

BLOB = bytes(range(256)) * 1024
DIGEST = registries.digest(BLOB)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with servers.opened(tmp_path) as opened:
        yield opened


@pytest.fixture
def blob(world: World) -> Callable[[], Path]:
    world.memory.served[f"acme/x/blobs/{DIGEST}"] = "application/octet-stream", BLOB

    def fetch() -> Path:
        with world.registry() as registry:
            return registry.blob(world.named("acme/x:1"), DIGEST, len(BLOB), "redis")

    return fetch


def test_a_blob_is_kept_under_its_hash_and_asked_for_once(world: World, blob: Callable[[], Path]) -> None:
    assert blob() == world.cache / "blobs" / DIGEST.removeprefix("sha256:")
    assert blob().read_bytes() == BLOB
    assert world.proxy.count("/blobs/") == 1
    assert world.reports[-1] == Progress("redis", "downloading", len(BLOB), len(BLOB), "bytes")
    assert [one.name for one in (world.cache / "blobs").iterdir()] == [DIGEST.removeprefix("sha256:")]


def test_a_damaged_blob_in_the_cache_is_fetched_again(blob: Callable[[], Path]) -> None:
    blob().write_bytes(b"damaged")
    assert blob().read_bytes() == BLOB


def test_a_broken_connection_is_taken_up_where_it_ended(world: World, blob: Callable[[], Path]) -> None:
    world.proxy.cut(128 * 1024)
    assert blob().read_bytes() == BLOB
    assert [one.headers.get("Range") for one in world.proxy.asked] == [None, "bytes=131072-"]
    assert world.slept == [0.5]


def test_a_connection_that_breaks_again_and_again_is_an_error(world: World, blob: Callable[[], Path]) -> None:
    world.proxy.cut(0, times=4)
    with pytest.raises(ImageError, match="cannot be reached"):
        blob()
    assert world.slept == [0.5, 1.0, 2.0]


def test_what_a_killed_download_left_is_gone_on_with(world: World, blob: Callable[[], Path]) -> None:
    _leave(world, BLOB[:1000])
    assert blob().read_bytes() == BLOB
    assert world.proxy.asked[0].headers["Range"] == "bytes=1000-"


@pytest.mark.parametrize("left", [b"damaged", BLOB[:-1] + b"x", BLOB + b"more"])
def test_a_damaged_beginning_is_no_lie_of_the_registry(world: World, blob: Callable[[], Path], left: bytes) -> None:
    _leave(world, left)
    assert blob().read_bytes() == BLOB


def test_a_registry_without_ranges_sends_the_whole_blob_again(world: World, blob: Callable[[], Path]) -> None:
    _leave(world, BLOB[:1000])
    world.memory.served = {path: ("whole", content) for path, (_, content) in world.memory.served.items()}
    assert blob().read_bytes() == BLOB


@pytest.mark.parametrize("content", [b"x" * len(BLOB), BLOB + b"more", BLOB[:-1]])
def test_another_blob_than_the_digest_names_is_refused(world: World, blob: Callable[[], Path], content: bytes) -> None:
    world.proxy.lie("/blobs/", content)
    with pytest.raises(ImageError, match="sent something else than"):
        blob()
    world.proxy.obey()
    assert blob().read_bytes() == BLOB


def test_a_blob_that_nobody_has_is_told_and_can_be_had_later(world: World, blob: Callable[[], Path]) -> None:
    kept, world.memory.served = world.memory.served, {}
    with pytest.raises(ImageError, match="does not exist"):
        blob()
    world.memory.served = kept
    assert blob().read_bytes() == BLOB


def _leave(world: World, content: bytes) -> None:
    folder = world.cache / "blobs"
    folder.mkdir(parents=True)
    (folder / f"{DIGEST.removeprefix('sha256:')}.part").write_bytes(content)
