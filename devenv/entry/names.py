"""Which names lead where, told by containers alone."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping

from devenv.model import labels
from devenv.model.blueprint import Container, SeenContainer
from devenv.values import dataclass

DOMAIN = "localhost"
# Other programs may write labels as well, and these get into file names and pages.
_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_REACHED = ("127.0.0.1", "0.0.0.0", "")  # noqa: S104  # nothing is bound here
"""What a port is published on so that 127.0.0.1 reaches it."""


@dataclass(frozen=True, slots=True)
class Route:
    """A name and the port of the host that it leads to."""

    name: str
    instance: str
    unit: str
    port: int


def of(container: Container | SeenContainer) -> tuple[Route, ...]:
    """The names of a container's published ports."""
    instance = container.labels.get(labels.INSTANCE, "")
    published = {port.container: port.host for port in container.ports if port.address in _REACHED}
    unit = container.labels.get(labels.UNIT, "")
    return tuple(
        Route(
            f"{label}.{instance}.{DOMAIN}", instance, unit if label.startswith(f"{unit}-") else label, published[port]
        )
        for label, port in _called(container, unit, sorted(published)).items()
        if port in published and _LABEL.fullmatch(label) and _LABEL.fullmatch(instance)
    )


def routes(containers: Iterable[SeenContainer]) -> tuple[Route, ...]:
    """Every name there is, in order; of two that want one name the first container has it."""
    found: dict[str, Route] = {}
    for container in sorted(containers, key=lambda one: one.name):
        for route in of(container):
            found.setdefault(route.name, route)
    return tuple(found[name] for name in sorted(found, key=lambda name: name.split(".")[::-1]))


def _called(container: Container | SeenContainer, unit: str, ports: list[int]) -> Mapping[str, int]:
    """The container's ports by what they are called: as it is labelled, else by the app it is."""
    told = container.labels.get(labels.NAMES)
    if told is not None:
        return _read(told)
    if container.labels.get(labels.KIND) != "app" or not ports:
        return {}
    return {unit: ports[0]} | {f"{unit}-{port}": port for port in ports[1:]}


def _read(text: str) -> Mapping[str, int]:
    try:
        told = json.loads(text)
    except ValueError:
        return {}
    entries = told.items() if isinstance(told, dict) else ()
    return {name: port for name, port in entries if type(port) is int}
