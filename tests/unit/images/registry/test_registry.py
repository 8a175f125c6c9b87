from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from devenv import reference
from devenv.errors import DevenvError, ImageError
from devenv.images.registry import Registry, http
from devenv.model.machine import Login, Machine
from devenv.reference import Reference
from tests import registries
from tests.registries import INDEX, MANIFEST
from tests.unit.images.registry import servers
from tests.unit.images.registry.servers import Memory, World

DOCKER_INDEX = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with servers.opened(tmp_path) as opened:
        yield opened


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Memory]:
    """What stands in for Docker Hub."""
    memory = Memory()
    with servers.served(memory):
        monkeypatch.setitem(http.HOSTS, "docker.io", memory.address)
        yield memory


# --- what a tag names ---


def test_a_tag_is_fixed_for_each_architecture_that_is_asked_for(world: World) -> None:
    top = world.memory.index("acme/x", "1", "amd64", "arm64", "armhf")
    with world.registry() as registry:
        pins = registry.resolve(f"{world.proxy.address}/acme/x:1", ["amd64", "armhf"])
    assert list(pins) == ["amd64", "armhf"]
    for architecture, pin in pins.items():
        made = registries.image(architecture)
        assert pin.reference == f"{world.proxy.address}/acme/x:1"
        assert pin.digest == top
        assert pin.manifest == registries.digest(made.manifest)
        assert pin.config == registries.digest(made.config)
        assert pin.created == 1_740_830_400


def test_a_tag_of_a_single_manifest_is_its_own_index(world: World) -> None:
    made = world.memory.image("acme/x", "1", "arm64")
    with world.registry() as registry:
        pin = registry.resolve(f"{world.proxy.address}/acme/x:1", ["arm64"])["arm64"]
    assert pin.digest == pin.manifest == registries.digest(made.manifest)


@pytest.mark.parametrize(("kind", "single"), [(DOCKER_INDEX, DOCKER_MANIFEST), (INDEX, MANIFEST)])
def test_dockers_own_media_types_and_those_of_the_oci_are_read(world: World, kind: str, single: str) -> None:
    world.memory.index("acme/x", "1", "amd64")
    for path, (known, content) in list(world.memory.served.items()):
        if "/manifests/" in path:
            world.memory.served[path] = (kind if known == INDEX else single), content
    with world.registry() as registry:
        assert registry.resolve(f"{world.proxy.address}/acme/x:1", ["amd64"])


def test_an_index_in_an_unknown_wrapping_is_told_by_its_content(world: World) -> None:
    world.memory.image("acme/x", "plain")
    content = json.dumps({"manifests": []}).encode()
    world.memory.put("acme/x", "1", content, "application/json")
    with world.registry() as registry:
        found = registry.manifest(world.named("acme/x:1"))
    assert found is not None
    assert found.is_index


def test_attestations_and_other_variants_are_not_chosen(world: World) -> None:
    made = world.memory.image("acme/x", "good", "arm64")
    good, wrong = registries.digest(made.manifest), f"sha256:{'0' * 64}"
    platforms = [
        ({"os": "unknown", "architecture": "unknown"}, wrong),
        ({"os": "linux", "architecture": "arm64", "variant": "v9"}, wrong),
        ({"os": "windows", "architecture": "arm64"}, wrong),
        ({"os": "linux", "architecture": "arm64"}, good),
    ]
    entries = [{"digest": digest, "size": 1, "platform": platform} for platform, digest in platforms]
    world.memory.put("acme/x", "1", json.dumps({"mediaType": INDEX, "manifests": entries}).encode(), INDEX)
    with world.registry() as registry:
        assert registry.resolve(f"{world.proxy.address}/acme/x:1", ["arm64"])["arm64"].manifest == good


def test_a_digest_that_is_kept_is_not_asked_of_the_tag(world: World) -> None:
    old = world.memory.index("acme/x", "1", "amd64")
    new = world.memory.index("acme/x", "1", "amd64", "arm64")
    with world.registry() as registry:
        pin = registry.resolve(f"{world.proxy.address}/acme/x:1", ["amd64"], digest=old)["amd64"]
        assert (pin.digest, pin.reference) == (old, f"{world.proxy.address}/acme/x:1")
        assert registry.resolve(f"{world.proxy.address}/acme/x:1", ["amd64"])["amd64"].digest == new
        exact = f"{world.proxy.address}/acme/x:1@{old}"
        assert registry.resolve(exact, ["amd64"])["amd64"].digest == old


