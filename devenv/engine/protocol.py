"""What devenv asks of a container engine."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import field
from pathlib import Path
from typing import Literal, Protocol

from devenv.model.blueprint import (
    Container,
    Mount,
    Network,
    Observed,
    Port,
    SeenContainer,
    SeenObject,
    StepKind,
    Volume,
)
from devenv.model.machine import Login
from devenv.model.progress import Report
from devenv.model.project import Limits
from devenv.values import dataclass


@dataclass(frozen=True, slots=True)
class EngineInfo:
    """The engine at the other end.

    Args:
        address: `unix:///run/docker.sock`, `tcp://…`, `ssh://…`.
        name: `Docker Engine`, `Podman`, as it calls itself.
        version: `20.10.24`.
        architecture: As Debian names it: `amd64`, `arm64`.
        local: Whether it shares this host's files and network.
        routable: Whether containers' own addresses can be reached from this host.
        kernel: The release of the kernel that containers run on.
    """

    address: str
    name: str
    version: str
    architecture: str
    local: bool
    routable: bool = False
    kernel: str = ""


@dataclass(frozen=True, slots=True)
class SeenImage:
    """An image the engine has.

    Args:
        id: As the engine reports it; the manifest digest on the containerd store.
        config_digest: SHA-256 of the image configuration, equal on every engine.
        volumes: Paths the image declares as volumes.
        layers: Digests of the layers' plain tars, bottom first.
    """

    id: str
    config_digest: str
    labels: Mapping[str, str]
    env: Mapping[str, str] = field(default_factory=dict)
    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    user: str = ""
    working_dir: str = ""
    volumes: tuple[str, ...] = ()
    layers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Settings:
    """What a container was created with, the image's own settings included.

    Args:
        image: The engine's id of the image it was made from.
        mounts: By target; the volumes that the image declares are among them, under names the engine chose.
        ports: The published ones.
        networks: Names, without `none`.
        labels: The image's are among them.
        capabilities: Those added, without `CAP_`, sorted.
    """

    image: str
    env: Mapping[str, str]
    entrypoint: tuple[str, ...]
    command: tuple[str, ...]
    user: str
    working_dir: str
    mounts: tuple[Mount, ...]
    ports: tuple[Port, ...]
    limits: Limits
    networks: tuple[str, ...]
    labels: Mapping[str, str]
    privileged: bool = False
    capabilities: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ContainerState:
    """A container, looked at closely.

    Args:
        exit_code: None while it has not ended.
        oom_killed: Whether the kernel ended it, or a process in it, for lack of memory. To be trusted when it
            has ended: of one that runs, some engines tell of its last run, and others nothing.
        address: In its network, empty when it does not run.
        log_start: Seconds since 1970 where the log of its present run begins; 0 for the log's own beginning.
        settings: None where nothing is known of them.
    """

    id: str
    running: bool
    exit_code: int | None
    oom_killed: bool
    address: str
    log_start: float = 0.0
    settings: Settings | None = None


@dataclass(frozen=True, slots=True)
class Use:
    """What a container uses now.

    Args:
        memory: Bytes, without files that the kernel only keeps at hand.
        pids: Processes and threads.
    """

    memory: int
    pids: int


@dataclass(frozen=True, slots=True)
class Change:
    """A file or folder that a container has in another way than its image; `path` is absolute."""

    kind: Literal["added", "changed", "deleted"]
    path: str


@dataclass(frozen=True, slots=True)
class Chunk:
    """Output of a container or a command; `data` may end in the middle of a line."""

    stream: Literal["stdout", "stderr"]
    data: bytes


@dataclass(frozen=True, slots=True)
class Command:
    """What to run inside a container.

    Args:
        argv: The program and its arguments; no shell is added.
        user: `uid:gid` or a name; None means the container's own.
        interactive: Connects this process's terminal: keys, size and signals pass through. Needs a terminal on stdin.
        stdin: Bytes to feed, when not interactive; None gives it an empty input.
    """

    argv: Sequence[str]
    user: str | None = None
    working_dir: str | None = None
    env: Mapping[str, str] | None = None
    interactive: bool = False
    stdin: Iterable[bytes] | None = None


@dataclass(frozen=True, slots=True)
class Usage:
    """Bytes on the engine's disk, by name; what it does not tell of is left out.

    Args:
        containers: What each has of its own, without its image and mounts.
        volumes: Their content.
    """

    containers: Mapping[str, int] = field(default_factory=dict)
    volumes: Mapping[str, int] = field(default_factory=dict)


class Running(Protocol):
    """A command under way: iterate over its output to the end, then read the exit code."""

    def __iter__(self) -> Iterator[Chunk]: ...

    @property
    def exit_code(self) -> int:
        """The command's own code; only after the output has ended."""
        ...


