"""An engine that is only remembered: a fake for tests, trusted because one contract suite runs on it and on real ones.

engine = MemoryEngine(images={"app:1": SeenImage("sha256:…", "sha256:…", {})})
engine.fail_on = lambda call, target: Conflict("port 80 is taken") if call == "start" else None
"""

from __future__ import annotations

import hashlib
import io
import itertools
import json
import os
import posixpath
import tarfile
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import field
from pathlib import Path
from typing import Any, Literal

from devenv.engine import hostfiles, transfers, translate
from devenv.engine.protocol import (
    Change,
    Chunk,
    Command,
    ContainerState,
    EngineInfo,
    Running,
    SeenImage,
    Settings,
    Usage,
    Use,
)
from devenv.errors import Conflict, EngineError, NotFound, PortTaken
from devenv.model import labels
from devenv.model.blueprint import (
    Container,
    ContainerStatus,
    Network,
    Observed,
    SeenContainer,
    SeenObject,
    StepKind,
    Volume,
)
from devenv.model.machine import Login
from devenv.model.progress import Progress, Report
from devenv.values import dataclass

Builder = Callable[["MemoryEngine", bytes, Mapping[str, str]], SeenImage]
"""Makes an image of a build's context and arguments."""


@dataclass
class Ran:
    """What a program wrote and how it ended; `exit_code` None: it runs on."""

    output: tuple[Chunk, ...] = ()
    exit_code: int | None = None

    def __iter__(self) -> Iterator[Chunk]:
        return iter(self.output)


@dataclass(frozen=True, slots=True)
class Built:
    """How a build was asked for."""

    name: str
    dockerfile: str
    network: bool
    arguments: Mapping[str, str]


@dataclass
class Kept:
    """A container of the fake; tests may change it."""

    id: str
    wanted: Container
    network: str | None
    status: ContainerStatus = "created"
    address: str = ""
    log: list[Chunk] = field(default_factory=list)
    exit_code: int | None = None
    changes: list[Change] = field(default_factory=list)
    files: bytes = b""
    joined: dict[str, str] = field(default_factory=dict)
    use: Use | None = None
    oom_killed: bool = False


def _build(_engine: MemoryEngine, context: bytes, arguments: Mapping[str, str]) -> SeenImage:
    content = context + json.dumps(dict(arguments), sort_keys=True).encode()
    digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
    return SeenImage(digest, digest, {})


