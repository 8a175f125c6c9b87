"""The two renames Python lacks: exchange two names, and move to a name only while nothing is there.

Linux has them as `renameat2(2)`, macOS as `renameatx_np(2)`. Which of them a file system knows is told by its answer.
"""

from __future__ import annotations

import errno
import functools
import os
import stat
import sys
from collections.abc import Callable

Rename = Callable[[int, str, int, str], None]
"""Descriptor of a folder and name in it, twice: from, to."""

_CALL, _EXCLUSIVE, _EXCHANGE = ("renameatx_np", 4, 2) if sys.platform == "darwin" else ("renameat2", 1, 2)

_UNKNOWN = frozenset({errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP})


class Unsupported(OSError):
    """The kernel, the C library or the file system does not know this rename."""


def exchange(source_folder: int, source: str, target_folder: int, target: str) -> None:
    """Swap what two names stand for, in one step.

    Raises:
        FileNotFoundError: One of them is not there.
        Unsupported: Nothing was changed.
    """
    _rename(source_folder, source, target_folder, target, _EXCHANGE)


def move_exclusively(source_folder: int, source: str, target_folder: int, target: str) -> None:
    """Rename, but never over anything.

    Raises:
        FileExistsError: Something is at the target; nothing was changed.
    """
    try:
        _rename(source_folder, source, target_folder, target, _EXCLUSIVE)
    except Unsupported:
        move_by_link(source_folder, source, target_folder, target)


def move_by_link(source_folder: int, source: str, target_folder: int, target: str) -> None:
    """Do as `move_exclusively` where the file system cannot: a second name is refused where there is one already."""
    kind = os.stat(source, dir_fd=source_folder, follow_symlinks=False).st_mode
    if stat.S_ISDIR(kind):
        _move_folder(source_folder, source, target_folder, target)
        return
    os.link(source, target, src_dir_fd=source_folder, dst_dir_fd=target_folder, follow_symlinks=False)
    os.unlink(source, dir_fd=source_folder)


def _move_folder(source_folder: int, source: str, target_folder: int, target: str) -> None:
    try:
        os.stat(target, dir_fd=target_folder, follow_symlinks=False)
    except FileNotFoundError:
        # A folder is renamed over nothing but an empty folder, so what comes in between is not lost.
        os.rename(source, target, src_dir_fd=source_folder, dst_dir_fd=target_folder)
    else:
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), target)


def _rename(source_folder: int, source: str, target_folder: int, target: str, flags: int) -> None:
    code = _call()(source_folder, os.fsencode(source), target_folder, os.fsencode(target), flags)
    if code in _UNKNOWN:
        raise Unsupported(code, os.strerror(code), source)
    if code:
        raise OSError(code, os.strerror(code), source, None, target)


@functools.cache
def _call() -> Callable[[int, bytes, int, bytes, int], int]:
    import ctypes

    function = getattr(ctypes.CDLL(None, use_errno=True), _CALL, None)
    if function is None:
        return lambda *_: errno.ENOSYS
    function.argtypes = (ctypes.c_int, ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p, ctypes.c_uint)
    return lambda *arguments: ctypes.get_errno() if function(*arguments) else 0
