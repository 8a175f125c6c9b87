from __future__ import annotations

import errno
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from devenv.errors import ImageError
from devenv.images import client, download, mirror
from devenv.images.client import Client
from devenv.images.download import Wanted
from devenv.model.machine import Machine
from devenv.model.progress import Progress
from tests.unit.images import archives
from tests.unit.images.archives import Server

CONTENT = bytes(range(256)) * 4096
HASH = hashlib.sha256(CONTENT).hexdigest()


@dataclass
class World:
    """A server with one file, and a cache."""

    server: Server
    folder: Path
    reports: list[Progress] = field(default_factory=list)

    def wanted(self, *paths: str, sha256: str = HASH) -> Wanted:
        return Wanted("git 1", tuple(f"{self.server.address}{path}" for path in paths), sha256, len(CONTENT))

    def fetch(self, *wanted: Wanted, machine: Machine | None = None) -> list[Path]:
        with Client(machine or Machine()) as http:
            return download.fetch(wanted, self.folder, http, self.reports.append, "git")


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    monkeypatch.setattr(client, "PAUSE", 0.0)
    with archives.served() as server:
        server.files["/file"] = CONTENT
        yield World(server, tmp_path / "packages")


def test_a_file_is_kept_under_its_hash_and_asked_for_once(world: World) -> None:
    (path,) = world.fetch(world.wanted("/file"))
    assert path == world.folder / HASH
    assert path.read_bytes() == CONTENT
    world.fetch(world.wanted("/file"))
    assert world.server.asked == [("/file", None)]
    assert [one.name for one in world.folder.iterdir()] == [HASH]


def test_progress_counts_bytes_to_the_total(world: World) -> None:
    world.fetch(world.wanted("/file"))
    assert world.reports[-1] == Progress("git", "downloading", len(CONTENT), len(CONTENT), "bytes")


def test_a_damaged_file_in_the_cache_is_fetched_again(world: World) -> None:
    (path,) = world.fetch(world.wanted("/file"))
    path.write_bytes(b"damaged")
    world.fetch(world.wanted("/file"))
    assert path.read_bytes() == CONTENT


def test_a_broken_connection_is_taken_up_where_it_ended(world: World) -> None:
    world.server.broken["/file"] = [256 * 1024, 128 * 1024]
    (path,) = world.fetch(world.wanted("/file"))
    assert path.read_bytes() == CONTENT
    assert world.server.asked == [("/file", None), ("/file", "bytes=262144-"), ("/file", "bytes=393216-")]
    assert world.reports[-1].done == len(CONTENT)


def test_a_killed_download_is_taken_up_by_the_next_one(world: World) -> None:
    world.folder.mkdir()
    (world.folder / f"{HASH}.part").write_bytes(CONTENT[:1000])
    (path,) = world.fetch(world.wanted("/file"))
    assert path.read_bytes() == CONTENT
    assert world.server.asked == [("/file", "bytes=1000-")]


def test_a_server_that_is_busy_is_asked_again(world: World) -> None:
    world.server.refused["/file"] = [503, 429]
    world.fetch(world.wanted("/file"))
    assert len(world.server.asked) == 3


def test_a_file_that_the_mirror_has_dropped_comes_from_the_next_address(world: World) -> None:
    (path,) = world.fetch(world.wanted("/gone", "/file"))
    assert path.read_bytes() == CONTENT


def test_a_wrong_file_is_refused_and_names_package_hashes_and_server(world: World) -> None:
    world.server.files["/file"] = wrong = b"x" * len(CONTENT)
    with pytest.raises(ImageError) as caught:
        world.fetch(world.wanted("/file"))
    found = hashlib.sha256(wrong).hexdigest()
    host = world.server.address.removeprefix("http://")
    assert caught.value.message == (
        f"`git 1` could not be downloaded: `{host}` sent a file with hash {found} where {HASH} is expected"
    )
    assert not (world.folder / HASH).exists()


def test_a_wrong_file_here_is_made_good_by_a_right_one_elsewhere(world: World) -> None:
    world.server.files["/wrong"] = CONTENT + b"more"
    (path,) = world.fetch(world.wanted("/wrong", "/file"))
    assert path.read_bytes() == CONTENT
    assert world.reports[-1].done == len(CONTENT)


def test_a_file_that_nobody_has_names_who_was_asked(world: World) -> None:
    with pytest.raises(ImageError, match=r"`git 1` could not be downloaded: `127.0.0.1:\d+` does not have it$"):
        world.fetch(world.wanted("/gone"))


def test_a_mirror_that_does_not_answer_is_named_with_the_way_out(world: World) -> None:
    with pytest.raises(ImageError) as caught:
        world.fetch(Wanted("git 1", ["http://127.0.0.1:9/file"], HASH, 1))
    assert caught.value.message == (
        "`git 1` could not be downloaded: the mirror `127.0.0.1:9` cannot be used: connection refused"
    )
    assert caught.value.hint == mirror.HINT


def test_a_refusal_is_told_by_its_status(world: World) -> None:
    world.server.refused["/file"] = [403]
    with pytest.raises(ImageError, match="it answers with status 403"):
        world.fetch(world.wanted("/file"))


def test_a_hash_that_is_none_never_names_a_file(world: World) -> None:
    with pytest.raises(ImageError, match="has a hash that is none"):
        world.fetch(world.wanted("/file", sha256="../../etc/passwd"))
    assert world.server.asked == []


def test_a_full_disk_says_how_much_is_needed(tmp_path: Path) -> None:
    with pytest.raises(ImageError) as caught, download.disk_watched(tmp_path, 27_056_836):
        raise OSError(errno.ENOSPC, "no space")
    assert caught.value.message == f"the disk of `{tmp_path}` is full"
    assert caught.value.hint == "free at least 28 MB there, or move the cache"


def test_other_failures_of_the_disk_are_no_full_disk(tmp_path: Path) -> None:
    with pytest.raises(PermissionError), download.disk_watched(tmp_path):
        raise PermissionError(errno.EACCES, "no")


def test_the_proxy_is_asked_in_the_place_of_the_mirror(world: World) -> None:
    address = "http://mirror.test/debian/file"
    world.server.files[address] = CONTENT
    machine = Machine(proxy={"HTTP_PROXY": world.server.address})
    (path,) = world.fetch(Wanted("git 1", [address], HASH, len(CONTENT)), machine=machine)
    assert path.read_bytes() == CONTENT


def test_an_exception_from_the_proxy_is_asked_directly(world: World) -> None:
    machine = Machine(proxy={"HTTP_PROXY": "http://127.0.0.1:9", "NO_PROXY": "127.0.0.1"})
    assert world.fetch(world.wanted("/file"), machine=machine)


def test_a_proxy_that_does_not_answer_is_named(world: World) -> None:
    with pytest.raises(ImageError, match="the proxy refuses: connection refused"):
        world.fetch(world.wanted("/file"), machine=Machine(proxy={"HTTP_PROXY": "http://127.0.0.1:9"}))


def test_certificates_that_cannot_be_read_are_named(world: World, tmp_path: Path) -> None:
    machine = Machine(certificates=(tmp_path / "missing.pem",), cache=tmp_path)
    with pytest.raises(ImageError, match=r"the certificates in `.*missing.pem` cannot be read: no such file"):
        world.fetch(world.wanted("/file"), machine=machine)
