"""Reads what somebody typed, and says what is wrong with it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from shop.books import NewBook

LENGTH = 200
FIELDS = {
    "title": (r".+", "the title is missing"),
    "author": (r".+", "the author is missing"),
    "year": (r"[0-9]{1,4}", "a year, such as 1925"),
    "price": (r"[0-9]{1,4}([.,][0-9]{1,2})?", "an amount, such as 8.99"),
    "stock": (r"[0-9]{1,4}", "a number of copies, such as 3"),
}


def clean(value: object) -> str:
    """Return a value as one line of text that PostgreSQL can store."""
    line = " ".join(str(value).split())
    return "".join(character for character in line if character.isprintable())[:LENGTH].strip()


def read(fields: Mapping[str, Any]) -> tuple[dict[str, str], dict[str, str]]:
    """Return the fields of a book as they were typed, and the problems by field."""
    typed = {name: clean("" if (value := fields.get(name)) is None else value) for name in FIELDS}
    problems = {name: hint for name, (form, hint) in FIELDS.items() if not re.fullmatch(form, typed[name])}
    return typed, problems


def book(typed: Mapping[str, str]) -> NewBook:
    """Turn fields without problems into a book."""
    return {
        "title": typed["title"],
        "author": typed["author"],
        "year": int(typed["year"]),
        "price": typed["price"].replace(",", "."),
        "stock": int(typed["stock"]),
    }
