"""Values that must never be shown, as far as this process knows them, and texts without them."""

from __future__ import annotations

# A shorter one is a part of many words, and says little.
SHORTEST = 6
_VEIL = "…"
_KNOWN: set[str] = set()


def hide(value: str) -> None:
    """Remember a secret, and each line of it."""
    _KNOWN.update(one for one in (value, *value.splitlines()) if len(one) >= SHORTEST)


def over(text: str) -> str:
    """A text for people in which no known secret stands."""
    for one in sorted(_KNOWN, key=len, reverse=True):
        text = text.replace(one, _VEIL)
    return text
