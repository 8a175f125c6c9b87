"""Reads what an engine tells while it pulls, pushes, loads and builds images: JSON lines, errors among them."""

from __future__ import annotations

import json
import re
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from devenv.engine import logs
from devenv.errors import EngineError, EngineUnreachable
from devenv.model.progress import Progress, Report

Lines = Iterable[bytes]
Message = dict[str, Any]

KEPT = 15
"""Lines of a build's output that its error shows."""

_MOVES = ("Downloading", "Pushing")
_MOVED = ("Verifying Checksum", "Download complete", "Pull complete", "Pushed")
_UNPACKS = ("Extracting",)
_UNPACKED = ("Pull complete",)
_REFUSED = "the engine refused: "
_STEP = re.compile(r"Step (\d+)/(\d+) :")
_DIGEST = re.compile(r"digest: (sha256:[0-9a-f]{64})")

# Statuses with their words: a digest may hold any three digits.
_LIMITED = re.compile(r"toomanyrequests|429 Too Many Requests|HTTP 429|rate limit", re.I)
_PASSING = re.compile(
    r"\bEOF\b|connection reset|broken pipe|TLS handshake timeout|i/o timeout|Client\.Timeout exceeded|request canceled"
    r"|context deadline exceeded|temporary failure in name resolution|server misbehaving|stream error"
    r"|expected HTTP 206 from byte range request|50[0234] (Internal Server Error|Bad Gateway|Service|Gateway Time)",
    re.I,
)


def pulled(lines: Lines, subject: str, report: Report) -> None:
    """Read a pull to its end.

    Raises:
        EngineError: The pull failed.
    """
    layers, unpacked = _Layers(), _Layers(_UNPACKS, _UNPACKED)
    for message in _messages(lines):
        layers.note(message)
        unpacked.note(message)
        # Layers are unpacked while others are on their way; that is worth telling when it is all that is left.
        unpacks = layers.complete and unpacked.begun
        report(unpacked.progress(subject, "unpacking") if unpacks else layers.progress(subject, "pulling"))


def pushed(lines: Lines, subject: str, report: Report) -> str:
    """Read a push to its end and return the digest of the manifest that is in the registry now.

    Raises:
        EngineError: The push failed.
    """
    layers, digest = _Layers(), ""
    for message in _messages(lines):
        layers.note(message)
        digest = _digest(message) or digest
        report(layers.progress(subject, "pushing"))
    if not digest:
        raise EngineError("the engine does not tell the digest of what it pushed")
    return digest


def loaded(lines: Lines) -> None:
    """Read a load to its end.

    Raises:
        EngineError: The load failed.
    """
    try:
        for _ in _messages(lines):
            pass
    except EngineError as error:
        raise EngineError(f"the engine could not load the image: {error.message}") from error


def built(lines: Lines, subject: str, report: Report) -> None:
    """Read a build by the classic builder to its end.

    Raises:
        EngineError: The build failed; its last lines are in the message.
    """
    done, total = 0, None
    said: deque[str] = deque(maxlen=KEPT)
    try:
        for message in _messages(lines):
            text = message.get("stream") or ""
            said += (line for part in text.splitlines() if (line := logs.clean(part.encode())).strip())
            if step := _STEP.match(text):
                done, total = int(step[1]) - 1, int(step[2])
            report(Progress(subject, "building", done, total, "steps"))
    except EngineError as error:
        raise failed_build(error.message, said) from error


def failed_build(words: str, said: Iterable[str]) -> EngineError:
    """Our error for a failed build, with the end of what it said."""
    end = "\n".join(said)
    return EngineError(f"{words}; the end of its output:\n\n{end}" if end else words)


@contextmanager
def naming(attempt: str) -> Iterator[None]:
    """Say before the engine's words what it was that failed: `` `redis` could not be pulled``."""
    try:
        yield
    except EngineUnreachable:
        raise
    except EngineError as error:
        raise type(error)(f"{attempt}: {error.message.removeprefix(_REFUSED)}", hint=error.hint) from error


def short_name(reference: str) -> str:
    """An image's name for people: `redis` for `docker.io/library/redis@sha256:…`."""
    return reference.partition("@")[0].rpartition("/")[2].partition(":")[0]


def is_passing(error: EngineError) -> bool:
    """Whether trying again makes sense: the connection broke, the registry is overloaded or limits its rate."""
    return bool(_PASSING.search(error.message)) or is_limited(error)


def is_limited(error: EngineError) -> bool:
    """Whether the registry refused for now because it was asked too often."""
    return bool(_LIMITED.search(error.message))


def _messages(lines: Lines) -> Iterator[Message]:
    for line in filter(None, lines):
        message: Message = json.loads(line)
        if "error" in message or "errorDetail" in message:
            raise EngineError(_words(message))
        yield message


def _words(message: Message) -> str:
    detail = message.get("errorDetail") or {}
    return " ".join(str(detail.get("message") or message.get("error")).split()).rstrip(".")


def _digest(message: Message) -> str:
    """Engines before the containerd image store tell it once more, as `aux`; in words all of them do."""
    told = (message.get("aux") or {}).get("Digest")
    found = _DIGEST.search(message.get("status") or "")
    return str(told or "") or (found[1] if found else "")


class _Layers:
    """How far the layers of one image have come, together."""

    def __init__(self, moves: tuple[str, ...] = _MOVES, moved: tuple[str, ...] = _MOVED) -> None:
        self._moves = moves
        self._moved = moved
        self._done: dict[str, int] = {}
        self._total: dict[str, int] = {}

    @property
    def begun(self) -> bool:
        return bool(self._total)

    @property
    def complete(self) -> bool:
        """Whether nothing that was announced is left."""
        return self.begun and self._done == self._total

    def note(self, message: Message) -> None:
        """Take in a message; a layer that begins again after a broken connection keeps what it had."""
        layer, status, detail = message.get("id", ""), message.get("status"), message.get("progressDetail") or {}
        if status in self._moves and "current" in detail and "units" not in detail:
            self._done[layer] = max(self._done.get(layer, 0), detail["current"])
            self._total[layer] = max(self._total.get(layer, 0), detail.get("total", 0), self._done[layer])
        elif status in self._moved and layer in self._total:
            self._done[layer] = self._total[layer]

    def progress(self, subject: str, action: str) -> Progress:
        total = sum(self._total.values()) if self._total else None
        return Progress(subject, action, sum(self._done.values()), total, "bytes")
