"""Finds out which paths that are gone are the ones that are new, under another name. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from devenv.sync import rules
from devenv.sync.base import Agreed, Base
from devenv.sync.entries import Seen

Hints = Mapping[str, Seen | None]


def on_host(host: Hints, inner: Hints, base: Base) -> Iterator[tuple[str, str]]:
    """Renames on the host, each from where to where, that can be repeated in the volume."""
    gone = {_inode(agreed.host): path for path, agreed in _gone(host, base) if agreed.host and agreed.inner}
    for target, seen in sorted(host.items()) if gone else ():
        source = gone.get(seen.inode) if seen is not None else None
        if source is None or seen is None or not _is_same(base.get(source), seen, "host"):
            continue
        if base.get(target) is None and target not in inner and not _is_touched(source, inner):
            yield source, target


def inside(host: Hints, inner: Hints, base: Base) -> Iterator[tuple[str, str]]:
    """Renames in the volume that can be repeated on the host.

    Not those of what is protected, nor of a folder with links in it that lead upwards: from another depth they may lead
    out of the project.
    """
    gone = {_inode(agreed.inner): path for path, agreed in _gone(inner, base) if agreed.host and agreed.inner}
    for target, seen in sorted(inner.items()) if gone else ():
        source = gone.get(seen.inode) if seen is not None else None
        if source is None or seen is None or not _is_same(base.get(source), seen, "inner"):
            continue
        if base.get(target) is not None or host.get(target) is not None or _is_changed(source, host, base):
            continue
        if not any(_must_stay(path, target + path[len(source) :], base) for path in (source, *base.below(source))):
            yield source, target


def without(inner: Hints, base: Base) -> set[str]:
    """Paths that are gone from the volume, but for those that are there under another name."""
    there = {seen.inode for seen in inner.values() if seen is not None}
    gone = {path: _inode(agreed.inner) for path, agreed in _gone(inner, base)}
    moved = {path for path, inode in gone.items() if inode in there}
    return {path for path in gone if path not in moved and not any(one in moved for one in _above(path))}


def renamed(inner: Hints, removals: set[str], base: Base) -> set[str]:
    """Those of the removals that are there under another name, with all below them."""
    there = {seen.inode for seen in inner.values() if seen is not None}
    moved = {path for path in removals if (agreed := base.get(path)) is not None and _inode(agreed.inner) in there}
    return {path for path in removals if path in moved or any(one in moved for one in _above(path))} if moved else set()


def replaced(inner: Hints, removals: set[str]) -> set[str]:
    """Those of the removals that were in a folder in whose place is something else now, which cannot come before."""
    taken = {path for path, seen in inner.items() if seen is not None and seen.kind != "folder"}
    return {path for path in removals if any(one in taken for one in _above(path))} if taken else set()


def _above(path: str) -> Iterator[str]:
    while path := path.rpartition("/")[0]:
        yield path


def _gone(seen: Hints, base: Base) -> Iterator[tuple[str, Agreed]]:
    for path, one in seen.items():
        if one is None and (agreed := base.get(path)) is not None:
            yield path, agreed


def _inode(signature: str) -> int:
    number = signature.partition(".")[0]
    return int(number) if number.isdigit() else -1


def _is_same(agreed: Agreed | None, seen: Seen, side: str) -> bool:
    """Whether it is what it was under its former name: inode numbers are given away again."""
    if agreed is None or agreed.state.kind != seen.kind or seen.kind not in ("file", "folder"):
        return False
    signature = agreed.host if side == "host" else agreed.inner
    if seen.kind == "folder":
        return seen.mode == agreed.state.mode
    return signature.split(".")[:3] == seen.signature.split(".")[:3] and seen.mode == agreed.state.mode


def _is_touched(source: str, hints: Hints) -> bool:
    return any(path == source or path.startswith(f"{source}/") for path in hints)


def _is_changed(source: str, host: Hints, base: Base) -> bool:
    """Whether the host has at or below the path anything else than was agreed on."""
    for path, seen in host.items():
        if path == source or path.startswith(f"{source}/"):
            agreed = base.get(path)
            if agreed is None or seen is None or seen.signature != agreed.host:
                return True
    return False


def _must_stay(path: str, target: str, base: Base) -> bool:
    agreed = base.get(path)
    leads_up = agreed is not None and agreed.state.kind == "link" and b".." in agreed.state.digest
    return leads_up or rules.is_protected(path) or rules.is_protected(target)
