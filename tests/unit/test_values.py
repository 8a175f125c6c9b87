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


def test_a_missing_and_an_unknown_field_are_refused_at_the_first_instance_and_later() -> None:
    @dataclass(frozen=True, slots=True)
    class Song:
        title: str
        secret: str = field(default="", repr=False)

    for _ in range(2):
        with pytest.raises(TypeError, match="missing 1 required positional argument: 'title'"):
            Song()  # type: ignore[call-arg]  # that is the point
        with pytest.raises(TypeError, match="unexpected keyword argument 'titel'"):
            Song("a", titel="b")  # type: ignore[call-arg]
    assert repr(Song("Erlkönig", "s3cret")).endswith("Song(title='Erlkönig')")


def test_values_cannot_lose_a_field() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        del Book("Emma").title


def test_each_value_has_a_default_of_its_own() -> None:
    @dataclass
    class Shelf:
        books: list[str] = field(default_factory=list)

    first, second = Shelf(), Shelf()
    first.books.append("Emma")
    assert second.books == []
