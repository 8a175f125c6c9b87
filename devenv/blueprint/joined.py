"""The networks that a project shares with others on the same engine, each of which names it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from devenv.model import labels
from devenv.model.blueprint import Container, Joined, Network, Placement

_KEY = "shared_"
# No instance has an underscore in its name, so that none has a network of such a name.
_PREFIX = f"devenv_{_KEY}"


def network(name: str) -> str:
    """What the engine calls it."""
    return f"{_PREFIX}{name}"


def is_shared(network: str) -> bool:
    """Whether the engine's name for a network is one of those; whose it is its labels tell."""
    return network.startswith(_PREFIX)


def key(network: str) -> str:
    """What the rendered compose file calls it."""
    return network.removeprefix("devenv_")


def networks(names: Iterable[str], options: dict[str, str]) -> tuple[Network, ...]:
    """The networks that must be there for a project that joins these.

    They are of no compose project, so that none removes them; compose takes them for its own by the other label.
    """
    return tuple(
        Network(network(name), {labels.SHARED: name, labels.COMPOSE_NETWORK: key(network(name))}, options)
        for name in names
    )


def joins(container: Container, names: Iterable[str], placement: Placement) -> Container:
    """A container with its places in these networks."""
    if not container.is_attached:
        return container
    alias = f"{container.unit}.{placement.instance}"
    return replace(container, networks=tuple(Joined(network(name), alias) for name in names))
