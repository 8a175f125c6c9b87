from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pysequoia
import pytest

from devenv.errors import ImageError
from devenv.images import client, index, mirror
from devenv.images.client import Client
from devenv.images.index import Index, Reader
from devenv.model.machine import Machine
from devenv.model.progress import silence
from tests.unit.images import archives
from tests.unit.images.archives import DATE, Server


@dataclass
class World:
    """An archive whose key is trusted."""

    server: Server
    cache: Path

    def read(self, suite: str = "trixie", architecture: str = "amd64") -> tuple[Index, ...]:
        machine = Machine(cache=self.cache, mirror=self.server.mirror())
        with Client(machine) as http:
            return Reader(mirror.find(machine), architecture, http, machine, silence).read(suite)

    def error(self, suite: str = "trixie", architecture: str = "amd64") -> ImageError:
        with pytest.raises(ImageError) as caught:
            self.read(suite, architecture)
        return caught.value


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    monkeypatch.setattr(index, "KEYS", archives.trust(tmp_path / "keys"))
    monkeypatch.setattr(client, "PAUSE", 0.0)
    with archives.served() as server:
        yield World(server, tmp_path / "cache")


def test_an_index_is_read_with_its_date_and_packages(world: World) -> None:
    world.server.add_suite("trixie", [archives.package("git", "1:2.47-1")])
    (found,) = world.read()
    assert (found.source.archive, found.source.suite, found.source.date) == ("debian", "trixie", DATE)
    assert [one.version for one in found.stanzas()] == ["1:2.47-1"]


def test_updates_and_security_updates_are_read_where_there_are_any(world: World) -> None:
    world.server.add_suite("trixie", [])
    world.server.add_suite("trixie-updates", [])
    world.server.add_suite("trixie-security", [], root="debian-security")
    assert [(one.source.archive, one.source.suite) for one in world.read()] == [
        ("debian", "trixie"),
        ("debian", "trixie-updates"),
        ("debian-security", "trixie-security"),
    ]


def test_a_suite_may_be_called_by_its_role(world: World) -> None:
    world.server.add_suite("stable", [], Codename="trixie")
    assert world.read("stable")


def test_an_index_that_was_read_before_is_not_downloaded_again(world: World) -> None:
    world.server.add_suite("trixie", [])
    world.read()
    world.server.asked.clear()
    world.read()
    assert not [path for path, _ in world.server.asked if "Packages" in path]


def test_a_suite_that_no_mirror_has_is_named(world: World) -> None:
    assert world.error("trixi").message == "no Debian mirror of this machine has the suite `trixi`"


def test_an_architecture_that_the_suite_lacks_is_named(world: World) -> None:
    world.server.add_suite("trixie", [])
    assert world.error(architecture="m68k").message == "Debian `trixie` does not exist for the architecture `m68k`"


def test_another_suite_in_the_place_of_the_wanted_one_is_refused(world: World) -> None:
    world.server.add_suite("trixie", [], Codename="wheezy", Suite="oldstable")
    assert "has `wheezy` in the place of `trixie`" in world.error().message


def test_an_expired_index_is_refused_with_its_date(world: World) -> None:
    world.server.add_suite("trixie", [], valid_until=86400)
    caught = world.error()
    assert caught.message == "the package index of `trixie` has expired on 1970-01-02"
    assert "clock" in (caught.hint or "")


def test_an_index_that_has_not_expired_is_taken(world: World) -> None:
    world.server.add_suite("trixie", [], valid_until=int(time.time()) + 3600)
    assert world.read()


def test_a_changed_release_is_refused(world: World) -> None:
    world.server.add_suite("trixie", [])
    path = "/debian/dists/trixie/InRelease"
    world.server.files[path] = world.server.files[path].replace(b"Codename: trixie", b"Codename: Trixie")
    assert world.error().message.startswith("the package index is not signed by Debian")


def test_a_release_signed_by_a_stranger_is_refused(world: World) -> None:
    world.server.add_suite("trixie", [])
    text = b"Suite: trixie\nCodename: trixie\n"
    stranger = pysequoia.Tsk.generate("Stranger <x@localhost>")
    world.server.files["/debian/dists/trixie/InRelease"] = archives.sign(text, stranger)
    assert world.error().message.startswith("the package index is not signed by Debian")


def test_a_release_without_signature_is_refused(world: World) -> None:
    world.server.files["/debian/dists/trixie/InRelease"] = b"Suite: trixie\nCodename: trixie\n"
    assert world.error().message.startswith("the package index is not signed by Debian")


def test_what_stands_around_the_signed_text_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index, "KEYS", archives.trust(tmp_path / "keys"))
    signed = archives.sign(b"Codename: trixie\n")
    for wrapped in (b"Codename: evil\n\n" + signed, signed + b"\nCodename: evil\n"):
        try:
            assert b"evil" not in index.verify(wrapped)
        except ImageError:
            continue


def test_a_package_index_with_another_hash_is_refused(world: World) -> None:
    world.server.add_suite("trixie", [])
    world.server.files["/debian/dists/trixie/main/binary-amd64/Packages.xz"] = b"evil"
    assert "sent a file with hash" in world.error().message


def test_debians_own_keys_are_shipped_for_every_suite_we_know() -> None:
    folder = Path(index.__file__).parent / "keys"
    users = [
        str(user) for path in folder.glob("*.asc") for user in pysequoia.Cert.from_bytes(path.read_bytes()).user_ids
    ]
    for release in ("12/bookworm", "13/trixie"):
        for role in ("Archive Automatic Signing Key", "Security Archive Automatic Signing Key", "Stable Release Key"):
            assert any(f"Debian {role} ({release})" in user for user in users), (role, release)


def test_debians_own_keys_are_public_keys_only() -> None:
    folder = Path(index.__file__).parent / "keys"
    heads = {path.read_text().splitlines()[0] for path in folder.iterdir()}
    assert heads == {"-----BEGIN PGP PUBLIC KEY BLOCK-----"}