class Engine(Protocol):
    """A container engine.

    Every method raises `EngineUnreachable` when nothing answers, `NotFound`, `Conflict`, or `EngineError` with the
    engine's words otherwise. Methods may be called from several threads at once. Creating what exists already with
    the same instance label adopts it (devenv makes each thing once, and may have been killed just after).
    """

    @property
    def address(self) -> str:
        """Where it is; asks nothing."""
        ...

    @property
    def info(self) -> EngineInfo:
        """Who answers, asked for once."""
        ...

    def observe(self, instance: str | None) -> Observed:
        """Everything with this instance's label, or with any instance's for None; containers running or not."""
        ...

    def shared(self) -> tuple[SeenObject, ...]:
        """The networks with the label `SHARED`: they belong to no instance."""
        ...

    def usage(self) -> Usage:
        """How much of the engine's disk everything takes; it measures for as long as that takes."""
        ...

    def publishing(self, port: int) -> SeenContainer | None:
        """The running container, whosever it is, that has a port of the engine's host."""
        ...

    def image(self, reference: str) -> SeenImage | None:
        """The image of that name or id; None when the engine has none."""
        ...

    def load(self, archive: Iterable[bytes]) -> None:
        """Load a tar of images (OCI layout with docker's `manifest.json`), streamed."""
        ...

    def save(self, reference: str) -> Iterator[bytes]:
        """The image as one tar: docker's `manifest.json`, configuration, layers.

        An engine with the containerd image store gives the layers as they came, which may be compressed.
        """
        ...

    def pull(self, source: str, name: str, *, login: Login | None, report: Report, config: str | None = None) -> None:
        """Pull `source` (`repository@sha256:…`) for the engine's own platform and tag it `name`.

        Args:
            config: Digest of the configuration that belongs to the source's content; saves an engine that does not
                tell it from having to look.

        Raises:
            EngineError: The registry's or the engine's words; `transfers.is_passing` tells whether to try again.
        """
        ...

    def push(self, name: str, target: str, *, login: Login | None, report: Report) -> str:
        """Push the image `name` as `target` (`host/repository:tag`); return the manifest's digest in the registry.

        The extra tag is removed again.
        """
        ...

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
        """Build a context (a tar), and tag the image `name`.

        Args:
            dockerfile: Where the Dockerfile is in the context.
            network: Whether its commands may have the engine's usual network; else they have none.
        """
        ...

    def create(self, resource: Container | Network | Volume, network: str | None = None) -> str:
        """Create it, or adopt the one of that name and instance; return its id.

        A container with `network=None` has no network at all, or the host's if it says so; otherwise its unit is its
        alias there, and it is in its further networks as well (one that does not exist is `NotFound`, with some engines
        only at the start). Its mounts of kind `copy` are files in it as soon as it is there: root's, read-only.

        Raises:
            DevenvError: A file to copy cannot be read; there is no container then.
        """
        ...

    def start(self, container: str) -> None:
        """Start it; a running one stays as it is. A taken host port is a `PortTaken`."""
        ...

    def stop(self, container: str, grace: int) -> None:
        """Send its stop signal, SIGKILL after `grace` seconds, and wait for the end.

        One that is stopped or gone already is no error.
        """
        ...

    def remove(self, kind: StepKind, name: str) -> None:
        """Remove a container (killed if it runs), network, volume or image; one that is gone already is no error."""
        ...

    def look(self, container: str) -> ContainerState: ...

    def use(self, container: str) -> Use | None:
        """What a container uses now; None where it does not run, or where the engine would take a second to tell."""
        ...

    def ran_out_of_memory(self, container: str, seconds: float) -> bool:
        """Whether the kernel ended a process in it for lack of memory in the last so many seconds, also if it runs on.

        It may be false though it did, on engines that do not tell.
        """
        ...

    def changes(self, container: str) -> tuple[Change, ...]:
        """What differs between a container's own layer and its image, by path.

        Mounts do not count, nor does what was copied in as the label `COPIED` tells.
        """
        ...

    def read(
        self,
        container: str,
        what: Literal["logs", "follow", "files"],
        tail: int | None = None,
        since: float | None = None,
    ) -> Iterator[Chunk]:
        """Stream what is in a container: its log so far, its log until it ends, or its whole file system as one tar.

        Args:
            tail: Only the last lines of a log.
            since: Only what was logged after this moment, seconds since 1970.
        """
        ...

    def pack(self, container: str, path: str) -> Iterator[bytes]:
        """A folder in a container, running or not, as one tar, streamed; its entries begin with the folder's own name.

        Mounted volumes are seen; owners are numbers.

        Raises:
            EngineError: It broke off before the end.
        """
        ...

    def unpack(self, container: str, folder: str, archive: Iterable[bytes]) -> None:
        """Unpack a tar into a folder of a container, running or not; nothing of it gets outside the container."""
        ...

    def exec(self, container: str, command: Command) -> Running:
        """Run a command in a running container."""
        ...

    def read_host(self, file: Path) -> bytes | None:
        """The file that a mount of that path would show; None when there is none.

        It is asked for through a container that is never started and of which nothing stays.
        """
        ...
