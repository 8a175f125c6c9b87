"""The ports of a service of a compose file."""

from __future__ import annotations

from devenv import toml
from devenv.importing import amounts
from devenv.importing.tree import Node
from devenv.importing.unit import Unit


class Ports:
    """The ports that one service publishes."""

    def __init__(self, unit: Unit) -> None:
        self.unit = unit
        self.published: list[amounts.Published] = []

    def gather(self, service: Node) -> None:
        """Note what a service says of them."""
        for one in service.each("ports"):
            self.published += [port for port in self._port(one) if port not in self.published]

    def _port(self, node: Node) -> tuple[amounts.Published, ...]:
        if node.table is not None:
            target, host = node.get("target"), node.get("published")
            text = f"{host.as_text('published')}:" if host is not None else ""
            text += target.as_text("target") if target is not None else ""
            protocol = node.get("protocol")
            text += f"/{protocol.as_text('protocol')}" if protocol is not None else ""
        else:
            text = node.as_text("ports")
        found = amounts.ports(text)
        if found is None:
            self.unit.lose("ports", f"`{toml.printable(text)}` is no port", "add it by hand", at=node.at)
        udp = [one for one in found or () if one.protocol != "tcp"]
        if udp:
            self.unit.lose("ports", f"`{toml.printable(text)}` is not TCP", "other containers reach it", at=node.at)
        return tuple(one for one in found or () if one.protocol == "tcp")

    def write(self, main: int | None) -> None:
        """Write them.

        Args:
            main: Of a service of the catalog, the port that `port` is about; None for any other.
        """
        inside = tuple(dict.fromkeys(one.inside for one in self.published))
        if not inside:
            return
        if main is None:
            self.unit.set("ports", inside)
            main = inside[0]
        for one in self.published:
            if one.host is None:
                continue
            if one.inside == main and not self.unit.has("port"):
                self.unit.set("port", one.host)
            else:
                why = f"devenv chooses the host's port for {one.inside}, not {one.host}"
                self.unit.lose("ports", why, "`devenv url` tells it", weight="changed")
