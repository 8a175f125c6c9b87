"""The entry: one proxy of this machine for each engine, through which every app has a name.

What is here is cheap: every `up` asks whether there is an entry. What makes one is in `entry.making`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from devenv import files
from devenv.entry import names
from devenv.errors import DevenvError
from devenv.model.blueprint import Container
from devenv.model.machine import Machine
from devenv.values import dataclass

if TYPE_CHECKING:
    from devenv.engine.protocol import Engine
    from devenv.telling import Tell

FILE = "entry.json"
UNIT = "caddy"


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry that is on.

    Args:
        folder: Where its project is.
        http: The port that names have; `https` that for HTTPS.
        shared: Whether it is in the network of this machine, so that it reaches what is published here on 127.0.0.1.
        ipv6: Whether it listens on `::1`, too.
    """

    folder: Path
    http: int
    https: int
    shared: bool
    ipv6: bool

    @property
    def instance(self) -> str:
        """The name of its own instance: another one for each engine, user and state folder."""
        return instance(self.folder)

    def url(self, name: str, *, secure: bool = False) -> str:
        """Where a name is reached: `http://web.bookshop.localhost`."""
        scheme, port, usual = ("https", self.https, 443) if secure else ("http", self.http, 80)
        return f"{scheme}://{name}{'' if port == usual else f':{port}'}"


def place(machine: Machine, address: str) -> Path:
    """The folder of the entry to an engine."""
    return machine.state / "entry" / hashlib.sha256(address.encode()).hexdigest()[:12]


def instance(folder: Path) -> str:
    """The name of the instance in a folder of `place`."""
    return f"devenv-entry-{hashlib.sha256(str(folder).encode()).hexdigest()[:8]}"


def find(machine: Machine, address: str) -> Entry | None:
    """The entry to an engine, if names are on there; asks no engine."""
    folder = place(machine, address)
    if not (folder / FILE).is_file():
        return None
    try:
        told = json.loads((folder / FILE).read_bytes())
        return Entry(folder, int(told["http"]), int(told["https"]), bool(told["shared"]), bool(told["ipv6"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None  # `devenv names on` writes it anew


def record(entry: Entry) -> None:
    """Note that names are on."""
    values = {key: value for key, value in asdict(entry).items() if key != "folder"}
    files.write(entry.folder / FILE, json.dumps(values))


def urls(entry: Entry | None, container: Container) -> Mapping[int, tuple[str, ...]]:
    """The addresses by name of a container's ports, by the host's port; none where names are off."""
    found: dict[int, tuple[str, ...]] = {}
    for route in names.of(container) if entry is not None else ():
        found[route.port] = (*found.get(route.port, ()), entry.url(route.name) if entry else "")
    return found


@contextmanager
def kept(machine: Machine, engine: Engine, tell: Tell) -> Iterator[None]:
    """See that names are current after what is done within, however it ends; what goes wrong there is only told."""
    try:
        yield
    finally:
        found = find(machine, engine.address)
        if found is not None:
            _refresh(machine, engine, found, tell)


def _refresh(machine: Machine, engine: Engine, entry: Entry, tell: Tell) -> None:
    from devenv.entry import refreshing
    from devenv.telling import Remark

    try:
        refreshing.run(machine, engine, entry, tell)
    except DevenvError as error:
        tell(Remark(f"names may not be current: {error.message}; `devenv names on` puts them right"))
