"""Hashes of values: equal values, equal hash, on every machine and Python."""

from __future__ import annotations

import hashlib
import json
from dataclasses import fields, is_dataclass
from typing import Any


def of(value: object) -> str:
    """SHA-256 of a value's canonical JSON, lower-case hex; bytes count by their own hash."""
    text = json.dumps(value, default=_plain, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


def contents(value: object) -> dict[str, Any]:
    """The fields of a dataclass that count: those that came later do once they are set."""
    if not is_dataclass(value):
        raise TypeError(f"no fields in {type(value).__name__}")
    named = {field.name: (getattr(value, field.name), field) for field in fields(value)}
    return {name: one for name, (one, field) in named.items() if not (field.metadata and one == field.default)}


def _plain(value: object) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return contents(value)
    if isinstance(value, bytes):
        return {"sha256": hashlib.sha256(value).hexdigest()}
    raise TypeError(f"no canonical form for {type(value).__name__}")
