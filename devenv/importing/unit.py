"""A service or app of devenv that is being made from one of another tool: its keys, its secrets, what is lost."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from devenv import toml
from devenv.catalog import Catalog
from devenv.detection.draft import Entry, Table, Value
from devenv.errors import Place
from devenv.importing.loss import Loss, Weight
from devenv.importing.tree import Node
from devenv.model.project import Origin
from devenv.values import dataclass

ORDER = (
    *("use", "version", "image", "dockerfile", "context", "target", "args", "dir", "stack", "packages", "setup", "run"),
    *("entrypoint", "command", "working_dir", "run_as", "port", "ports", "env", "databases", "database", "user"),
    *("password", "settings", "init", "volumes", "mounts", "needs", "ready", "limits", "privileged", "capabilities"),
)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What all units of an import share.

    Args:
        root: The project's folder.
        names: What devenv calls the services of the source, by their names there.
    """

    root: Path
    entries: Catalog
    images: Origin
    names: Mapping[str, str]

    def renamed(self, text: str) -> str:
        """A text in which services have the names that devenv gives them."""
        for old, new in self.names.items():
            if old != new and old in text:
                text = re.sub(rf"(?<![A-Za-z0-9_.-]){re.escape(old)}(?![A-Za-z0-9_-])", new, text)
        return text


class Unit:
    """One unit.

    Args:
        where: In the source: `services.web`.
    """

    def __init__(self, name: str, where: str, node: Node) -> None:
        self.name = name
        self.where = where
        self.node = node
        self.losses: list[Loss] = []
        self.why = ""
        self.is_left_out = False
        self._entries: dict[str, Entry] = {}
        self._secret: dict[str, Value] = {}

    def has(self, key: str) -> bool:
        """Whether a key was set."""
        return key in self._entries or key in self._secret

    def set(self, key: str, value: Value, why: str = "", *, secret: bool = False) -> None:
        """Set a key; a secret one goes to the file that is not committed."""
        if secret:
            self._secret[key] = value
        else:
            self._entries[key] = Entry(key, value, why)

    def drop(self, key: str) -> None:
        """Take a key back."""
        self._entries.pop(key, None)
        self._secret.pop(key, None)

    def value(self, key: str) -> Value | None:
        """What is set, secret or not."""
        return self._entries[key].value if key in self._entries else self._secret.get(key)

    def lose(self, key: str, why: str, remedy: str = "", *, weight: Weight = "lost", at: Place | None = None) -> None:
        """Note what is not carried over; `key` is the name in the source."""
        what = ".".join(filter(None, (self.where, toml.printable(key))))
        self.losses.append(Loss(what, why, remedy, weight, at or self._at(key), self.name))

    def leave_out(self, key: str, why: str, remedy: str) -> None:
        """The unit as a whole cannot be carried over."""
        self.is_left_out = True
        self.lose(key, f"{why}: `{self.name}` is left out", remedy)

    def _at(self, key: str) -> Place:
        found = (self.node.table or {}).get(key.partition(".")[0])
        return self.node.at if found is None else found.at

    def table(self, kind: str) -> Table:
        """What is to stand in `devenv.toml`."""
        lost = [one for one in self.losses if one.weight != "harmless"]
        remarks = [f"{one.what.removeprefix(f'{self.where}.')}: {one.why}" for one in lost]
        if self._secret:
            remarks.append(f"{', '.join(self._secret)}: also in devenv.local.toml, for what is secret there")
        return Table(kind, self.name, self._sorted(self._entries), self.why, tuple(remarks))

    def local(self, kind: str) -> Table | None:
        """What is to stand in the file that is not committed."""
        if not self._secret:
            return None
        return Table(kind, self.name, self._sorted({key: Entry(key, one) for key, one in self._secret.items()}))

    @staticmethod
    def _sorted(entries: Mapping[str, Entry]) -> tuple[Entry, ...]:
        return tuple(sorted(entries.values(), key=lambda one: ORDER.index(one.key) if one.key in ORDER else len(ORDER)))
