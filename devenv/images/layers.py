"""Image layers: taken from the cache, or built."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from devenv.engine.protocol import Engine
from devenv.images import install, pack, staging, tree
from devenv.images.chain import Link
from devenv.images.pack import Blob
from devenv.images.store import Store
from devenv.images.tarball import Writer
from devenv.images.tree import Spool, Tree
from devenv.model.pins import ImageConfig
from devenv.model.progress import Progress, Report

_CONFIGURED = "Setting up "


def instance(store: Store) -> str:
    """What builds are called in an engine; users with caches of their own do not get in each other's way."""
    return f"devenv-build-{hashlib.sha256(str(store.folder).encode()).hexdigest()[:6]}"


class Builder:
    """Builds layers on one engine into one store.

    Args:
        packages: Fetches what layers need: a path by each package's hash.
    """

    def __init__(
        self,
        engine: Engine,
        store: Store,
        architecture: str,
        packages: Callable[[Sequence[Link]], Mapping[str, Path]],
        report: Report,
    ) -> None:
        self._engine = engine
        self._store = store
        self._architecture = architecture
        self._packages = packages
        self._report = report
        self._instance = instance(store)

    def layers(self, links: Sequence[Link]) -> tuple[Blob, ...]:
        """Return the tar of every layer, bottom first.

        Raises:
            ImageError: Packages cannot be downloaded or installed.
            EngineError: The engine refused.
        """
        self._clean_up()
        found = [self._store.find(link.key) for link in links]
        missing = [link for link, blob in zip(links, found, strict=True) if blob is None]
        files = self._packages(missing) if missing else {}
        done: list[Blob] = []
        for link, blob in zip(links, found, strict=True):
            done.append(blob or self._built(link, done, files))
        return tuple(done)

    def _built(self, link: Link, below: Sequence[Blob], files: Mapping[str, Path]) -> Blob:
        with self._store.claim(link.key, self._engine.info.address):
            there = self._store.find(link.key)  # another process may have built it while we waited
            return there or self._build(link, below, files)

    def _build(self, link: Link, below: Sequence[Blob], files: Mapping[str, Path]) -> Blob:
        lower = tree.read_layers(blob.path for blob in below)
        temporary = self._store.temporary(link.key, "layer")
        with Spool(self._store.temporary(link.key, "spool")) as spool:
            upper = self._installed(link, below, lower, files, spool) if link.packages else dict(lower)
            tree.drop(upper, link.drop)
            tree.lay(upper, (file for file in link.files if not file.early or not link.packages), spool, link.epoch)
            tree.finish(upper, link.epoch)
            spool.flush()
            self._report(Progress(link.name, "packing", 0, None, "steps"))
            with temporary.open("wb") as file:
                writer = Writer(file)
                tree.write(upper, lower, writer, link.epoch)
                digest = writer.close()
        return self._store.keep(link.key, temporary, digest, writer.size)

    def _installed(
        self, link: Link, below: Sequence[Blob], lower: Tree, files: Mapping[str, Path], spool: Spool
    ) -> Tree:
        path = self._store.temporary(link.key, "staging")
        digest, size = staging.write(link, files, lower, self._architecture, path)
        blobs = (*below, Blob(path, digest, size))
        name = self._name(link.key)
        config = pack.config(
            self._architecture, link.epoch, [("", blob) for blob in blobs], ImageConfig(env={}), labels={}
        )
        archive = pack.archive(config, blobs, install.reference(name))
        with install.installed(self._engine, link, name, self._instance, archive, self._counter(link)) as tar:
            return tree.read(tar, lower, spool, link.epoch)

    def _counter(self, link: Link) -> Callable[[str], None]:
        """Count the packages that dpkg's log says are configured."""
        done = 0
        total = len(link.packages)
        self._report(Progress(link.name, "configuring", 0, total, "packages"))

        def count(line: str) -> None:
            nonlocal done
            if line.startswith(_CONFIGURED):
                done = min(done + 1, total)
                self._report(Progress(link.name, "configuring", done, total, "packages"))

        return count

    def _clean_up(self) -> None:
        """Remove what killed builds have left in this engine."""
        owner = self._engine.info.address
        with self._store.abandoned(owner) as keys:
            for key in keys:
                install.remove(self._engine, self._name(key))
                self._store.forget(key, owner)

    def _name(self, key: str) -> str:
        return f"{self._instance}-{key[:12]}"
