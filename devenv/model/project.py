"""What a `devenv.toml` says, checked and with every default filled in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from pathlib import Path
from typing import Literal

from devenv.values import dataclass

Origin = Literal["debian", "registry"]
Action = Literal["sync", "setup", "restart", "rebuild"]
HookStage = Literal["pre-commit", "pre-push"]
SyncMode = Literal["auto", "bind", "copy"]

Option = str | int | float | bool | tuple[str, ...] | Mapping[str, str]
"""The value of a catalog option such as `databases` or `settings`."""

BALANCER = "balancer"
"""The name of the service that comes by itself where apps have replicas."""


@dataclass(frozen=True, slots=True)
class Ready:
    """How to find out that a container serves; exactly one of the four is set.

    Args:
        tcp: A port that accepts connections.
        http: A path that answers with a status below 400, on `port`.
        exec: A command that exits with 0 inside; one string is given to `sh -c`.
        log: A regular expression that a line of the log matches.
        port: For `http`; None means the container's first port.
        timeout: Seconds until it counts as failed.
    """

    tcp: int | None = None
    http: str | None = None
    exec: tuple[str, ...] | None = None
    log: str | None = None
    port: int | None = None
    timeout: float = 60.0


# Twice what Podman gives a container, and more than servers with threads and test runners with workers need; an eighth
# of the smallest table of processes that kernels have (32768), so that a fork bomb leaves the machine usable.
MOST_PIDS = 4096


@dataclass(frozen=True, slots=True)
class Limits:
    """The most a container may use; None is no limit, but for `pids` of an app or service: `MOST_PIDS`.

    Args:
        cpus: Cores, may be a fraction.
        memory: Bytes.
        pids: Processes.
    """

    cpus: float | None = None
    memory: int | None = None
    pids: int | None = None

    @property
    def are_asked_for(self) -> bool:
        """Whether anybody asked for one of them."""
        return self.cpus is not None or self.memory is not None or self.pids not in (None, MOST_PIDS)


LOOPBACK = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class HostPath:
    """A file or folder that a container is given.

    Args:
        target: Absolute path inside.
        source: As it is written: relative to the project, absolute, or `~/…`.
    """

    target: str
    source: str
    read_only: bool = True


@dataclass(frozen=True, slots=True)
class Reach:
    """What a container reaches beyond itself.

    Args:
        capabilities: Of Linux, without `CAP_`.
        address: Of the host, where its ports are published.
    """

    mounts: tuple[HostPath, ...] = ()
    privileged: bool = False
    capabilities: tuple[str, ...] = ()
    address: str = LOOPBACK


NO_REACH = Reach()


def reached(address: str) -> str:
    """Where the host itself reaches what is published at an address."""
    return LOOPBACK if address == "0.0.0.0" else address  # noqa: S104 -- compared, not listened on


@dataclass(frozen=True, slots=True)
class StackRequest:
    """A stack an app asks for; `version` None means the catalog's default."""

    name: str
    version: str | None = None


