"""The paths that may differ between the two sides."""

from __future__ import annotations

import heapq
import time
from collections.abc import Callable

from devenv.sync import moves
from devenv.sync.base import Base
from devenv.sync.entries import Seen
from devenv.values import dataclass

REMOVALS_QUIET = 0.1
"""Seconds without a further removal inside after which removals are carried out on the host: so an emptied folder is
seen as one, and a rename's two halves as one."""
REMOVALS_LONGEST = 1.5
"""Seconds after which they are, though it goes on."""
PATIENCE = 6
"""How often a path is tried again at once; after that ever later."""
LONGEST_PAUSE = 4.0


@dataclass(frozen=True, slots=True)
class Batch:
    """Paths to settle.

    Args:
        host: What the host has, of those that were just looked at.
        inner: What the volume has, of those that were seen there.
        since: When the first hint came, of the monotonic clock.
    """

    paths: set[str]
    host: dict[str, Seen]
    inner: dict[str, Seen | None]
    since: float


class Dirty:
    """Collects hints; used by the session's thread alone."""

    def __init__(self, base: Base, clock: Callable[[], float] = time.monotonic) -> None:
        self._base = base
        self._clock = clock
        self._host: dict[str, Seen | None] = {}
        self._inner: dict[str, Seen | None] = {}
        self._taken: dict[str, Seen | None] = {}
        self._later: list[tuple[float, str]] = []
        self._kept: dict[str, Seen | None] = {}
        self._tries: dict[str, int] = {}
        self._since: float | None = None
        self._removals_began = self._removal_last = 0.0
        self._removals: set[str] = set()

    def __len__(self) -> int:
        return len(self._host.keys() | self._inner.keys() | {path for _, path in self._later})

    def on_host(self, path: str, seen: Seen | None = None) -> None:
        """The host may have something new there: this, if it was looked at."""
        self._begin()
        self._host[path] = seen

    def inside(self, path: str, seen: Seen | None) -> None:
        """The volume has this there."""
        self._begin()
        self._inner[path] = seen
        agreed = self._base.get(path)
        if seen is not None or agreed is None or not agreed.inner:
            self._removals.discard(path)
            return
        now = self._clock()
        if not self._removals:
            self._removals_began = now
        self._removal_last = now
        self._removals.add(path)

    def correct(self, path: str, seen: Seen | None) -> None:
        """The volume has this there, as agreed on: what was noted of it before is no longer so."""
        if path in self._inner:
            self.inside(path, seen)

    def again(self, path: str, seconds: float) -> None:
        """Bring a path up again, with what was noted of it inside; one that never comes to rest, ever later."""
        if path in self._taken:
            self._kept[path] = self._taken[path]
        tries = self._tries[path] = self._tries.get(path, 0) + 1
        longer = min(0.01 * 2 ** min(tries - PATIENCE, 10), LONGEST_PAUSE) if tries > PATIENCE else 0.0
        pause = max(seconds, longer)
        heapq.heappush(self._later, (self._clock() + pause, path))

    def due(self) -> float | None:
        """Seconds until there is something to settle; None when nothing is known to differ."""
        now = self._clock()
        times = [time for time, _ in self._later[:1]]
        if self._removals:
            times.append(self._removals_due())
        if self._host or self._inner.keys() - self._removals:
            return 0.0
        return max(0.0, min(times) - now) if times else None

    def take(self, *, all_of_it: bool = False) -> Batch | None:
        """What is to be settled now.

        Args:
            all_of_it: Also what is to be tried later, and removals that may go on.
        """
        now = self._clock()
        while self._later and (all_of_it or self._later[0][0] <= now):
            path = heapq.heappop(self._later)[1]
            self._host[path] = None
            if path in self._kept:
                self._inner.setdefault(path, self._kept.pop(path))
        held = set() if all_of_it or now >= self._removals_due() else self._removals
        held = held - moves.renamed(self._inner, held, self._base) - moves.replaced(self._inner, held)
        inner = {path: seen for path, seen in self._inner.items() if path not in held}
        paths = inner.keys() | self._host.keys() - held
        if not paths:
            return None
        host = {path: seen for path, seen in self._host.items() if seen is not None and path not in held}
        since = self._since if self._since is not None else now
        self._host = {path: None for path in self._host if path in held}
        self._inner = {path: self._inner[path] for path in held}
        self._removals = set(held)
        self._since = now if held else None
        self._taken = inner
        if not (self._later or held):
            self._tries = {path: tries for path, tries in self._tries.items() if path in paths}
        return Batch(paths, host, inner, since)

    def _removals_due(self) -> float:
        return min(self._removal_last + REMOVALS_QUIET, self._removals_began + REMOVALS_LONGEST)

    def _begin(self) -> None:
        if self._since is None:
            self._since = self._clock()
