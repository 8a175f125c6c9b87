from __future__ import annotations

from shop.books import Book
from shop.cache import Cache

EMMA: Book = {"id": 2, "title": "Emma", "author": "Jane Austen", "year": 1815, "price": "9.50", "stock": 4}


def test_an_answer_is_remembered(cache: Cache) -> None:
    assert cache.remember("emma", lambda: [EMMA]) == ([EMMA], False)
    assert cache.remember("Emma", list) == ([EMMA], True)


def test_an_empty_answer_is_remembered_too(cache: Cache) -> None:
    cache.remember("nothing", list)
    assert cache.remember("nothing", lambda: [EMMA]) == ([], True)


def test_forgetting_lets_every_answer_go(cache: Cache) -> None:
    cache.remember("emma", list)
    cache.forget()
    assert cache.remember("emma", lambda: [EMMA]) == ([EMMA], False)


def test_an_answer_overtaken_by_a_new_book_is_not_kept(cache: Cache) -> None:
    def find() -> list[Book]:
        cache.forget()
        return []

    cache.remember("emma", find)
    assert cache.remember("emma", lambda: [EMMA]) == ([EMMA], False)


def test_remembered_answers_expire(cache: Cache) -> None:
    cache.remember("emma", list)
    assert 0 < cache.redis.ttl("books:0:emma") <= 60


def test_without_redis_every_answer_is_found_anew() -> None:
    away = Cache("redis://127.0.0.1:1/0")
    away.forget()
    assert away.remember("emma", lambda: [EMMA]) == ([EMMA], False)
