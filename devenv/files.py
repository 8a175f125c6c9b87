"""Writes files so that they are old or new, never half; and sees that none is where a link leads."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from devenv.errors import DevenvError


def write(path: Path, content: str | bytes, *, mode: int = 0o644) -> None:
    """Replace a file's content: written beside it, flushed to disk, renamed over it.

    Raises:
        DevenvError: The disk is full or the folder is not writable; the old content is still there.
    """
    data = content.encode() if isinstance(content, str) else content
    write_by(path, lambda stream: stream.write(data), mode=mode)


def write_by(path: Path, fill: Callable[[BinaryIO], object], *, mode: int = 0o644) -> None:
    """Replace a file's content by what `fill` writes; see `write`. What `fill` raises leaves the old content, too."""
    import tempfile

    temporary = None
    with named(path):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            descriptor, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
            with os.fdopen(descriptor, "wb") as stream:
                fill(stream)
                stream.flush()
                os.fchmod(stream.fileno(), mode)
                os.fsync(stream.fileno())
            Path(temporary).replace(path)
        except BaseException:
            if temporary is not None:
                Path(temporary).unlink(missing_ok=True)
            raise


@contextmanager
def named(path: Path) -> Iterator[None]:
    """Say which path it is that cannot be written.

    Raises:
        DevenvError: In place of what the operating system says.
    """
    try:
        yield
    except OSError as error:
        raise DevenvError(
            f"cannot write `{path}`: {error.strerror}", hint="free disk space or make the folder writable"
        ) from error


def leads_out(path: Path, folder: Path) -> bool:
    """Whether a path leads out of a folder by links; one that goes in a circle does."""
    try:
        return not path.resolve().is_relative_to(folder.resolve())
    except (OSError, RuntimeError):
        return True


def linked(folder: Path, *, levels: int, but: Collection[str] = ()) -> Path | None:
    """The folder, or the first thing in it that is a link; None when nothing is.

    Args:
        levels: How deep to look; 1 is what is directly in it.
        but: Names in it that may be links, and have links in them.
    """
    if folder.is_symlink():
        return folder
    try:
        with os.scandir(folder) as entries:
            here = sorted(entries, key=lambda one: one.name)
    except OSError:
        return None
    for one in here:
        if one.name in but:
            continue
        if one.is_symlink():
            return Path(one.path)
        if levels > 1 and one.is_dir() and (found := linked(Path(one.path), levels=levels - 1)) is not None:
            return found
    return None
