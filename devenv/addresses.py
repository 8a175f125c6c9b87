"""Where an environment's ports are reached on the host."""

from __future__ import annotations

from devenv import entry as entries
from devenv.entry import Entry
from devenv.model.blueprint import Blueprint
from devenv.values import dataclass


@dataclass(frozen=True, slots=True)
class Address:
    """A published port.

    Args:
        url: `http://127.0.0.1:8000` for an app, `127.0.0.1:25432` for a service.
        port: The container's port.
        names: The same by name, where names are on: `http://web.bookshop.localhost`.
    """

    unit: str
    url: str
    port: int
    kind: str
    names: tuple[str, ...] = ()

    @property
    def best(self) -> str:
        """What to show or open where there is room for one."""
        return self.names[0] if self.names else self.url


def of(wanted: Blueprint, entry: Entry | None = None) -> tuple[Address, ...]:
    """Every published port, the apps' first; with the names that an entry gives them."""
    behind = {port: one for one in wanted.containers for port in one.behind}
    found = [
        Address(
            owner.unit,
            f"{'http://' if owner.kind == 'app' else ''}{port.reached}:{port.host}",
            port.container,
            owner.kind,
            entries.urls(entry, container).get(port.host, ()),
        )
        for container in wanted.containers
        for port in container.ports
        for owner in [behind.get(port.container, container) if container.kind == "balancer" else container]
    ]
    return tuple(sorted(found, key=lambda one: one.kind))
