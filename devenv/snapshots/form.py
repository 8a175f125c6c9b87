"""The text of `snapshot.json`, which tells what a snapshot holds."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, cast

from devenv.errors import DevenvError
from devenv.model.snapshot import Method, Part, Snapshot, Stream

FILE = "snapshot.json"
FORMAT = 1
LIMIT = 1024 * 1024
NAME = re.compile("[a-z0-9][a-z0-9._-]{0,99}")

_STREAM = re.compile(r"[a-z0-9][a-z0-9._-]{0,200}\.gz")
_SHA256 = re.compile("[0-9a-f]{64}")
_CREATED = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")


def text(snapshot: Snapshot) -> str:
    """The file's content."""
    data = asdict(snapshot)
    parts = data.pop("parts")
    return json.dumps({"format": FORMAT, **data, "services": parts}, indent=1) + "\n"


def read(content: bytes, what: str) -> Snapshot:
    """Read the file's content, which may come from anybody.

    Args:
        what: The snapshot, for people.

    Raises:
        DevenvError: It is not as `text` writes it.
    """
    try:
        if len(content) > LIMIT:
            raise ValueError("it is too long")
        data = json.loads(content)
        if data["format"] != FORMAT:
            raise _other_format(data["format"], what)
        return _snapshot(data)
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise damaged(what, f"its `{FILE}` is not as devenv writes it") from error


def damaged(what: str, why: str) -> DevenvError:
    """The error for a snapshot that cannot be used."""
    return DevenvError(f"{what} is damaged: {why}", hint="get it anew from where it was made; nothing was changed")


def _other_format(found: object, what: str) -> DevenvError:
    newer = isinstance(found, int) and found > FORMAT
    number = found if isinstance(found, int) else "none"
    return DevenvError(
        f"{what} has format {number}, this devenv reads {FORMAT}", hint="update devenv" if newer else None
    )


def _snapshot(data: Mapping[str, Any]) -> Snapshot:
    parts = tuple(_part(one) for one in data["services"])
    files = [stream.file for part in parts for stream in part.streams]
    if len(set(files)) != len(files) or len({part.name for part in parts}) != len(parts) or not parts:
        raise ValueError("something stands there twice, or nothing at all")
    return Snapshot(
        name=_matching(NAME, data["name"]),
        created=_matching(_CREATED, data["created"]),
        project=_words(data["project"]),
        devenv=_words(data["devenv"]),
        parts=parts,
    )


def _part(data: Mapping[str, Any]) -> Part:
    streams = tuple(_stream(one) for one in data["streams"])
    volumes = [one.volume for one in streams]
    if data["method"] not in ("dump", "files") or (data["method"] == "dump") != (volumes == [None]):
        raise ValueError("no method")
    if len(set(volumes)) != len(volumes) or (data["method"] == "files" and None in volumes):
        raise ValueError("no volumes")
    words = {key: _words(data[key]) for key in ("name", "use", "version", "data", "architecture", "secrets", "image")}
    return Part(**words, method=cast("Method", data["method"]), streams=streams)


def _stream(data: Mapping[str, Any]) -> Stream:
    volume = data["volume"]
    return Stream(
        file=_matching(_STREAM, data["file"]),
        sha256=_matching(_SHA256, data["sha256"]),
        size=_size(data["size"]),
        content=_size(data["content"]),
        volume=None if volume is None else _words(volume),
    )


def _words(value: object) -> str:
    if not isinstance(value, str) or len(value) > 300 or not value.isprintable():
        raise ValueError("no text")
    return value


def _matching(pattern: re.Pattern[str], value: object) -> str:
    if not isinstance(value, str) or pattern.fullmatch(value) is None:
        raise ValueError("no name")
    return value


def _size(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ValueError("no size")
    return value
