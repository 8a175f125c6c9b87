"""The engine over the Docker SDK, which also speaks to Podman.

What only reads, and `start`, go over `engine/wire.py` where it can speak to the engine: importing the SDK takes longer
than those calls. Everything else, and every call over TLS or SSH, goes through the SDK's `APIClient`.
"""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Literal

from devenv.engine import digests, failures, streams, translate, wire
from devenv.engine.protocol import Chunk, Command, ContainerState, EngineInfo, Running, SeenImage
from devenv.engine.wire import Answer, Endpoint, Wire
from devenv.errors import Conflict, DevenvError, EngineError, EngineUnreachable, NotFound
from devenv.model import labels
from devenv.model.blueprint import Container, Network, Observed, StepKind, Volume

if TYPE_CHECKING:
    import docker
    import requests

_READ_TIMEOUT = 60.0
_CHANGE_TIMEOUT = 300
_REMOVAL_TIMEOUT = 30.0
_REMOVAL_INTERVAL = 0.05
_EXIT_INTERVAL = 0.005
_LONGEST_EXIT_INTERVAL = 0.5
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
    def info(self) -> EngineInfo:
        if self._info is None:
            version = wire.check(self._get(wire.path("version"))).json
            self._info = translate.info(self.endpoint.address, version)
        return self._info

    def observe(self, instance: str) -> Observed:
        query = {"filters": json.dumps({"label": [f"{labels.INSTANCE}={instance}"]})}
        containers = wire.check(self._get(wire.path("containers", "json", query=query | {"all": "1"}))).json
        networks = wire.check(self._get(wire.path("networks", query=query))).json
        volumes = wire.check(self._get(wire.path("volumes", query=query))).json["Volumes"]
        return Observed(
            containers=tuple(translate.seen_container(entry) for entry in containers),
            networks=tuple(translate.seen_object(entry) for entry in networks),
            volumes=tuple(translate.seen_object(entry) for entry in volumes or ()),
        )

    def image(self, reference: str) -> SeenImage | None:
        answer = self._get(wire.path("images", reference, "json"))
        if answer.status == 404:
            return None
        entry = wire.check(answer).json
        found = self._digests.find(entry, lambda: self._export_image(reference))
        return SeenImage(id=entry["Id"], config_digest=found, labels=(entry.get("Config") or {}).get("Labels") or {})

    def look(self, container: str) -> ContainerState:
        return translate.state(self._inspect(container))

    # --- change ---

    def load(self, archive: Iterable[bytes]) -> None:
        try:
            with self._open("POST", wire.path("images", "load"), data=iter(archive)) as response:
                for line in filter(None, response.iter_lines()):
                    _check_load(json.loads(line))
        except EngineUnreachable as error:
            if self._answers():
                hint = "its disk may be full: `devenv doctor`"
                raise EngineError("the engine broke off while it loaded an image", hint=hint) from error
            raise

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
        query = {"stdout": "1", "stderr": "1", "follow": "1" if what == "follow" else "0"}
        query |= {} if tail is None else {"tail": str(tail)}
        query |= {} if since is None else {"since": f"{since:.6f}"}
        with self._open("GET", wire.path("containers", container, "logs", query=query)) as response:
            yield from streams.frames(response.raw.read)

    def exec(self, container: str, command: Command) -> Running:
        with self._client() as client:
            made = client.post(
                client.base_url + wire.path("containers", container, "exec"), json=translate.execution(command)
            )
            execution = str(wire.check(Answer(made.status_code, made.content)).json["Id"])
        return _Execution(self._output(execution, command), lambda: self._exit_code(execution))

    def _output(self, execution: str, command: Command) -> Iterator[Chunk]:
        if command.interactive:
            from devenv.engine import terminal

            with self._take_over(execution, tty=True) as connection:
                terminal.attach(connection, lambda rows, columns: self._resize(execution, rows, columns))
        elif command.stdin is not None:
            with self._take_over(execution, tty=False) as connection:
                feeder = streams.Feeder(connection, command.stdin)
                yield from streams.frames(connection.read_exactly)
            feeder.finish()
        else:
            start = {"Detach": False, "Tty": False}
            with self._open("POST", wire.path("exec", execution, "start"), json=start) as response:
                yield from streams.frames(response.raw.read)

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
        with suppress(DevenvError), self._client() as client:
            client.exec_resize(execution, height=rows, width=columns)

    # --- create or adopt ---

    def _create_container(self, wanted: Container, network: str | None) -> str:
        try:
            with self._client() as client:
                body = translate.container(wanted, network)
                return str(client.create_container_from_config(body, wanted.name)["Id"])  # type: ignore[no-untyped-call]
        except Conflict as error:
            there = self._inspect(wanted.name)
            same = _own(there["Config"].get("Labels"), wanted.labels)
            if not same or (there["Config"]["Labels"].get(labels.CONFIG) != wanted.labels.get(labels.CONFIG)):
                raise _foreign("container", wanted.name) from error
            return str(there["Id"])

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

    def _export_image(self, reference: str) -> Iterator[bytes]:
        with self._open("GET", wire.path("images", reference, "get")) as response:
            yield from response.iter_content(_BLOCK)

    def _get(self, path: str) -> Answer:
        return self._call("GET", path, _READ_TIMEOUT)

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
        upgrade = {"Connection": "Upgrade", "Upgrade": "tcp"}
        start = {"Detach": False, "Tty": tty}
        with self._open("POST", wire.path("exec", execution, "start"), json=start, headers=upgrade) as response:
            yield _duplex(response)

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


