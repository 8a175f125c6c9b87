"""Calls to an engine's HTTP API with the standard library alone: the ones a user waits for at the prompt.

`import docker` takes longer than all of these calls together. Only `unix://` and plain `tcp://` are spoken here; for
the rest `engine/docker.py` uses the SDK.
"""

from __future__ import annotations

import http.client
import io
import json
import re
import socket
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from devenv.errors import Conflict, EngineError, EngineForbidden, EngineUnreachable, NotFound, PortTaken
from devenv.values import dataclass

CONNECT_TIMEOUT = 10.0
IDLE_LIMIT = 8

FAILURES = (OSError, http.client.HTTPException)
"""What the standard library raises when an engine is absent or goes away."""

_GONE = "`devenv doctor` tells what is wrong with the engine"
_TAKEN = re.compile(r"port is already allocated|address already in use|Only one usage of each socket address", re.I)
_TAKEN_PORT = re.compile(r"(?:[\d.]+|\[[0-9a-f:]*\]):(\d+)")


@dataclass(frozen=True, slots=True)
class Tls:
    """Client material for an engine behind TLS; paths of PEM files, None where there is none."""

    ca: str | None = None
    certificate: str | None = None
    key: str | None = None
    verify: bool = True


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where an engine listens.

    Args:
        address: `unix:///run/docker.sock`, `tcp://host:port`, `ssh://user@host`.
        source: What named it, for people: `DOCKER_HOST`, `the docker context colima`.
    """

    address: str
    source: str = ""
    tls: Tls | None = None

    @property
    def plain(self) -> bool:
        """Whether this module can speak to it."""
        return self.tls is None and self.address.startswith(("unix://", "tcp://", "http://"))


@dataclass(frozen=True, slots=True)
class Answer:
    """An engine's answer, read to its end."""

    status: int
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def message(self) -> str:
        """The engine's own words about a failure."""
        try:
            return str(self.json["message"]).strip()
        except (ValueError, KeyError, TypeError):
            return self.body.decode(errors="replace").strip()


