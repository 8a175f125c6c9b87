"""Values that must never be shown, as far as this process knows them, and texts without them."""

from __future__ import annotations

_VEIL = "…"
_SHORT, _LONG = 8, 16
_KNOWN: set[str] = set()


def hide(value: str) -> None:
    """Remember a secret, and each line of it."""
    _KNOWN.update(one for one in (value, *value.splitlines()) if _is_telling(one))


def _is_telling(value: str) -> bool:
    """Whether it is no plain word: a password `postgres` would take every message about the service apart."""
    return len(value) >= _LONG or (len(value) >= _SHORT and not value.isalpha())


def over(text: str) -> str:
    """A text for people in which no known secret stands."""
    for one in sorted(_KNOWN, key=len, reverse=True):
        text = text.replace(one, _VEIL)
    return text
