"""Turns the table of secrets into values of the model; what they are worth stands in no file that this reads."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any

from devenv import toml
from devenv.config import border
from devenv.config.findings import Findings
from devenv.model.project import Secret

_NAME = re.compile(border.SECRET_NAME)


def read(table: Mapping[str, Mapping[str, Any]], apps: Collection[str], found: Findings) -> tuple[Secret, ...]:
    """The secrets that the project asks for."""
    return tuple(_secret(name, one, apps, found) for name, one in table.items())


def _secret(name: str, table: Mapping[str, Any], apps: Collection[str], found: Findings) -> Secret:
    keys = ("secrets", name)
    if not _NAME.fullmatch(name):
        hint = "letters, digits and `_`, no digit first, at most 100, and not `DEVENV_` in front"
        found.add(f"`{toml.printable(name)}` cannot name a secret, which is a variable", keys, hint=hint, key=True)
    for index, app in enumerate(table.get("apps", ())):
        if app not in apps:
            found.unknown("app", app, apps, (*keys, "apps", index))
    chosen = tuple(dict.fromkeys(table["apps"])) if "apps" in table else None
    return Secret(name, table.get("description", ""), table.get("url"), table.get("required", True), chosen)
