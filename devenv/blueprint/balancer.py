"""What apps with replicas stand behind: HAProxy, told once where they are; how many there are, it asks the engine."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from devenv.blueprint import scripts
from devenv.model.blueprint import Container, Image, Placement, Port, Probe, Readiness
from devenv.model.project import BALANCER, App, Project

CONTROL = "DEVENV_CONTROL"
"""The variable, inside, that names the port of the runtime API."""
FIRST_CONTROL = 9999
MOST = 100
"""Replicas that a backend has room for, whatever number runs: scaling does not change the configuration."""

CHECK, REQUEST = "500ms", "5s"
"""Between two checks of a replica: connections leave no trace in an app's log, requests do."""


def replicas(project: Project, app: App, placement: Placement) -> int:
    """How many of an app there are; only one where several would publish the same port."""
    number = placement.replicas.get(app.name, app.replicas or 1)
    return number if not app.ports or project.balancer is not None else 1


def is_balanced(project: Project, app: App, placement: Placement) -> bool:
    """Whether an app stands behind the balancer here: as `devenv.toml` says, or because it was scaled."""
    return app.is_balanced or (bool(app.ports) and replicas(project, app, placement) > 1)


def apps(project: Project, placement: Placement) -> tuple[App, ...]:
    """Those that stand behind it."""
    return tuple(app for app in project.apps if is_balanced(project, app, placement))


def make(project: Project, image: Image, placement: Placement) -> Container:
    """The container of the balancer, with the ports of all apps behind it."""
    behind = apps(project, placement)
    ports = [_port(app, port, placement) for app in behind for port in app.ports]
    control = next(port for port in range(FIRST_CONTROL, 65536) if port not in {one.container for one in ports})
    return Container(
        name=f"{placement.instance}-{BALANCER}-1",
        unit=BALANCER,
        kind="balancer",
        image=image.reference,
        entrypoint=("/bin/sh", "-c", scripts.data("balancer/start.sh"), "devenv-balancer"),
        command=(configuration(behind, placement.instance, control),),
        env={CONTROL: str(control)},
        ports=tuple(ports),
        readiness=Readiness((Probe(tcp=ports[0].container),)),
        # At once: the image's own signal waits for open connections.
        stop_signal="SIGTERM",
        stop_grace=5,
    )


def _port(app: App, port: int, placement: Placement) -> Port:
    return Port(port, placement.ports.get(f"{app.name}/{port}", port), app.reach.address)


def backends(unit: str, ports: Iterable[int]) -> tuple[str, ...]:
    """What the balancer calls the replicas of an app, each port by itself."""
    return tuple(f"{unit}-{port}" for port in ports)


def configuration(behind: tuple[App, ...], instance: str, control: int) -> str:
    """HAProxy's, the same for any number of replicas."""
    lines = scripts.data("balancer/haproxy.cfg").replace("{control}", str(control)).splitlines()
    for app in behind:
        for port in app.ports:
            routes = _routes(behind) if app.route is None and port == app.ports[0] else ()
            lines += [f"frontend port-{port}", f"  bind :{port}", *routes, f"  default_backend {app.name}-{port}"]
    for app in behind:
        for port in app.ports:
            lines += _backend(app, port, instance)
    return "\n".join([*lines, ""])


def _routes(behind: tuple[App, ...]) -> Iterator[str]:
    """Paths that lead to other apps, the longest first; a path is meant with all below it."""
    routed = [(app.route, app) for app in behind if app.route is not None]
    for route, app in sorted(routed, key=lambda one: -len(one[0])):
        yield f"  use_backend {app.name}-{app.ports[0]} if {{ path {route} }} || {{ path_beg {route}/ }}"


def _backend(app: App, port: int, instance: str) -> Iterator[str]:
    yield f"backend {app.name}-{port}"
    yield "  balance roundrobin"
    yield "  http-request disable-l7-retry unless { method GET HEAD OPTIONS TRACE PUT DELETE }"
    yield f'  http-error status 503 content-type text/plain string "no replica of {app.name} serves"'
    if app.sticky:
        # Cookies do not tell ports apart, so the name has to tell apps and instances apart.
        yield f"  cookie devenv-{instance}-{app.name} insert indirect nocache httponly dynamic"
        yield f"  dynamic-cookie-key {app.name}"
    yield from _check(app, port)


def _check(app: App, port: int) -> Iterator[str]:
    ready = app.ready
    template = f"  server-template {app.name} 1-{MOST} {app.name}:{port} inter"
    if ready is not None and ready.http is not None and port == app.ports[0]:
        yield "  option httpchk"
        yield f"  http-check connect port {ready.port or port} linger"
        yield f"  http-check send meth GET uri {_quoted(ready.http)} ver HTTP/1.1 hdr Host {app.name}"
        yield "  http-check expect status 200-399"
        yield f"{template} {REQUEST}"
        return
    yield "  option tcp-check"
    # Closed in due form: some programs do not bear a connection that is reset.
    yield f"  tcp-check connect port {ready.tcp if ready and ready.tcp and port == app.ports[0] else port} linger"
    yield f"{template} {CHECK}"


def _quoted(text: str) -> str:
    """One word of a configuration, in which nothing is expanded."""
    return re.sub("[^']+|'", lambda found: "\\'" if found[0] == "'" else f"'{found[0]}'", text)
