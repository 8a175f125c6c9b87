"""Which addresses Debian's archives have for this machine."""

from __future__ import annotations

import time
from collections.abc import Iterator

from devenv.errors import ImageError
from devenv.images import sources
from devenv.model.machine import Machine
from devenv.model.pins import Package
from devenv.values import dataclass

HINT = "set `debian.mirror` in devenv's `config.toml` to a Debian mirror that this machine reaches"

_SECURITY = "debian-security"
_HOUR = 3600


@dataclass(frozen=True, slots=True)
class Mirrors:
    """Addresses by archive name, in the order to try; `snapshot` is the root of a snapshot archive."""

    archives: dict[str, tuple[str, ...]]
    snapshot: str | None

    def roots(self, archive: str) -> tuple[str, ...]:
        """Where the archive is now; the snapshot of this moment when there is no mirror."""
        known = self.archives.get(archive, ())
        if known or self.snapshot is None:
            return known
        return (_at(self.snapshot, archive, int(time.time())),)

    def addresses(self, package: Package, epoch: int) -> Iterator[str]:
        """Where the package's file may be; a snapshot keeps it when a mirror has dropped it.

        Args:
            epoch: When the package was current, seconds since 1970.
        """
        archive = archive_of(package)
        for root in self.archives.get(archive, ()):
            yield f"{root}/{package.path}"
        if self.snapshot is not None:
            # An archive is taken in some time after its index is dated.
            for moment in (epoch + 24 * _HOUR, epoch + 6 * _HOUR, epoch):
                yield f"{_at(self.snapshot, archive, moment)}/{package.path}"


def find(machine: Machine) -> Mirrors:
    """Take the user's mirror, else the host's own.

    Raises:
        ImageError: There is neither, nor a snapshot archive.
    """
    archives = _configured(machine) if machine.mirror else sources.read()
    if machine.security_mirror:
        archives[_SECURITY] = (machine.security_mirror.rstrip("/"),)
    if "debian" not in archives and machine.snapshot is None:
        raise ImageError("no Debian mirror is known on this machine", hint=HINT)
    return Mirrors(archives, machine.snapshot.rstrip("/") if machine.snapshot else None)


def archive_of(package: Package) -> str:
    """The archive a package's path belongs to: only the security archive's pool has `updates`."""
    return _SECURITY if package.path.startswith("pool/updates/") else "debian"


def _configured(machine: Machine) -> dict[str, tuple[str, ...]]:
    root = (machine.mirror or "").rstrip("/")
    archives: dict[str, tuple[str, ...]] = {"debian": (root,)}
    if root.endswith("/debian"):
        archives[_SECURITY] = (f"{root}-security",)
    return archives


def _at(snapshot: str, archive: str, moment: int) -> str:
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(moment))
    return f"{snapshot}/archive/{archive}/{stamp}"
