"""Names of images in registries, read as Docker reads them."""

from __future__ import annotations

import re
from dataclasses import replace

from devenv.errors import DevenvError
from devenv.values import dataclass

DOCKER_HUB = "docker.io"
DEFAULT_TAG = "latest"
DIGEST = re.compile(r"sha256:[0-9a-f]{64}")

# https://pkg.go.dev/github.com/distribution/reference
_PART = r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*"
_WHOLE = re.compile(
    r"(?:(?P<registry>[A-Za-z0-9][A-Za-z0-9.-]*(?::[0-9]+)?)/)??"
    rf"(?P<repository>{_PART}(?:/{_PART})*)"
    r"(?::(?P<tag>[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}))?"
    r"(?:@(?P<digest>sha256:[0-9a-f]{64}))?"
)


@dataclass(frozen=True, slots=True)
class Reference:
    """An image's full name.

    Args:
        registry: Host and port: `docker.io`, `localhost:5000`.
        repository: `library/redis`.
        tag: Empty when only the digest names it.
        digest: `sha256:…`, or empty.
    """

    registry: str
    repository: str
    tag: str = ""
    digest: str = ""

    @property
    def name(self) -> str:
        """The part before tag and digest: `docker.io/library/redis`."""
        return f"{self.registry}/{self.repository}"

    def __str__(self) -> str:
        tag = f":{self.tag}" if self.tag else ""
        return self.name + tag + (f"@{self.digest}" if self.digest else "")

    def at(self, digest: str) -> Reference:
        """The same repository, by digest alone."""
        return replace(self, tag="", digest=digest)


def parse(text: str) -> Reference:
    """Read `postgres` as `docker.io/library/postgres:latest`, with Docker's defaults.

    Raises:
        DevenvError: It is no image's name.
    """
    match = _WHOLE.fullmatch(text)
    if match is None or len(text) > 400:
        raise DevenvError(f"`{text[:80]}` is no image's name", hint="such as `postgres:17` or `ghcr.io/acme/base:3`")
    first, slash, rest = text.partition("/")
    is_host = bool(slash) and ("." in first or ":" in first or first == "localhost")
    registry, repository = (first, _path(rest)) if is_host else (DOCKER_HUB, _path(text))
    if registry == "index.docker.io":
        registry = DOCKER_HUB
    if registry == DOCKER_HUB and "/" not in repository:
        repository = f"library/{repository}"
    digest = match["digest"] or ""
    return Reference(registry, repository, match["tag"] or ("" if digest else DEFAULT_TAG), digest)


def _path(text: str) -> str:
    return text.partition("@")[0].partition(":")[0]
