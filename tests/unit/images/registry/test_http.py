from __future__ import annotations

import base64
import math
import time
from collections.abc import Iterator
from email.utils import formatdate
from pathlib import Path

import pytest

from devenv import reference
from devenv.errors import ImageError
from devenv.images.registry import auth
from tests import registries
from tests.unit.images.registry import servers
from tests.unit.images.registry.servers import NOW, TOKEN, Memory, World


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with servers.opened(tmp_path) as opened:
        yield opened


# --- signing in ---


def test_a_token_is_fetched_without_a_login_and_used_for_the_whole_repository(world: World) -> None:
    world.memory.index("acme/x", "1", "amd64")
    world.memory.wants = "bearer"
    with world.registry() as registry:
        registry.resolve(f"{world.proxy.address}/acme/x:1", ["amd64"])
    tokens = [path for path, _ in world.memory.asked if path.startswith("/token")]
    assert tokens == ["/token?service=tests&scope=repository%3Aacme%2Fx%3Apull"]
    assert world.memory.asked[-1][1] == f"Bearer {TOKEN}"


def test_a_login_gets_the_token_and_is_asked_for_once(world: World) -> None:
    world.memory.index("acme/x", "1", "amd64")
    world.memory.image("acme/y", "1")
    world.memory.wants, world.memory.accepts = "bearer", _basic("anna", "s3cret")
    world.sign_in()
    with world.registry() as registry:
        registry.resolve(f"{world.proxy.address}/acme/x:1", ["amd64"])
        registry.resolve(f"{world.proxy.address}/acme/y:1", ["amd64"])
    assert world.logins_asked == [world.proxy.address]
    assert sum(path.startswith("/token") for path, _ in world.memory.asked) == 2
    assert {header for path, header in world.memory.asked if not path.startswith("/token")} == {
        None,
        f"Bearer {TOKEN}",
    }


def test_an_identity_token_is_posted(world: World) -> None:
    world.memory.image("acme/x", "1")
    world.memory.wants = "bearer"
    world.sign_in("", "", token="identity")
    with world.registry() as registry:
        assert registry.manifest(world.named("acme/x:1"))
    (form,) = world.memory.forms
    assert form == {
        "grant_type": ["refresh_token"],
        "client_id": ["devenv"],
        "refresh_token": ["identity"],
        "service": ["tests"],
        "scope": ["repository:acme/x:pull"],
    }


def test_a_name_and_a_password_are_sent_where_basic_is_asked_for(world: World) -> None:
    world.memory.image("acme/x", "1")
    world.memory.wants, world.memory.accepts = "basic", _basic("anna", "s3cret")
    world.sign_in()
    with world.registry() as registry:
        assert registry.manifest(world.named("acme/x:1"))


def test_an_expired_token_is_replaced(world: World) -> None:
    world.memory.image("acme/x", "1")
    world.memory.wants = "bearer"
    with world.registry() as registry:
        registry.manifest(world.named("acme/x:1"))
        challenge = f'Bearer realm="http://{world.memory.address}/token",service="tests"'
        world.proxy.answer(401, 1, "/manifests/", {"WWW-Authenticate": challenge})
        assert registry.manifest(world.named("acme/x:1"))
    assert sum(path.startswith("/token") for path, _ in world.memory.asked) == 2


@pytest.mark.parametrize("wants", ["bearer", "basic"])
def test_a_repository_that_is_closed_asks_to_sign_in(world: World, wants: str) -> None:
    world.memory.wants, world.memory.accepts = wants, "nobody"
    caught = world.refused(lambda registry, text: registry.resolve(text, ["amd64"]))
    place = world.proxy.address
    assert caught.message == f"`{place}` does not let you read `{place}/acme/x`: it does not exist, or needs a login"
    assert caught.hint == f"check the name, or sign in: `docker login {place}`"


@pytest.mark.parametrize("status", [401, 403])
def test_a_refusal_without_a_way_to_sign_in_says_the_same(world: World, status: int) -> None:
    world.proxy.answer(status)
    caught = world.refused(lambda registry, text: registry.resolve(text, ["amd64"]))
    assert "it does not exist, or needs a login" in caught.message


def test_a_wrong_login_is_told_and_never_shown(world: World) -> None:
    world.memory.wants, world.memory.accepts = "bearer", _basic("anna", "right")
    world.sign_in("anna", "wrong-s3cret")
    caught = world.refused(lambda registry, text: registry.resolve(text, ["amd64"]))
    assert caught.message == f"`{world.proxy.address}` does not accept the login from Docker's configuration"
    assert "s3cret" not in repr(world.logins) + str(caught) + str(caught.hint)


def test_a_login_does_not_follow_to_another_host(world: World) -> None:
    made = world.memory.image("acme/x", "1")
    world.memory.wants, world.memory.accepts = "basic", _basic("anna", "s3cret")
    world.sign_in()
    elsewhere = Memory(served=dict(world.memory.served))
    with servers.served(elsewhere), world.registry() as registry:
        other = elsewhere.address.replace("127.0.0.1", "localhost")
        path = f"acme/x/blobs/{registries.digest(made.layer)}"
        world.memory.moved[path] = f"http://{other}/v2/{path}"
        registry.blob(world.named("acme/x:1"), registries.digest(made.layer), len(made.layer), "x")
    assert elsewhere.asked == [(f"/v2/{path}", None)]


