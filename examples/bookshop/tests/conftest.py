"""The services of the environment, with a database and a cache of the tests' own."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
import redis
from flask.testing import FlaskClient
from shop import books
from shop.app import create_app
from shop.cache import Cache

DB = Path(__file__).parents[1] / "db"


def beside(variable: str, name: str) -> str:
    return f"{os.environ[variable].rpartition('/')[0]}/{name}"


@pytest.fixture(scope="session")
def empty_shop() -> str:
    url = beside("DATABASE_URL", "shop_test")
    with psycopg.connect(url) as connection:
        connection.execute("DROP TABLE IF EXISTS books")
        connection.execute((DB / "schema.sql").read_bytes())
    return url


@pytest.fixture
def database_url(empty_shop: str) -> str:
    """A shop on its first day."""
    with psycopg.connect(empty_shop) as connection:
        connection.execute("TRUNCATE books RESTART IDENTITY")
        connection.execute((DB / "seed.sql").read_bytes())
    return empty_shop


@pytest.fixture
def redis_url() -> Iterator[str]:
    url = beside("REDIS_URL", "1")
    with redis.from_url(url) as client:
        client.flushdb()
        yield url
        client.flushdb()


@pytest.fixture
def connection(database_url: str) -> Iterator[books.Connection]:
    with books.connect(database_url) as connection:
        yield connection


@pytest.fixture
def cache(redis_url: str) -> Iterator[Cache]:
    cache = Cache(redis_url)
    yield cache
    cache.redis.close()


@pytest.fixture
def client(database_url: str, redis_url: str) -> FlaskClient:
    app = create_app(database_url, redis_url)
    app.testing = True
    return app.test_client()
