"""What apps and services are given of the checkout and of the machine: files, certificates, secrets, variables."""

from __future__ import annotations

from collections.abc import Mapping

from devenv import catalog
from devenv.blueprint.hidden import Hidden
from devenv.errors import DevenvError
from devenv.model.blueprint import Image, Mount, MountKind, Placement, SecretFile
from devenv.model.project import Project

USERS = "/etc/passwd"
CERTIFICATES = "/etc/devenv/ca-certificates.pem"
CERTIFICATE_VARIABLES = (
    "SSL_CERT_FILE",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    "PIP_CERT",
    "NODE_EXTRA_CA_CERTS",
    "GIT_SSL_CAINFO",
)
SECRETS = ".devenv/secrets"
"""Where the files with secrets are in a checkout: `<unit>/<variable>`."""
SECRETS_INSIDE = catalog.SECRETS
APP_SECRETS = "/etc/devenv/secrets"
"""Where an app's files arrive; its start puts them into memory at `SECRETS_INSIDE`, for its own user alone."""


def secret_files(unit: str, variables: Mapping[str, Hidden], placement: Placement) -> tuple[SecretFile, ...]:
    """The files of a unit's variables with secrets."""
    folder = f"{placement.folder}/{SECRETS}/{unit}"
    return tuple(
        SecretFile(name, f"{folder}/{name}", value.fingerprint(placement.secrets))
        for name, value in sorted(variables.items())
    )


def delivered(placement: Placement, secrets: tuple[SecretFile, ...], folder: str) -> tuple[Mount, ...]:
    """Those files, in a folder inside."""
    return tuple(file(placement, one.source, f"{folder}/{one.name}") for one in secrets)


def inside(project: Project, relative: str, what: str, placement: Placement) -> str:
    """A path of the checkout on the host; a link that leads out of the project is refused."""
    path = project.root / relative
    if not path.resolve().is_relative_to(project.root.resolve()):
        raise DevenvError(f"{what} leads out of the project: `{relative}`", hint="keep it inside the project's folder")
    return placement.folder if relative in (".", "") else f"{placement.folder}/{relative.removeprefix('./')}"


def surroundings(placement: Placement) -> dict[str, str]:
    """What the machine gives to every container: proxy variables and where the CA certificates are."""
    env = dict(placement.env)
    if placement.certificates is not None:
        env |= dict.fromkeys(CERTIFICATE_VARIABLES, CERTIFICATES)
    return env


def certificates(placement: Placement) -> tuple[Mount, ...]:
    """The machine's CA certificates, where it has its own."""
    if placement.certificates is None:
        return ()
    return (file(placement, placement.certificates, CERTIFICATES),)


def passwd(placement: Placement, image: Image) -> tuple[Mount, ...]:
    """The list of users that names an app's own, unless that is root."""
    if placement.passwd is None:
        return ()
    return (file(placement, f"{placement.passwd}/{image.key[:16]}", USERS),)


def file(placement: Placement, source: str, target: str) -> Mount:
    """A single file of the host, to be read only."""
    kind: MountKind = "copy" if placement.copies else "bind"
    return Mount(kind, source, target, read_only=True)
