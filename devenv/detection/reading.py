"""Reads files of other tools as data: never more of them than is good for this process, and nothing in them is run."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

LIMIT = 2_000_000
"""Bytes of a file that are looked at."""
COMMENTED = 64_000
"""Bytes of JSON with comments: its reader takes a second for so many."""
DEPTH = 60
"""Levels of YAML; its reader calls itself for each."""


class Unreadable(ValueError):
    """A file is not what its name says; the message tells why."""


def text(path: Path) -> str | None:
    """A file's text; None where there is none that can be read, also where a link leads out of its folder."""
    try:
        if not path.is_file() or is_too_large(path) or _leads_away(path):
            return None
        return path.read_bytes().decode("utf-8", "replace")
    except OSError:
        return None


def is_too_large(path: Path) -> bool:
    """Whether a file is more than is looked at."""
    try:
        return path.stat().st_size > LIMIT
    except OSError:
        return False


def _leads_away(path: Path) -> bool:
    return path.is_symlink() and not path.resolve().is_relative_to(path.parent.resolve())


def toml(content: str) -> Any:
    """Read TOML.

    Raises:
        Unreadable: It is none.
    """
    try:
        return tomllib.loads(content)
    except (ValueError, RecursionError) as error:
        raise Unreadable(_reason(error)) from error


def plain_json(content: str) -> Any:
    """Read JSON.

    Raises:
        Unreadable: It is none.
    """
    try:
        return json.loads(content)
    except (ValueError, RecursionError) as error:
        raise Unreadable(_reason(error)) from error


def commented_json(content: str) -> Any:
    """Read JSON that may have comments and trailing commas.

    Raises:
        Unreadable: It is none, or too much.
    """
    try:
        return plain_json(content)
    except Unreadable:
        if len(content) > COMMENTED:
            raise
    import json5

    try:
        return json5.loads(content)
    except (ValueError, RecursionError) as error:
        raise Unreadable(_reason(error)) from error


def yaml(content: str) -> Any:
    """Read YAML, every scalar as it is written: `8.10` is no number here.

    Raises:
        Unreadable: It is none, or nested too deeply.
    """
    import yaml as library

    loader = getattr(library, "CBaseLoader", library.BaseLoader)
    try:
        _check_depth(library.parse(content, Loader=loader), library)
        return library.load(content, Loader=loader)  # noqa: S506  # it makes nothing but texts, lists and mappings
    except (library.YAMLError, ValueError, RecursionError) as error:
        raise Unreadable(_reason(error)) from error


def _check_depth(events: Iterator[Any], library: Any) -> None:
    depth = 0
    for event in events:
        if isinstance(event, library.CollectionStartEvent):
            depth += 1
        elif isinstance(event, library.CollectionEndEvent):
            depth -= 1
        if depth > DEPTH:
            raise Unreadable("it is nested too deeply")


def _reason(error: Exception) -> str:
    """One line of what a reader says, with nothing in it that a terminal obeys."""
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    words = " ".join(str(error).split())
    return "".join(one for one in words if one.isprintable())[:160]
