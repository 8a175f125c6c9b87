"""Debian's signed package indexes."""

from __future__ import annotations

import calendar
import email.utils
import lzma
import time
from collections.abc import Iterator
from functools import lru_cache
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
from devenv.values import dataclass

if TYPE_CHECKING:
    import pysequoia

COMPONENT = "main"

KEYS = Path(__file__).parent / "keys"
"""The public keys of Debian's archive, armoured; who holds one of them decides what is installed."""

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
        yield from map(stanza.read, self.paragraphs())

    def paragraphs(self) -> Iterator[bytes]:
        """What it says of each package; to read all of them takes seconds, and few are asked for."""
        with lzma.open(self.path) as file:
            yield from stanza.paragraphs(iter(lambda: file.read(_PIECE), b""))


@dataclass(frozen=True, slots=True)
class Reader:
    """Reads the indexes for one architecture from this machine's mirrors."""

    mirrors: Mirrors
    architecture: str
    client: Client
    machine: Machine
    report: Report

    def read(self, suite: str) -> tuple[Index, ...]:
        """Fetch the suite's indexes: its own, its updates and its security updates, as far as the mirrors have them.

        Raises:
            ImageError: No mirror answers or has the suite, a signature does not hold, or an index has expired.
        """
        main = self._index("debian", suite)
        if main is None:
            raise ImageError(f"no Debian mirror of this machine has the suite `{suite}`", hint="check `debian.suite`")
        others = (self._index("debian", f"{suite}-updates"), self._index("debian-security", f"{suite}-security"))
        return (main, *(index for index in others if index is not None))

    def _index(self, archive: str, suite: str) -> Index | None:
        """The index of one suite from the first mirror with a true one; None when no mirror has the suite."""
        failure: ImageError | None = None
        for root in self.mirrors.roots(archive):
            try:
                signed = self.client.read(f"{root}/dists/{suite}/InRelease")
                if signed is not None:
                    return self._fetched(_checked(release(verify(signed)), suite, root), root, archive, suite)
            except ImageError as error:
                failure = failure or error
        if failure is not None:
            raise failure
        return None

    def _fetched(self, found: Release, root: str, archive: str, suite: str) -> Index:
        folder = f"{COMPONENT}/binary-{self.architecture}"
        plain = f"{folder}/Packages"
        if plain not in found.files or f"{plain}.xz" not in found.files:
            raise ImageError(f"Debian `{suite}` does not exist for the architecture `{self.architecture}`")
        digest, size = found.files[f"{plain}.xz"]
        # By its hash, an index does not change under our feet while the mirror is updated.
        paths = (f"{folder}/by-hash/SHA256/{digest}", f"{plain}.xz")
        addresses = tuple(f"{root}/dists/{suite}/{path}" for path in paths)
        wanted = Wanted(f"package index of {suite}", addresses, digest, size)
        subject = f"{suite} package index"
        (path,) = download.fetch([wanted], self.machine.cache / "indexes", self.client, self.report, subject)
        return Index(Source(archive, suite, COMPONENT, found.date, found.files[plain][0]), path)


def verify(signed: bytes) -> bytes:
    """Return the signed text of an `InRelease` file, and nothing around it.

    Raises:
        ImageError: It carries no valid signature by a key of Debian's archive.
    """
    import pysequoia

    try:
        # An empty answer of the store makes the signature unknown, which is an error too.
        found = pysequoia.verify(bytes=signed, store=lambda _: list(_keys(KEYS)))
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


def _checked(found: Release, suite: str, root: str) -> Release:
    if suite not in (found.suite, found.codename):  # security updates are `stable-security` and `trixie-security`
        raise ImageError(f"`{root}` has `{found.codename}` in the place of `{suite}`")
    if found.valid_until is not None and found.valid_until < time.time():
        expired = time.strftime("%Y-%m-%d", time.gmtime(found.valid_until))
        raise ImageError(
            f"the package index of `{suite}` has expired on {expired}",
            hint=f"`{root}` is no longer updated, or this machine's clock is wrong: try another mirror",
        )
    return found


@lru_cache(maxsize=1)
def _keys(folder: Path) -> tuple[pysequoia.Cert, ...]:
    import pysequoia

    return tuple(
        cert for path in sorted(folder.glob("*.asc")) for cert in pysequoia.Cert.split_bytes(path.read_bytes())
    )


def _seconds(date: str) -> int:
    parsed = email.utils.parsedate(date)
    if parsed is None:
        raise ImageError(f"the package index has a date that is none: `{date}`")
    return calendar.timegm(parsed)
