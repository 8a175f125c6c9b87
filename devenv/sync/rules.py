"""Says which paths are synced, which of them one way only, and what follows a change."""

from __future__ import annotations

import functools
import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence

from devenv import patterns
from devenv.model.project import Action
from devenv.sync.entries import TEMPORARY
from devenv.values import dataclass

GITIGNORE = ".gitignore"
ASIDE = ".conflict-"
"""What stands between a name and the app whose side of a conflict it is."""

_OWN = ".devenv"
# What runs something on the host, or says what is to be run: git, editors, direnv, devenv itself.
_PROTECTED = frozenset({".git", ".vscode", ".idea", ".envrc", _OWN, "devenv.toml", "devenv.lock", "devenv.local.toml"})
# Without one of these an ASCII path is neither; most paths are done with here.
_SUSPECT = re.compile(r"devenv|~[0-9]|\.(git|vscode|idea|envrc)", re.IGNORECASE)
# The short names that Windows gives them.
_SHORT = re.compile(r"(git|vscode|idea|envrc|devenv)~[0-9]+(\..*)?")
# Characters that do not count in a name on HFS+, after `next_hfs_char` in git's utf8.c.
_INVISIBLE = dict.fromkeys((*range(0x200C, 0x2010), *range(0x202A, 0x202F), *range(0x206A, 0x2070), 0xFEFF))


def is_private(path: str) -> bool:
    """Whether it is never synced, in neither direction: what devenv itself writes."""
    if path.isascii() and "devenv" not in path.lower():
        return False
    return any(part == _OWN or raw.startswith(TEMPORARY) for raw, part in _parts(path))


def is_protected(path: str) -> bool:
    """Whether it is synced from the host into containers only, under whatever spelling a file system takes for it.

    What was kept beside it in a conflict is as protected.
    """
    names = (part.partition(ASIDE)[0] for _, part in _parts(path))
    return _is_suspect(path) and any(name in _PROTECTED or _SHORT.fullmatch(name) for name in names)


def allows_link(path: str, target: str) -> bool:
    """Whether a link made inside may be made on the host.

    A target that climbs first and then only descends stays in the folder whatever its parts are: one that is a link
    leads to somewhere in the folder again, and nothing climbs from there. It holds for where the link is now: when a
    folder is moved, the links in it have to be asked about again.
    """
    if not path or not target or target.startswith("/") or "\0" in target or "\\" in target or is_protected(target):
        return False
    parts = [part for part in target.split("/") if part not in ("", ".")]
    climbs = next((index for index, part in enumerate(parts) if part != ".."), len(parts))
    return climbs <= path.count("/") and ".." not in parts[climbs:]


def _is_suspect(path: str) -> bool:
    return not path.isascii() or _SUSPECT.search(path) is not None


def _parts(path: str) -> Iterator[tuple[str, str]]:
    """Each part as it is, and in the plainest spelling some file system takes for it."""
    for raw in re.split(r"[/\\]", path):
        yield raw, _plainest(raw).partition(":")[0].rstrip(". ")


def _plainest(name: str) -> str:
    if name.isascii():
        return name.lower()
    visible = unicodedata.normalize("NFKC", name.translate(_INVISIBLE))
    # Upper case first, for letters that have no lower case of their own, such as the dotless i.
    return unicodedata.normalize("NFKC", visible.upper().casefold()).translate(_INVISIBLE)


# --- what is ignored ---


@dataclass(frozen=True, slots=True)
class _Level:
    """One text of patterns.

    Args:
        above: Where the synced folder is, seen from the patterns' folder; ends in `/` unless it is there.
        depth: How long the path of the patterns' folder is in the synced folder, with its `/`.
    """

    lines: Sequence[patterns.Pattern]
    table: patterns.Table
    above: str = ""
    depth: int = 0

    def ignores(self, path: str, name: str, is_folder: bool) -> bool | None:
        """None when no pattern matches."""
        number = self.table.last(self.above + path[self.depth :] if self.table.has_paths else "", name, is_folder)
        return None if number < 0 else not self.lines[number].takes_back


