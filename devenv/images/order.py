"""In which order dpkg can install packages: runs, and the packages of each run."""

from __future__ import annotations

from collections.abc import Mapping
from graphlib import TopologicalSorter

from devenv.images import relation
from devenv.images.stanza import Stanza
from devenv.model.pins import Package

Graph = dict[str, list[str]]


def runs(added: Mapping[str, Stanza]) -> tuple[tuple[Package, ...], ...]:
    """Split packages into dpkg runs.

    dpkg unpacks all packages of a run before it configures one, so whatever a Pre-Depends needs, with its whole
    closure, stands in an earlier run; within a run, and along plain Depends, what is needed stands first.
    """
    names = _names(added)
    before = {name: _needed(stanza.pre_depends, names) for name, stanza in added.items()}
    needs = {name: before[name] + _needed(stanza.depends, names) for name, stanza in added.items()}
    circles = _circles(needs)
    circle_of = {name: number for number, circle in enumerate(circles) for name in circle}
    ranks: dict[int, int] = {}
    for number, circle in enumerate(circles):  # what a circle needs stands before it
        ranks[number] = max(
            (
                ranks[circle_of[other]] + (other in before[name])
                for name in circle
                for other in needs[name]
                if circle_of[other] != number
            ),
            default=0,
        )
    ordered: dict[int, list[Package]] = {}
    for number, circle in enumerate(circles):
        ordered.setdefault(ranks[number], []).extend(added[name].package for name in circle)
    return tuple(tuple(ordered[rank]) for rank in sorted(ordered))


def _names(added: Mapping[str, Stanza]) -> dict[str, list[tuple[str, str | None]]]:
    names: dict[str, list[tuple[str, str | None]]] = {}
    for name in sorted(added):
        names.setdefault(name, []).insert(0, (name, added[name].version))
        for provided in relation.flat(added[name].provides):
            names.setdefault(provided.name, []).append((name, provided.bound or None))
    return names


def _needed(field: str, names: Mapping[str, list[tuple[str, str | None]]]) -> list[str]:
    """The added packages a relation field leads to, the first that meets each group."""
    needed: dict[str, None] = {}
    for group in relation.parse(field):
        meeting = (name for one in group for name, found in names.get(one.name, ()) if one.admits(found))
        if (name := next(meeting, None)) is not None:
            needed[name] = None
    return list(needed)


def _circles(needs: Graph) -> list[list[str]]:
    """Strongly connected groups, each after the ones it needs; sorted where order is free."""
    members = _components(needs)
    graph = {
        root: sorted({root_of for other in group for need in needs[other] if (root_of := members[need][0]) != root})
        for root, group in ((group[0], group) for group in members.values())
    }
    order = TopologicalSorter({root: graph[root] for root in sorted(graph)}).static_order()
    return [members[root] for root in order]


def _components(needs: Graph) -> dict[str, list[str]]:
    """Tarjan's algorithm without recursion: for each name the sorted group that needs it and is needed by it."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    waiting: set[str] = set()
    members: dict[str, list[str]] = {}
    for start in sorted(needs):
        work = [(start, iter(sorted(needs[start])))] if start not in index else []
        while work:
            name, following = work[-1]
            if name not in index:
                index[name] = low[name] = len(index)
                stack.append(name)
                waiting.add(name)
            for other in following:
                if other not in index:
                    work.append((other, iter(sorted(needs[other]))))
                    break
                if other in waiting:
                    low[name] = min(low[name], index[other])
            else:
                work.pop()
                if work:
                    low[work[-1][0]] = min(low[work[-1][0]], low[name])
                if low[name] == index[name]:
                    position = stack.index(name)
                    group = sorted(stack[position:])
                    del stack[position:]
                    waiting.difference_update(group)
                    members.update((member, group) for member in group)
    return members
