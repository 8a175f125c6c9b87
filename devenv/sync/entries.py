"""What is at a path on one side: the host's folder or the volume."""

from __future__ import annotations

from typing import Literal, NamedTuple

Kind = Literal["file", "folder", "link", "other"]

TEMPORARY = ".devenv-sync."
"""How names of our temporary files begin; they are neither listed nor reported."""


class Seen(NamedTuple):
    """A path as one side has it.

    Args:
        kind: `other` is what is never synced: sockets, devices, pipes.
        mode: Permission bits, without set-user, set-group and sticky.
        size: Bytes; 0 for what is no file.
        mtime: Nanoseconds since 1970.
        signature: Changes whenever content, kind or mode do; only ever compared with others of the same side.
        inode: The side's number of it; stays the same when it is renamed.
        target: Where a link leads.
    """

    kind: Kind
    mode: int
    size: int
    mtime: int
    signature: str
    inode: int
    target: str = ""