@pytest.mark.parametrize(
    ("labels", "env", "version"),
    [
        ({"org.opencontainers.image.version": "8.0.1"}, ["MY_CACHE_VERSION=8.0.0"], "8.0.1"),
        ({}, ["PATH=/bin", "MY_CACHE_VERSION=8.0.0"], "8.0.0"),
        ({}, ["PG_VERSION=17.2-1"], "17.2-1"),
        ({}, ["OTHER_VERSION=1"], ""),
    ],
)
def test_the_version_is_what_the_image_says(world: World, labels: dict[str, str], env: list[str], version: str) -> None:
    world.memory.image("acme/my-cache", "1", labels=labels, config={"Env": env})  # type: ignore[dict-item]
    with world.registry() as registry:
        assert registry.resolve(f"{world.proxy.address}/acme/my-cache:1", ["amd64"])["amd64"].version == version


def test_an_architecture_that_is_missing_is_told_with_those_there_are(world: World) -> None:
    world.memory.index("acme/x", "1", "amd64", "armhf")
    caught = world.refused(lambda registry, text: registry.resolve(text, ["amd64", "arm64"]))
    assert caught.message == f"`{world.proxy.address}/acme/x:1` has no image for arm64"
    assert caught.hint == "it has: amd64, armhf"


def test_a_single_image_for_another_architecture_is_refused(world: World) -> None:
    world.memory.image("acme/x", "1", "arm64")
    caught = world.refused(lambda registry, text: registry.resolve(text, ["amd64"]))
    assert (caught.message.partition("` ")[2], caught.hint) == ("has no image for amd64", "it has: arm64")


def test_what_does_not_exist_is_none_as_a_manifest_and_an_error_as_an_image(world: World) -> None:
    with world.registry() as registry:
        assert registry.manifest(world.named("acme/x:99")) is None
    caught = world.refused(lambda registry, text: registry.resolve(text, ["amd64"]))
    assert caught.message == f"`{world.proxy.address}/acme/x:1` does not exist"
    assert caught.exit_code == 4


def test_what_is_no_images_name_is_told_before_anybody_is_asked(world: World) -> None:
    with world.registry() as registry, pytest.raises(DevenvError, match="is no image's name"):
        registry.resolve("Not An Image", ["amd64"])
    assert world.proxy.asked == []


# --- content ---


def test_a_manifest_is_the_content_that_its_digest_names(world: World) -> None:
    made = world.memory.image("acme/x", "1")
    with world.registry() as registry:
        found = registry.manifest(world.named("acme/x:1"))
    assert found is not None
    assert (found.content, found.media_type) == (made.manifest, MANIFEST)
    assert found.digest == registries.digest(made.manifest)
    assert found.config == registries.digest(made.config)


def test_another_manifest_than_the_digest_names_is_refused(world: World) -> None:
    good, other = world.memory.image("acme/x", "1"), registries.image("arm64")
    world.proxy.lie("/manifests/", other.manifest)
    wanted = world.named("acme/x:1").at(registries.digest(good.manifest))
    with world.registry() as registry, pytest.raises(ImageError) as caught:
        registry.manifest(wanted)
    assert caught.value.message == (
        f"the registry `{world.proxy.address}` sent something else than `{wanted}`: "
        f"its hash is {registries.digest(other.manifest)}"
    )
    assert caught.value.hint == "the registry, or a proxy on the way to it, changes what it passes on"


def test_a_manifest_that_was_changed_on_the_way_is_refused_by_tag_too(world: World) -> None:
    world.memory.image("acme/x", "1")
    world.proxy.lie("/manifests/", registries.image("arm64").manifest)
    with world.registry() as registry, pytest.raises(ImageError, match="sent something else than"):
        registry.manifest(world.named("acme/x:1"))


def test_a_changed_configuration_is_refused(world: World) -> None:
    made = world.memory.image("acme/x", "1")
    world.proxy.lie("/blobs/", b"{}")
    with world.registry() as registry, pytest.raises(ImageError, match="sent something else than"):
        registry.config(world.named("acme/x:1"), registries.digest(made.config))


