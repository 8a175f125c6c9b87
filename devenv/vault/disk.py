"""Reads files of a checkout that may hold secrets, and only such: a link could lead to anybody's."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

from devenv.errors import DevenvError

LARGEST = 16 * 1024 * 1024


def read(root: Path, path: str) -> str | None:
    """The text of a file; None when there is none.

    Args:
        path: Relative to the checkout.

    Raises:
        DevenvError: It is a link or in a linked folder, too large, no text, or may not be read.
    """
    where, folder = root / path, Path(path).parent
    try:
        if where.parent.resolve() != root.resolve() / folder:
            raise DevenvError(f"`{folder}` is a symbolic link", hint="devenv needs a folder there")
        descriptor = os.open(where, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _unreadable(path, error) from error
    with os.fdopen(descriptor, "rb") as file:
        seen = os.fstat(file.fileno())
        if not stat.S_ISREG(seen.st_mode) or seen.st_size > LARGEST:
            raise DevenvError(f"`{path}` is no file of variables", hint="remove it")
        content = file.read()
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise DevenvError(f"`{path}` is no text", hint="it is written in UTF-8") from None


def _unreadable(path: str, error: OSError) -> DevenvError:
    if error.errno == errno.ELOOP:
        return DevenvError(f"`{path}` is a symbolic link", hint="put the file itself there; a link could lead anywhere")
    return DevenvError(f"cannot read `{path}`: {error.strerror}", hint="make it readable for you")
