"""Which packages a request needs, given those that are there already; pure."""

from __future__ import annotations

import difflib
import re
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence

from devenv.errors import ImageError
from devenv.images import relation, version
from devenv.images import stanza as stanzas
from devenv.images.relation import Relation
from devenv.images.stanza import Stanza

UPGRADE = "move the pins with `devenv lock --upgrade`"

_PRIORITIES = ("required", "important", "standard", "optional", "extra")
# It moves `/bin` into `/usr/bin`; images are born so, and its alternative only says that.
_LAST_RESORTS = {"usrmerge"}


class Universe:
    """All packages of the indexes, by name and by what they provide.

    Args:
        packages: Stanzas, or paragraphs of an index: one of 70,000 is read when it is asked for.
    """

    def __init__(self, packages: Iterable[Stanza | bytes]) -> None:
        self._all = list(packages)
        self._by_name: dict[str, list[int]] = {}
        self._providers: dict[str, list[int]] = {}
        self._named: dict[str, list[Stanza]] = {}
        for number, one in enumerate(self._all):
            name, provided = _outline(one)
            self._by_name.setdefault(name, []).append(number)
            for word in provided:
                self._providers.setdefault(word, []).append(number)

    def named(self, name: str) -> list[Stanza]:
        """The packages of a name, the newest first."""
        if name not in self._named:
            found = map(self._read, self._by_name.get(name, ()))
            self._named[name] = sorted(found, key=lambda stanza: version.key(stanza.version), reverse=True)
        return self._named[name]

    def providing(self, name: str) -> list[Stanza]:
        """The packages that provide a name, in the order of the indexes."""
        return [self._read(number) for number in self._providers.get(name, ())]

    def essential(self) -> list[str]:
        """The names of the packages every system must have."""
        may_be = {_outline(one)[0] for one in self._all if not isinstance(one, bytes) or _ESSENTIAL in one}
        return sorted(name for name in may_be if self.named(name)[0].essential)

    def close(self, name: str) -> list[str]:
        """Names that look like this one."""
        return difflib.get_close_matches(name, self._by_name, n=3, cutoff=0.7)

    def _read(self, number: int) -> Stanza:
        one = self._all[number]
        if isinstance(one, bytes):
            one = self._all[number] = stanzas.read(one)
        return one


_ESSENTIAL = b"Essential:"
_NAME = re.compile(rb"^Package:[ \t]*(\S+)", re.M)
_PROVIDES = re.compile(rb"^Provides:(.*(?:\n[ \t].*)*)", re.M)


def _outline(one: Stanza | bytes) -> tuple[str, list[str]]:
    """A package's name and the names that it provides, of a paragraph without reading it."""
    if isinstance(one, bytes) and (match := _NAME.search(one)) is not None:
        provides = _PROVIDES.search(one) if b"\nProvides:" in one else None
        return match.group(1).decode(), _provided(provides.group(1).decode("utf-8", "replace")) if provides else []
    stanza = stanzas.read(one) if isinstance(one, bytes) else one
    return stanza.name, _provided(stanza.provides) if stanza.provides else []


def _provided(text: str) -> list[str]:
    return [provided.name for provided in relation.flat(" ".join(text.split()))]


def resolve(
    universe: Universe, requested: Sequence[str], installed: Mapping[str, Stanza], suite: str
) -> dict[str, Stanza]:
    """Choose what must be added to `installed` so that everything requested is there and all relations hold.

    Greedy, then proved: an alternative that is chosen already, else the first that exists and conflicts with nothing,
    else providers by priority and name.

    Raises:
        ImageError: A name the suite does not have, or relations that cannot be met.
    """
    search = _Search(universe, installed)
    for name in requested:
        search.request(name, suite)
    search.run()
    prove(search.chosen, search.added)
    return search.added


def prove(chosen: Mapping[str, Stanza], added: Mapping[str, Stanza]) -> None:
    """Check that every relation of and to the added packages holds.

    Raises:
        ImageError: One does not; the message names both sides.
    """
    names = Names(chosen.values())
    for stanza in added.values():
        for group in _groups(stanza):
            if not any(names.meets(alternative) for alternative in group):
                raise _unmet(stanza, group, chosen)
    for stanza in chosen.values():
        for hostile in _hostile(stanza):
            for other in names.matching(hostile):
                if other.name != stanza.name and (other.name in added or stanza.name in added):
                    raise ImageError(f"package `{stanza.name}` cannot be together with `{other.name}`", hint=UPGRADE)


class Names:
    """Packages, found by their own and their provided names."""

    def __init__(self, stanzas: Iterable[Stanza]) -> None:
        self._versions: dict[str, list[tuple[Stanza, str | None]]] = {}
        for stanza in stanzas:
            self.add(stanza)

    def add(self, stanza: Stanza) -> None:
        """Add one more."""
        self._versions.setdefault(stanza.name, []).append((stanza, stanza.version))
        for provided in relation.flat(stanza.provides) if stanza.provides else ():
            self._versions.setdefault(provided.name, []).append((stanza, provided.bound or None))

    def matching(self, wanted: Relation) -> Iterator[Stanza]:
        """Those that meet a relation."""
        for stanza, found in self._versions.get(wanted.name, ()):
            if wanted.admits(found):
                yield stanza

    def meets(self, wanted: Relation) -> bool:
        """Whether any does."""
        return any(True for _ in self.matching(wanted))


