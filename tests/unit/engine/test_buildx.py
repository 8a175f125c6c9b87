"""What the docker command is told, and the context that can be read again."""

from __future__ import annotations

import itertools

import pytest

from devenv.engine import buildx
from devenv.engine.wire import Endpoint, Tls

TLS = Tls(ca="/certs/ca.pem", certificate="/certs/cert.pem", key="/certs/key.pem")


@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("unix:///run/a.sock", "unix:///run/a.sock"),
        ("ssh://me@far", "ssh://me@far"),
        ("http://far:2375", "tcp://far:2375"),
    ],
)
def test_the_docker_command_speaks_to_the_same_engine(address: str, told: str) -> None:
    assert buildx.environment(Endpoint(address), {"PATH": "/bin"}) == {"PATH": "/bin", "DOCKER_HOST": told}


def test_nothing_of_the_user_s_redirects_the_build() -> None:
    theirs = {"DOCKER_CONTEXT": "far", "DOCKER_TLS_VERIFY": "1", "BUILDX_BUILDER": "cloud", "SOURCE_DATE_EPOCH": "1"}
    kept = {"DOCKER_CONFIG": "/home/me/.docker", "HTTP_PROXY": "http://proxy"}
    env = buildx.environment(Endpoint("unix:///a"), theirs | kept)
    assert env == kept | {"DOCKER_HOST": "unix:///a"}


@pytest.mark.parametrize(("verify", "name"), [(True, "DOCKER_TLS_VERIFY"), (False, "DOCKER_TLS")])
def test_certificates_are_passed_on(name: str, *, verify: bool) -> None:
    tls = Tls(ca=TLS.ca, certificate=TLS.certificate, key=TLS.key, verify=verify)
    env = buildx.environment(Endpoint("tcp://far:2376", tls=tls), {})
    assert env == {"DOCKER_HOST": "tcp://far:2376", "DOCKER_CERT_PATH": "/certs", name: "1"}


def test_the_docker_command_cannot_trust_the_system_s_certificates() -> None:
    assert buildx.environment(Endpoint("tcp://far:2376", tls=Tls()), {}) is None


def test_a_context_is_read_again_from_its_beginning() -> None:
    context = buildx.Context([b"a", b"b", b"c"])
    assert list(itertools.islice(context, 2)) == [b"a", b"b"]
    assert list(context.again()) == [b"a", b"b", b"c"]


def test_a_context_that_was_released_keeps_nothing() -> None:
    context = buildx.Context([b"a", b"b", b"c"])
    assert list(itertools.islice(context, 1)) == [b"a"]
    context.release()
    assert list(context.again()) == [b"b", b"c"]