def test_another_host_cannot_ask_for_the_login(world: World) -> None:
    made = world.memory.image("acme/x", "1")
    world.sign_in()
    thief = Memory(wants="basic")
    with servers.served(thief), world.registry() as registry:
        path = f"acme/x/blobs/{registries.digest(made.layer)}"
        world.memory.moved[path] = f"http://{thief.address}/v2/{path}"
        with pytest.raises(ImageError, match="does not let you read"):
            registry.blob(world.named("acme/x:1"), registries.digest(made.layer), len(made.layer), "x")
    assert [header for _, header in thief.asked] == [None]
    assert world.logins_asked == []


@pytest.mark.parametrize(
    ("realm", "address", "safe"),
    [
        ("https://auth.docker.io/token", "https://registry-1.docker.io/v2/", True),
        ("http://auth.docker.io/token", "https://registry-1.docker.io/v2/", False),
        ("http://127.0.0.1/token", "http://127.0.0.1:5000/v2/", True),
        ("https://auth.docker.io/token", "http://127.0.0.1:5000/v2/", True),
        ("file:///etc/passwd", "http://127.0.0.1:5000/v2/", False),
        ("", "https://registry-1.docker.io/v2/", False),
    ],
)
def test_a_registry_behind_tls_cannot_have_logins_sent_in_the_clear(realm: str, address: str, *, safe: bool) -> None:
    assert auth.is_safe(realm, address) is safe


def test_the_challenge_for_a_token_goes_before_the_one_for_a_password() -> None:
    header = 'Basic realm="a, b", Bearer realm="https://a.test/token",service=a.test,scope="repository:x:pull,push"'
    found = auth.read(header)
    assert found == auth.Challenge("bearer", "https://a.test/token", "a.test", "repository:x:pull,push")
    assert auth.read("Negotiate") is None


# --- patience ---


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_a_registry_that_is_down_for_a_moment_is_asked_again(world: World, status: int) -> None:
    world.memory.image("acme/x", "1")
    world.proxy.answer(status, times=3)
    with world.registry() as registry:
        assert registry.manifest(world.named("acme/x:1"))
    assert world.slept == [0.5, 1.0, 2.0]


def test_a_manifest_that_breaks_off_is_asked_for_again(world: World) -> None:
    world.memory.image("acme/x", "1")
    world.proxy.cut(10, part="/manifests/")
    with world.registry() as registry:
        assert registry.manifest(world.named("acme/x:1"))
    assert world.slept == [0.5]


def test_a_registry_that_stays_down_is_told_by_its_status(world: World) -> None:
    world.proxy.answer(503, times=4)
    caught = world.refused(lambda registry, text: registry.manifest(reference.parse(text)))
    assert caught.message == f"the registry `{world.proxy.address}` cannot be used: it answers with status 503"
    assert len(world.proxy.asked) == 4


def test_a_registry_that_is_not_there_is_told(world: World) -> None:
    with world.registry() as registry, pytest.raises(ImageError) as caught:
        registry.manifest(reference.parse("127.0.0.1:9/acme/x:1"))
    assert caught.value.message == "`127.0.0.1:9` cannot be reached: connection refused"
    assert world.slept == [0.5, 1.0, 2.0]


# --- rate limits ---


def test_a_short_rate_limit_is_waited_for(world: World) -> None:
    world.memory.image("acme/x", "1")
    world.proxy.answer_429(2, 30)
    with world.registry() as registry:
        assert registry.manifest(world.named("acme/x:1"))
    assert world.slept == [30.0, 30.0]


@pytest.mark.parametrize(
    "header",
    [
        {"Retry-After": "720"},
        {"Retry-After": formatdate(NOW + 720, usegmt=True)},
        {"RateLimit-Reset": "720"},
        {"X-RateLimit-Reset": str(int(NOW) + 720)},
    ],
)
def test_a_long_rate_limit_is_told_with_its_end(world: World, header: dict[str, str]) -> None:
    world.proxy.answer(429, headers=header)
    caught = world.refused(lambda registry, text: registry.manifest(reference.parse(text)))
    end = time.strftime("%H:%M", time.localtime(NOW + 720))
    place = world.proxy.address
    assert caught.message == (f"`{place}` lets no more pulls through: its rate limit ends at {end} (in 12 min)")
    assert caught.hint == f"sign in with `docker login {place}`"
    assert world.slept == []


def test_a_rate_limit_without_an_end_is_tried_for_a_while_and_says_so(world: World) -> None:
    world.proxy.answer_429(4)
    caught = world.refused(lambda registry, text: registry.manifest(reference.parse(text)))
    assert caught.message.endswith("its rate limit is reached, and it does not say until when")
    assert world.slept == [0.5, 1.0, 2.0]


@pytest.mark.parametrize(("told", "seconds"), [(720, 720.0), (5, 5.0), (None, math.inf)])
def test_a_rate_limit_can_be_asked_for_without_waiting(world: World, told: int | None, seconds: float) -> None:
    world.memory.image("acme/x", "1")
    world.proxy.answer_429(1, told)
    with world.registry() as registry:
        assert registry.limit(world.named("acme/x:1")) == seconds
        assert registry.limit(world.named("acme/x:1")) is None
        assert registry.limit(world.named("acme/x:gone")) is None
    assert world.slept == []
    assert world.proxy.count(method="HEAD") == 3


def _basic(username: str, password: str) -> str:
    return f"Basic {base64.b64encode(f'{username}:{password}'.encode()).decode()}"
