"""Everything that must exist for a project to run, resolved; and the steps that make it so."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from pathlib import Path
from typing import Literal

from devenv.model import labels
from devenv.model.pins import DerivedRecipe, DockerfileRecipe, ImageRecipe, RegistryPin
from devenv.model.project import LOOPBACK, Limits, reached
from devenv.values import dataclass

MountKind = Literal["bind", "volume", "tmpfs", "copy"]
ContainerKind = Literal["app", "service", "files", "balancer"]
NetworkMode = Literal["instance", "host", "none"]
Restart = Literal["no", "on-failure"]

LATER: Mapping[str, bool] = {"later": True}
"""Of fields that came after the first: while they have their defaults, the hashes of before stay."""


@dataclass(frozen=True, slots=True)
class Image:
    """An image a container runs.

    Args:
        reference: The local tag that names it in the engine, derived from its pin.
        key: The hash of everything that decides its bytes; 64 hex digits.
        source: How to build it, or what to pull.
        digest: The config digest it must have; None while no build has told it yet.
    """

    reference: str
    key: str
    source: ImageRecipe | DerivedRecipe | DockerfileRecipe | RegistryPin
    digest: str | None = None

    @property
    def is_reproducible(self) -> bool:
        """Whether it is built, and comes out the same to the byte each time."""
        return isinstance(self.source, ImageRecipe | DerivedRecipe)


@dataclass(frozen=True, slots=True)
class Mount:
    """Something attached to a container's file system.

    A `copy` is a file whose content devenv puts into the container when it creates it, for engines that do not share
    the host's files: read-only, and no mount for the engine.

    Args:
        source: A host path for `bind` and `copy`, the engine's volume name for `volume`, empty for `tmpfs`.
        target: Absolute path inside.
        owner: `uid:gid` who alone may write to a `tmpfs`; empty lets everyone.
    """

    kind: MountKind
    source: str
    target: str
    read_only: bool = False
    owner: str = ""

    @property
    def copied_mode(self) -> int:
        """Of a `copy`: for all to read, and to run what can be run."""
        return 0o555 if Path(self.source).stat().st_mode & 0o100 else 0o444

    @property
    def options(self) -> str:
        """Of a `tmpfs` with an owner, as engines take them; at a restart they keep an owner, but not every mode."""
        uid, _, gid = self.owner.partition(":")
        return f"mode=0755,uid={uid},gid={gid}"


@dataclass(frozen=True, slots=True)
class SecretFile:
    """A variable with a secret in it, which a container gets as a file; its value is in no blueprint.

    Args:
        name: The variable's.
        source: Host path of the file.
        fingerprint: Another one for another value, 16 hex digits that tell nothing of it without the checkout's key.
    """

    name: str
    source: str
    fingerprint: str


@dataclass(frozen=True, slots=True)
class Port:
    """A TCP port of a container, published on the host at `address`."""

    container: int
    host: int
    address: str = LOOPBACK

    @property
    def reached(self) -> str:
        """The address to reach it at from the host itself."""
        return reached(self.address)


@dataclass(frozen=True, slots=True)
class Probe:
    """One check that must pass before a container counts as ready.

    Exactly one of `tcp`, `http`, `exec`, `log` is set; `http` is a path on port `port`.
    """

    tcp: int | None = None
    http: str | None = None
    port: int | None = None
    exec: tuple[str, ...] | None = None
    log: str | None = None


@dataclass(frozen=True, slots=True)
class Readiness:
    """All probes must pass, cheapest first, within `timeout` seconds; no probe means: running is ready."""

    probes: tuple[Probe, ...] = ()
    timeout: float = 60.0


@dataclass(frozen=True, slots=True)
class Health:
    """The health check declared to the engine for other tools; times in seconds."""

    command: tuple[str, ...]
    interval: float
    timeout: float
    retries: int
    start_period: float


@dataclass(frozen=True, slots=True)
class Joined:
    """A place in a network that projects share.

    Args:
        network: The engine's name for it.
        alias: `<unit>.<instance>`, for every project may have a `web`.
    """

    network: str
    alias: str


@dataclass(frozen=True, slots=True)
class Container:
    """One container of the environment.

    Args:
        name: The engine's name, `<instance>-<unit>-<replica>`.
        unit: The app's or service's name; its host name in the network. `<app>.files` for what holds an app's files.
        replica: Counted from 1.
        image: A reference from `Blueprint.images`.
        entrypoint: None keeps the image's.
        command: None keeps the image's.
        base_env: The part of `env` without which the command makes no sense: home, path, the stacks' own.
        user: `uid:gid`; None keeps the image's.
        hostname: None lets the engine choose.
        secrets: Its files with secrets, each of which is among `mounts`, too.
        setup: Whether the start script runs setup commands before `run`; its log then tells when that is done.
        needs: Units that must be ready before this one starts.
        networks: Further ones than the instance's own.
        network: `host` is that of the engine's computer; its ports need not be published.
        stop_grace: Seconds between the stop signal and SIGKILL.
        scales: Whether there may be several of it.
        behind: Ports of its own that the balancer publishes in its place.
        config_hash: SHA-256 of everything above and below that the engine fixes at creation; set by `blueprint`.
    """

    name: str
    unit: str
    kind: ContainerKind
    image: str
    replica: int = 1
    entrypoint: tuple[str, ...] | None = None
    command: tuple[str, ...] | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    base_env: Mapping[str, str] = field(default_factory=dict)
    user: str | None = None
    hostname: str | None = None
    working_dir: str | None = None
    mounts: tuple[Mount, ...] = ()
    secrets: tuple[SecretFile, ...] = ()
    ports: tuple[Port, ...] = ()
    needs: tuple[str, ...] = ()
    networks: tuple[Joined, ...] = field(default=(), metadata=LATER)
    setup: bool = False
    readiness: Readiness = Readiness()
    health: Health | None = None
    limits: Limits = Limits()
    network: NetworkMode = field(default="instance", metadata=LATER)
    stop_signal: str | None = None
    stop_grace: int = 10
    labels: Mapping[str, str] = field(default_factory=dict)
    config_hash: str = ""
    scales: bool = field(default=False, metadata=LATER)
    behind: tuple[int, ...] = field(default=(), metadata=LATER)
    privileged: bool = field(default=False, metadata=LATER)
    capabilities: tuple[str, ...] = field(default=(), metadata=LATER)

    @property
    def restart(self) -> Restart:
        """When the engine starts it again by itself: what traffic goes to must not stay away."""
        return "on-failure" if self.behind or self.kind == "balancer" else "no"

    @property
    def is_attached(self) -> bool:
        """Whether it is in the instance's network."""
        return self.network == "instance"

    def holds_folder(self, mount: Mount) -> bool:
        """Whether a mount is the volume of an app's folder, in which nothing of the image may appear."""
        return mount.kind == "volume" and mount.target == self.working_dir and self.kind != "service"