class _Search:
    def __init__(self, universe: Universe, installed: Mapping[str, Stanza]) -> None:
        self._universe = universe
        self._installed = installed
        self.chosen = dict(installed)
        self.added: dict[str, Stanza] = {}
        self._names = Names(installed.values())
        self._hostile: dict[str, list[tuple[str, Relation]]] = {}
        self._open: deque[Stanza] = deque()
        for stanza in installed.values():
            self._remember_hostility(stanza)

    def request(self, name: str, suite: str) -> None:
        if name in self.chosen:
            return
        candidates = self._universe.named(name) or self._sole_provider(name, suite)
        self._add(next(filter(self._fits, candidates), candidates[0]))

    def run(self) -> None:
        while self._open:
            stanza = self._open.popleft()
            for group in _groups(stanza):
                if not any(self._names.meets(alternative) for alternative in group):
                    self._add(self._choose(stanza, group))

    def _choose(self, stanza: Stanza, group: Sequence[Relation]) -> Stanza:
        candidates = [*self._real(group), *self._providing(group)]
        for candidate in candidates:
            if self._fits(candidate):
                return candidate
        raise _unmet(stanza, group, self.chosen)

    def _real(self, group: Sequence[Relation]) -> Iterator[Stanza]:
        for alternative in sorted(group, key=lambda one: one.name in _LAST_RESORTS):
            for stanza in self._universe.named(alternative.name):
                if alternative.admits(stanza.version):
                    yield stanza

    def _providing(self, group: Sequence[Relation]) -> Iterator[Stanza]:
        for alternative in group:
            found = [
                stanza for stanza in self._universe.providing(alternative.name) if Names([stanza]).meets(alternative)
            ]
            yield from sorted(found, key=lambda one: (_rank(one), one.name))

    def _fits(self, candidate: Stanza) -> bool:
        """Whether nothing chosen speaks against it, and its own words nothing against what is installed."""
        if candidate.name in self.chosen:
            return False
        return not self._is_refused(candidate) and self._bears_installed(candidate)

    def _is_refused(self, candidate: Stanza) -> bool:
        own = Names([candidate])
        named = [candidate.name, *(provided.name for provided in relation.flat(candidate.provides))]
        if any(own.meets(hostile) for name in named for _, hostile in self._hostile.get(name, ())):
            return True
        return any(self._names.meets(hostile) for hostile in _hostile(candidate))

    def _bears_installed(self, candidate: Stanza) -> bool:
        return all(
            any(one.name not in self._installed or self._names.meets(one) for one in group)
            for group in _groups(candidate)
        )

    def _sole_provider(self, name: str, suite: str) -> list[Stanza]:
        names = sorted({stanza.name for stanza in self._universe.providing(name)})
        if len(names) == 1:
            return self._universe.named(names[0])
        if names:
            raise ImageError(
                f"package `{name}` of `{suite}` is only a name that others provide",
                hint="choose one of " + _quoted(names[:8]),
            )
        close = self._universe.close(name)
        raise ImageError(
            f"no package `{name}` in Debian `{suite}`", hint=f"did you mean {_quoted(close)}?" if close else None
        )

    def _add(self, stanza: Stanza) -> None:
        self.chosen[stanza.name] = self.added[stanza.name] = stanza
        self._names.add(stanza)
        self._remember_hostility(stanza)
        self._open.append(stanza)

    def _remember_hostility(self, stanza: Stanza) -> None:
        for hostile in _hostile(stanza):
            self._hostile.setdefault(hostile.name, []).append((stanza.name, hostile))


def _groups(stanza: Stanza) -> relation.Groups:
    return relation.parse(stanza.pre_depends) + relation.parse(stanza.depends)


def _hostile(stanza: Stanza) -> tuple[Relation, ...]:
    return relation.flat(stanza.conflicts) + relation.flat(stanza.breaks)


def _rank(stanza: Stanza) -> int:
    return _PRIORITIES.index(stanza.priority) if stanza.priority in _PRIORITIES else len(_PRIORITIES)


def _quoted(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


class Unmet(ImageError):
    """A relation that cannot be met; `blocking` names the chosen packages that do not fit it."""

    def __init__(self, message: str, blocking: Sequence[str]) -> None:
        super().__init__(message, hint=UPGRADE)
        self.blocking = tuple(blocking)


def _unmet(stanza: Stanza, group: Sequence[Relation], chosen: Mapping[str, Stanza]) -> Unmet:
    wanted = " or ".join(f"`{alternative}`" for alternative in group)
    there = [chosen[alternative.name] for alternative in group if alternative.name in chosen]
    pinned = "".join(f"; `{one.name}` is pinned to {one.version}" for one in there)
    message = f"package `{stanza.name}` {stanza.version} needs {wanted}{pinned}"
    return Unmet(message, [one.name for one in there])
