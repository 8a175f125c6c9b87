"""What an app gets as variables: those of `.env.example`, with services in place of this machine."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from devenv.catalog import Catalog
from devenv.detection import variables
from devenv.detection.draft import Table

SHORT: Mapping[str, tuple[str, ...]] = {
    "postgres": ("pg", "db", "database"),
    "mysql": ("db", "database"),
    "mariadb": ("db", "database"),
    "mongodb": ("mongo",),
    "rabbitmq": ("amqp", "broker"),
    "mailpit": ("mail", "smtp"),
}
"""What variables call a service for short."""


def env(given: Mapping[str, str], services: tuple[Table, ...], entries: Catalog) -> dict[str, str]:
    """The variables that mean something inside; what services provide is left to them."""
    provided = {name for one in services for name in entries.service(one.name).provides}
    found: dict[str, str] = {}
    for name, value in given.items():
        if name in provided or not value:
            continue
        service = _meant(name, value, services, entries)
        if service is not None:
            found[name] = re.sub(r"localhost|127\.0\.0\.1|0\.0\.0\.0", service.name, value, count=1)
        elif not variables.is_here(value):
            found[name] = value
    return found


def missing(given: Mapping[str, str]) -> tuple[str, ...]:
    """Secrets that the example gives no value."""
    return tuple(name for name, value in given.items() if not value and variables.is_secret(name))


def _meant(name: str, value: str, services: Iterable[Table], entries: Catalog) -> Table | None:
    """The service that a variable leads to."""
    if not variables.is_here(value):
        return None
    scheme = variables.scheme(value)
    for one in services:
        schemes = entries.service(one.name).signs.get("urls", ())
        words = (one.name, *schemes, *SHORT.get(one.name, ()))
        if scheme in schemes if scheme is not None else any(word in name.lower() for word in words):
            return one
    return None