class Wire:
    """A pool of kept-alive connections to one engine; safe to use from several threads."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.address = endpoint.address
        self._idle: deque[http.client.HTTPConnection] = deque()

    def ask(self, method: str, path: str, *, timeout: float | None = 60.0, body: Any = None) -> Answer:
        """Make one call that may be made twice; a connection that the engine dropped while idle is replaced once.

        Args:
            body: Sent as JSON.

        Raises:
            EngineUnreachable: Nothing answers there, or not in `timeout` seconds.
        """
        kept = self._take()
        if kept is not None:
            try:
                return self._exchange(kept, method, path, timeout, body)
            except TimeoutError as error:
                raise unreachable(self.address, error) from error
            except FAILURES:
                self.close()
        try:
            return self._exchange(_connection(self.address), method, path, timeout, body)
        except FAILURES as error:
            raise unreachable(self.address, error) from error

    @contextmanager
    def taken_over(self, path: str, body: Any) -> Iterator[tuple[io.BufferedReader, socket.socket]]:
        """POST a call that turns its connection into a stream of bytes both ways: a reader, and a socket to write to.

        Raises:
            EngineUnreachable: Nothing answers, or the connection breaks before its end.
        """
        upgrade = {"Connection": "Upgrade", "Upgrade": "tcp"}
        connection = _connection(self.address)
        try:
            connection.connect()
            own = connection.sock
            with own.dup() as sock:
                connection.request("POST", path, **_json(body, upgrade))
                response = connection.getresponse()
                if response.status >= 400:
                    check(Answer(response.status, response.read()))
                # Each of the two has a timeout of its own; what is read comes by the first.
                own.settimeout(None)
                sock.settimeout(None)
                # It took the answer's head, and may hold the first bytes of the stream already.
                yield response.fp, sock
        except FAILURES as error:
            raise unreachable(self.address, error) from error
        finally:
            connection.close()

    def close(self) -> None:
        """Close the idle connections; the wire can still be used."""
        while (connection := self._take()) is not None:
            connection.close()

    def __del__(self) -> None:
        self.close()

    def _take(self) -> http.client.HTTPConnection | None:
        try:
            return self._idle.pop()
        except IndexError:
            return None

    def _exchange(
        self, connection: http.client.HTTPConnection, method: str, path: str, timeout: float | None, body: Any
    ) -> Answer:
        try:
            if connection.sock is None:
                connection.connect()
            connection.sock.settimeout(timeout)
            connection.request(method, path, **_json(body, {}))
            response = connection.getresponse()
            answer = Answer(response.status, response.read())
        except BaseException:
            connection.close()
            raise
        if response.will_close or len(self._idle) >= IDLE_LIMIT:
            connection.close()
        else:
            self._idle.append(connection)
        return answer


def _json(body: Any, headers: dict[str, str]) -> dict[str, Any]:
    if body is None:
        return {"headers": headers}
    return {"body": json.dumps(body).encode(), "headers": headers | {"Content-Type": "application/json"}}


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("localhost")
        self._path = path

    def connect(self) -> None:
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            sock.settimeout(CONNECT_TIMEOUT)
            sock.connect(self._path)
        except BaseException:
            sock.close()
            raise
        self.sock = sock


def path(*parts: str, query: Mapping[str, str] | None = None) -> str:
    """Join escaped parts to a path of the API, without a version: the engine then speaks its own newest."""
    joined = "".join(f"/{quote(part, safe='')}" for part in parts)
    return f"{joined}?{urlencode(query)}" if query else joined


def check(answer: Answer) -> Answer:
    """Return the answer when it tells of success, and raise our error otherwise."""
    if answer.status < 400:
        return answer
    raise refused(answer.status, answer.message)


def refused(status: int | None, message: str) -> EngineError:
    """Our error for an engine's refusal: the one place that reads HTTP statuses."""
    words = message or f"the engine answered with status {status}"
    if _TAKEN.search(words):
        return _taken_port(words)
    if status == 404:
        return NotFound(_sentence(words))
    if status == 409 or (status == 403 and "active endpoints" in words):
        return Conflict(_sentence(words))
    if status in (502, 503, 504):
        return EngineUnreachable(f"the engine is not available: {_sentence(words)}", hint=_GONE)
    return EngineError(f"the engine refused: {_sentence(words)}")


def unreachable(address: str, error: BaseException) -> EngineUnreachable:
    """Our error for an engine that does not answer, told by what the operating system or the HTTP client said."""
    if isinstance(error, PermissionError):
        return EngineForbidden(
            f"this user may not use the engine at `{address}`: permission denied",
            hint="join the group that owns the socket (`sudo usermod -aG docker $USER`, then log in again), "
            "run with sudo, or use a rootless engine",
        )
    if isinstance(error, FileNotFoundError | ConnectionRefusedError | socket.gaierror):
        return EngineUnreachable(f"no engine answers at `{address}`", hint=_GONE)
    if isinstance(error, TimeoutError):
        return EngineUnreachable(f"the engine at `{address}` does not answer", hint=_GONE)
    return EngineUnreachable(f"the engine at `{address}` went away", hint=_GONE)


def _connection(address: str) -> http.client.HTTPConnection:
    parts = urlsplit(address)
    if parts.scheme == "unix":
        return _UnixConnection(address.removeprefix("unix://"))
    return http.client.HTTPConnection(parts.hostname or "localhost", parts.port or 2375, timeout=CONNECT_TIMEOUT)


def _taken_port(words: str) -> PortTaken:
    found = _TAKEN_PORT.search(words)
    if found is None:
        return PortTaken(f"a port is taken: {words}", None)
    return PortTaken(f"port {found[1]} is already in use on the host", int(found[1]))


def _sentence(words: str) -> str:
    """The engine's words in our style: one line, lower case unless it begins with a name, no full stop."""
    line = " ".join(words.split()).rstrip(".")
    return line[:1].lower() + line[1:] if line[1:2].islower() else line