def test_a_proxys_page_is_no_manifest(world: World) -> None:
    world.memory.served["acme/x/manifests/1"] = "text/html", b"<html>Sign in to the hotel</html>"
    caught = world.refused(lambda registry, text: registry.manifest(reference.parse(text)))
    assert caught.message == f"`{world.proxy.address}` sent something that is no manifest"


def test_a_manifest_of_the_first_kind_is_refused(world: World) -> None:
    old = "application/vnd.docker.distribution.manifest.v1+prettyjws"
    world.memory.put("acme/x", "1", b'{"schemaVersion": 1}', old)
    caught = world.refused(lambda registry, text: registry.manifest(reference.parse(text)))
    assert caught.message.endswith(f"sent a manifest of a kind that devenv does not know: `{old}`")


def test_a_huge_manifest_is_refused(world: World) -> None:
    world.memory.served["acme/x/manifests/1"] = MANIFEST, b" " * (4 * 1024 * 1024 + 1)
    caught = world.refused(lambda registry, text: registry.manifest(reference.parse(text)))
    assert "is described by more than 4 MiB" in caught.message


def test_a_digest_that_is_a_path_never_becomes_one(world: World) -> None:
    document = {"mediaType": MANIFEST, "config": {"digest": "sha256:../../secret"}, "layers": []}
    world.memory.put("acme/x", "1", json.dumps(document).encode(), MANIFEST)
    caught = world.refused(lambda registry, text: registry.resolve(text, ["amd64"]))
    assert "is no image" in caught.message
    assert world.proxy.count("/blobs/") == 0


# --- places ---


@pytest.mark.parametrize(
    ("mirror", "registry", "repository"),
    [
        ("http://127.0.0.1:5000", "127.0.0.1:5000", "library/redis"),
        ("https://mirror.acme.example/docker/hub/", "mirror.acme.example", "docker/hub/library/redis"),
    ],
)
def test_the_mirror_goes_before_docker_hub_alone(world: World, mirror: str, registry: str, repository: str) -> None:
    asked = world.registry(registry_mirror=mirror)
    wanted = reference.parse("redis:8")
    assert asked.places(wanted) == (Reference(registry, repository, "8"), wanted)
    other = reference.parse("ghcr.io/acme/x:1")
    assert asked.places(other) == (other,)
    assert world.registry().places(wanted) == (wanted,)


@pytest.mark.parametrize(
    ("registry", "root"),
    [
        ("docker.io", "https://registry-1.docker.io"),
        ("ghcr.io", "https://ghcr.io"),
        ("127.0.0.1:5000", "http://127.0.0.1:5000"),
        ("localhost", "http://localhost"),
        ("[::1]:5000", "http://[::1]:5000"),
        ("localhost.acme.example", "https://localhost.acme.example"),
        ("mirror.acme.example:5000", "http://mirror.acme.example:5000"),
    ],
)
def test_the_clear_is_for_this_machine_and_a_mirror_that_says_so(registry: str, root: str) -> None:
    assert http.root(registry, Machine(registry_mirror="http://mirror.acme.example:5000")) == root


def test_a_mirror_on_this_machine_may_have_tls() -> None:
    assert http.root("127.0.0.1:5000", Machine(registry_mirror="https://127.0.0.1:5000")) == ("https://127.0.0.1:5000")


def test_what_the_mirror_has_is_not_asked_of_docker_hub(world: World, hub: Memory) -> None:
    world.memory.index("library/redis", "8", "amd64")
    with world.registry(registry_mirror=f"http://{world.proxy.address}") as registry:
        pin = registry.resolve("redis:8", ["amd64"])["amd64"]
    assert pin.reference == "docker.io/library/redis:8"
    assert hub.asked == []


@pytest.mark.parametrize("status", [404, 401, 503, 429])
def test_docker_hub_is_asked_when_the_mirror_fails(world: World, hub: Memory, status: int) -> None:
    hub.index("library/redis", "8", "amd64")
    world.proxy.answer(status, times=100)
    with world.registry(registry_mirror=f"http://{world.proxy.address}") as registry:
        pin = registry.resolve("redis:8", ["amd64"])["amd64"]
        made = registries.image()
        path = registry.blob(reference.parse("redis:8"), registries.digest(made.layer), len(made.layer), "redis")
    assert pin.config == registries.digest(made.config)
    assert path.read_bytes() == made.layer


