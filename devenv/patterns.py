"""Reads patterns of `.gitignore` exactly as git does.

A path is looked at by itself here: whether one of the folders above it matches is for others to ask.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterable, Iterator, Sequence

from devenv.values import dataclass

# What git's own table of characters says, which is that of ASCII but for white space.
_CLASSES: dict[str, Callable[[str], bool]] = {
    "alnum": str.isalnum,
    "alpha": str.isalpha,
    "blank": lambda one: one in " \t",
    "cntrl": lambda one: not one.isprintable(),
    "digit": str.isdigit,
    "graph": lambda one: one.isprintable() and one != " ",
    "lower": str.islower,
    "print": str.isprintable,
    "punct": lambda one: one.isprintable() and not one.isalnum() and one != " ",
    "space": lambda one: one in " \t\n\r",
    "upper": str.isupper,
    "xdigit": lambda one: one in "0123456789abcdefABCDEF",
}

_CLASS = re.compile(r"\[:([^\]]*):\]")
_PLAIN = re.compile(r"[^*?\[\\]*")
_STARS = re.compile(r"\*+")


@dataclass(frozen=True, slots=True)
class Pattern:
    """One line.

    Args:
        regex: Matches the whole of a path relative to the pattern's folder, or of a name; both as `encoded` gives them.
        takes_back: It begins with `!`.
        is_of_folders: It ends in `/`.
        is_of_names: It has no other `/`, so it is about names at any depth.
    """

    regex: str
    takes_back: bool
    is_of_folders: bool
    is_of_names: bool


def encoded(text: str) -> str:
    """Text with a character for each byte, because git matches bytes: `?` is one half of an `é`."""
    return text if text.isascii() else text.encode("utf-8", "surrogateescape").decode("latin-1")


def parse(line: str) -> Pattern | None:
    """Read one pattern; None for an empty line and a comment.

    Raises:
        ValueError: It can match nothing, for the reason given.
    """
    if "\n" in line:
        raise ValueError("it is more than one line")
    rest = _trimmed(encoded(line))
    if not rest or rest.startswith("#"):
        return None
    takes_back = rest.startswith("!")
    rest = rest.removeprefix("!")
    body = rest.removesuffix("/")
    is_of_names = "/" not in body
    if not body.strip("/"):
        raise ValueError("it names nothing")
    regex = _of_name(body) if is_of_names else _of_path(body.removeprefix("/"))
    return Pattern(regex, takes_back, body != rest, is_of_names)


def read(text: str) -> list[Pattern]:
    """Read a `.gitignore`; lines that can match nothing are passed over, as git does."""
    found = []
    for line in text.removeprefix("\ufeff").split("\n"):
        try:
            pattern = parse(line.removesuffix("\r").partition("\0")[0])
        except ValueError:
            continue
        if pattern is not None:
            found.append(pattern)
    return found


def _trimmed(line: str) -> str:
    """A line without the spaces at its end; one behind a backslash stays."""
    kept = line.rstrip(" ")
    is_escaped = (len(kept) - len(kept.rstrip("\\"))) % 2 == 1
    return kept + " " if is_escaped and kept != line else kept


# --- one pattern as a regular expression ---
#
# A token is `*`, `**`, `/` or the regular expression of one character. However many stars there are, matching takes a
# time that grows with the path's length alone (squared, with `**`): all stars but the last are content with the first
# place where what follows fits, because the next one can skip whatever comes then.


def _of_name(body: str) -> str:
    return _part(["*" if one == "**" else one for one in _tokens(body)])


def _of_path(body: str) -> str:
    first, *others = _split(list(_tokens(body)), "**")
    regex = _parts(first)
    for index, part in enumerate(others):
        is_last = index == len(others) - 1
        if is_last and not part:
            return regex + ".*"
        # A slash in disguise, `**\/`, does not stand for no folder at all.
        found = f"(?:[^/]*/){'*' if part[0] == '/' else '+'}?{_parts(part[1:])}"
        regex += found if is_last else f"(?>{found})"
    return regex


def _parts(tokens: list[str]) -> str:
    return "/".join(_part(part) for part in _split(tokens, "/"))


def _part(tokens: list[str]) -> str:
    first, *others = ("".join(piece) for piece in _split(tokens, "*"))
    if not others:
        return first
    return "".join([first, *(f"(?>[^/]*?{piece})" for piece in others[:-1]), "[^/]*", others[-1]])


def _split(tokens: list[str], at: str) -> list[list[str]]:
    parts: list[list[str]] = [[]]
    for token in tokens:
        if token == at:
            parts.append([])
        else:
            parts[-1].append(token)
    return parts


def _tokens(body: str) -> Iterator[str]:
    position = 0
    while position < len(body):
        character = body[position]
        if character == "*":
            token, position = _stars(body, position)
        elif character == "[":
            token, position = _bracket(body, position + 1)
        elif character == "\\":
            token, position = _escaped(body, position + 1)
        else:
            token, position = "[^/]" if character == "?" else re.escape(character), position + 1
        yield token


def _escaped(body: str, start: int) -> tuple[str, int]:
    if start == len(body):
        raise ValueError("it ends in a single backslash")
    character = body[start]
    return "\\/" if character == "/" else re.escape(character), start + 1


def _stars(body: str, start: int) -> tuple[str, int]:
    """Several stars stand for folders where they are all there is between two slashes.

    Git takes what stands before the first special character off before it looks, so `lib**/x` matches `libx`, too.
    """
    stars = _STARS.match(body, start)
    plain = _PLAIN.match(body)
    assert stars is not None
    assert plain is not None
    end = stars.end()
    is_first = start == plain.end() or body[start - 1] == "/"
    is_last = end == len(body) or body.startswith(("/", "\\/"), end)
    return "**" if end - start > 1 and is_first and is_last else "*", end


def _bracket(body: str, start: int) -> tuple[str, int]:
    """The regular expression of `[…]`, which begins at `start - 1`, and where it ends."""
    negated = body.startswith(("!", "^"), start)
    first = position = start + negated
    members: set[str] = set()
    before = ""
    while position == first or not body.startswith("]", position):
        if position >= len(body):
            raise ValueError("`[` is not closed")
        if body[position] == "-" and before and body[position + 1 : position + 2] not in ("", "]"):
            last, position = _member(body, position + 1)
            members.update(map(chr, range(ord(before), ord(last) + 1)))
            before = ""
        elif named := _CLASS.match(body, position):
            members |= _class(named[1])
            before, position = "", named.end()
        else:
            before, position = _member(body, position)
            members.add(before)
    return _characters(members, negated), position + 1


def _member(body: str, position: int) -> tuple[str, int]:
    position += body[position] == "\\"
    if position >= len(body):
        raise ValueError("`[` is not closed")
    return body[position], position + 1


def _class(name: str) -> set[str]:
    if name not in _CLASSES:
        raise ValueError(f"there is no class `[:{name}:]`")
    return {one for one in map(chr, range(128)) if _CLASSES[name](one)}


def _characters(members: set[str], negated: bool) -> str:
    """One of some characters, which is never a slash."""
    chosen = sorted((set(map(chr, range(256))) - members if negated else members) - {"/"})
    return f"[{''.join(re.escape(one) for one in chosen)}]" if chosen else "(?!)"


# --- many patterns ---


class Table:
    """Patterns in order, of which the last that matches counts."""

    def __init__(self, patterns: Iterable[Pattern]) -> None:
        numbered = list(enumerate(patterns))
        self.has_paths = any(not one.is_of_names for _, one in numbered)
        self._searches = {
            (is_of_names, is_folder): _Search(
                [
                    (i, one.regex)
                    for i, one in numbered
                    if one.is_of_names == is_of_names and one.is_of_folders <= is_folder
                ]
            )
            for is_of_names in (True, False)
            for is_folder in (True, False)
        }

    def last(self, path: str, name: str, is_folder: bool) -> int:
        """The number of the last pattern that matches, -1 when none does.

        Args:
            path: `encoded`, relative to the folder of the patterns.
            name: Its last part.
        """
        by_name = self._searches[True, is_folder].last(name)
        return max(by_name, self._searches[False, is_folder].last(path)) if self.has_paths else by_name


class Selection:
    """The files that patterns choose, a folder's with all that is below it; without patterns every file."""

    def __init__(self, lines: Sequence[str]) -> None:
        self._patterns = read("\n".join(lines))
        self._table = Table(self._patterns)

    def __contains__(self, path: str) -> bool:
        """Whether a file is among them.

        Args:
            path: Relative to the folder of the patterns.
        """
        if not self._patterns:
            return True
        parts = encoded(path).split("/")
        places = [("/".join(parts[:depth]), parts[depth - 1], depth < len(parts)) for depth in range(1, len(parts) + 1)]
        last = max(self._table.last(*place) for place in places)
        return last >= 0 and not self._patterns[last].takes_back


class _Search:
    """Most paths match nothing; a regular expression without groups finds that out several times faster."""

    def __init__(self, regexes: Sequence[tuple[int, str]]) -> None:
        self._numbers = [number for number, _ in reversed(regexes)]
        self._regexes = [regex for _, regex in reversed(regexes)]

    def last(self, text: str) -> int:
        if not self._numbers or self._any.fullmatch(text) is None:
            return -1
        found = self._which.fullmatch(text)
        assert found is not None
        assert found.lastindex is not None
        return self._numbers[found.lastindex - 1]

    @functools.cached_property
    def _any(self) -> re.Pattern[str]:
        return re.compile("|".join(self._regexes), re.DOTALL)

    @functools.cached_property
    def _which(self) -> re.Pattern[str]:
        return re.compile("|".join(f"({regex})" for regex in self._regexes), re.DOTALL)
