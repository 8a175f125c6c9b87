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
    found = [
        Address(
            container.unit,
            f"{'http://' if container.kind == 'app' else ''}{port.address}:{port.host}",
            port.container,
            container.kind,
        )
        for container in wanted.containers
        for port in container.ports
    ]
    return tuple(sorted(found, key=lambda one: one.kind))
