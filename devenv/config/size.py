"""Reads amounts of memory."""

from __future__ import annotations

# Docker's own minimum.
LEAST = 6 * 1024**2


def of(text: str) -> int:
    """Bytes of `512M`, `2G`, `1.5GiB`; every unit counts by 1024, as engines have it."""
    digits = text.rstrip("KMGTkmgtiIBb")
    unit = text[len(digits) :].lower().removesuffix("b").removesuffix("i")
    return int(float(digits) * 1024 ** " kmgt".index(unit or " "))
