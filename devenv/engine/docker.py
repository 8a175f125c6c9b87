"""The engine over the Docker SDK, which also speaks to Podman.

What only reads, `start` and `exec` go over `engine/wire.py` where it can speak to the engine: importing the SDK takes
longer than those calls. Everything else, and every call over TLS or SSH, goes through the SDK's `APIClient`.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from devenv.blueprint import joined
from devenv.engine import digests, failures, hostfiles, streams, transfers, translate, wire
from devenv.engine.protocol import Change, Chunk, Command, ContainerState, EngineInfo, Running, SeenImage, Usage, Use
from devenv.engine.wire import Answer, Endpoint, Wire
from devenv.errors import Conflict, DevenvError, EngineError, EngineUnreachable, NotFound
from devenv.model import labels
from devenv.model.blueprint import Container, Network, Observed, SeenContainer, SeenObject, StepKind, Volume
from devenv.model.machine import Login
from devenv.model.progress import Report

if TYPE_CHECKING:
    import docker
    import requests

_READ_TIMEOUT = 60.0
_CHANGE_TIMEOUT = 300
_MEASURE_TIMEOUT = 300.0
_REMOVAL_TIMEOUT = 30.0
_REMOVAL_INTERVAL = 0.05
_EXIT_INTERVAL = 0.005
_LONGEST_EXIT_INTERVAL = 0.5
_OOM_NOTICE = 0.2
"""Seconds that an engine may take to note what the kernel did."""
_BLOCK = 1024 * 1024


class DockerEngine:
    """An engine that speaks Docker's HTTP API.

    Args:
        endpoint: Where it listens.
        memory: What is dear to find out on engines with the containerd image store.
    """

    def __init__(self, endpoint: Endpoint, memory: digests.Memory | None = None) -> None:
        self.endpoint = endpoint
        self._wire = Wire(endpoint) if endpoint.plain else None
        self._digests = memory or digests.Memory()
        self._lock = threading.Lock()
        self._info: EngineInfo | None = None
        self._sdk: docker.APIClient | None = None

    def close(self) -> None:
        """Give back the connections; a later call opens new ones."""
        if self._wire is not None:
            self._wire.close()
        with self._lock:
            sdk, self._sdk = self._sdk, None
        if sdk is not None:
            sdk.close()

    def __del__(self) -> None:
        self.close()

    def ping(self) -> None:
        """Ask whether it answers at all."""
        wire.check(self._get(wire.path("_ping")))

    # --- what is there ---

    @property
    def address(self) -> str:
        return self.endpoint.address

    @property
    def info(self) -> EngineInfo:
        if self._info is None:
            version = wire.check(self._get(wire.path("version"))).json
            self._info = translate.info(self.endpoint.address, version)
        return self._info

    def observe(self, instance: str | None) -> Observed:
        label = labels.INSTANCE if instance is None else f"{labels.INSTANCE}={instance}"
        query = {"filters": json.dumps({"label": [label]})}
        containers = wire.check(self._get(wire.path("containers", "json", query=query | {"all": "1"}))).json
        networks = wire.check(self._get(wire.path("networks", query=query))).json
        volumes = wire.check(self._get(wire.path("volumes", query=query))).json["Volumes"]
        return Observed(
            containers=tuple(translate.seen_container(entry) for entry in containers),
            networks=tuple(translate.seen_object(entry) for entry in networks),
            volumes=tuple(translate.seen_object(entry) for entry in volumes or ()),
        )

    def shared(self) -> tuple[SeenObject, ...]:
        query = {"filters": json.dumps({"label": [labels.SHARED]})}
        return tuple(
            translate.seen_object(one) for one in wire.check(self._get(wire.path("networks", query=query))).json
        )

    def usage(self) -> Usage:
        # Old engines measure everything, whatever they are asked for; new ones list single things only when `verbose`.
        kinds = "&".join(f"type={kind}" for kind in ("container", "volume"))
        path = f"{wire.path('system', 'df')}?{kinds}&verbose=1"
        return translate.usage(wire.check(self._call("GET", path, _MEASURE_TIMEOUT)).json)

    def publishing(self, port: int) -> SeenContainer | None:
        query = {"filters": json.dumps({"publish": [f"{port}/tcp"]})}
        entries = wire.check(self._get(wire.path("containers", "json", query=query))).json
        found = (translate.seen_container(entry) for entry in entries)
        return next((one for one in found if port in {published.host for published in one.ports}), None)

    def image(self, reference: str) -> SeenImage | None:
        entry = self._entry(reference)
        if entry is None or digests.is_hollow(entry):
            return None
        found = self._digests.find(entry, lambda: self.save(reference))
        layers = (entry.get("RootFS") or {}).get("Layers") or ()
        return translate.seen_image(entry["Id"], found, entry.get("Config") or {}, layers)

    def look(self, container: str) -> ContainerState:
        return translate.state(self._inspect(container))

    def use(self, container: str) -> Use | None:
        if not translate.tells_use(self.info):
            return None
        query = {"stream": "false", "one-shot": "true"}
        return translate.use(wire.check(self._get(wire.path("containers", container, "stats", query=query))).json)

    def ran_out_of_memory(self, container: str, seconds: float) -> bool:
        """Ask what happened: no flag of a container that runs can be trusted."""
        deadline, since = time.monotonic() + _OOM_NOTICE, self._now() - seconds
        while True:
            query = translate.out_of_memory(container, since, self._now())
            if wire.check(self._get(wire.path("events", query=query))).body.strip():
                return True
            if time.monotonic() > deadline:
                return False
            time.sleep(_OOM_NOTICE / 4)

    def _now(self) -> float:
        """The engine's clock, seconds since 1970; another computer has another one."""
        if self.info.local:
            return time.time()
        return translate.moment(wire.check(self._get(wire.path("info"))).json["SystemTime"])

    def changes(self, container: str) -> tuple[Change, ...]:
        told = wire.check(self._get(wire.path("containers", container, "changes"))).json
        entry = self._inspect(container)
        copied = hostfiles.copied((entry["Config"].get("Labels") or {}).get(labels.COPIED))
        return translate.changes(told, translate.mounts(entry), copied)

    def read_host(self, file: Path) -> bytes | None:
        return hostfiles.read(self, self._get, file)

    # --- images ---

    def load(self, archive: Iterable[bytes]) -> None:
        with self._sending("loaded", wire.path("images", "load"), archive) as lines:
            transfers.loaded(lines)

    def save(self, reference: str) -> Iterator[bytes]:
        path = wire.path("images", reference, "get")
        with transfers.naming(f"`{reference}` could not be saved"), self._open("GET", path) as response:
            yield from response.iter_content(_BLOCK)

    def pull(self, source: str, name: str, *, login: Login | None, report: Report, config: str | None = None) -> None:
        path = wire.path("images", "create", query=translate.pull(source))
        with transfers.naming(f"`{source}` could not be pulled"):
            with self._open("POST", path, headers=translate.authorization(login)) as response:
                transfers.pulled(response.iter_lines(), transfers.short_name(source), report)
            self._tag(source, name)
        if config is not None:
            self._learn(source, config)

    def push(self, name: str, target: str, *, login: Login | None, report: Report) -> str:
        repository, label = translate.tag(target).values()
        path = wire.path("images", repository, "push", query={"tag": label})
        with (
            transfers.naming(f"`{target}` could not be pushed"),
            self._also_named(name, target),
            self._open("POST", path, headers=translate.authorization(login)) as response,
        ):
            return transfers.pushed(response.iter_lines(), transfers.short_name(name), report)

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
        from devenv.engine import buildx

        kept = buildx.Context(context)
        argv = buildx.command(name, arguments, dockerfile, network=network)
        if buildx.build(self.endpoint, kept, argv, transfers.short_name(name), report):
            return
        path = wire.path("build", query=translate.build(name, arguments, dockerfile, network=network))
        with self._sending("built", path, kept.again()) as lines:
            transfers.built(lines, transfers.short_name(name), report)

    def _tag(self, image: str, name: str) -> None:
        wire.check(self._call("POST", wire.path("images", image, "tag", query=translate.tag(name)), _CHANGE_TIMEOUT))

    @contextmanager
    def _also_named(self, name: str, target: str) -> Iterator[None]:
        """Give an image a second name for a while; what had that name before gets it back."""
        before, own = self._entry(target), self._entry(name)
        if before == own:  # to remove the name might remove the image
            yield
            return
        self._tag(name, target)
        try:
            yield
        finally:
            self.remove("image", target)
            if before is not None:
                self._tag(before["Id"], target)

    def _learn(self, source: str, config: str) -> None:
        """Note what the digest that was asked for leads to: the engine has checked all content against it."""
        entry = self._entry(source)
        if entry is not None and digests.is_manifest(entry) and source.endswith(f"@{entry['Id']}"):
            self._digests.learn(entry["Id"], config)

    @contextmanager
    def _sending(self, done: str, path: str, content: Iterable[bytes]) -> Iterator[Iterator[bytes]]:
        """Send a tar for which an image is `done`, and give the lines of the answer."""
        try:
            with self._open(
                "POST", path, data=iter(content), headers={"Content-Type": "application/x-tar"}
            ) as response:
                yield response.iter_lines()
        except EngineUnreachable as error:
            if self._answers():
                hint = "its disk may be full: `devenv doctor`"
                raise EngineError(f"the engine broke off while it {done} an image", hint=hint) from error
            raise

    # --- change ---

    def create(self, resource: Container | Network | Volume, network: str | None = None) -> str:
        if isinstance(resource, Container):
            return self._create_container(resource, network)
        if isinstance(resource, Network):
            return self._create_network(resource)
        return self._create_volume(resource)

    def start(self, container: str) -> None:
        wire.check(self._call("POST", wire.path("containers", container, "start"), _CHANGE_TIMEOUT))

    def stop(self, container: str, grace: int) -> None:
        path = wire.path("containers", container, "stop", query={"t": str(grace)})
        with suppress(NotFound):
            wire.check(self._call("POST", path, grace + _CHANGE_TIMEOUT))

    def remove(self, kind: StepKind, name: str) -> None:
        query = {"v": "1", "force": "1"} if kind == "container" else {}
        with suppress(NotFound):
            try:
                wire.check(self._call("DELETE", wire.path(f"{kind}s", name, query=query), _CHANGE_TIMEOUT))
            except Conflict as error:
                if "already in progress" not in error.message:
                    raise
                self._await_removal(name)

    # --- inside a container ---

    def read(
        self,
        container: str,
        what: Literal["logs", "follow", "files"],
        tail: int | None = None,
        since: float | None = None,
    ) -> Iterator[Chunk]:
        if what == "files":
            with self._open("GET", wire.path("containers", container, "export")) as response:
                for data in response.iter_content(_BLOCK):
                    yield Chunk("stdout", data)
            return
        query = translate.log(follow=what == "follow", tail=tail, since=since)
        with self._open("GET", wire.path("containers", container, "logs", query=query)) as response:
            yield from streams.frames(response.raw.read)

    def pack(self, container: str, path: str) -> Iterator[bytes]:
        place = wire.path("containers", container, "archive", query={"path": path})
        with transfers.naming("data could not be copied out"), self._open("GET", place) as response:
            yield from streams.whole_tar(response.iter_content(_BLOCK))

    def unpack(self, container: str, folder: str, archive: Iterable[bytes]) -> None:
        self._put(container, iter(archive), folder)

    def exec(self, container: str, command: Command) -> Running:
        path = wire.path("containers", container, "exec")
        execution = str(wire.check(self._post(path, translate.execution(command))).json["Id"])
        return streams.Execution(self._output(execution, command), lambda: self._exit_code(execution))

    def _output(self, execution: str, command: Command) -> Iterator[Chunk]:
        if command.interactive:
            from devenv.engine import terminal

            with self._take_over(execution, tty=True) as connection:
                terminal.attach(connection, lambda rows, columns: self._resize(execution, rows, columns))
            return
        with self._take_over(execution, tty=False) as connection:
            feeder = None if command.stdin is None else streams.Feeder(connection, command.stdin)
            yield from streams.frames(connection.read_exactly)
        if feeder is not None:
            feeder.finish()

    def _exit_code(self, execution: str) -> int:
        """Ask for it until it is known: the output may close a moment, or for a daemon long, before the end."""
        pause = _EXIT_INTERVAL
        while True:
            entry = wire.check(self._get(wire.path("exec", execution, "json"))).json
            if not entry["Running"] and entry["ExitCode"] is not None:
                return int(entry["ExitCode"])
            time.sleep(pause)
            pause = min(2 * pause, _LONGEST_EXIT_INTERVAL)

    def _resize(self, execution: str, rows: int, columns: int) -> None:
        """Tell the terminal's size; a command that has just begun or just ended has no terminal to tell."""
        with suppress(DevenvError):
            self._post(wire.path("exec", execution, "resize", query={"h": str(rows), "w": str(columns)}), None)

    # --- create or adopt ---

    def _create_container(self, wanted: Container, network: str | None) -> str:
        copied = hostfiles.archive(wanted.mounts)
        try:
            with self._client() as client:
                body = translate.container(wanted, network)
                made = str(client.create_container_from_config(body, wanted.name)["Id"])  # type: ignore[no-untyped-call]
        except Conflict as error:
            return self._adopt(wanted, copied, error)
        except EngineError as error:
            hint = _remedy(error, wanted)
            if hint is None:
                raise
            raise EngineError(error.message, hint=hint) from error
        try:
            self._join(made, wanted, ())
            self._put(made, copied)
        except BaseException:
            self.remove("container", made)
            raise
        return made

    def _adopt(self, wanted: Container, copied: bytes, error: Conflict) -> str:
        """Take the container that is there; one that was never started may lack its files."""
        there = self._inspect(wanted.name)
        same = _own(there["Config"].get("Labels"), wanted.labels)
        if not same or (there["Config"]["Labels"].get(labels.CONFIG) != wanted.labels.get(labels.CONFIG)):
            raise _foreign("container", wanted.name) from error
        if there["State"]["Status"] == "created":
            self._join(there["Id"], wanted, translate.networks(there))
            self._put(there["Id"], copied)
        return str(there["Id"])

    def _join(self, container: str, wanted: Container, there: Collection[str]) -> None:
        """Let it into its further networks: with its creation, APIs before 1.44 take only one."""
        for one in wanted.networks:
            if one.network not in there:
                body = {"Container": container, "EndpointConfig": {"Aliases": [one.alias]}}
                wire.check(self._post(wire.path("networks", one.network, "connect"), body))

    def _put(self, container: str, files: bytes | Iterator[bytes], folder: str = "/") -> None:
        """Unpack a tar in a folder of a container."""
        path = wire.path("containers", container, "archive", query={"path": folder})
        headers = {"Content-Type": "application/x-tar"}
        if files:
            with transfers.naming("files could not be copied"), self._open("PUT", path, data=files, headers=headers):
                return

    def _create_network(self, wanted: Network) -> str:
        """Create it, then look: engines make several networks of one name when asked several times at once."""
        made = ""
        with suppress(Conflict), self._client() as client:
            made = client.create_network(
                wanted.name, "bridge", options=dict(wanted.options), labels=dict(wanted.labels), check_duplicate=True
            )["Id"]
        named = sorted(self._networks(wanted.name), key=lambda entry: (entry["Created"], entry["Id"]))
        ours = [entry["Id"] for entry in named if _own(entry.get("Labels"), wanted.labels)]
        keep = ours[0] if len(ours) == len(named) and ours else ""
        if made and made != keep:
            self.remove("network", made)
        if not keep:
            raise _foreign("network", wanted.name)
        return str(keep)

    def _networks(self, name: str) -> list[dict[str, Any]]:
        """Those of exactly this name: the engine's filter also finds names that contain it."""
        query = {"filters": json.dumps({"name": [name]})}
        entries = wire.check(self._get(wire.path("networks", query=query))).json
        return [entry for entry in entries if entry["Name"] == name]

    def _create_volume(self, wanted: Volume) -> str:
        """Create it; the engine answers with the existing one, labels and all, when there is one."""
        with self._client() as client:
            made = client.create_volume(wanted.name, labels=dict(wanted.labels))
        if not _own(made.get("Labels"), wanted.labels):
            raise _foreign("volume", wanted.name)
        return str(made["Name"])

    # --- calls ---

    def _entry(self, image: str) -> dict[str, Any] | None:
        answer = self._get(wire.path("images", image, "json"))
        return None if answer.status == 404 else wire.check(answer).json

    def _inspect(self, container: str) -> dict[str, Any]:
        entry: dict[str, Any] = wire.check(self._get(wire.path("containers", container, "json"))).json
        return entry

    def _await_removal(self, container: str) -> None:
        """Wait until a removal that somebody else began is done."""
        deadline = time.monotonic() + _REMOVAL_TIMEOUT
        while self._get(wire.path("containers", container, "json")).status != 404:
            if time.monotonic() > deadline:
                raise Conflict(f"the engine does not finish the removal of container `{container}`")
            time.sleep(_REMOVAL_INTERVAL)

    def _answers(self) -> bool:
        try:
            self.ping()
        except EngineError:
            return False
        return True

    def _get(self, path: str) -> Answer:
        return self._call("GET", path, _READ_TIMEOUT)

    def _post(self, path: str, body: Any) -> Answer:
        if self._wire is not None:
            return self._wire.ask("POST", path, timeout=_CHANGE_TIMEOUT, body=body)
        with self._client() as client:
            response = client.request("POST", client.base_url + path, timeout=_CHANGE_TIMEOUT, json=body)
            return Answer(response.status_code, response.content)

    def _call(self, method: str, path: str, timeout: float) -> Answer:
        if self._wire is not None:
            return self._wire.ask(method, path, timeout=timeout)
        with self._client() as client:
            response = client.request(method, client.base_url + path, timeout=timeout)
            return Answer(response.status_code, response.content)

    @contextmanager
    def _open(self, method: str, path: str, **content: Any) -> Iterator[requests.Response]:
        """Make a call whose answer is read piece by piece, however long that takes."""
        with self._client() as client:
            url = client.base_url + path
            with client.request(method, url, stream=True, timeout=None, **content) as response:
                if response.status_code >= 400:
                    wire.check(Answer(response.status_code, response.content))
                yield response

    @contextmanager
    def _take_over(self, execution: str, *, tty: bool) -> Iterator[streams.Duplex]:
        path, start = wire.path("exec", execution, "start"), {"Detach": False, "Tty": tty}
        if self._wire is not None:
            with self._wire.taken_over(path, start) as (reader, sock):
                yield streams.duplex(reader, sock)
            return
        upgrade = {"Connection": "Upgrade", "Upgrade": "tcp"}
        with self._open("POST", path, json=start, headers=upgrade) as response:
            yield streams.taken_over(response.raw)

    @contextmanager
    def _client(self) -> Iterator[docker.APIClient]:
        """The SDK's client; what it raises within becomes one of our errors."""
        try:
            yield self._connected()
        except DevenvError:
            raise
        except Exception as error:
            known = failures.ours(self.endpoint.address, error)
            if known is None:
                raise
            raise known from error

    def _connected(self) -> docker.APIClient:
        with self._lock:
            if self._sdk is None:
                self._sdk = _connect(self.endpoint)
            return self._sdk


