from __future__ import annotations

from dataclasses import replace

from devenv.commands.status import Row, StatusResult
from devenv.ui import replicas, tables
from devenv.workspace import Scaled

WEB = Row("web", "app", "shop-web-1", "healthy", "Up", True, ("http://127.0.0.1:8000",), 1, "10.0.0.2", "up", 30, 0.75)


def status(*rows: Row) -> list[list[str]]:
    return [line.split() for line in tables.status(StatusResult("shop", "id", rows, None)).splitlines()]


def test_replicas_have_numbers_and_the_first_the_address_of_all() -> None:
    second = replace(WEB, container="shop-web-2", replica=2, address="10.0.0.3", requests=10, share=0.25)
    down = replace(second, container="shop-web-3", replica=3, address="10.0.0.4", balanced="down", requests=1000)
    redis = Row("redis", "service", "shop-redis-1", "running", "Up", True, ("127.0.0.1:6379",))
    assert status(WEB, second, down, redis) == [
        ["NAME", "KIND", "STATE", "CURRENT", "ADDRESS", "REPLICA", "GETS", "REQUESTS", "DETAIL"],
        ["web-1", "app", "healthy", "yes", "http://127.0.0.1:8000", "10.0.0.2", "75%", "30", "Up"],
        ["web-2", "app", "healthy", "yes", "-", "10.0.0.3", "25%", "10", "Up"],
        ["web-3", "app", "healthy", "yes", "-", "10.0.0.4", "down", "1,000", "Up"],
        ["redis", "service", "running", "yes", "127.0.0.1:6379", "-", "-", "-", "Up"],
    ]


def test_without_a_balancer_the_table_is_as_ever() -> None:
    plain = replace(WEB, balanced=None, requests=None, share=None)
    assert status(plain) == [
        ["NAME", "KIND", "STATE", "CURRENT", "ADDRESS", "DETAIL"],
        ["web", "app", "healthy", "yes", "http://127.0.0.1:8000", "Up"],
    ]


def test_a_number_of_this_checkout_is_told_with_that_of_the_project() -> None:
    told = replicas.remarks((Scaled("web", 5, 1), Scaled("work", 1, 3)))
    assert list(told) == ["web: 5 replicas here (devenv.toml: 1)", "work: 1 replica here (devenv.toml: 3)"]