@dataclass(frozen=True, slots=True)
class App:
    """A container that runs the project's own code.

    Args:
        name: The table's key; also its host name in the network.
        like: The app whose image, packages and setup it shares, already merged into the other fields.
        image: An image reference that replaces stack and packages.
        dir: The synced folder, relative to the project.
        setup: Shell commands, run inside when their inputs change.
        run: A shell command; None keeps the container idle.
        ports: Container ports, published under the same number.
        needs: Names of services and apps that must be ready first.
        replicas: How many of its containers run; None is one that publishes its ports by itself.
        sticky: Whether who was answered by one of them goes on with that one.
        route: A path without a slash at its end, under which it is reached at the ports of other balanced apps.
    """

    name: str
    like: str | None = None
    stacks: tuple[StackRequest, ...] = ()
    image: str | None = None
    origin: Origin = "registry"
    dir: str = "."
    packages: tuple[str, ...] = ()
    setup: tuple[str, ...] = ()
    run: str | None = None
    ports: tuple[int, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    needs: tuple[str, ...] = ()
    ready: Ready | None = None
    limits: Limits = Limits()
    replicas: int | None = None
    sticky: bool = False
    route: str | None = None
    reach: Reach = NO_REACH

    @property
    def is_balanced(self) -> bool:
        """Whether `devenv.toml` has it stand behind the balancer."""
        return bool(self.ports) and (self.replicas is not None or self.route is not None)


@dataclass(frozen=True, slots=True)
class Service:
    """A backing container.

    Args:
        name: The table's key; also its host name in the network.
        use: The catalog entry, None for a service by `image` or `dockerfile`.
        dockerfile: A Dockerfile's path, relative to the project.
        context: The folder that it may copy from, relative to the project.
        target: The stage of the Dockerfile that is the image; None for the last.
        args: Values for the Dockerfile's `ARG`s.
        version: As asked for; None means the catalog's default.
        options: Values for the options that the catalog entry declares.
        port: A fixed host port for the main port; None lets devenv choose one per checkout.
        ports: Container ports, for a service by `image` or `dockerfile`.
        volumes: Volume name to path inside, besides those of the catalog.
        run_as: A user inside, `name`, `uid` or `uid:gid`; None is the image's, as for the entrypoint and the folder.
        needs: Names of services and apps that must be ready first.
    """

    name: str
    use: str | None
    origin: Origin = "registry"
    image: str | None = None
    dockerfile: str | None = None
    context: str = "."
    target: str | None = None
    args: Mapping[str, str] = field(default_factory=dict)
    version: str | None = None
    options: Mapping[str, Option] = field(default_factory=dict)
    port: int | None = None
    ports: tuple[int, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    volumes: Mapping[str, str] = field(default_factory=dict)
    command: tuple[str, ...] = ()
    entrypoint: tuple[str, ...] | None = None
    working_dir: str | None = None
    run_as: str | None = None
    needs: tuple[str, ...] = ()
    ready: Ready | None = None
    limits: Limits = Limits()
    reach: Reach = NO_REACH


@dataclass(frozen=True, slots=True)
class Task:
    """A named shell command, run inside `app` by `devenv run`."""

    name: str
    run: str
    app: str


@dataclass(frozen=True, slots=True)
class Hook:
    """A check that is run inside `app` on what is to be committed or pushed.

    Args:
        run: A shell command; `{files}` stands for the files, and without it the command runs once.
        files: Patterns as in .gitignore, relative to the app's folder; () means every file.
        parallel: Whether it may run on several batches of files at once.
    """

    name: str
    run: str
    app: str
    files: tuple[str, ...] = ()
    stages: tuple[HookStage, ...] = ("pre-commit",)
    parallel: bool = True


@dataclass(frozen=True, slots=True)
class Secret:
    """A value that everyone who works on the project brings: the token of an account, say.

    Args:
        name: The variable that apps have it as.
        url: Where one gets it.
        required: Whether apps are not started without it.
        apps: Those that get it; None is every app.
    """

    name: str
    description: str = ""
    url: str | None = None
    required: bool = True
    apps: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class SyncRule:
    """What a change of a path that matches `path` (gitignore syntax) does."""

    path: str
    action: Action


@dataclass(frozen=True, slots=True)
class Sync:
    """How files reach the apps.

    Args:
        ignore: Patterns as in .gitignore, relative to each app's folder; what they match is not synced.
    """

    mode: SyncMode = "auto"
    ignore: tuple[str, ...] = ()
    rules: tuple[SyncRule, ...] = ()


@dataclass(frozen=True, slots=True)
class Project:
    """A folder with a `devenv.toml`, read.

    Args:
        root: Absolute path of the folder.
        name: A DNS label.
        suite: The Debian release that images of origin debian are built from.
        platforms: Architectures the lockfile covers, as Debian names them (`amd64`); () means the engine's own.
        seed: An exported snapshot, relative to the project, that empty volumes of services are filled from.
        joins: Networks that it shares with other projects of this engine, by the names that all of them use.
        balancer: The service that comes by itself, not among `services`; None where no app is balanced.
    """

    root: Path
    name: str
    suite: str = "trixie"
    apps: tuple[App, ...] = ()
    services: tuple[Service, ...] = ()
    tasks: tuple[Task, ...] = ()
    hooks: tuple[Hook, ...] = ()
    secrets: tuple[Secret, ...] = ()
    sync: Sync = Sync()
    platforms: tuple[str, ...] = ()
    seed: str | None = None
    joins: tuple[str, ...] = ()
    balancer: Service | None = None

    @property
    def reaches(self) -> bool:
        """Whether any app or service asks for something beyond its own container."""
        return any(app.reach != NO_REACH for app in self.apps) or any(
            service.reach != NO_REACH for service in self.services
        )

    @property
    def pinned(self) -> tuple[Service, ...]:
        """The services, and the one that comes by itself."""
        return self.services if self.balancer is None else (*self.services, self.balancer)