def _connect(endpoint: Endpoint) -> docker.APIClient:
    import docker

    tls = endpoint.tls
    if tls is None:
        return docker.APIClient(endpoint.address, version="auto", timeout=_CHANGE_TIMEOUT)
    certificate = (tls.certificate, tls.key) if tls.certificate and tls.key else None
    config = docker.tls.TLSConfig(client_cert=certificate, ca_cert=tls.ca, verify=tls.verify)
    return docker.APIClient(endpoint.address, version="auto", timeout=_CHANGE_TIMEOUT, tls=config)


def _own(there: dict[str, str] | None, wanted: Mapping[str, str]) -> bool:
    """Whether an object belongs to the instance that wants it, or is the shared one that is wanted."""
    label = labels.SHARED if labels.SHARED in wanted else labels.INSTANCE
    return label in wanted and (there or {}).get(label) == wanted[label]


def _remedy(error: EngineError, wanted: Container) -> str | None:
    """What can be done about a container that the engine refuses to make."""
    if hostfiles.is_absent(error):
        return 'it does not share this host\'s files: set `[sync] mode = "copy"` in `devenv.toml`'
    if "range of CPUs" in error.message:
        return f"set `limits.cpus` of `{wanted.unit}` to no more than this machine has, in `devenv.local.toml`"
    return None


def _foreign(kind: StepKind, name: str) -> Conflict:
    other = "join a network of another name" if joined.is_shared(name) else "rename the project"
    return Conflict(f"{kind} `{name}` exists and belongs to something else", hint=f"remove it, or {other}")
