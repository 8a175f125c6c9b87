"""Finds out who listens on a port of this host."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Sequence
from pathlib import Path

from devenv.model.blueprint import Port
from devenv.values import dataclass

_LISTEN = "0A"  # state column of /proc/net/tcp, see proc(5)


@dataclass(frozen=True, slots=True)
class Taken:
    """A port that is not free; `holder` in words."""

    port: int
    holder: str


def taken(ports: Sequence[Port]) -> Taken | None:
    """The first of these ports that something listens on."""
    for port in ports:
        if not _is_free(port):
            return Taken(port.host, holder(port.host))
    return None


def holder(port: int) -> str:
    """Who listens on a port: `nginx (process 812)`; `something` where the host does not tell."""
    for inode in _listening(port):
        for process in Path("/proc").glob("[0-9]*"):
            if _has_socket(process, inode):
                return _named(process)
    return "something"


def _named(process: Path) -> str:
    name = (process / "comm").read_text().strip()
    if name == "docker-proxy":
        return "a container of the engine"
    return f"`{name}` (process {process.name})"


def _is_free(port: Port) -> bool:
    family = socket.AF_INET6 if ":" in port.address else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((port.address, port.host))
        except PermissionError:
            return _refuses(port)  # below 1024 only root may, as which engines run
        except OSError:
            return False
    return True


def _refuses(port: Port) -> bool:
    try:
        socket.create_connection((port.reached, port.host), timeout=1).close()
    except ConnectionRefusedError:
        return True
    except OSError:
        return False
    return False


def _listening(port: int) -> Iterator[str]:
    """Inodes of the sockets that listen on a port."""
    for table in (Path("/proc/net/tcp"), Path("/proc/net/tcp6")):
        if not table.is_file():
            continue
        for line in table.read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == _LISTEN and int(fields[1].rpartition(":")[2], 16) == port:
                yield fields[9]


def _has_socket(process: Path, inode: str) -> bool:
    try:
        return any(link.readlink().name == f"socket:[{inode}]" for link in (process / "fd").iterdir())
    except OSError:
        return False  # it ended meanwhile, or is another user's
