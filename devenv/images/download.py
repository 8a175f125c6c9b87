"""Files fetched over HTTP into a cache: many at once, resumed, checked."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast
from urllib.parse import quote, urlsplit

from devenv.errors import ImageError
from devenv.images import mirror
from devenv.model.machine import Machine
from devenv.model.progress import Progress, Report

if TYPE_CHECKING:
    import requests

THREADS = 8
ATTEMPTS = 4
TIMEOUT = 20.0
"""Seconds to connect, and between two pieces of an answer."""

_PIECE = 1 << 18
_GONE = (404, 410)
_PAUSE = 0.5

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


class Client:
    """HTTP as this machine is set up for it: proxy, certificates, retries."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._session: requests.Session | None = None
        self._lock = threading.Lock()

    def read(self, address: str) -> bytes | None:
        """Return a small file; None when the server has none of that name.

        Raises:
            ImageError: The server cannot be reached, or refuses.
        """
        import requests

        with self._patiently(address, 0) as answer:
            try:
                return None if answer.status_code in _GONE else answer.content
            except requests.RequestException as error:
                raise _unreachable(address, _reason(error)) from error

    def fetch(self, wanted: Wanted, folder: Path, count: Count) -> Path:
        """Return the path of the file in `folder`, which names files by hash; fetch what is missing of it.

        Raises:
            ImageError: No address has it, its content is wrong, or the disk is full.
        """
        target = folder / wanted.sha256
        if _digest(target) == wanted.sha256:
            count(wanted.size)
            return target
        with _locked(target.with_name(f"{wanted.sha256}.part")) as part:
            if _digest(target) != wanted.sha256:
                self._complete(part, wanted, count)
                Path(f"{target}.part").replace(target)
        return target

    def _complete(self, part: BinaryIO, wanted: Wanted, count: Count) -> None:
        refusals = []
        for address in wanted.addresses:
            try:
                if self._append(part, address, wanted, count):
                    return
                refusals.append(f"`{_host(address)}` does not have it")
            except ImageError as error:
                refusals.append(error.message)
        reasons = "; ".join(dict.fromkeys(refusals)) or "no mirror is known"
        raise ImageError(f"`{wanted.name}` could not be downloaded: {reasons}", hint=mirror.HINT)

    def _append(self, part: BinaryIO, address: str, wanted: Wanted, count: Count) -> bool:
        """Fetch the rest of a file, going on where a broken connection ended; False when the server has none."""
        for attempt in range(ATTEMPTS):
            start = part.seek(0, os.SEEK_END)
            if start >= wanted.size:
                start = part.truncate(0)
            with self._patiently(address, start) as answer:
                if answer.status_code in _GONE:
                    return False
                if answer.status_code != 206:
                    part.truncate(0)
                if _copy(answer, part, wanted.size, count):
                    return _accept(part, address, wanted)
            time.sleep(_PAUSE * attempt)
        raise _unreachable(address, "the connection breaks off again and again")

    def _get(self, address: str, start: int) -> requests.Response:
        parts = urlsplit(address)
        escaped = parts._replace(path=quote(parts.path, safe="/%:+~@!$&'()*,;=")).geturl()
        with self._lock:
            if self._session is None:
                self._session = _session(self._machine)
            direct = _is_direct(address, self._machine)
        return self._session.get(
            escaped,
            headers={"Range": f"bytes={start}-"} if start else None,
            proxies={"http": None, "https": None} if direct else None,  # type: ignore[dict-item]  # None removes it
            stream=True,
            timeout=TIMEOUT,
        )

    @contextmanager
    def _patiently(self, address: str, start: int) -> Iterator[requests.Response]:
        import requests

        for attempt in range(ATTEMPTS):
            last = attempt == ATTEMPTS - 1
            try:
                answer = self._get(address, start)
            except (requests.ConnectionError, requests.Timeout) as error:
                if last or isinstance(error, requests.exceptions.SSLError | requests.exceptions.ProxyError):
                    raise _unreachable(address, _reason(error)) from error
            except requests.RequestException as error:
                raise _unreachable(address, str(error)) from error
            else:
                with answer:
                    if answer.status_code < 400 or answer.status_code in _GONE:
                        yield answer
                        return
                    if last or answer.status_code not in (429, 500, 502, 503, 504):
                        raise _unreachable(address, f"it answers with status {answer.status_code}")
            time.sleep(_PAUSE * 2**attempt)