class _Execution:
    """A command in a container: its output once, then its exit code."""

    def __init__(self, output: Iterator[Chunk], exit_code: Callable[[], int]) -> None:
        self._output = output
        self._exit_code = exit_code

    def __iter__(self) -> Iterator[Chunk]:
        return self._output

    @property
    def exit_code(self) -> int:
        return self._exit_code()


def _connect(endpoint: Endpoint) -> docker.APIClient:
    import docker

    tls = endpoint.tls
    if tls is None:
        return docker.APIClient(endpoint.address, version="auto", timeout=_CHANGE_TIMEOUT)
    certificate = (tls.certificate, tls.key) if tls.certificate and tls.key else None
    config = docker.tls.TLSConfig(client_cert=certificate, ca_cert=tls.ca, verify=tls.verify)
    return docker.APIClient(endpoint.address, version="auto", timeout=_CHANGE_TIMEOUT, tls=config)


def _duplex(response: requests.Response) -> streams.Duplex:
    """The connection under an answer.

    Reading goes through the reader that took the answer's head: it may hold the first output already, which the SDK's
    own `exec_start(socket=True)` passes by.
    """
    reader: Any = response.raw._fp.fp  # type: ignore[union-attr]
    channel = getattr(reader, "channel", None)
    if channel is not None:  # SSH through paramiko
        return streams.Duplex(channel.recv, reader.read, channel.sendall, channel.shutdown_write)
    connection: socket.socket = reader.raw._sock
    return streams.Duplex(reader.read1, reader.read, connection.sendall, lambda: _end_input(connection))


def _end_input(connection: socket.socket) -> None:
    """Close our half; a TLS connection has no halves in Python, and ends when the command does."""
    if not hasattr(connection, "unwrap"):
        connection.shutdown(socket.SHUT_WR)


def _check_load(line: dict[str, Any]) -> None:
    if "error" in line:
        raise EngineError(f"the engine could not load the image: {line['error']}")


def _own(there: dict[str, str] | None, wanted: Mapping[str, str]) -> bool:
    """Whether an object belongs to the instance that wants it."""
    instance = wanted.get(labels.INSTANCE)
    return instance is not None and (there or {}).get(labels.INSTANCE) == instance


def _foreign(kind: StepKind, name: str) -> Conflict:
    return Conflict(f"{kind} `{name}` exists and belongs to something else", hint="remove it, or rename the project")
