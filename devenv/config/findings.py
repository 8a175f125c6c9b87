"""Collects the mistakes of one reading, each with its place."""

from __future__ import annotations

from collections.abc import Iterable

from devenv import toml
from devenv.errors import DevenvError, Place, Problems

# Of a message; the names in it come from the file.
LONGEST = 500


class Findings:
    """The mistakes found so far, and where they were.

    Args:
        place: Finds the place of a key or value.
    """

    def __init__(self, place: toml.Locate) -> None:
        self._place = place
        self._broken: set[toml.Keys] = set()
        self.problems: list[DevenvError] = []

    def add(self, message: str, keys: toml.Keys, *, hint: str | None = None, key: bool = False) -> None:
        """Note a mistake at `keys`, or at what stands nearest above it."""
        self._broken.add(keys)
        message = toml.printable(message, LONGEST)
        hint = None if hint is None else toml.printable(hint, LONGEST)
        self.problems.append(DevenvError(message, hint=hint, where=self._nearest(keys, key)))

    def unknown(
        self, kind: str, name: str, known: Iterable[str], keys: toml.Keys, *, key: bool = False, owner: str = ""
    ) -> None:
        """Note a name that does not exist, with the nearest that does.

        Args:
            owner: Words about where it was looked for: `` in `apps.web` ``.
        """
        known = tuple(known)
        hint = suggestion(name, known) or (f"there are: {listed(known, 'and')}" if known else None)
        self.add(f"unknown {kind} `{toml.printable(name)}`{owner}", keys, hint=hint, key=key)

    def is_broken(self, keys: toml.Keys) -> bool:
        """Whether something at `keys` or below was wrong."""
        return any(one[: len(keys)] == keys for one in self._broken)

    def _nearest(self, keys: toml.Keys, key: bool) -> Place | None:
        for length in range(len(keys), 0, -1):
            place = self._place(keys[:length], key=key and length == len(keys))
            if place is not None:
                return place
        return None


def suggestion(name: str, known: Iterable[str]) -> str | None:
    """The hint that names what was probably meant."""
    import difflib

    near = difflib.get_close_matches(name[:100], list(known), n=1)
    return f"did you mean `{near[0]}`?" if near else None


def listed(names: Iterable[str], word: str) -> str:
    """Names as a sentence has them: `` `a`, `b` or `c` ``."""
    quoted = [f"`{name}`" for name in names]
    return quoted[0] if len(quoted) == 1 else f"{', '.join(quoted[:-1])} {word} {quoted[-1]}"


def dotted(keys: toml.Keys) -> str:
    """Keys as the file would have them: `apps.web.ports[0]`."""
    text = "".join(f"[{one}]" if isinstance(one, int) else f".{one}" for one in keys)
    return toml.printable(text.removeprefix("."))


def raised(problems: Iterable[DevenvError]) -> None:
    """Raise what was found, each mistake once, in the order of the file.

    Raises:
        Problems: There is at least one.
    """
    once: dict[tuple[str, Place | None], DevenvError] = {}
    for problem in problems:
        once.setdefault((problem.message, problem.where), problem)
    if once:
        raise Problems(sorted(once.values(), key=_order))


def _order(problem: DevenvError) -> tuple[bool, str, int, int]:
    where = problem.where
    if where is None:
        return (False, "", 0, 0)
    return (True, where.file, where.line, where.column)
