"""Remembers answers in Redis, until a book is added or a minute has passed."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from shop.books import Book

LIFETIME = 60
VERSION = "books:version"

log = logging.getLogger(__name__)


class Cache:
    """A shop whose cache is away is slow, not closed: every failure counts as not remembered."""

    def __init__(self, url: str) -> None:
        self.redis = redis.from_url(url, decode_responses=True, socket_timeout=1, retry=Retry(NoBackoff(), 1))

    def remember(self, query: str, find: Callable[[], list[Book]]) -> tuple[list[Book], bool]:
        """Return the books for a query, and whether they were remembered."""
        try:
            # The version is read before the database: an answer that is overtaken by `forget` lands under the old one.
            key = f"books:{int(self.redis.get(VERSION) or 0)}:{query.casefold()}"
            if (answer := self.redis.get(key)) is not None:
                return json.loads(answer), True
            books = find()
            self.redis.set(key, json.dumps(books), ex=LIFETIME)
        except redis.RedisError as error:
            log.warning("the cache is away: %s", error)
            return find(), False
        return books, False

    def forget(self) -> None:
        """Let every answer go, by a new version; the old keys expire."""
        try:
            self.redis.incr(VERSION)
        except redis.RedisError as error:
            log.warning("the cache is away: %s", error)
