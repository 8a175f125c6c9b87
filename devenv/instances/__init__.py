"""Which instance a checkout is: its name and the host ports chosen for it, told once and then recorded.

What counts is the checkout's own `.devenv/state.toml`. So that no two checkouts of a machine take the same, each also
stands in the machine's ledger, which is changed under one lock and can be lost: a checkout enters itself again.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

from devenv import toml, worktree
from devenv.errors import Conflict
from devenv.instances import ledger, naming, ports, state
from devenv.instances.ledger import Entry, Ledger
from devenv.model.machine import Machine
from devenv.values import dataclass

Elsewhere = Callable[[], Collection[str]]
"""The names that an engine has for other checkouts."""


@dataclass(frozen=True, slots=True)
class Checkout:
    """A project's folder on this machine.

    Args:
        is_named: Whether the project's name was given on this machine, and so is meant for this checkout.
    """

    folder: Path
    project: str
    machine: Machine
    is_named: bool = False


@dataclass(frozen=True, slots=True)
class Claim:
    """What a checkout is on this machine.

    Args:
        name: Prefixes every resource.
        is_recorded: Else it is what it would be.
        remark: What people are still to be told of it.
        source: The instance whose data it is to begin with, until it is up with it.
    """

    name: str
    is_recorded: bool = False
    remark: str = ""
    source: str | None = None


def read(checkout: Checkout) -> Claim:
    """What the checkout is, or would be; nothing is written."""
    known = _recorded(state.read(checkout.folder), checkout)
    return known or Claim(_name(checkout, ledger.read(checkout.machine), set))


def claim(
    checkout: Checkout,
    *,
    name: str | None = None,
    declared: Collection[int] = (),
    tells: bool = False,
    elsewhere: Elsewhere = set,
) -> Claim:
    """Make sure that the checkout has a name of its own, and that this is recorded.

    Args:
        name: The one to give it.
        declared: Host ports that it has if it is the project's main checkout.
        tells: Whether people hear the claim's remark, which is not repeated then.
        elsewhere: Asked only before a name is chosen.

    Raises:
        Conflict: Another folder has that name.
    """
    known = _recorded(state.read(checkout.folder), checkout)
    if known is not None and known.is_recorded and name in (None, known.name) and not (tells and known.remark):
        entry = ledger.read(checkout.machine).get(known.name)
        if entry is not None and _is_entered(entry, checkout, known.name, declared):
            return known
    with ledger.alone(checkout.machine):
        return _claimed(checkout, name, declared, elsewhere, tells=tells)


def find(name: str, machine: Machine) -> str | None:
    """The folder of the checkout that has a name; None when the ledger does not know."""
    entry = ledger.read(machine).get(name)
    return entry.folder if entry is not None and entry.counts else None


def _recorded(told: Mapping[str, Any], checkout: Checkout) -> Claim | None:
    """What is recorded for this project."""
    mine = state.of(told, "instance")
    name, remark = mine.get("name"), mine.get("remark")
    if not isinstance(name, str) or not naming.is_one(name) or mine.get("project") != checkout.project:
        return None
    source = state.of(told, "cloning").get("from")
    return Claim(
        name,
        is_recorded=mine.get("folder") == str(checkout.folder),
        remark=remark if isinstance(remark, str) else "",
        source=source if isinstance(source, str) and source else None,
    )


def _is_entered(entry: Entry, checkout: Checkout, name: str, declared: Collection[int]) -> bool:
    """Whether the ledger has all that there is to know of a checkout."""
    same = ledger.is_same(entry.folder, checkout.folder) and entry.project == checkout.project
    return same and (name != checkout.project or entry.ports.issuperset(declared))


def _claimed(
    checkout: Checkout, name: str | None, declared: Collection[int], elsewhere: Elsewhere, *, tells: bool
) -> Claim:
    told, book = state.read(checkout.folder), ledger.read(checkout.machine)
    known = _recorded(told, checkout)
    chosen = name or (known.name if known else _name(checkout, book, elsewhere))
    others = ledger.others(book, checkout.folder)
    _check_free(chosen, others)
    own = ports.recorded(checkout.folder)
    elses = {port for entry in others.values() if entry.counts for port in entry.ports}
    # The ledger may have been lost, and what is recorded here told to another checkout.
    lost = {key: port for key, port in own.items() if port in elses}
    remarks = [known.remark if known else "" if name else _remark(checkout, chosen, others), *_lost(lost)]
    remark = "; ".join(filter(None, remarks))
    kept = {port for port in own.values() if port not in elses}
    entry = Entry(
        str(checkout.folder), checkout.project, frozenset(kept.union(declared if chosen == checkout.project else ()))
    )
    ledger.write(checkout.machine, {**others, chosen: entry})
    mine = {"name": chosen, "project": checkout.project, "folder": str(checkout.folder)}
    mine |= {"remark": "" if tells else remark} if remark else {}
    if lost or any(state.of(told, "instance").get(key) != value for key, value in mine.items()):
        state.begin_anew(checkout.folder)
        state.record(checkout.folder, {"instance": mine} | ({"ports": dict.fromkeys(lost, 0)} if lost else {}))
    return Claim(chosen, True, remark, known.source if known else None)


def _check_free(name: str, others: Ledger) -> None:
    if name in others and others[name].counts:
        raise Conflict(
            f"the instance `{name}` belongs to `{toml.printable(others[name].folder, 400)}`",
            hint="`devenv up --instance NAME` gives this checkout another name",
        )


def _lost(lost: Mapping[str, int]) -> list[str]:
    return [f"ports {', '.join(map(str, lost.values()))} are another checkout's now: others are chosen"] if lost else []


def _name(checkout: Checkout, book: Ledger, elsewhere: Elsewhere) -> str:
    """The name that a checkout without one gets."""
    for name, entry in book.items():
        if ledger.is_same(entry.folder, checkout.folder) and entry.project == checkout.project:
            return name
    taken = {name for name, entry in ledger.others(book, checkout.folder).items() if entry.counts}
    taken |= set(elsewhere())
    linked = None if checkout.is_named else worktree.linked(checkout.folder)
    if linked is None and checkout.project not in taken:
        return checkout.project
    top = linked.folder if linked is not None else worktree.top(checkout.folder) or checkout.folder
    return naming.free(checkout.project, top.name, taken)


def _remark(checkout: Checkout, name: str, others: Ledger) -> str:
    """What people are told of a checkout that is not the main one."""
    if name == checkout.project:
        return ""
    first, linked = others.get(checkout.project), worktree.linked(checkout.folder)
    if first is not None and first.counts:
        what = f"a second checkout of `{checkout.project}` (the first is `{first.folder}`)"
    else:
        what = f"a worktree of `{linked.main}`" if linked else f"a second checkout of `{checkout.project}`"
    return toml.printable(f"this is {what}: its instance is `{name}`", 600)
