"""Reads amounts of memory."""

from __future__ import annotations

# Docker's own minimum.
LEAST = 6 * 1024**2
# More than any machine has, and a number that every engine takes.
MOST = 1024**6
_UNITS = ("bytes", "KB", "MB", "GB", "TB", "PB", "EB")


def of(text: str) -> int:
    """Bytes of `512M`, `2G`, `1.5GiB`; every unit counts by 1024, as engines have it."""
    digits = text.rstrip("KMGTkmgtiIBb")
    unit = text[len(digits) :].lower().removesuffix("b").removesuffix("i")
    return int(float(digits) * 1024 ** " kmgt".index(unit or " "))


def text(amount: int) -> str:
    """Bytes for people: `512 MB`, `1.5 GB`; every unit counts by 1024."""
    unit, number = 0, float(amount)
    while number >= 1024:
        unit, number = unit + 1, number / 1024
    return f"{number:.4g} {_UNITS[unit]}"
