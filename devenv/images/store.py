"""The layers built so far, on disk: each complete or absent."""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from devenv.images.pack import Blob


class Store:
    """A folder of layer tars named by key and digest; shared by all processes of this user."""

    def __init__(self, cache: Path) -> None:
        self.folder = cache / "layers"
        self.folder.mkdir(parents=True, exist_ok=True)

    def find(self, key: str) -> Blob | None:
        """The layer's tar; None, and nothing left of it, when there is none or it was damaged."""
        for path in self.folder.glob(f"{key}.*.tar"):
            expected = path.name.split(".")[1]
            try:
                with path.open("rb") as file:
                    found = hashlib.file_digest(file, "sha256").hexdigest()
                    size = file.tell()
            except FileNotFoundError:
                continue
            if found == expected:
                return Blob(path, found, size)
            path.unlink(missing_ok=True)
        return None

    def keep(self, key: str, temporary: Path, digest: str, size: int) -> Blob:
        """Take over a complete tar."""
        path = self.folder / f"{key}.{digest}.tar"
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
        return Blob(path, digest, size)

    def temporary(self, key: str, name: str) -> Path:
        """A path for the holder of the key's claim to write to."""
        return self.folder / f"{key}.{name}.tmp"

    @contextmanager
    def claim(self, key: str, owner: str) -> Iterator[None]:
        """Wait until no other process builds the layer, and keep others away; a killed holder keeps nobody away.

        Args:
            owner: Where its builder leaves traces; `abandoned` tells it after a kill.
        """
        path = self._claim_path(key)
        with _locked(path, wait=True):
            path.write_text("\n".join({owner: None, **dict.fromkeys(path.read_text().splitlines())}))
            try:
                yield
            finally:
                self.forget(key, owner)

    @contextmanager
    def abandoned(self, owner: str) -> Iterator[list[str]]:
        """The keys that a killed process of this owner has left behind, held until the end."""
        held = []
        keys = []
        for path in sorted(self.folder.glob("*.claim")):
            lock = _locked(path, wait=False)
            try:
                lock.__enter__()
            except (BlockingIOError, FileNotFoundError):
                continue
            held.append(lock)
            if owner in path.read_text().splitlines():
                keys.append(path.name.partition(".")[0])
        try:
            yield keys
        finally:
            for lock in held:
                lock.__exit__(None, None, None)

    def forget(self, key: str, owner: str) -> None:
        """Remove all traces of a build but its result, when the owner has removed its own; only under the claim."""
        for path in self.folder.glob(f"{key}.*.tmp"):
            path.unlink(missing_ok=True)
        claim = self._claim_path(key)
        others = [other for other in claim.read_text().splitlines() if other != owner]
        if others:
            claim.write_text("\n".join(others))
        else:
            claim.unlink()

    def _claim_path(self, key: str) -> Path:
        return self.folder / f"{key}.claim"


@contextmanager
def _locked(path: Path, *, wait: bool) -> Iterator[None]:
    """Hold a lock file; one that was unlinked by its last holder while we waited is made anew."""
    while True:
        descriptor = os.open(path, os.O_RDWR | (os.O_CREAT if wait else 0), 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            if _is_still(path, descriptor):
                yield
                return
        finally:
            os.close(descriptor)


def _is_still(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False
