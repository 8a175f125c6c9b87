"""Debian's signed package indexes."""

from __future__ import annotations

import calendar
import email.utils
import lzma
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

from devenv.errors import ImageError
from devenv.images import download, stanza
from devenv.images.client import Client
from devenv.images.download import Wanted
from devenv.images.mirror import Mirrors
from devenv.images.stanza import Stanza
from devenv.model.machine import Machine
from devenv.model.pins import Source
from devenv.model.progress import Report

if TYPE_CHECKING:
    import pysequoia

COMPONENT = "main"

_PIECE = 1 << 20


@dataclass(frozen=True, slots=True)
class Release:
    """An `InRelease` file whose signature holds.

    Args:
        date: Seconds since 1970, UTC.
        valid_until: The same; None when it does not expire.
        files: Hash and size by path.
    """

    suite: str
    codename: str
    date: int
    valid_until: int | None
    files: dict[str, tuple[str, int]]


@dataclass(frozen=True, slots=True)
class Index:
    """A package index on disk, compressed, its hash checked."""

    source: Source
    path: Path

    def stanzas(self) -> Iterator[Stanza]:
        """Read it, package by package."""
        with lzma.open(self.path) as file:
            yield from stanza.parse(iter(lambda: file.read(_PIECE), b""))


def read(
    mirrors: Mirrors, suite: str, architecture: str, client: Client, machine: Machine, report: Report
) -> tuple[Index, ...]:
    """Fetch the suite's indexes: its own, its updates and its security updates, as far as the mirrors have them.

    Raises:
        ImageError: No mirror answers or has the suite, a signature does not hold, or an index has expired.
    """
    wanted = (("debian", suite), ("debian", f"{suite}-updates"), ("debian-security", f"{suite}-security"))
    found = (_index(mirrors, archive, name, architecture, client, machine, report) for archive, name in wanted)
    indexes = tuple(index for index in found if index is not None)
    if not indexes or indexes[0].source.suite != suite:
        raise ImageError(f"no Debian mirror of this machine has the suite `{suite}`", hint="check `debian.suite`")
    return indexes


def verify(signed: bytes) -> bytes:
    """Return the signed text of an `InRelease` file, and nothing around it.

    Raises:
        ImageError: It carries no valid signature by a key of Debian's archive.
    """
    import pysequoia

    try:
        # An empty answer of the store makes the signature unknown, which is an error too.
        found = pysequoia.verify(bytes=signed, store=lambda _: list(_keys()))
    except Exception as error:  # pysequoia raises bare exceptions only
        raise ImageError(f"the package index is not signed by Debian: {error}") from error
    if not found.valid_sigs or found.bytes is None:
        raise ImageError("the package index is not signed by Debian")
    return found.bytes


def release(text: bytes) -> Release:
    """Read the text of a `Release` file."""
    fields: dict[str, str] = {}
    files: dict[str, tuple[str, int]] = {}
    last = ""
    for line in text.decode("utf-8", "replace").splitlines():
        if line.startswith(" "):
            if last == "SHA256":
                digest, size, path = line.split()
                files[path] = (digest, int(size))
            continue
        last, _, value = line.partition(":")
        fields[last] = value.strip()
    expiry = fields.get("Valid-Until")
    return Release(
        fields.get("Suite", ""),
        fields.get("Codename", ""),
        _seconds(fields.get("Date", "")),
        _seconds(expiry) if expiry else None,
        files,
    )


def _index(
    mirrors: Mirrors,
    archive: str,
    suite: str,
    architecture: str,
    client: Client,
    machine: Machine,
    report: Report,
) -> Index | None:
    """The index of one suite from the first mirror with a true one; None when no mirror has the suite."""
    failure: ImageError | None = None
    for root in mirrors.roots(archive):
        try:
            signed = client.read(f"{root}/dists/{suite}/InRelease")
            if signed is not None:
                found = _checked(release(verify(signed)), suite, root)
                return _fetched(found, root, archive, suite, architecture, client, machine, report)
        except ImageError as error:
            failure = failure or error
    if failure is not None:
        raise failure
    return None


def _checked(found: Release, suite: str, root: str) -> Release:
    if suite not in _names(found):
        raise ImageError(f"`{root}` has `{found.codename}` in the place of `{suite}`")
    if found.valid_until is not None and found.valid_until < time.time():
        expired = time.strftime("%Y-%m-%d", time.gmtime(found.valid_until))
        raise ImageError(
            f"the package index of `{suite}` has expired on {expired}",
            hint=f"`{root}` is no longer updated, or this machine's clock is wrong: try another mirror",
        )
    return found


def _names(found: Release) -> set[str]:
    """The names a suite goes by: security updates of `stable` are `stable-security` and `trixie-security`."""
    return {found.suite, found.codename}


def _fetched(
    found: Release,
    root: str,
    archive: str,
    suite: str,
    architecture: str,
    client: Client,
    machine: Machine,
    report: Report,
) -> Index:
    plain = f"{COMPONENT}/binary-{architecture}/Packages"
    if plain not in found.files or f"{plain}.xz" not in found.files:
        raise ImageError(f"Debian `{suite}` does not exist for the architecture `{architecture}`")
    digest, size = found.files[f"{plain}.xz"]
    folder = f"{root}/dists/{suite}"
    # By its hash, an index does not change under our feet while the mirror is updated.
    addresses = (f"{folder}/{COMPONENT}/binary-{architecture}/by-hash/SHA256/{digest}", f"{folder}/{plain}.xz")
    wanted = Wanted(f"package index of {suite}", addresses, digest, size)
    (path,) = download.fetch([wanted], machine.cache / "indexes", client, report, f"{suite} package index")
    return Index(Source(archive, suite, COMPONENT, found.date, found.files[plain][0]), path)


@lru_cache(maxsize=1)
def _keys() -> tuple[pysequoia.Cert, ...]:
    import pysequoia

    folder = resources.files("devenv.images") / "keys"
    armoured = (file.read_bytes() for file in folder.iterdir() if file.name.endswith(".asc"))
    return tuple(cert for key in armoured for cert in pysequoia.Cert.split_bytes(key))


def _seconds(date: str) -> int:
    parsed = email.utils.parsedate(date)
    if parsed is None:
        raise ImageError(f"the package index has a date that is none: `{date}`")
    return calendar.timegm(parsed)