class Ignore:
    """What is not synced: `.gitignore` files, nested ones too, then the project's own patterns; the last match decides.

    Args:
        own: The project's own patterns, relative to the synced folder.
        read: The text of a file of the host's synced folder; None when there is none, or when it is a link.
        above: Patterns of folders above: where the synced folder is, seen from theirs, and their text; the outermost
            first, and `.git/info/exclude` before all.
    """

    def __init__(
        self, own: Sequence[str], read: Callable[[str], str | None], above: Sequence[tuple[str, str]] = ()
    ) -> None:
        self._read = read
        self._own = _level("\n".join(own))
        self._above = tuple(_level(text, above=prefix) for prefix, text in reversed(above))
        # The levels of each folder but the project's own, the nearest first; None: it is ignored,
        # and then nothing below it is kept here.
        self._folders: dict[str, tuple[_Level, ...] | None] = {}

    def __call__(self, path: str, is_folder: bool) -> bool:
        """Whether a path, or a folder it is in, is ignored; the synced folder itself never is."""
        if not path:
            return False
        levels = self._levels(path.rpartition("/")[0])
        if not levels:
            return levels is None or (bool(self._own.lines) and self._matches((), path, is_folder))
        return self._matches(levels, path, is_folder)

    def forget(self, path: str = "") -> None:
        """A `.gitignore` changed, or a folder is gone: drop what was read in this folder and below."""
        above, _, name = path.rpartition("/")
        folder = above if name == GITIGNORE else path
        for known in [one for one in self._folders if not folder or one == folder or one.startswith(f"{folder}/")]:
            del self._folders[known]

    def _matches(self, levels: tuple[_Level, ...], path: str, is_folder: bool) -> bool:
        path = patterns.encoded(path)
        name = path.rpartition("/")[2]
        for level in (self._own, *levels):
            ignores = level.ignores(path, name, is_folder)
            if ignores is not None:
                return ignores
        return False

    def _levels(self, folder: str) -> tuple[_Level, ...] | None:
        """Those that count in a folder; not by recursion, for folders can be nested deeper than Python's calls."""
        missing = []
        while folder and folder not in self._folders:
            missing.append(folder)
            folder = folder.rpartition("/")[0]
        if folder not in self._folders:
            self._folders[""] = self._with("", self._above)
        levels = self._folders[folder]
        while missing and levels is not None:
            folder = missing.pop()
            levels = None if self._matches(levels, folder, True) else self._with(folder, levels)
            self._folders[folder] = levels
        return levels

    def _with(self, folder: str, levels: tuple[_Level, ...]) -> tuple[_Level, ...]:
        before = f"{folder}/" if folder else ""
        text = self._read(before + GITIGNORE)
        return (_level(text, depth=len(patterns.encoded(before))), *levels) if text else levels


def _level(text: str, *, above: str = "", depth: int = 0) -> _Level:
    above = patterns.encoded(above).strip("/")
    return _Level(*_compiled(text), f"{above}/" if above else "", depth)


@functools.lru_cache(maxsize=256)
def _compiled(text: str) -> tuple[Sequence[patterns.Pattern], patterns.Table]:
    found = tuple(patterns.read(text))
    return found, patterns.Table(found)


# --- what follows a change ---


@dataclass(frozen=True, slots=True)
class Rules:
    """What a change of an app's files does: pairs of a pattern and an action, in order."""

    rules: tuple[tuple[str, Action], ...] = ()

    def action(self, path: str, is_folder: bool = False) -> Action:
        """That of the last rule that matches the path or a folder it is in; `sync` when none does."""
        actions, table = _rules(self.rules)
        parts = patterns.encoded(path).split("/")
        last = max(
            table.last("/".join(parts[: length + 1]), part, is_folder or length < len(parts) - 1)
            for length, part in enumerate(parts)
        )
        return actions[last] if last >= 0 else "sync"


@functools.lru_cache(maxsize=64)
def _rules(rules: tuple[tuple[str, Action], ...]) -> tuple[Sequence[Action], patterns.Table]:
    read = [(pattern, action) for path, action in rules for pattern in patterns.read(path)]
    return [action for _, action in read], patterns.Table([pattern for pattern, _ in read])
