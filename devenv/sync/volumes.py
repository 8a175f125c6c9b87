"""Tells which volume a connection leads to, and when what became of it must not be followed."""

from __future__ import annotations

import uuid
from collections.abc import Set
from typing import Literal

from devenv.sync.base import Base
from devenv.sync.disk import Disk
from devenv.sync.inner import Answer, Inner
from devenv.sync.rules import is_protected
from devenv.sync.wire import Hello

MANY = 100
"""Removals inside at once that are not carried out unasked, when they are more than half of all."""

RESTORE = (
    "The host keeps them: `devenv sync resume` brings them back inside. To remove them on both sides, do so on the host"
)

Trust = Literal["new", "known", "unknown"]


def judge(hello: Hello, base: Base) -> Trust:
    """What the volume is to us.

    The marker is written anew for each connection: a volume that was put back to what it had been is not known.
    """
    if hello.empty:
        return "new"
    if base.told("unknown") == "yes":
        return "unknown"  # nobody has said since that it may be touched
    mine = (base.told("marker"), base.told("next marker"))
    return "known" if hello.marker is not None and hello.marker.strip() in mine else "unknown"


def mark(inner: Inner, base: Base) -> None:
    """Write which volume this is, so that another in its place is told from it."""
    marker = uuid.uuid4().hex
    base.tell("next marker", marker)
    answers: list[Answer] = []
    inner.mark(marker, answers.append)
    inner.wait()
    if answers[0].verb == "done":
        base.tell("marker", marker)


def objection(gone: Set[str], base: Base, disk: Disk) -> str:
    """Why removals inside are not carried out on the host unasked; empty when they are.

    A volume that somebody emptied or put back must not empty the host's folder. What was renamed is not gone.
    """
    if len(gone) < MANY and all("/" in path for path in gone):
        return ""
    shared = {path for path, agreed in base.paths.items() if agreed.host and agreed.inner and not is_protected(path)}
    lost = {path for path in gone & shared if disk.look(path) is not None}
    top = {path for path in shared if "/" not in path}
    if len(top) > 1 and top <= lost:
        return f"everything was removed inside. {RESTORE}"
    if len(lost) >= MANY and len(lost) > len(shared) // 2:
        return f"{len(lost)} of {len(shared)} paths were removed inside. {RESTORE}"
    return ""