class MemoryEngine:
    """Keeps everything in dictionaries by name.

    Args:
        images: What it has, by reference.
        program: What a container does when it starts; by default it runs on in silence.
        execute: What a command in the container of that name does; by default it succeeds in silence.
        builder: What a build gives; by default an image whose digest is the hash of what it is made from.

    `contents` holds what is in volumes, by their names: the tar that was unpacked there.
    `registry` holds what can be pulled and was pushed, by `repository@digest`, and by `repository:tag` what was pushed.
    `shares_files` tells whether it has this host's files.
    """

    def __init__(
        self,
        *,
        images: Mapping[str, SeenImage] | None = None,
        program: Callable[[Container], Ran] = lambda _: Ran(),
        execute: Callable[[str, Command], Ran] = lambda _name, _command: Ran(exit_code=0),
        builder: Builder = _build,
        info: EngineInfo | None = None,
    ) -> None:
        self.images = dict(images or {})
        self.registry: dict[str, SeenImage] = {}
        self.containers: dict[str, Kept] = {}
        self.networks: dict[str, SeenObject] = {}
        self.volumes: dict[str, SeenObject] = {}
        self.contents: dict[str, bytes] = {}
        self.calls: list[tuple[str, str]] = []
        self.fail_on: Callable[[str, str], Exception | None] = lambda _call, _target: None
        self.info = info or EngineInfo(
            "memory://", "Memory", "1", "amd64", local=True, routable=True, kernel=os.uname().release
        )
        self.shares_files = True
        self._program = program
        self._execute = execute
        self._builder = builder
        self.builds: list[Built] = []
        self._archives: dict[str, bytes] = {}
        self._lock = threading.RLock()
        self._numbers = itertools.count(1)

    @property
    def address(self) -> str:
        return self.info.address

    def observe(self, instance: str | None) -> Observed:
        def counts(one: Container | SeenObject) -> bool:
            owner = _owner(one)
            return bool(owner) if instance is None else owner == instance

        with self._call("observe", instance or ""):
            return Observed(
                containers=tuple(_seen(kept) for kept in self.containers.values() if counts(kept.wanted)),
                networks=tuple(one for one in self.networks.values() if counts(one)),
                volumes=tuple(one for one in self.volumes.values() if counts(one)),
            )

    def shared(self) -> tuple[SeenObject, ...]:
        with self._call("shared", ""):
            return tuple(one for one in self.networks.values() if labels.SHARED in one.labels)

    def usage(self) -> Usage:
        """Tell the bytes of what was unpacked into volumes."""
        with self._call("usage", ""):
            volumes = {name: len(self.contents.get(name, b"")) for name in self.volumes}
            return Usage(dict.fromkeys(self.containers, 0), volumes)

    def publishing(self, port: int) -> SeenContainer | None:
        with self._call("publishing", str(port)):
            seen = map(_seen, self.containers.values())
            return next((one for one in seen if port in {published.host for published in one.ports}), None)

    def image(self, reference: str) -> SeenImage | None:
        with self._call("image", reference):
            known = {image.id: image for image in self.images.values()} | self.images
            return known.get(reference)

    def load(self, archive: Iterable[bytes]) -> None:
        with self._call("load", ""):
            data = b"".join(archive)
            try:
                content = _files(data)
            except tarfile.TarError as error:
                raise EngineError(f"the engine could not load the image: {error}") from error
            for image in json.loads(content["manifest.json"]):
                found = _described(content[image["Config"]])
                self.images.update(dict.fromkeys(image["RepoTags"], found))
                self._archives[found.id] = data

    def save(self, reference: str) -> Iterator[bytes]:
        """Give the whole archive that the image was loaded from."""
        with self._call("save", reference):
            found = self.image(reference)
            if found is None or found.id not in self._archives:
                raise NotFound(f"no such image: {reference}")
            yield self._archives[found.id]

    def pull(self, source: str, name: str, *, login: Login | None, report: Report, config: str | None = None) -> None:  # noqa: ARG002 - the protocol's
        with self._call("pull", source):
            if source not in self.registry:
                raise EngineError(f"`{source}` could not be pulled: manifest unknown")
            report(Progress(transfers.short_name(source), "pulling", 1, 1, "bytes"))
            self.images[name] = self.images[source] = self.registry[source]

    def push(self, name: str, target: str, *, login: Login | None, report: Report) -> str:  # noqa: ARG002 - the protocol's
        with self._call("push", target):
            found = self.image(name)
            if found is None:
                raise EngineError(f"`{target}` could not be pushed: no such image: {name}")
            report(Progress(transfers.short_name(name), "pushing", 1, 1, "bytes"))
            self.registry[target] = self.registry[f"{target.rpartition(':')[0]}@{found.id}"] = found
            return found.id

    def build(
        self,
        context: Iterable[bytes],
        name: str,
        *,
        arguments: Mapping[str, str],
        report: Report,
        dockerfile: str = "Dockerfile",
        network: bool = False,
    ) -> None:
        with self._call("build", name):
            report(Progress(transfers.short_name(name), "building", 1, None, "steps"))
            self.builds.append(Built(name, dockerfile, network, arguments))
            with transfers.naming(f"`{name}` could not be built"):
                self.images[name] = self._builder(self, b"".join(context), arguments)

    def create(self, resource: Container | Network | Volume, network: str | None = None) -> str:
        with self._call("create", resource.name):
            if isinstance(resource, Container):
                return self._create_container(resource, network)
            there = self.networks if isinstance(resource, Network) else self.volumes
            made = SeenObject(f"id-{next(self._numbers)}", resource.name, resource.labels)
            kept = there.setdefault(resource.name, made)
            owner = labels.SHARED if labels.SHARED in resource.labels else labels.INSTANCE
            if owner not in resource.labels or kept.labels.get(owner) != resource.labels[owner]:
                raise Conflict(f"`{resource.name}` exists and belongs to something else")
            return kept.id

    def _create_container(self, wanted: Container, network: str | None) -> str:
        if self.image(wanted.image) is None:
            raise NotFound(f"no such image: {wanted.image}")
        files = hostfiles.archive(wanted.mounts)
        for one in wanted.networks:
            if one.network not in self.networks:
                raise NotFound(f"network {one.network} not found")
        kept = self.containers.setdefault(wanted.name, Kept(f"id-{next(self._numbers)}", wanted, network))
        there, config = kept.wanted, wanted.labels.get(labels.CONFIG)
        if _owner(there) != _owner(wanted) or there.labels.get(labels.CONFIG) != config:
            raise Conflict(f"container `{wanted.name}` exists and belongs to something else")
        if kept.status == "created":
            kept.files, kept.joined = files, {one.network: self.networks[one.network].id for one in wanted.networks}
        return kept.id

    def start(self, container: str) -> None:
        with self._call("start", container):
            kept = self._kept(container)
            if kept.status == "running":
                return
            others = (other for other in self.containers.values() if other.status == "running")
            taken = {port.host for other in others for port in other.wanted.ports}
            for port in kept.wanted.ports:
                if port.host in taken:
                    raise PortTaken(f"port {port.host} is already in use on the host", port.host)
            ran = self._program(kept.wanted)
            kept.log += ran.output
            kept.exit_code = ran.exit_code
            kept.status = "running" if ran.exit_code is None else "exited"
            kept.address = f"10.0.0.{next(self._numbers)}" if kept.status == "running" and kept.network else ""

    def stop(self, container: str, grace: int) -> None:  # noqa: ARG002 - the protocol's
        with self._call("stop", container):
            kept = self.containers.get(container)
            if kept is not None and kept.status == "running":
                kept.status, kept.exit_code, kept.address = "exited", 143, ""

    def remove(self, kind: StepKind, name: str) -> None:
        with self._call("remove", name):
            kept = self.containers.values()
            running = [one for one in kept if one.status == "running"]
            used = {name for one in running for name in _networks(one)} if kind == "network" else set()
            if kind == "network":
                name = next((one.name for one in self.networks.values() if one.id == name), name)
            if kind == "volume":
                used = {mount.source for one in kept for mount in one.wanted.mounts if mount.kind == "volume"}
            if name in used:
                raise Conflict(f"{kind} `{name}` is in use")
            self._all(kind).pop(name, None)
            if kind == "volume":
                self.contents.pop(name, None)

    def look(self, container: str) -> ContainerState:
        with self._call("look", container):
            kept = self._kept(container)
            is_running = kept.status == "running"
            settings = self._settings(kept)
            killed = kept.oom_killed
            return ContainerState(kept.id, is_running, kept.exit_code, killed, kept.address, settings=settings)

    def use(self, container: str) -> Use | None:
        with self._call("use", container):
            return self._kept(container).use

    def ran_out_of_memory(self, container: str, seconds: float) -> bool:  # noqa: ARG002 - the protocol's
        with self._call("ran_out_of_memory", container):
            return self._kept(container).oom_killed

    def changes(self, container: str) -> tuple[Change, ...]:
        """Give the changes that a test has set."""
        with self._call("changes", container):
            return tuple(self._kept(container).changes)

    def read(
        self,
        container: str,
        what: Literal["logs", "follow", "files"],
        tail: int | None = None,
        since: float | None = None,  # noqa: ARG002 - the protocol's
    ) -> Iterator[Chunk]:
        """Stream the log; `follow` ends where the log ends, and chunks count as lines. Of files, those copied in."""
        with self._call("read", container):
            kept = self._kept(container)
            log = kept.log if what != "files" else [Chunk("stdout", kept.files)]
            yield from log if tail is None else log[len(log) - min(tail, len(log)) :]

    def pack(self, container: str, path: str) -> Iterator[bytes]:
        """Give what was unpacked into the volume that is mounted at that path."""
        with self._call("pack", container):
            volume = self._volume(container, path)
            yield self.contents.get(volume) or _tar(posixpath.basename(path))

    def unpack(self, container: str, folder: str, archive: Iterable[bytes]) -> None:
        """Keep a tar for the volume that is mounted where its first entry leads."""
        with self._call("unpack", container):
            content = b"".join(archive)
            try:
                with tarfile.open(fileobj=io.BytesIO(content)) as tar:
                    first = tar.getnames()[0].split("/")[0]
            except (tarfile.TarError, IndexError) as error:
                raise EngineError(f"the engine refused: {error}") from error
            self.contents[self._volume(container, posixpath.join(folder, first))] = content

    def _volume(self, container: str, path: str) -> str:
        for mount in self._kept(container).wanted.mounts:
            if mount.kind == "volume" and mount.target == path:
                return mount.source
        raise NotFound(f"no such path in container {container}: {path}")

    def exec(self, container: str, command: Command) -> Running:
        with self._call("exec", container):
            if self._kept(container).status != "running":
                raise Conflict(f"container `{container}` is not running")
            ran = self._execute(container, command)
            return _Finished(ran.output, ran.exit_code or 0)

    def read_host(self, file: Path) -> bytes | None:
        with self._call("read_host", str(file)):
            return file.read_bytes() if self.shares_files and file.is_file() else None

    def close(self) -> None:
        """Nothing is open."""

    def _settings(self, kept: Kept) -> Settings:
        """The container's own before the image's; an entrypoint of its own leaves the image's command behind."""
        wanted = kept.wanted
        image = self.images.get(wanted.image) or SeenImage(wanted.image, wanted.image, {})
        command = image.command if wanted.entrypoint is None else ()
        mounts = (mount for mount in wanted.mounts if mount.kind != "copy")
        return Settings(
            image=image.id,
            env={**image.env, **wanted.env},
            entrypoint=image.entrypoint if wanted.entrypoint is None else wanted.entrypoint,
            command=command if wanted.command is None else wanted.command,
            user=image.user if wanted.user is None else wanted.user,
            working_dir=image.working_dir if wanted.working_dir is None else wanted.working_dir,
            mounts=tuple(sorted(mounts, key=lambda mount: mount.target)),
            ports=tuple(sorted(wanted.ports, key=lambda port: (port.container, port.host, port.address))),
            limits=wanted.limits,
            networks=tuple(sorted((*_networks(kept), *(("host",) if wanted.network == "host" else ())))),
            labels={**image.labels, **wanted.labels},
            privileged=wanted.privileged,
            capabilities=tuple(sorted(wanted.capabilities)),
        )

    def _call(self, name: str, target: str) -> threading.RLock:
        """Note the call, fail if the test wants that, and lock."""
        self.calls.append((name, target))
        if (failure := self.fail_on(name, target)) is not None:
            raise failure
        return self._lock

    def _all(self, kind: StepKind) -> dict[str, Any]:
        everything: dict[StepKind, dict[str, Any]] = {
            "container": self.containers,
            "network": self.networks,
            "volume": self.volumes,
            "image": self.images,
        }
        return everything[kind]

    def _kept(self, container: str) -> Kept:
        try:
            return self.containers[container]
        except KeyError:
            raise NotFound(f"no such container: {container}") from None


