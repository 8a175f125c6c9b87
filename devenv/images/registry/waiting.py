"""How often and how long a registry is waited for."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from email.utils import parsedate_to_datetime

from devenv.errors import ImageError
from devenv.images.registry.failures import Limited

PAUSES = (0.5, 1.0, 2.0)
"""Seconds before each further attempt."""
LONGEST_WAIT = 30.0
"""Seconds that the end of a rate limit is waited for."""

# The names after the first are drafts and Docker Hub's own.
_LIMIT_ENDS = ("Retry-After", "RateLimit-Reset", "X-Retry-After", "X-RateLimit-Reset")
_LONGEST_SPAN = 1_000_000_000
"""A larger number is no number of seconds but a moment, in seconds since 1970."""


class Patience:
    """How often one thing is tried again."""

    def __init__(self, sleep: Callable[[float], None], pauses: tuple[float, ...] = PAUSES) -> None:
        self._sleep = sleep
        self._pauses = list(pauses)

    def spend(self, error: ImageError) -> None:
        """Wait for the next attempt; raise the error when there have been enough."""
        self._sleep(self._next(error))

    def await_limit(self, limited: Limited) -> None:
        """Wait for the end of a rate limit, if that is soon; as for any failure when the end is not known."""
        if LONGEST_WAIT < limited.seconds < math.inf:
            raise limited
        pause = self._next(limited)
        self._sleep(pause if math.isinf(limited.seconds) else limited.seconds)

    def _next(self, error: ImageError) -> float:
        if not self._pauses:
            raise error
        return self._pauses.pop(0)


def limit_ends(headers: Mapping[str, str], now: float) -> float:
    """Seconds until a rate limit ends; infinity when the answer does not say."""
    told = (_seconds(headers.get(name, "").strip(), now) for name in _LIMIT_ENDS)
    return max(0.0, next((seconds for seconds in told if seconds is not None), math.inf))


def _seconds(text: str, now: float) -> float | None:
    if text.isascii() and text.isdigit():
        return float(text) if float(text) < _LONGEST_SPAN else float(text) - now
    try:
        return parsedate_to_datetime(text).timestamp() - now
    except (ValueError, OverflowError):
        return None
