from __future__ import annotations

import dataclasses
import pickle
from dataclasses import field

import pytest

from devenv.values import dataclass


@dataclass(frozen=True, slots=True)
class Book:
    """A book."""

    title: str
    year: int = 1871
    tags: tuple[str, ...] = field(default_factory=tuple)


@dataclass(frozen=True, slots=True)
class Film:
    """Something with the same fields."""

    title: str
    year: int = 1871
    tags: tuple[str, ...] = ()


def test_values_are_equal_by_content_and_class() -> None:
    assert Book("Emma") == Book("Emma")
    assert Book("Emma") != Book("Emma", 1815)
    assert Book("Emma") != Film("Emma")  # type: ignore[comparison-overlap]  # that is the point
    assert len({Book("Emma"), Book("Emma"), Book("Emma", 1815)}) == 2


def test_values_say_what_they_hold() -> None:
    assert repr(Book("Emma", 1815, ("a",))) == "Book(title='Emma', year=1815, tags=('a',))"


def test_values_cannot_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        Book("Emma").title = "Persuasion"  # type: ignore[misc]  # that is the point


def test_values_are_dataclasses_in_every_other_way() -> None:
    book = Book("Emma", tags=("a",))
    assert dataclasses.asdict(book) == {"title": "Emma", "year": 1871, "tags": ("a",)}
    assert dataclasses.replace(book, year=1815) == Book("Emma", 1815, ("a",))
    assert pickle.loads(pickle.dumps(book)) == book
    assert not hasattr(book, "__dict__")
