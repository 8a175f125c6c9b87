from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from devenv.errors import ImageError
from devenv.images import client, debian, index
from devenv.model.machine import Machine
from devenv.model.pins import DebianPins, Layer, LayerRequest
from devenv.model.progress import silence
from tests.unit.images import archives
from tests.unit.images.archives import DATE, Server

PACKAGES = [
    archives.package("libc6"),
    archives.package("dash", essential="yes", pre_depends="libc6"),
    archives.package("ca-certificates", depends="openssl"),
    archives.package("openssl", "1"),
    archives.package("openssl-dev", depends="openssl (= 1)"),
    archives.package("git"),
    archives.package("ruby", depends="git"),
]
BASE = LayerRequest("base", (), None)
STACK = LayerRequest("stack/ruby", ("ruby",), "base")
WEB = LayerRequest("packages/web", ("git", "openssl-dev"), "stack/ruby")


@dataclass
class World:
    """An archive with the suite `trixie`, trusted."""

    server: Server
    cache: Path

    def lock(
        self,
        *requests: LayerRequest,
        previous: DebianPins | None = None,
        suite: str = "trixie",
        snapshot: str | None = None,
    ) -> DebianPins:
        machine = Machine(mirror=self.server.mirror(), snapshot=snapshot, cache=self.cache)
        return debian.lock(
            requests, suite=suite, architecture="amd64", machine=machine, previous=previous, report=silence
        )


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    monkeypatch.setattr(index, "KEYS", archives.trust(tmp_path / "keys"))
    monkeypatch.setattr(client, "PAUSE", 0.0)
    with archives.served() as server:
        server.add_suite("trixie", PACKAGES)
        yield World(server, tmp_path / "cache")


def names(layer: Layer) -> list[list[str]]:
    return [[package.name for package in run] for run in layer.runs]


def test_the_base_is_the_essential_packages_then_certificates(world: World) -> None:
    assert names(world.lock(BASE).layers["base"]) == [["libc6"], ["dash"], ["openssl", "ca-certificates"]]


def test_a_layer_holds_what_those_below_do_not(world: World) -> None:
    pins = world.lock(WEB, STACK, BASE)
    assert list(pins.layers) == ["base", "stack/ruby", "packages/web"]
    assert names(pins.layers["stack/ruby"]) == [["git", "ruby"]]
    assert names(pins.layers["packages/web"]) == [["openssl-dev"]]


def test_a_pin_says_all_that_a_build_needs(world: World) -> None:
    pins = world.lock(BASE)
    ((package,), *_) = pins.layers["base"].runs
    expected = PACKAGES[0]
    assert (package.name, package.version, package.architecture) == ("libc6", "1", "amd64")
    assert (package.sha256, package.size, package.path) == (expected["SHA256"], 100, expected["Filename"])
    assert pins.layers["base"].epoch == pins.sources[0].date == DATE


def test_a_security_update_wins_over_the_release(world: World) -> None:
    update = archives.package("openssl", "2", Filename="pool/updates/main/o/openssl_2.deb")
    world.server.add_suite("trixie-security", [update], root="debian-security")
    pins = world.lock(BASE)
    (openssl,) = [one for run in pins.layers["base"].runs for one in run if one.name == "openssl"]
    assert (openssl.version, openssl.path) == ("2", "pool/updates/main/o/openssl_2.deb")


def test_what_is_locked_stays_when_the_archive_moves_on(world: World) -> None:
    before = world.lock(BASE, STACK)
    world.server.add_suite("trixie", [package | {"Version": "9"} for package in PACKAGES])
    world.server.asked.clear()
    assert world.lock(BASE, STACK, previous=before) == before
    assert world.server.asked == []


def test_a_new_layer_is_chosen_above_kept_ones_which_stay(world: World) -> None:
    before = _with(world.lock(BASE, STACK), _publish_openssl(world, "2"))
    after = world.lock(BASE, STACK, LayerRequest("packages/web", ("git",), "stack/ruby"), previous=before)
    assert {name: after.layers[name] for name in before.layers} == dict(before.layers)
    assert names(after.layers["packages/web"]) == []