@dataclass(frozen=True, slots=True)
class Network:
    """A bridge network: the instance's own, or one that projects share, which its labels tell."""

    name: str
    labels: Mapping[str, str] = field(default_factory=dict)
    options: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Volume:
    """A named volume."""

    name: str
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Blueprint:
    """Everything that must exist.

    Args:
        project: The project's name.
        instance: The name that prefixes every resource; compose's project name.
        folder: The checkout's absolute path on the host.
        images: Without doubles, in order of first use.
        containers: A unit's needs stand before it.
        shared: Networks that other projects may be in, too.
    """

    project: str
    instance: str
    folder: str
    images: tuple[Image, ...]
    network: Network
    volumes: tuple[Volume, ...]
    containers: tuple[Container, ...]
    shared: tuple[Network, ...] = field(default=(), metadata=LATER)

    @property
    def owner(self) -> Mapping[str, str]:
        """The labels that tell whose something is."""
        own = {labels.INSTANCE: self.instance, labels.FOLDER: self.folder}
        return own | {key: value for key, value in self.network.labels.items() if key == labels.HOST}


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """What tells one secret from another without giving it away.

    Args:
        key: Names the checkout's key that `value` was made with, 8 hex digits.
        value: Hash of the secret under that key, 16 hex digits.
    """

    origin: Literal["given", "generated"]
    key: str
    value: str


