"""Writes files so that they are old or new, never half."""

from __future__ import annotations

import os
from pathlib import Path

from devenv.errors import DevenvError


def write(path: Path, content: str | bytes, *, mode: int = 0o644) -> None:
    """Replace a file's content: written beside it, flushed to disk, renamed over it.

    Raises:
        DevenvError: The disk is full or the folder is not writable; the old content is still there.
    """
    import tempfile

    data = content.encode() if isinstance(content, str) else content
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fchmod(stream.fileno(), mode)
            os.fsync(stream.fileno())
        Path(temporary).replace(path)
    except OSError as error:
        if temporary is not None:
            Path(temporary).unlink(missing_ok=True)
        raise DevenvError(
            f"cannot write `{path}`: {error.strerror}", hint="free disk space or make the folder writable"
        ) from error
