"""How to find out that a container serves: by devenv itself, and by the engine for other tools."""

from __future__ import annotations

from dataclasses import replace

from devenv.blueprint import scripts
from devenv.errors import DevenvError
from devenv.model.blueprint import Health, Probe, Readiness
from devenv.model.project import Ready

# Health is for other tools to show, our own readiness does not wait for it: often enough to be true, rare enough
# to cost nothing.
HEALTH_INTERVAL, HEALTH_TIMEOUT, HEALTH_RETRIES = 5.0, 5.0, 5


def ready_with(ready: Ready | None, beginning: tuple[str, ...]) -> Ready | None:
    """The project's own check, its command with a beginning."""
    return replace(ready, exec=(*beginning, *ready.exec)) if ready is not None and ready.exec is not None else ready


def readiness(ready: tuple[Ready, ...], ports: tuple[int, ...]) -> Readiness:
    """The probes asked for; without any, an app's first port must accept connections."""
    if not ready:
        return Readiness((Probe(tcp=ports[0]),) if ports else ())
    probes = tuple(
        Probe(tcp=one.tcp, http=one.http, port=_port(one, ports) if one.http else None, exec=one.exec, log=one.log)
        for one in ready
    )
    return Readiness(probes, max(one.timeout for one in ready))


def _port(ready: Ready, ports: tuple[int, ...]) -> int:
    if ready.port is None and not ports:
        raise DevenvError("`ready.http` needs a port", hint="add `ports = […]`, or `port` to `ready`")
    return ready.port if ready.port is not None else ports[0]


def command_of(ready: Ready | None, ports: tuple[int, ...]) -> tuple[str, ...]:
    """The same check as a command that runs inside, for the engine's own health check."""
    if ready is None:
        return _script(str(ports[0])) if ports else ()
    if ready.exec is not None:
        return ready.exec
    if ready.tcp is not None:
        return _script(str(ready.tcp))
    if ready.http is not None:
        # A request every other second would fill the app's log; readiness has asked for the page once.
        return _script(str(_port(ready, ports)))
    return ()


def _script(port: str) -> tuple[str, ...]:
    return ("/bin/sh", "-c", scripts.data("probe.sh"), "devenv-probe", port)


def health(command: tuple[str, ...]) -> Health | None:
    """The engine's health check by a command; () is none."""
    if not command:
        return None
    return Health(command, HEALTH_INTERVAL, HEALTH_TIMEOUT, HEALTH_RETRIES, start_period=300.0)
