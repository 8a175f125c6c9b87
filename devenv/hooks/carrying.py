"""Brings laid out files to where an app sees them, and what was changed back, where its folder is a copy."""

from __future__ import annotations

import io
import tarfile
import time
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

from devenv import files
from devenv.engine.protocol import Command, Engine
from devenv.errors import EngineError
from devenv.values import dataclass

MARK = ".laid-out"
"""Beside the folder inside: the id of the tree in it."""
LAST = ".devenv-last"
_OLDER = 3.0
"""Seconds before it is brought in that a file is said to be from; the mark is two seconds old."""
# A change in the moment of the mark would not be newer than it.
_MARKED = f'printf %s "$2" >"../{MARK}" && touch -d "@$(($(date +%s) - 2))" "../{MARK}"'
# A cut off archive may look whole to tar: its last file tells. Until then nothing says what is there.
_IN = f'mkdir -p "$1" && cd "$1" && rm -f "../{MARK}" && tar -xf - && rm "{LAST}" && {_MARKED}'
_GONE = f'cd "$1" 2>/dev/null || exit 0; rm -f "../{MARK}"; xargs -0 rm -f --'
_EMPTY = f'cd "$1/.." 2>/dev/null || exit 0; rm -rf "{MARK}" tree*'
_ALTERED = f'cd "$1" && find . -newer "../{MARK}" -type f -print0'
# Of many names xargs makes several archives, one behind the other.
_OUT = 'cd "$1" && xargs -0 tar -cf -'
# An empty name parts the two lists.
_LOOK = f"""\
cat "$1/../{MARK}" 2>/dev/null; printf '\\0'; cd "$1" 2>/dev/null || exit 0
find . ! -type d -print0; printf '\\0'; [ ! -e "../{MARK}" ] || find . -newer "../{MARK}" -type f -print0
"""


@dataclass(frozen=True, slots=True)
class Inside:
    """What there is.

    Args:
        tree: The id of the tree that was brought in; empty when there is none.
        names: Of all files.
        altered: Of those that are not as they were brought in.
    """

    tree: str
    names: frozenset[str]
    altered: frozenset[str]

    def disturbed(self, tracked: Collection[str]) -> set[str]:
        """Files that are not as they were brought in, or gone: what an earlier run left, also one that was killed."""
        return set(tracked) - self.names | (self.altered & set(tracked))


def look(engine: Engine, container: str, place: str) -> Inside:
    """Look at the folder inside; one command, for each takes longer than what it does."""
    mark, *words = _run(engine, container, _LOOK, (place,)).split(b"\0")
    end = words.index(b"") if b"" in words else len(words)
    return Inside(mark.decode(errors="replace"), frozenset(_names(words[:end])), frozenset(_names(words[end:])))


def bring_in(engine: Engine, container: str, place: str, tree: str, here: Path, paths: Collection[str] | None) -> None:
    """Make the folder inside equal to the one here.

    Args:
        tree: The id of what is laid out here.
        paths: What differs, files that are gone among it; None for a folder that holds nothing of use.
    """
    if paths is None:
        _run(engine, container, _EMPTY, (place,))
        there, gone = sorted(_below(here)), []
    else:
        there = sorted(path for path in paths if (here / path).is_symlink() or (here / path).exists())
        gone = sorted(set(paths).difference(there))
    if gone:
        _run(engine, container, _GONE, (place,), _listed(gone))
    _run(engine, container, _IN, (place, tree), _packed(here, there))


def bring_out(engine: Engine, container: str, place: str, here: Path, tracked: Collection[str]) -> None:
    """Make the files here equal to those inside that were changed since they were brought in."""
    altered = _names(_run(engine, container, _ALTERED, (place,)).split(b"\0")).intersection(tracked)
    if not altered:
        return
    archive = _run(engine, container, _OUT, (place,), _listed(f"./{path}" for path in sorted(altered)))
    with tarfile.open(fileobj=io.BytesIO(archive), ignore_zeros=True) as tar:
        for member in tar:
            path = member.name.removeprefix("./")
            content = tar.extractfile(member) if member.isreg() or member.islnk() else None
            if content is not None and path in altered:
                files.write(here / path, content.read())


def _names(names: Iterable[bytes]) -> set[str]:
    return {name.removeprefix(b"./").decode(errors="surrogateescape") for name in names if name}


def _listed(paths: Iterable[str]) -> bytes:
    return b"".join(path.encode(errors="surrogateescape") + b"\0" for path in paths)


def _below(folder: Path) -> Iterator[str]:
    for path in folder.rglob("*"):
        if path.is_symlink() or path.is_file():
            yield path.relative_to(folder).as_posix()


def _packed(folder: Path, paths: Collection[str]) -> bytes:
    content = io.BytesIO()
    # What is as new as the mark would count as changed inside.
    newest = time.time() - _OLDER
    with tarfile.open(fileobj=content, mode="w") as tar:
        for path in paths:
            tar.add(folder / path, path, recursive=False, filter=lambda member: _aged(member, newest))
        tar.addfile(tarfile.TarInfo(LAST))
    return content.getvalue()


def _aged(member: tarfile.TarInfo, newest: float) -> tarfile.TarInfo:
    member.mtime = min(member.mtime, newest)
    return member


def _run(engine: Engine, container: str, script: str, arguments: tuple[str, ...], stdin: bytes | None = None) -> bytes:
    given = None if stdin is None else (stdin,)
    running = engine.exec(container, Command(("/bin/sh", "-c", script, "devenv-hooks", *arguments), stdin=given))
    output = list(running)
    if running.exit_code != 0:
        words = b"".join(one.data for one in output if one.stream == "stderr").decode(errors="replace").strip()
        raise EngineError(f"files of the hooks could not be brought to `{container}` and back: {words}")
    return b"".join(one.data for one in output if one.stream == "stdout")