def test_a_lying_mirror_is_passed_over(world: World, hub: Memory) -> None:
    top = hub.index("library/redis", "8", "amd64")
    world.memory.index("library/redis", "8", "amd64")
    world.proxy.lie("/", b"{}")
    with world.registry(registry_mirror=f"http://{world.proxy.address}") as registry:
        assert registry.resolve("redis:8", ["amd64"])["amd64"].digest == top


def test_an_error_names_every_place_that_was_asked(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(http.HOSTS, "docker.io", "127.0.0.1:9")
    place = world.proxy.address
    with world.registry(registry_mirror=f"http://{place}") as registry, pytest.raises(ImageError) as caught:
        registry.resolve("redis:8", ["amd64"])
    assert caught.value.message == (
        f"`docker.io/library/redis:8` cannot be had: `{place}` does not have it; "
        "`docker.io` cannot be reached: connection refused"
    )
    assert "`registry.mirror`" in str(caught.value.hint)


def test_what_docker_hub_does_not_have_does_not_exist(world: World, hub: Memory) -> None:
    place = world.proxy.address
    with world.registry(registry_mirror=f"http://{place}") as registry, pytest.raises(ImageError) as caught:
        registry.resolve("redis:99", ["amd64"])
    assert caught.value.message == "`docker.io/library/redis:99` does not exist"
    assert caught.value.hint == f"check the name and the tag; asked: `{place}`, `docker.io`"


def test_docker_hub_is_signed_in_to_by_its_plain_name(world: World, hub: Memory) -> None:
    hub.wants = "bearer"
    hub.accepts = "nobody"
    with world.registry() as registry, pytest.raises(ImageError) as caught:
        registry.resolve("redis:8", ["amd64"])
    assert world.logins_asked == ["docker.io"]
    assert caught.value.hint == "check the name, or sign in: `docker login`"


# --- Debian's registry ---


@pytest.mark.network
def test_a_real_registry_gives_what_was_put_there(tmp_path: Path) -> None:
    with registries.running(tmp_path / "storage") as real, Registry(Machine(cache=tmp_path), _nobody) as registry:
        images = {one: real.image("acme/x", one, one) for one in ("amd64", "arm64")}
        top = real.index("acme/x", "1", images)
        pins = registry.resolve(f"{real.address}/acme/x:1", ["amd64", "arm64"])
        assert {name: (pin.digest, pin.manifest, pin.config) for name, pin in pins.items()} == {
            name: (top, one.manifest, one.config) for name, one in images.items()
        }
        layer = registries.image("arm64").layer
        wanted = reference.parse(f"{real.address}/acme/x:1")
        assert registry.blob(wanted, registries.digest(layer), len(layer), "x").read_bytes() == layer
        assert registry.manifest(reference.parse(f"{real.address}/acme/x:2")) is None


@pytest.mark.network
def test_a_rotten_disk_of_a_real_registry_is_noticed(tmp_path: Path) -> None:
    with registries.running(tmp_path / "storage") as real, Registry(Machine(cache=tmp_path), _nobody) as registry:
        pin = real.image("acme/x", "1")
        layer = registries.image().layer
        real.corrupt(registries.digest(layer))
        with pytest.raises(ImageError, match="sent something else than"):
            registry.blob(reference.parse(pin.reference), registries.digest(layer), len(layer), "x")


@pytest.mark.network
def test_a_real_registry_with_passwords_lets_in_who_has_one(tmp_path: Path) -> None:
    with registries.running(tmp_path / "storage", users={"anna": "s3cret"}) as real:
        pin = real.image("acme/x", "1")
        with Registry(Machine(), lambda server: Login(server, "anna", "s3cret")) as registry:
            assert registry.resolve(pin.reference, ["amd64"])["amd64"].manifest == pin.manifest
        for login in (_nobody, lambda server: Login(server, "anna", "wrong")):
            with Registry(Machine(), login) as registry, pytest.raises(ImageError, match="does not let you read"):
                registry.resolve(pin.reference, ["amd64"])


def _nobody(_registry: str) -> Login | None:
    return None
