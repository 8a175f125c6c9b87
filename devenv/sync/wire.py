"""Frames and parses what is said to the agent inside a container, and what it says.

A message is a header in ASCII, words with one space between, the last of them the payload's length in bytes, a line
break, then the payload.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from devenv.errors import DevenvError
from devenv.sync.entries import Kind, Seen
from devenv.values import dataclass

LONGEST_HEADER = 200
LONGEST_PAYLOAD = 64 << 20

_START = 'if perl -e "$1" 2>/dev/null; then exec perl -e "$1" "$3"; else exec sh -c "$2" devenv-sync "$3"; fi'
_KINDS: Mapping[str, Kind] = {"f": "file", "d": "folder", "l": "link", "o": "other"}


@dataclass(frozen=True, slots=True)
class Message:
    """One message.

    Args:
        words: The header's, without the length.
    """

    words: tuple[str, ...]
    payload: bytes


@dataclass(frozen=True, slots=True)
class Hello:
    """What the agent says first.

    Args:
        agent: `perl` or `sh`.
        empty: Whether the folder has nothing in it that is ours to sync.
        watching: Whether it tells of changes; without, the folder must be listed from time to time.
        bulk: Whether it reads and writes many files with one message.
        marker: What was written by `mark`.
    """

    agent: str
    empty: bool
    writable: bool
    watching: bool
    bulk: bool
    marker: str | None


def command(root: str) -> tuple[str, ...]:
    """The command that is the agent, for a folder inside."""
    return ("sh", "-c", _START, "devenv-sync", _program("agent.pl"), _program("agent.sh"), root)


def _program(name: str) -> str:
    return Path(__file__).with_name(name).read_text(encoding="utf-8")


def message(*words: object, payload: bytes = b"") -> bytes:
    """A message as it goes over the wire."""
    return f"{' '.join(map(str, words))} {len(payload)}\n".encode() + payload


class Parser:
    """Takes messages out of a stream that comes in pieces."""

    def __init__(self) -> None:
        self._rest = bytearray()
        self._wanted = 0

    def feed(self, data: bytes) -> Sequence[Message]:
        """The messages that are whole with this piece.

        Raises:
            DevenvError: It is no message.
        """
        self._rest += data
        return self._take() if len(self._rest) >= self._wanted else ()

    def _take(self) -> list[Message]:
        found, start = [], 0
        rest = bytes(self._rest)
        while (end := rest.find(b"\n", start, start + LONGEST_HEADER + 1)) >= 0:
            words, length = _header(rest[start:end])
            self._wanted = end + 1 + length - start
            if start + self._wanted > len(rest):
                break
            found.append(Message(words, rest[end + 1 : start + self._wanted]))
            start, self._wanted = start + self._wanted, 0
        else:
            if len(rest) - start > LONGEST_HEADER:
                raise _nonsense(rest[start:])
        del self._rest[:start]
        return found


def _header(header: bytes) -> tuple[tuple[str, ...], int]:
    *words, length = header.split(b" ")
    if not words or not length.isdigit() or len(length) > 9 or int(length) > LONGEST_PAYLOAD or not header.isascii():
        raise _nonsense(header)
    return tuple(word.decode("ascii") for word in words), int(length)


def _nonsense(data: bytes) -> DevenvError:
    return DevenvError(
        f"the agent inside the container said {data[:60]!r}, which is no message",
        hint="something else may write to its output; `devenv sync log` has all it said",
    )


def records(payload: bytes) -> list[tuple[str, Seen | None]]:
    """Paths and what is there; None where nothing is.

    Raises:
        DevenvError: They are no records.
    """
    pieces = iter(os.fsdecode(payload).split("\0"))
    try:
        return [_record(piece, pieces) for piece in pieces if piece]
    except (ValueError, KeyError, StopIteration) as error:
        raise _nonsense(payload) from error


def _record(piece: str, following: Iterator[str]) -> tuple[str, Seen | None]:
    kind, mode, size, mtime, inode, signature, path = piece.split(" ", 6)
    if kind == "-":
        return path, None
    target = next(following) if kind == "l" else ""
    return path, Seen(_KINDS[kind], int(mode, 8), int(size), int(mtime), signature, int(inode), target)


def hello(payload: bytes) -> Hello:
    """What the agent's first message says."""
    text, has_marker, marker = os.fsdecode(payload).partition("marker=")
    said = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
    return Hello(
        agent=said.get("agent", ""),
        empty=said.get("empty") == "1",
        writable=said.get("writable") == "1",
        watching=said.get("watching") == "1",
        bulk=said.get("bulk") == "1",
        marker=marker if has_marker else None,
    )
