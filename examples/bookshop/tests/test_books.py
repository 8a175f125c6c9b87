from __future__ import annotations

import pytest
from shop import books

EMMA: books.NewBook = {"title": "Emma", "author": "Jane Austen", "year": 1815, "price": "9.50", "stock": 4}


def test_an_empty_query_lists_every_book_by_title(connection: books.Connection) -> None:
    titles = [book["title"] for book in books.find(connection, "")]
    assert len(titles) == 40
    assert titles == sorted(titles)


@pytest.mark.parametrize(
    ("query", "title"),
    [
        ("emma", "Emma"),
        ("prejudise", "Pride and Prejudice"),
        ("charlotte bronte", "Jane Eyre"),
        ("jane austin", "Emma"),
        ("dostoyevski", "Crime and Punishment"),
        ("tolstoj war", "War and Peace"),
        ("wuthring hights", "Wuthering Heights"),
        ("saint exupery", "The Little Prince"),
        ("huckelberry", "Adventures of Huckleberry Finn"),
        ("the trail", "The Trial"),
        ("orwel", "Nineteen Eighty-Four"),
        ("goriot", "Père Goriot"),
    ],
)
def test_a_search_forgives_typos(connection: books.Connection, query: str, title: str) -> None:
    assert title in [book["title"] for book in books.find(connection, query)[:2]]


def test_the_best_match_comes_first(connection: books.Connection) -> None:
    assert books.find(connection, "jane eyre")[0]["title"] == "Jane Eyre"


@pytest.mark.parametrize("query", ["quantum chromodynamics", "%", "'; DROP TABLE books; --"])
def test_a_search_for_something_else_finds_nothing(connection: books.Connection, query: str) -> None:
    assert books.find(connection, query) == []


def test_an_added_book_is_found_with_its_price_to_the_cent(connection: books.Connection) -> None:
    added = books.add(connection, {**EMMA, "title": "Persuasion", "price": "7.90"})
    assert books.find(connection, "persuasion") == [{"id": added, **EMMA, "title": "Persuasion", "price": "7.90"}]


def test_a_book_is_not_added_twice(connection: books.Connection) -> None:
    assert books.add(connection, {**EMMA, "title": "EMMA"}) is None
