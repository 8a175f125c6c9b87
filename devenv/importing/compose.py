"""A compose file → what of devenv it becomes."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import field
from pathlib import Path

from devenv import toml
from devenv.catalog import Catalog
from devenv.config import units
from devenv.detection.draft import Table
from devenv.importing import attached, composition, services
from devenv.importing.composition import Composition
from devenv.importing.loss import Loss
from devenv.importing.tree import Node
from devenv.importing.unit import Surroundings, Unit
from devenv.model.project import Origin
from devenv.values import dataclass

_LABEL_LENGTH = 40
TOP = frozenset({"configs", "name", "networks", "secrets", "services", "version", "volumes"})
ADDRESS = "ports are published on 127.0.0.1; compose publishes them on every address unless it is told otherwise"


@dataclass(frozen=True, slots=True)
class Made:
    """What was made of a source, before it is written.

    Args:
        name: The project's.
        kinds: By a unit's name, the tables that it stands in: `services`, or those of profiles.
    """

    name: str
    sources: tuple[str, ...]
    units: tuple[Unit, ...]
    kinds: Mapping[str, tuple[str, ...]]
    losses: tuple[Loss, ...]
    remarks: tuple[str, ...] = field(default=())

    def tables(self) -> Iterator[Table]:
        """What is to stand in `devenv.toml`."""
        for one in self.units:
            yield from (one.table(kind) for kind in self.kinds[one.name])

    def secret(self) -> Iterator[Table]:
        """What is to stand in the file that is not committed."""
        for one in self.units:
            yield from (table for kind in self.kinds[one.name] if (table := one.local(kind)) is not None)


def make(root: Path, files: tuple[str, ...], entries: Catalog, images: Origin) -> Made:
    """What compose files become.

    Args:
        files: Paths relative to `root`.

    Raises:
        DevenvError: They cannot be read; with the place.
    """
    source = composition.read(root, files)
    given = dict((source.top.get("services") or source.top).as_table("services"))
    ended = {name for name in services.one_shots(given) if name in given}
    names = _names([name for name in given if name not in ended])
    around = Surroundings(root, entries, images, names)
    made = [services.make(name, given[name], source, around) for name in names]
    kept = [one for one in made if not one.is_left_out]
    kinds = {names[name]: tuple(_kinds(given[name])) for name in names}
    _only_there(kept, kinds)
    _one_holder(kept)
    losses = (
        *_of_top(source),
        *source.losses,
        *source.values.losses.values(),
        *_ended(given, ended),
        *_shared(kept, source),
        *(loss for one in made for loss in one.losses),
    )
    return Made(_name(source, root), source.files, tuple(kept), kinds, losses, tuple(_remarks(kept)))


def _remarks(kept: Iterable[Unit]) -> Iterator[str]:
    if any(one.has("port") for one in kept):
        yield ADDRESS


def _name(source: Composition, root: Path) -> str:
    node = source.top.get("name")
    own = units.label(node.as_text("name")) if node is not None else ""
    return own or units.label(root.resolve().name) or "project"


def _names(given: Iterable[str]) -> dict[str, str]:
    """What devenv calls each service: its own name, where that can be a host's."""
    names: dict[str, str] = {}
    for name in given:
        label = name if units.is_label(name) else units.label(name) or "service"
        number = 2
        while label in names.values():
            label = f"{(units.label(name) or 'service')[: _LABEL_LENGTH - 4]}-{number}"
            number += 1
        names[name] = label
    return names


def _kinds(service: Node) -> Iterator[str]:
    """The tables that a service stands in."""
    profiles = service.get("profiles")
    names = profiles.texts("profiles") if profiles is not None else ()
    yield from (f"profiles.{one}.services" for one in dict.fromkeys(map(_profile, names)))
    if not names:
        yield "services"


def _profile(name: str) -> str:
    return units.label(name) or "extra"


def _only_there(kept: Collection[Unit], kinds: Mapping[str, tuple[str, ...]]) -> None:
    """Take out of `needs` what is not there whenever the unit is."""
    there = {one.name: set(kinds[one.name]) for one in kept}
    for one in kept:
        needs = one.value("needs")
        if not isinstance(needs, tuple):
            continue
        own = set(kinds[one.name])
        fine = tuple(name for name in needs if name in there and ("services" in there[name] or own <= there[name]))
        for name in set(needs) - set(fine):
            one.lose("depends_on", f"`{name}` is not there, or only with a profile", "", weight="changed")
        one.drop("needs")
        if fine:
            one.set("needs", fine)


def _one_holder(kept: Iterable[Unit]) -> None:
    """Let each port of the host be fixed for one service alone."""
    holders: dict[object, str] = {}
    for one in kept:
        port = one.value("port")
        if port is not None and holders.setdefault(port, one.name) != one.name:
            one.drop("port")
            why = f"`{holders[port]}` has port {port} of the host, so devenv chooses another one"
            one.lose("ports", why, "`devenv url` tells it", weight="changed")


def _of_top(source: Composition) -> Iterator[Loss]:
    top = source.top.as_table("")
    for key, one in top.items():
        if key not in TOP and not key.startswith("x-"):
            yield Loss(toml.printable(key), "devenv has nothing like it", "add what it brings by hand", place=one.at)
    networks = source.top.get("networks")
    named = networks.as_table("networks") if networks is not None else {}
    for name, one in named.items():
        if "external" in (one.table or {}):
            what, remedy = f"networks.{toml.printable(name)}", "projects share networks by `[networks] join`"
            yield Loss(what, "it is made elsewhere", remedy, place=one.at)
    if len(named) > 1 and networks is not None:
        why = "all services are in the project's one network, so each reaches every other"
        yield Loss("networks", why, "", "changed", networks.at)


def _ended(given: Mapping[str, Node], ended: Collection[str]) -> Iterator[Loss]:
    for name in sorted(ended):
        what, why = f"services.{toml.printable(name)}", "it runs once and ends, and devenv's services go on"
        remedy = "run what it does by `devenv exec`, or as `setup` of an app"
        yield Loss(what, why, remedy, place=given[name].at)


def _shared(kept: Iterable[Unit], source: Composition) -> Iterator[Loss]:
    """Volumes that several services have."""
    holders: dict[str, list[Unit]] = {}
    volumes = source.top.get("volumes")
    declared = {attached.label(name) for name in volumes.as_table("volumes")} if volumes is not None else set()
    for one in kept:
        own = one.value("volumes")
        for name in declared.intersection(own if isinstance(own, Mapping) else ()):
            holders.setdefault(name, []).append(one)
    for name, those in sorted(holders.items()):
        if len(those) > 1:
            names = " and ".join(f"`{one.name}`" for one in those)
            why = f"{names} have a volume of this name each, not one together"
            remedy = "have a folder of the project in `mounts` of both"
            yield Loss(f"volumes.{name}", why, remedy, place=those[0].node.at)
