"""Blobs of a registry, fetched into a cache that names them by hash: resumed and checked."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from io import BufferedReader
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

from devenv.images import client, download
from devenv.images.registry import failures
from devenv.images.registry.http import Connection
from devenv.model.progress import Progress, Report
from devenv.reference import Reference

if TYPE_CHECKING:
    import requests

_PIECE = 1 << 16

Tell = Callable[[int], None]


def fetch(
    place: Reference, size: int, folder: Path, connection: Connection, report: Report, subject: str
) -> Path | None:
    """Fetch the blob of a digest unless `folder` has it, and return its path; None when the registry does not have it.

    What a broken download has left is the beginning of the next one, whichever registry it came from.

    Raises:
        ImageError: The registry refuses, the content is wrong, or the disk is full.
    """

    def tell(done: int) -> None:
        report(Progress(subject, "downloading", done, size, "bytes"))

    folder.mkdir(parents=True, exist_ok=True)
    target = folder / place.digest.removeprefix("sha256:")
    with download.disk_watched(folder, size):
        if not _is_there(target) and not _replace(target, place, size, connection, tell):
            return None
    tell(size)
    return target


def _replace(target: Path, place: Reference, size: int, connection: Connection, tell: Tell) -> bool:
    path = target.with_name(f"{target.name}.part")
    with download.locked(path) as part:
        if _is_there(target):  # another process was faster
            return True
        left = part.seek(0, os.SEEK_END)
        there = _complete(part, place, size, connection, tell)
        if there and left and _content(part) != place.digest:  # perhaps not this registry's fault
            part.truncate(0)
            there = _complete(part, place, size, connection, tell)
        if there:
            _check(part, place)
            path.replace(target)
    return there


def _complete(part: BinaryIO, place: Reference, size: int, connection: Connection, tell: Tell) -> bool:
    """Fetch the rest, going on where a broken connection ended; False when the registry does not have it."""
    patience = connection.patience()
    while True:
        start = part.seek(0, os.SEEK_END)
        if start >= size:
            start = part.truncate(0)
        headers = {"Range": f"bytes={start}-"} if start else {}
        with connection.get(place, f"blobs/{place.digest}", headers, patience) as answer:
            if answer.status_code in client.ABSENT:
                return False
            if not _goes_on(answer, start):
                part.truncate(0)
            broken = _copy(answer, part, size, tell)
        if broken is None:
            return True
        patience.spend(failures.unreachable(place.registry, broken))


def _goes_on(answer: requests.Response, start: int) -> bool:
    return answer.status_code == 206 and answer.headers.get("Content-Range", "").startswith(f"bytes {start}-")


def _copy(answer: requests.Response, part: BinaryIO, size: int, tell: Tell) -> str | None:
    """Append an answer to a file; return why the connection broke off, None when it did not.

    What is longer than it should be is not read to its end: its hash is wrong anyway.
    """
    import requests

    done = part.seek(0, os.SEEK_END)
    try:
        for piece in answer.iter_content(_PIECE):
            part.write(piece)
            done += len(piece)
            tell(min(done, size))
            if done > size:
                break
    except requests.RequestException as error:
        return client.reason(error)
    finally:
        part.flush()
    return None


def _check(part: BinaryIO, place: Reference) -> None:
    found = _content(part)
    if found != place.digest:
        part.truncate(0)
        raise failures.lied(place.registry, place, found)
    os.fsync(part.fileno())


def _content(part: BinaryIO) -> str:
    part.seek(0)
    return f"sha256:{hashlib.file_digest(cast(BufferedReader, part), 'sha256').hexdigest()}"


def _is_there(target: Path) -> bool:
    """Whether the file is there and what its name says."""
    return download.digest(target) == target.name
