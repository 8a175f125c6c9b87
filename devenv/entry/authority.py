"""The certificate authority that the entry signs with, and how this machine comes to trust it."""

from __future__ import annotations

import hashlib
import shlex
import ssl
import sys
from pathlib import Path

from devenv import files
from devenv.engine.protocol import Command, Engine
from devenv.entry import Entry, refreshing
from devenv.errors import DevenvError, NotReady
from devenv.values import dataclass

ROOT = "/data/caddy/pki/authorities/local/root.crt"
"""The certificate in the entry; the key lies beside it and stays there."""
FILE = "ca.pem"


@dataclass(frozen=True, slots=True)
class Store:
    """A system's own store of certificates.

    Args:
        file: What is to be put there.
        update: The command that makes programs see it.
    """

    file: Path
    update: tuple[str, ...]


# Debian and what comes of it; Fedora and what comes of it.
_STORES = (
    Store(Path("/usr/local/share/ca-certificates/devenv.crt"), ("update-ca-certificates",)),
    Store(Path("/etc/pki/ca-trust/source/anchors/devenv.pem"), ("update-ca-trust",)),
)
_KEYCHAIN = "/Library/Keychains/System.keychain"


def read(engine: Engine, entry: Entry) -> str:
    """The authority's certificate, PEM; it is kept in `file(entry)`, too.

    Raises:
        NotReady: The entry does not run.
    """
    container = refreshing.running(engine.observe(entry.instance), entry)
    if container is None:
        raise NotReady("the entry for names does not run", hint="run `devenv names on`")
    ran = engine.exec(container.name, Command(("cat", ROOT)))
    said = b"".join(chunk.data for chunk in ran if chunk.stream == "stdout").decode(errors="replace")
    if ran.exit_code != 0 or "BEGIN CERTIFICATE" not in said:
        raise DevenvError("the entry for names has no certificate authority", hint="run `devenv names on`")
    if not file(entry).is_file() or file(entry).read_text() != said:
        files.write(file(entry), said)
    return said


def file(entry: Entry) -> Path:
    """Where the certificate is on this machine."""
    return entry.folder / FILE


def fingerprint(pem: str) -> str:
    """SHA-256 as browsers and `openssl` show it: `AB:CD:…`."""
    digest = hashlib.sha256(ssl.PEM_cert_to_DER_cert(pem)).hexdigest().upper()
    return ":".join(digest[at : at + 2] for at in range(0, len(digest), 2))


def store(root: Path = Path("/")) -> Store | None:
    """The store of this system; None where devenv knows none.

    Args:
        root: The system's root folder.
    """
    for one in _STORES:
        there = root / one.file.relative_to("/")
        if there.parent.is_dir():
            return Store(there, one.update)
    return None


def commands(path: Path, found: Store | None, *, remove: bool) -> tuple[str, ...]:
    """What to type as root to put the certificate at `path` into the store, or to take it out again."""
    quoted = shlex.quote(str(path))
    if sys.platform == "darwin":
        if remove:
            return (f"sudo security remove-trusted-cert -d {quoted}",)
        return (f"sudo security add-trusted-cert -d -r trustRoot -k {_KEYCHAIN} {quoted}",)
    if found is None:
        return ()
    update = f"sudo {shlex.join(found.update)}"
    if remove:
        return (f"sudo rm -f {found.file}", update)
    return (f"sudo install -m 644 {quoted} {found.file}", update)
