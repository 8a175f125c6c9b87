"""Images made of Debian packages alone: choose the packages, build the image."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from devenv.blueprint import images
from devenv.engine.protocol import Engine
from devenv.images import chain, deb, download, index, mirror, order, pack, resolve, stanza
from devenv.images.chain import Link
from devenv.images.client import Client
from devenv.images.download import Wanted
from devenv.images.layers import Builder
from devenv.images.mirror import Mirrors
from devenv.images.pack import Blob
from devenv.images.resolve import Universe
from devenv.images.stanza import Stanza
from devenv.images.store import Store
from devenv.model import labels
from devenv.model.machine import Machine
from devenv.model.pins import DebianPins, ImageRecipe, Layer, LayerRequest, Package
from devenv.model.progress import Progress, Report

Runs = tuple[tuple[Package, ...], ...]

ALWAYS = ("ca-certificates",)
"""What every image has besides Debian's Essential packages."""


def lock(
    requests: Sequence[LayerRequest],
    *,
    suite: str,
    architecture: str,
    machine: Machine,
    previous: DebianPins | None,
    report: Report,
) -> DebianPins:
    """Pin the packages of every layer requested; a layer of `previous` that still answers its request stays as it is.

    Raises:
        ImageError: A package the suite does not have, relations that cannot be met, or a mirror that cannot be used.
    """
    ordered = _parents_first(requests)
    if previous is not None and (previous.suite, previous.architecture) != (suite, architecture):
        previous = None
    layers = _kept(ordered, previous)
    missing = [request for request in ordered if request.name not in layers]
    if previous is not None and not missing:
        return DebianPins(architecture, suite, previous.sources, layers)
    with Client(machine) as client:
        locker = _Locker(suite, architecture, machine, client, report)
        for done, request in enumerate(missing):
            report(Progress(request.name, "resolving", done, len(missing), "steps"))
            layers[request.name] = locker.layer(request, layers)
    in_order = {request.name: layers[request.name] for request in ordered}
    return DebianPins(architecture, suite, tuple(one.source for one in locker.indexes), in_order)


def build(recipe: ImageRecipe, *, engine: Engine, machine: Machine, report: Report) -> tuple[bytes, tuple[Blob, ...]]:
    """Build the image as far as files in the cache: its configuration and layers, bottom first.

    What was built once is only read.

    Raises:
        ImageError: Packages cannot be downloaded or installed.
        EngineError: The engine refused.
    """
    links = chain.links(recipe)
    builder = Builder(
        engine,
        Store(machine.cache),
        recipe.architecture,
        lambda missing: _download(recipe.name, missing, machine, report),
        report,
    )
    with download.disk_watched(machine.cache):
        blobs = builder.layers(links)
    named = [(f"devenv: {link.name}", blob) for link, blob in zip(links, blobs, strict=True)]
    labelled = {labels.PIN: images.key(recipe)}
    return pack.config(recipe.architecture, recipe.epoch, named, recipe.config, labelled), blobs


def _download(name: str, links: Sequence[Link], machine: Machine, report: Report) -> dict[str, Path]:
    epochs = {package: link.epoch for link in links for package in link.packages}
    return download_packages(name, epochs, machine, report)


def download_packages(name: str, epochs: Mapping[Package, int], machine: Machine, report: Report) -> dict[str, Path]:
    """Fetch packages, each given with the date it was current at; a path by each one's hash.

    Args:
        name: What the progress is reported of.

    Raises:
        ImageError: No mirror has one of them.
    """
    if not epochs:
        return {}
    mirrors = mirror.find(machine)
    wanted = [wanted_of(package, epoch, mirrors) for package, epoch in epochs.items()]
    with Client(machine) as client:
        paths = download.fetch(wanted, packages_folder(machine), client, report, name)
    return {one.sha256: path for one, path in zip(wanted, paths, strict=True)}


class _Locker:
    """Resolves layers against the indexes, which are read when the first one needs them."""

    def __init__(self, suite: str, architecture: str, machine: Machine, client: Client, report: Report) -> None:
        self._suite = suite
        self._machine = machine
        self._report = report
        self._client = client
        self._mirrors = mirror.find(machine)
        self.indexes = index.Reader(self._mirrors, architecture, client, machine, report).read(suite)
        self._universe = Universe(text for one in self.indexes for text in one.paragraphs())

    def layer(self, request: LayerRequest, layers: Mapping[str, Layer]) -> Layer:
        installed = self._installed(request.parent, layers)
        runs: Runs = ()
        names = request.request
        if request.parent is None:
            # Every other package takes these for granted, without a word in its Depends.
            installed = self._resolve(self._universe.essential(), installed)
            runs = order.runs(installed)
            names = (*ALWAYS, *names)
        runs += order.runs(self._resolve(names, installed))
        epoch = max(one.source.date for one in self.indexes)
        if request.parent is not None:
            epoch = max(epoch, layers[request.parent].epoch)
        return Layer(request.name, request.request, request.parent, runs, epoch)

    def _resolve(self, names: Iterable[str], installed: Mapping[str, Stanza]) -> dict[str, Stanza]:
        return resolve.resolve(self._universe, list(dict.fromkeys(names)), installed, self._suite)

    def _installed(self, parent: str | None, layers: Mapping[str, Layer]) -> dict[str, Stanza]:
        installed: dict[str, Stanza] = {}
        while parent is not None:
            layer = layers[parent]
            for package in _packages(layer):
                installed[package.name] = self._stanza(package, layer.epoch)
            parent = layer.parent
        return installed

    def _stanza(self, package: Package, epoch: int) -> Stanza:
        """What a pinned package says of itself, from its file when the indexes have moved on."""
        for known in self._universe.named(package.name):
            if known.package.sha256 == package.sha256:
                return known
        wanted = [wanted_of(package, epoch, self._mirrors)]
        (path,) = download.fetch(wanted, packages_folder(self._machine), self._client, self._report, package.name)
        return stanza.described(deb.control(path), package)


def wanted_of(package: Package, epoch: int, mirrors: Mirrors) -> Wanted:
    """Tell the downloader about a package."""
    addresses = tuple(mirrors.addresses(package, epoch))
    return Wanted(f"{package.name} {package.version}", addresses, package.sha256, package.size)


def packages_folder(machine: Machine) -> Path:
    """Where downloaded packages are kept, by hash."""
    return machine.cache / "packages"


def _parents_first(requests: Sequence[LayerRequest]) -> list[LayerRequest]:
    """Order layers so that each stands after the one it lies on, otherwise as they came."""
    by_name = {request.name: request for request in requests}
    ordered: dict[str, LayerRequest] = {}

    def place(request: LayerRequest) -> None:
        if request.name in ordered:
            return
        if request.parent is not None:
            place(by_name[request.parent])
        ordered[request.name] = request

    for request in requests:
        place(request)
    return list(ordered.values())


def _kept(ordered: Sequence[LayerRequest], previous: DebianPins | None) -> dict[str, Layer]:
    """The layers that still answer their request, on top of layers that do."""
    kept: dict[str, Layer] = {}
    for request in ordered:
        layer = previous.layers.get(request.name) if previous else None
        if layer is None or (layer.request, layer.parent) != (request.request, request.parent):
            continue
        if layer.parent is None or layer.parent in kept:
            kept[request.name] = layer
    return kept


def _packages(layer: Layer) -> Iterator[Package]:
    return (package for run in layer.runs for package in run)
