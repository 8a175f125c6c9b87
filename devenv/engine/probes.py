"""Single checks whether a container serves.

Each returns what is still wrong in words, or None when it passes; of a container that does not run any more it may
raise `Conflict` or `NotFound`.
"""

from __future__ import annotations

import http.client
import re
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress

from devenv.engine import logs
from devenv.engine.protocol import Command, Engine
from devenv.errors import DevenvError
from devenv.model.blueprint import Container, Probe

Check = Callable[[], str | None]

_CONNECT_TIMEOUT = 1.0
_ANSWER_TIMEOUT = 5.0
_PROXY_PATIENCE = 0.1
_EXEC_TIMEOUT = 30.0
_LISTENS = "cat /proc/net/tcp /proc/net/tcp6 2>/dev/null | grep -v ' 0*0100007F:' | grep -qi ':{port:04X} 0*:0000 0A'"
"""Exits with 0 when something listens on more than the loopback interface; see proc(5)."""


def check(engine: Engine, name: str, container: Container, probe: Probe, tail: logs.Tail | None) -> Check:
    """Make the check for a probe; `tail` is the log to look into, for a probe that needs it."""
    if probe.tcp is not None:
        port = probe.tcp
        return lambda: _tcp(engine, name, container, port)
    if probe.http is not None:
        path, at = probe.http, probe.port if probe.port is not None else container.ports[0].container
        return lambda: _http(engine, name, container, at, path)
    if probe.exec is not None:
        argv = probe.exec
        return lambda: _exec(engine, name, argv)
    assert probe.log is not None
    assert tail is not None
    return _log(tail, probe.log)


def _tcp(engine: Engine, name: str, container: Container, port: int) -> str | None:
    wrong = f"nothing accepts connections on port {port}"
    if (address := _address(engine, name)) is not None:
        with suppress(_NoWay):
            return None if _connects(address, port) else wrong
    published = _published(engine, container, port)
    if published is not None:
        with suppress(_NoWay):
            if _connects(*published, patience=_PROXY_PATIENCE):
                return None
    listens = _exec(engine, name, ("/bin/sh", "-c", _LISTENS.format(port=port)))
    return None if listens is None else wrong


def _http(engine: Engine, name: str, container: Container, port: int, path: str) -> str | None:
    if (address := _address(engine, name)) is not None:
        with suppress(_NoWay):
            return _answers(address, port, path)
    published = _published(engine, container, port)
    if published is not None:
        with suppress(_NoWay):
            return _answers(*published, path)
    return _exec(engine, name, container.health.command) if container.health else _tcp(engine, name, container, port)


class _NoWay(Exception):
    """Packets do not get there at all: that says nothing about the container."""


def _address(engine: Engine, name: str) -> str | None:
    return (engine.look(name).address or None) if engine.info.routable else None


def _published(engine: Engine, container: Container, port: int) -> tuple[str, int] | None:
    """Where on this host a container's port is, for an engine that publishes on this host."""
    if not engine.info.local and not engine.info.address.startswith("unix://"):
        return None
    return next(((one.reached, one.host) for one in container.ports if one.container == port), None)


def _connects(address: str, port: int, patience: float = 0.0) -> bool:
    """Connect; with `patience` also see that the connection lasts: an engine's port proxy accepts, then hangs up."""
    with _dial(address, port, _CONNECT_TIMEOUT) as connection:
        if connection is None or not patience:
            return connection is not None
        connection.settimeout(patience)
        try:
            return bool(connection.recv(1))
        except TimeoutError:
            return True
        except OSError:
            return False


def _answers(address: str, port: int, path: str) -> str | None:
    """Ask as a browser on this host would: web frameworks refuse host names they do not know."""
    wrong = f"`{path}` on port {port} does not answer"
    with _dial(address, port, _CONNECT_TIMEOUT) as connection:
        if connection is None:
            return wrong
        connection.settimeout(_ANSWER_TIMEOUT)
        asked = http.client.HTTPConnection(address, port)
        asked.sock = connection
        try:
            asked.request("GET", path, headers={"Host": f"localhost:{port}", "Connection": "close"})
            status = asked.getresponse().status
        except (OSError, http.client.HTTPException):
            return wrong
        finally:
            asked.close()
    return None if status < 400 else f"`{path}` on port {port} answers with status {status}"


@contextmanager
def _dial(address: str, port: int, timeout: float) -> Iterator[socket.socket | None]:
    """Connect; None when the other side refuses.

    Raises:
        _NoWay: There is no answer at all.
    """
    try:
        connection = socket.create_connection((address, port), timeout=timeout)
    except ConnectionRefusedError:
        yield None
        return
    except OSError as error:
        raise _NoWay from error
    with connection:
        yield connection


def _exec(engine: Engine, name: str, argv: Sequence[str]) -> str | None:
    """Run a command in the container; one that hangs is left behind and counts as failed."""
    outcome: list[str | DevenvError | None] = []

    def run() -> None:
        try:
            outcome.append(_run(engine, name, argv))
        except DevenvError as error:
            outcome.append(error)

    thread = threading.Thread(target=run, name=f"devenv-probe-{name}", daemon=True)
    thread.start()
    thread.join(_EXEC_TIMEOUT)
    result = outcome[0] if outcome else f"`{argv[0]}` does not end"
    if isinstance(result, DevenvError):
        raise result
    return result


def _run(engine: Engine, name: str, argv: Sequence[str]) -> str | None:
    running = engine.exec(name, Command(argv))
    written = [line for line in logs.lines(running) if line]
    if running.exit_code == 0:
        return None
    said = f": {written[-1]}" if written else ""
    return f"`{argv[0]}` exits with code {running.exit_code}{said}"


def _log(tail: logs.Tail, pattern: str) -> Check:
    wanted = re.compile(pattern)

    def look() -> str | None:
        while (line := tail.take()) is not None:
            if wanted.search(line):
                return None
        return f"no line of its log matches `{pattern}`"

    return look