@dataclass(frozen=True)
class _Finished:
    output: tuple[Chunk, ...]
    exit_code: int

    def __iter__(self) -> Iterator[Chunk]:
        return iter(self.output)


def _tar(folder: str) -> bytes:
    """A tar with an empty folder."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        entry = tarfile.TarInfo(folder)
        entry.type, entry.mode = tarfile.DIRTYPE, 0o755
        tar.addfile(entry)
    return buffer.getvalue()


def _files(archive: bytes) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        files = {member.name: tar.extractfile(member) for member in tar if member.isfile()}
        return {name: file.read() for name, file in files.items() if file}


def _described(config: bytes) -> SeenImage:
    """The image of that configuration."""
    digest = f"sha256:{hashlib.sha256(config).hexdigest()}"
    read = json.loads(config)
    return translate.seen_image(digest, digest, read.get("config") or {}, read.get("rootfs", {}).get("diff_ids", ()))


def _owner(resource: Container | Network | Volume | SeenObject) -> str | None:
    return resource.labels.get(labels.INSTANCE)


def _networks(kept: Kept) -> dict[str, str]:
    return ({kept.network: ""} if kept.network else {}) | kept.joined


def _seen(kept: Kept) -> SeenContainer:
    image, wanted = kept.wanted.image, kept.wanted
    labelled, networks = wanted.labels, _networks(kept)
    ports = tuple(sorted(wanted.ports, key=lambda port: port.container)) if kept.status == "running" else ()
    return SeenContainer(kept.id, wanted.name, image, kept.status, kept.status, labelled, kept.address, networks, ports)
