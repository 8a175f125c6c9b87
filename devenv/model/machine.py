"""What belongs to this machine and user and never to a project."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from pathlib import Path

from devenv.model.project import Origin
from devenv.values import dataclass


@dataclass(frozen=True, slots=True)
class Login:
    """How to sign in to a registry.

    Args:
        server: The registry as Docker's configuration names it; for Docker Hub `https://index.docker.io/v1/`.
        token: An identity token, in place of name and password.
    """

    server: str
    username: str = ""
    password: str = field(default="", repr=False)
    token: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Machine:
    """The user's `config.toml`, `DEVENV_*` and the host's own settings, resolved.

    Args:
        engine: An engine address, or None to search.
        mirror: Address of the Debian archive's root, as apt's `URIs` has it; None means the host's apt sources.
        security_mirror: The same for the security archive.
        snapshot: Address of a snapshot archive, tried last; None means there is none.
        registry_mirror: Address of a registry asked in place of Docker Hub, `https://mirror.acme.example`.
        registry_images: A repository for built images, `ghcr.io/acme/devenv`; None means there is none.
        proxy: `HTTP_PROXY`, `HTTPS_PROXY`, `NO_PROXY`, as far as set, upper-case names.
        certificates: Extra CA certificates or whole bundles, PEM files.
        user: `uid:gid` that apps run as.
        cache: Folder for what can be fetched or made again.
        state: Folder for locks, logs, and the ledger of checkouts.
        watch: Whether changes are followed, for their consequences, where the engine shares files anyway.
        secret_command: What prints the value of a secret, with `{name}` and `{project}` in it; () means there is none.
        entry_http: The port that names have; None means 80, or another one where that is taken.
        entry_https: The same for HTTPS, and 443.
        entry_images: Where the entry's image comes from; None means where those of the project at hand do.
    """

    engine: str | None = None
    mirror: str | None = None
    security_mirror: str | None = None
    snapshot: str | None = None
    registry_mirror: str | None = None
    registry_images: str | None = None
    proxy: Mapping[str, str] = field(default_factory=dict)
    certificates: tuple[Path, ...] = ()
    user: str = "0:0"
    cache: Path = Path()
    state: Path = Path()
    watch: bool = True
    secret_command: tuple[str, ...] = ()
    entry_http: int | None = None
    entry_https: int | None = None
    entry_images: Origin | None = None