def fetch(wanted: Sequence[Wanted], folder: Path, client: Client, report: Report, subject: str) -> list[Path]:
    """Fetch several files at once; the first failure ends all.

    Raises:
        ImageError: As `Client.fetch` does.
    """
    folder.mkdir(parents=True, exist_ok=True)
    total = sum(one.size for one in wanted)
    done = 0
    lock = threading.Lock()
    stopped = threading.Event()

    def count(size: int) -> None:
        nonlocal done
        if stopped.is_set():
            raise ImageError("the download was stopped")
        with lock:
            done += size
            report(Progress(subject, "downloading", done, total, "bytes"))

    with disk_watched(folder, total), ThreadPoolExecutor(THREADS) as pool:
        futures = [pool.submit(client.fetch, one, folder, count) for one in wanted]
        try:
            finished, _ = wait(futures, return_when=FIRST_EXCEPTION)
            for future in finished:
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


@contextmanager
def _locked(path: Path) -> Iterator[BinaryIO]:
    """Open a file for appending and reading that no other process writes to meanwhile."""
    with path.open("a+b") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield file


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


def _accept(part: BinaryIO, address: str, wanted: Wanted) -> bool:
    part.seek(0)
    found = hashlib.file_digest(cast(BufferedReader, part), "sha256").hexdigest()
    if found == wanted.sha256:
        os.fsync(part.fileno())
        return True
    part.truncate(0)
    raise ImageError(f"`{_host(address)}` sent a file with hash {found} where {wanted.sha256} is expected")


def _digest(path: Path) -> str | None:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        return None


def _session(machine: Machine) -> requests.Session:
    import requests
    from requests.adapters import HTTPAdapter

    session = requests.Session()
    session.trust_env = False
    session.headers["Accept-Encoding"] = "identity"
    session.proxies = {
        name.removesuffix("_PROXY").lower(): value
        for name, value in machine.proxy.items()
        if name in ("HTTP_PROXY", "HTTPS_PROXY") and value
    }
    adapter = HTTPAdapter(pool_maxsize=THREADS)
    session.mount("http://", adapter)
    session.mount("https://", adapter)
    if machine.certificates:
        session.verify = str(_bundle(machine))
    return session


def _is_direct(address: str, machine: Machine) -> bool:
    from requests.utils import should_bypass_proxies

    excepted = machine.proxy.get("NO_PROXY", "")
    return bool(excepted) and should_bypass_proxies(address, no_proxy=excepted)


def _bundle(machine: Machine) -> Path:
    """The usual authorities and the user's own as one file: requests takes only one."""
    import certifi

    content = b"\n".join(path.read_bytes() for path in (Path(certifi.where()), *machine.certificates))
    path = machine.cache / "certificates" / f"{hashlib.sha256(content).hexdigest()[:16]}.pem"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_suffix(f".{os.getpid()}")
        temporary.write_bytes(content)
        temporary.replace(path)
    return path


def _host(address: str) -> str:
    return urlsplit(address).netloc.rpartition("@")[2]


def _unreachable(address: str, reason: str) -> ImageError:
    return ImageError(f"the mirror `{_host(address)}` cannot be used: {reason}", hint=mirror.HINT)


def _reason(error: Exception) -> str:
    """What went wrong, out of a chain of wrapped exceptions: the innermost says it plainly."""
    import requests

    if isinstance(error, requests.Timeout):
        return "it does not answer"
    if isinstance(error, requests.exceptions.SSLError):
        return f"its certificate is not trusted: {error}"
    inner: BaseException = error
    while (cause := inner.__cause__ or inner.__context__) is not None:
        inner = cause
    return inner.strerror.lower() if isinstance(inner, OSError) and inner.strerror else str(inner)
