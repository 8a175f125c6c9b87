"""The ten things devenv asks of a container engine."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Literal, Protocol

from devenv.model.blueprint import Container, Network, Observed, StepKind, Volume
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
    """

    address: str
    name: str
    version: str
    architecture: str
    local: bool
    routable: bool = False


@dataclass(frozen=True, slots=True)
class SeenImage:
    """An image the engine has.

    Args:
        id: As the engine reports it; the manifest digest on the containerd store.
        config_digest: SHA-256 of the image configuration, equal on every engine.
    """

    id: str
    config_digest: str
    labels: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class ContainerState:
    """A container, looked at closely.

    Args:
        exit_code: None while it has not ended.
        oom_killed: Whether the kernel ended it for lack of memory.
        address: In its network, empty when it does not run.
        log_start: Seconds since 1970 where the log of its present run begins; 0 for the log's own beginning.
    """

    id: str
    running: bool
    exit_code: int | None
    oom_killed: bool
    address: str
    log_start: float = 0.0


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
    def info(self) -> EngineInfo:
        """Who answers, asked for once."""
        ...

    def observe(self, instance: str) -> Observed:
        """Everything that carries this instance's label; containers with their state, running or not."""
        ...

    def image(self, reference: str) -> SeenImage | None:
        """The image of that name or id; None when the engine has none."""
        ...

    def load(self, archive: Iterable[bytes]) -> None:
        """Load a tar of images (OCI layout with docker's `manifest.json`), streamed."""
        ...

    def create(self, resource: Container | Network | Volume, network: str | None = None) -> str:
        """Create it, or adopt the one of that name and instance; return its id.

        A container with `network=None` has no network at all; otherwise its unit is its alias there.
        """
        ...

    def start(self, container: str) -> None:
        """Start it; a running one stays as it is. A taken host port is a `Conflict` that names the port."""
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

    def exec(self, container: str, command: Command) -> Running:
        """Run a command in a running container."""
        ...
