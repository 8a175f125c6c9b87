"""Finds and adds books in PostgreSQL."""

from __future__ import annotations

from typing import Any, TypedDict

import psycopg
from psycopg.rows import DictRow, dict_row

AT_MOST = 200

Connection = psycopg.Connection[DictRow]


class NewBook(TypedDict):
    """A book to add; the price is text, so that it stays exact in JSON."""

    title: str
    author: str
    year: int
    price: str
    stock: int


class Book(NewBook):
    """A book on the shelf."""

    id: int


def connect(url: str) -> Connection:
    """Open a connection on which half of a word's trigrams are enough to find it."""
    threshold = "-c pg_trgm.word_similarity_threshold=0.5"
    return psycopg.connect(url, options=threshold, connect_timeout=3, row_factory=dict_row)


def find(connection: Connection, query: str) -> list[Any]:
    """Return the books that resemble the query, best first; for an empty query all of them, by title."""
    columns = "id, title, author, year, price::text, stock"
    if not query:
        statement = f"SELECT {columns} FROM books ORDER BY title LIMIT %(limit)s"
    else:
        statement = f"""SELECT {columns} FROM books WHERE %(query)s <%% words
            ORDER BY word_similarity(%(query)s, words) DESC, title LIMIT %(limit)s"""
    return connection.execute(statement, {"query": query, "limit": AT_MOST}).fetchall()


def add(connection: Connection, book: NewBook) -> int | None:
    """Put a book on the shelf and return its id; None when it stands there already."""
    row = connection.execute(
        """INSERT INTO books (title, author, year, price, stock)
            VALUES (%(title)s, %(author)s, %(year)s, %(price)s, %(stock)s)
            ON CONFLICT DO NOTHING RETURNING id""",
        book,
    ).fetchone()
    return row["id"] if row else None
