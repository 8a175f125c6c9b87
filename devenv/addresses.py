"""Where an environment's ports are reached on the host."""

from __future__ import annotations

from devenv.model.blueprint import Blueprint
from devenv.values import dataclass


@dataclass(frozen=True, slots=True)
class Address:
    """A published port.

    Args:
        url: `http://127.0.0.1:8000` for an app, `127.0.0.1:25432` for a service.
        port: The container's port.
    """

    unit: str
    url: str
    port: int
    kind: str


def of(wanted: Blueprint) -> tuple[Address, ...]:
    """Every published port, the apps' first."""
    behind = {port: one for one in wanted.containers for port in one.behind}
    found = [
        Address(
            owner.unit,
            f"{'http://' if owner.kind == 'app' else ''}{port.address}:{port.host}",
            port.container,
            owner.kind,
        )
        for container in wanted.containers
        for port in container.ports
        for owner in [behind.get(port.container, container) if container.kind == "balancer" else container]
    ]
    return tuple(sorted(found, key=lambda one: one.kind))