@dataclass(frozen=True, slots=True)
class Placement:
    """What a machine and a checkout add to a blueprint; never part of a pin.

    Args:
        instance: The name that prefixes every resource.
        folder: The checkout's absolute path on the host.
        user: `uid:gid` apps run as.
        ports: Host port chosen for a unit's container port, by `<unit>/<port>`.
        certificates: Host path of a CA bundle to mount into containers, or None.
        env: Proxy variables for every container.
        passwd: Host folder of passwd files for the app images, named by image key; None when apps run as root.
        copies: Whether apps' folders are copied into volumes rather than mounted from the host.
        secrets: Fingerprints by `<service>.<option>`.
        generations: Which generation of its volumes a service has, by its name; 1 for those that are not in it.
        host: Tells this machine from others that use the same engine; empty for none in particular.
        replicas: How many of an app run here, in place of what `devenv.toml` says.
        home: What `~` stands for in the sources of mounts.
    """

    instance: str
    folder: str
    user: str = "0:0"
    ports: Mapping[str, int] = field(default_factory=dict)
    certificates: str | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    passwd: str | None = None
    copies: bool = False
    secrets: Mapping[str, Fingerprint] = field(default_factory=dict)
    generations: Mapping[str, int] = field(default_factory=dict)
    host: str = ""
    replicas: Mapping[str, int] = field(default_factory=dict)
    home: str = "~"


# --- what is there, and the way to what must be ---

ContainerStatus = Literal["created", "running", "paused", "restarting", "removing", "exited", "dead"]


@dataclass(frozen=True, slots=True)
class SeenContainer:
    """A container the engine has.

    Args:
        name: Without a leading slash.
        image: The image's id in the engine.
        address: In the instance's network; empty when it does not run.
        status_text: As the engine words it: `Up 3 minutes (healthy)`.
        networks: Those it is in, running or not: the engine's id by name, empty where it is not known yet.
        ports: Those that are published on its host now.
    """

    id: str
    name: str
    image: str
    status: ContainerStatus
    status_text: str
    labels: Mapping[str, str]
    address: str = ""
    networks: Mapping[str, str] = field(default_factory=dict)
    ports: tuple[Port, ...] = ()


@dataclass(frozen=True, slots=True)
class SeenObject:
    """A network or volume the engine has."""

    id: str
    name: str
    labels: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Observed:
    """What the engine has of one instance, found by label.

    Args:
        shared: Networks that projects share, where the project is in one.
    """

    containers: tuple[SeenContainer, ...] = ()
    networks: tuple[SeenObject, ...] = ()
    volumes: tuple[SeenObject, ...] = ()
    shared: tuple[SeenObject, ...] = ()


StepVerb = Literal["build", "pull", "create", "start", "drain", "stop", "remove", "wait", "keep"]
StepKind = Literal["image", "network", "volume", "container"]


@dataclass(frozen=True, slots=True)
class Step:
    """One engine call.

    Args:
        id: Unique in the plan: `create container bookshop-web-1`.
        target: The object's name.
        cause: Why, for people: `missing`, `image changed`, `env changed: LOG_LEVEL`.
        after: Ids of the steps that must be done first.
        unit: The app or service it belongs to, for showing.
    """

    verb: StepVerb
    kind: StepKind
    target: str
    cause: str
    after: tuple[str, ...] = ()
    unit: str | None = None

    @property
    def id(self) -> str:
        return f"{self.verb} {self.kind} {self.target}"


@dataclass(frozen=True, slots=True)
class Plan:
    """Ordered steps; `kept` names the containers that already are as they must be."""

    steps: tuple[Step, ...]
    kept: tuple[str, ...] = ()
