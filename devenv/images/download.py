"""Files fetched into a cache that names them by hash: many at once, resumed, checked."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import re
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

from devenv.errors import ImageError
from devenv.images import client, mirror
from devenv.images.client import Client
from devenv.model.progress import Progress, Report
from devenv.values import dataclass

if TYPE_CHECKING:
    import requests

_PIECE = 1 << 16
_HASH = re.compile(r"[0-9a-f]{64}")

Count = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Wanted:
    """A file to fetch.

    Args:
        name: For people.
        addresses: In the order to try: the next one is asked when a server does not have the file or does not answer.
        size: In bytes.
    """

    name: str
    addresses: Sequence[str]
    sha256: str
    size: int


class _StoppedError(Exception):
    """Another download failed, so this one is of no use."""


def fetch(wanted: Sequence[Wanted], folder: Path, http: Client, report: Report, subject: str) -> list[Path]:
    """Fetch what `folder` lacks of several files, and return the path of each; the first failure ends all.

    A file that is there already is checked too. What a broken download has left is the beginning of the next one.

    Raises:
        ImageError: No address has a file, its content is wrong, or the disk is full.
    """
    folder.mkdir(parents=True, exist_ok=True)
    total = sum(one.size for one in wanted)
    done = 0
    lock = threading.Lock()
    stopped = threading.Event()

    def count(size: int) -> None:
        nonlocal done
        if stopped.is_set():
            raise _StoppedError
        with lock:
            done += size
            report(Progress(subject, "downloading", done, total, "bytes"))

    with disk_watched(folder, total), ThreadPoolExecutor(client.CONNECTIONS) as pool:
        futures = [pool.submit(_fetch, one, folder, http, count) for one in wanted]
        try:
            for future in wait(futures, return_when=FIRST_EXCEPTION).done:
                future.result()
        except BaseException:
            stopped.set()
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return [future.result() for future in futures]


@contextmanager
def disk_watched(folder: Path, size: int = 0) -> Iterator[None]:
    """Turn a full disk into our error.

    Args:
        size: Bytes that were to be written to the folder, where known.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        needed = f"at least {size // 1_000_000 + 1} MB" if size else "some space"
        raise ImageError(f"the disk of `{folder}` is full", hint=f"free {needed} there, or move the cache") from error


def _fetch(wanted: Wanted, folder: Path, http: Client, count: Count) -> Path:
    if not _HASH.fullmatch(wanted.sha256):
        raise ImageError(f"`{wanted.name}` has a hash that is none: `{wanted.sha256}`")
    target = folder / wanted.sha256
    if digest(target) == wanted.sha256:
        count(wanted.size)
        return target
    with locked(target.with_name(f"{wanted.sha256}.part")) as part:
        if digest(target) != wanted.sha256:
            _complete(part, wanted, http, count)
            Path(f"{target}.part").replace(target)
    return target


def _complete(part: BinaryIO, wanted: Wanted, http: Client, count: Count) -> None:
    refusals = []
    for address in wanted.addresses:
        try:
            if _append(part, address, wanted, http, count):
                return
            refusals.append(f"`{client.host(address)}` does not have it")
        except ImageError as error:
            refusals.append(error.message)
    reasons = "; ".join(dict.fromkeys(refusals)) or "no mirror is known"
    raise ImageError(f"`{wanted.name}` could not be downloaded: {reasons}", hint=mirror.HINT)


def _append(part: BinaryIO, address: str, wanted: Wanted, http: Client, count: Count) -> bool:
    """Fetch the rest of a file, going on where a broken connection ended; False when the server does not have it."""
    for attempt in range(client.ATTEMPTS):
        start = part.seek(0, os.SEEK_END)
        if start >= wanted.size:
            start = part.truncate(0)
        with http.get(address, start) as answer:
            if answer.status_code in client.ABSENT:
                return False
            if answer.status_code != 206:
                part.truncate(0)
            if _copy(answer, part, wanted.size, count):
                return _accept(part, address, wanted, count)
        time.sleep(client.PAUSE * attempt)
    raise client.unusable(address, "the connection breaks off again and again")


def _copy(answer: requests.Response, part: BinaryIO, limit: int, count: Count) -> bool:
    """Append an answer to a file; False when the connection broke off."""
    import requests

    start = done = part.seek(0, os.SEEK_END)
    count(start)
    try:
        for piece in answer.iter_content(_PIECE):
            part.write(piece)
            done += len(piece)
            count(len(piece))
            if done > limit:
                break
    except requests.RequestException:
        complete = False
    else:
        complete = done - start >= int(answer.headers.get("Content-Length", 0))
    part.flush()
    if not complete:
        count(-done)
    return complete


def _accept(part: BinaryIO, address: str, wanted: Wanted, count: Count) -> bool:
    part.seek(0)
    found = hashlib.file_digest(cast(BufferedReader, part), "sha256").hexdigest()
    if found == wanted.sha256:
        os.fsync(part.fileno())
        return True
    count(-part.tell())
    part.truncate(0)
    raise ImageError(f"`{client.host(address)}` sent a file with hash {found} where {wanted.sha256} is expected")


@contextmanager
def locked(path: Path) -> Iterator[BinaryIO]:
    """Open a file for appending and reading that no other process writes to meanwhile."""
    with path.open("a+b") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield file


def digest(path: Path) -> str | None:
    """SHA-256 of a file, lower-case hex; None when it is not there."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        return None
