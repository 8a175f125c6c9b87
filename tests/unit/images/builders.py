"""An engine on which packages install as a test says, and a cache that has them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from devenv.blueprint import images
from devenv.engine.memory import MemoryEngine, Ran
from devenv.engine.protocol import Chunk
from devenv.model.blueprint import Container, Image
from devenv.model.machine import Machine
from devenv.model.pins import ImageConfig, ImageRecipe, Layer, Package
from devenv.model.progress import Progress
from devenv.supply import Supply
from tests.unit.images import archives

EPOCH = 1_700_000_000
Files = Mapping[str, bytes | None]


class BuilderEngine(MemoryEngine):
    """An engine whose containers end at once, with the file system that the test gives.

    Args:
        files: What an export holds, by the number of the build.
        ends: How the installation ends.
    """

    def __init__(self, *files: Files, ends: Callable[[Container], Ran]) -> None:
        super().__init__(program=ends)
        self.exports = list(files)
        self.built: list[Container] = []

    def start(self, container: str) -> None:
        super().start(container)
        self.built.append(self.containers[container].wanted)

    def read(
        self,
        container: str,
        what: Literal["logs", "follow", "files"],
        tail: int | None = None,
        since: float | None = None,
    ) -> Iterator[Chunk]:
        if what != "files":
            yield from super().read(container, what, tail, since)
            return
        archive = archives.tar(self.exports[len(self.built) - 1], mtime=EPOCH - 5)
        for start in range(0, len(archive), 1000):
            yield Chunk("stdout", archive[start : start + 1000])


@dataclass
class World:
    """A cache with the packages `base` and `top`, and what builds report."""

    machine: Machine
    packages: dict[str, Package]
    reports: list[Progress] = field(default_factory=list)

    def recipe(self, *names: str, epoch: int = EPOCH) -> ImageRecipe:
        """An image of a layer for each name, with the package of that name."""
        parents = (None, *names)
        layers = tuple(
            Layer(name, (name,), parent, ((self.packages[name],),), epoch)
            for name, parent in zip(names, parents, strict=False)
        )
        return ImageRecipe("web", "amd64", layers, {}, {}, ImageConfig({"PATH": "/bin"}))

    def build(self, recipe: ImageRecipe, engine: MemoryEngine, reference: str = "web:1") -> str:
        supply = Supply(engine, self.machine, self.reports.append, print)
        return supply.build(Image(reference, images.key(recipe), recipe))

    @property
    def kept(self) -> list[str]:
        return sorted(path.suffix for path in (self.machine.cache / "layers").iterdir())


def world(folder: Path) -> World:
    """Fill a cache."""
    machine = Machine(mirror="http://127.0.0.1:9/debian", cache=folder)
    (folder / "packages").mkdir()
    packages = {}
    for name in ("base", "top"):
        content = archives.deb(archives.package(name), {f"usr/share/{name}": name.encode()})
        packages[name] = archives.pin(name, content)
        (folder / "packages" / packages[name].sha256).write_bytes(content)
    return World(machine, packages)


def ended(code: int, *lines: str) -> Callable[[Container], Ran]:
    """An installation that writes lines and ends."""
    output = tuple(Chunk("stdout", f"{line}\n".encode()) for line in lines)
    return lambda _: Ran(output, code)