def test_a_changed_request_is_chosen_anew_with_all_above_it(world: World) -> None:
    before = world.lock(BASE, STACK, WEB)
    after = world.lock(BASE, replace(STACK, request=("git",)), WEB, previous=before)
    assert after.layers["base"] == before.layers["base"]
    assert names(after.layers["stack/ruby"]) == [["git"]]


def test_a_layer_nobody_asks_for_any_more_is_gone(world: World) -> None:
    assert list(world.lock(BASE, previous=world.lock(BASE, STACK)).layers) == ["base"]


def test_pins_of_another_suite_are_of_no_use(world: World) -> None:
    before = world.lock(BASE)
    world.server.add_suite("bookworm", [package | {"Version": "0.5"} for package in PACKAGES])
    after = world.lock(BASE, previous=before, suite="bookworm")
    assert {package.version for run in after.layers["base"].runs for package in run} == {"0.5"}


def test_a_layer_is_never_older_than_the_one_below(world: World) -> None:
    before = world.lock(BASE)
    newer = replace(before, layers={"base": replace(before.layers["base"], epoch=DATE + 99)})
    assert world.lock(BASE, STACK, previous=newer).layers["stack/ruby"].epoch == DATE + 99


def test_a_need_that_kept_pins_do_not_meet_points_to_an_upgrade(world: World) -> None:
    before = world.lock(BASE, STACK)
    pinned = _publish_openssl(world, "2")
    with pytest.raises(ImageError) as caught:
        world.lock(BASE, STACK, WEB, previous=_with(before, pinned))
    assert caught.value.message == ("package `openssl-dev` 2 needs `openssl (= 2)`; `openssl` is pinned to 1")
    assert caught.value.hint == "move the pins with `devenv lock --upgrade`"


def test_a_pinned_package_that_the_index_has_dropped_speaks_for_itself(world: World) -> None:
    before = world.lock(BASE)
    pinned = _publish_openssl(world, "2")
    request = LayerRequest("packages/web", ("needs-ssl",), "base")
    extra = [archives.package("needs-ssl", depends="ssl-api")]
    world.server.add_suite("trixie", [*PACKAGES[:3], archives.package("openssl", "2"), *extra])
    after = world.lock(BASE, request, previous=_with(before, pinned))
    assert names(after.layers["packages/web"]) == [["needs-ssl"]]


def test_an_unknown_package_names_the_suite(world: World) -> None:
    with pytest.raises(ImageError, match=r"^no package `rubi` in Debian `trixie`$"):
        world.lock(BASE, LayerRequest("stack/ruby", ("rubi",), "base"))


def test_the_hash_of_the_source_is_that_of_the_plain_index(world: World) -> None:
    plain = "\n\n".join("\n".join(f"{name}: {value}" for name, value in one.items()) for one in PACKAGES)
    assert world.lock(BASE).sources[0].sha256 == hashlib.sha256(plain.encode()).hexdigest()


def _publish_openssl(world: World, version: str) -> bytes:
    """Move the archive on to another openssl, and serve the old one's file, which provides `ssl-api`."""
    moved: Sequence[dict[str, str]] = [
        archives.package("openssl", version),
        archives.package("openssl-dev", version, depends=f"openssl (= {version})"),
    ]
    world.server.add_suite("trixie", [*(one for one in PACKAGES if not one["Package"].startswith("openssl")), *moved])
    content = archives.deb({"Package": "openssl", "Version": "1", "Architecture": "amd64", "Provides": "ssl-api"}, {})
    world.server.files["/debian/" + archives.pin("openssl", content).path] = content
    return content


def _with(pins: DebianPins, openssl: bytes) -> DebianPins:
    """Pins whose openssl is the given file."""
    base = pins.layers["base"]
    changed = archives.pin("openssl", openssl)
    runs = tuple(tuple(changed if one.name == "openssl" else one for one in run) for run in base.runs)
    return replace(pins, layers={**pins.layers, "base": replace(base, runs=runs)})
