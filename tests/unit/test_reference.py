from __future__ import annotations

import pytest

from devenv import reference
from devenv.errors import DevenvError
from devenv.reference import Reference

DIGEST = f"sha256:{'a' * 64}"


@pytest.mark.parametrize(
    ("text", "whole"),
    [
        ("postgres", "docker.io/library/postgres:latest"),
        ("redis:8-alpine", "docker.io/library/redis:8-alpine"),
        ("acme/base", "docker.io/acme/base:latest"),
        ("docker.io/redis:8", "docker.io/library/redis:8"),
        ("index.docker.io/library/redis:8", "docker.io/library/redis:8"),
        ("ghcr.io/acme/base:3", "ghcr.io/acme/base:3"),
        ("localhost/base", "localhost/base:latest"),
        ("localhost:5000/base", "localhost:5000/base:latest"),
        ("127.0.0.1:5000/acme/base:3", "127.0.0.1:5000/acme/base:3"),
        ("acme__x/b-a--s.e:V_1.2", "docker.io/acme__x/b-a--s.e:V_1.2"),
        (f"redis@{DIGEST}", f"docker.io/library/redis@{DIGEST}"),
        (f"redis:8@{DIGEST}", f"docker.io/library/redis:8@{DIGEST}"),
    ],
)
def test_a_name_is_filled_in_as_docker_does(text: str, whole: str) -> None:
    assert str(reference.parse(text)) == whole
    assert reference.parse(whole) == reference.parse(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Redis",
        "redis:",
        "redis:.8",
        "redis@sha256:abc",
        "/redis",
        "redis/",
        "acme//redis",
        "https://ghcr.io/acme/base",
        "redis:8 ",
        "redis\n",
        "../etc/passwd",
        "ghcr.io/../x",
        "anna:secret@ghcr.io/acme/base",
        f"redis:{'1' * 129}",
        "a" * 401,
    ],
)
def test_what_is_no_name_is_told(text: str) -> None:
    with pytest.raises(DevenvError, match="is no image's name") as caught:
        reference.parse(text)
    assert caught.value.hint == "such as `postgres:17` or `ghcr.io/acme/base:3`"


def test_a_digest_takes_the_place_of_the_tag() -> None:
    named = reference.parse("localhost:5000/acme/base:3")
    assert named.at(DIGEST) == Reference("localhost:5000", "acme/base", digest=DIGEST)
    assert named.name == named.at(DIGEST).name == "localhost:5000/acme/base"
