"""HTTP as this machine is set up for it: proxy, certificates, patience."""

from __future__ import annotations

import hashlib
import os
import threading
import time
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

from devenv.errors import ImageError
from devenv.images import mirror
from devenv.model.machine import Machine

if TYPE_CHECKING:
    import requests

CONNECTIONS = 8
ATTEMPTS = 4
PAUSE = 0.5
"""Seconds before the second attempt; longer before each further one."""
TIMEOUT = 20.0
"""Seconds to connect, and between two pieces of an answer."""

ABSENT = (404, 410)
"""Statuses of a server that does not have the file."""

_PASSING = (429, 500, 502, 503, 504)
_ENVIRONMENT = threading.Lock()
"""Looking for exceptions from the proxy changes the process's environment for a moment."""


class Client:
    """Asks mirrors for files; usable from several threads at once."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._session: requests.Session | None = None
        self._lock = threading.Lock()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        if self._session is not None:
            self._session.close()

    def read(self, address: str) -> bytes | None:
        """Return a small file; None when the server has none of that name.

        Raises:
            ImageError: The server cannot be reached, or refuses.
        """
        import requests

        with self.get(address) as answer:
            try:
                return None if answer.status_code in ABSENT else answer.content
            except requests.RequestException as error:
                raise unusable(address, reason(error)) from error

    @contextmanager
    def get(self, address: str, start: int = 0) -> Iterator[requests.Response]:
        """Ask for a file from byte `start` on, several times if need be; the answer's body is yet to be read.

        The status is a success or one of `ABSENT`; a server may send the whole file all the same (200, not 206).

        Raises:
            ImageError: The server cannot be reached, or refuses.
        """
        for attempt in range(ATTEMPTS):
            answer = self._ask(address, start, last=attempt == ATTEMPTS - 1)
            if answer is not None:
                with answer:
                    yield answer
                return
            time.sleep(PAUSE * 2**attempt)

    def _ask(self, address: str, start: int, *, last: bool) -> requests.Response | None:
        """Ask once; None when it is worth another attempt."""
        import requests

        try:
            answer = self._send(address, start)
        except requests.RequestException as error:
            if last or not may_pass(error):
                raise unusable(address, reason(error)) from error
            return None
        if answer.status_code < 400 or answer.status_code in ABSENT:
            return answer
        answer.close()
        if last or answer.status_code not in _PASSING:
            raise unusable(address, f"it answers with status {answer.status_code}")
        return None

    def _send(self, address: str, start: int) -> requests.Response:
        parts = urlsplit(address)
        escaped = parts._replace(path=quote(parts.path, safe="/%:+~@!$&'()*,;=")).geturl()
        with self._lock:
            if self._session is None:
                self._session = session(self._machine)
        return self._session.get(
            escaped,
            headers={"Range": f"bytes={start}-"} if start else None,
            proxies=proxies(address, self._machine),
            stream=True,
            timeout=TIMEOUT,
        )


def host(address: str) -> str:
    """The server's name, without a password."""
    return urlsplit(address).netloc.rpartition("@")[2]


def unusable(address: str, why: str) -> ImageError:
    """Our error for a mirror that does not give what it should."""
    return ImageError(f"the mirror `{host(address)}` cannot be used: {why}", hint=mirror.HINT)


def session(machine: Machine) -> requests.Session:
    """Return a session with the machine's proxy and certificates, and nothing from the process's environment.

    Raises:
        ImageError: A file of certificates cannot be read.
    """
    import requests
    from requests.adapters import HTTPAdapter

    made = requests.Session()
    made.trust_env = False
    made.headers["Accept-Encoding"] = "identity"
    made.proxies = {
        name.removesuffix("_PROXY").lower(): value
        for name, value in machine.proxy.items()
        if name in ("HTTP_PROXY", "HTTPS_PROXY") and value
    }
    adapter = HTTPAdapter(pool_maxsize=CONNECTIONS)
    made.mount("http://", adapter)
    made.mount("https://", adapter)
    if machine.certificates:
        made.verify = str(_bundle(machine))
    return made


def asked(address: str, machine: Machine, seconds: float) -> tuple[str, str]:
    """Ask a server once for anything: the reason why it cannot be reached, empty if it can, and its clock in its words.

    Args:
        seconds: To wait for it at most, once to connect and once for its answer.
    """
    import requests

    try:
        with session(machine) as one:
            answer = one.get(
                address, proxies=proxies(address, machine), stream=True, timeout=seconds, allow_redirects=False
            )
            answer.close()
    except ImageError as error:
        return error.message, ""
    except (requests.RequestException, ValueError) as error:
        return reason(error), ""
    return "", answer.headers.get("Date", "")


def proxies(address: str, machine: Machine) -> MutableMapping[str, str] | None:
    """Return what a request to an address says about proxies: None for the session's own."""
    if _is_direct(address, machine):
        return {"http": None, "https": None}  # type: ignore[dict-item]  # None removes it
    return None


def may_pass(error: Exception) -> bool:
    """Whether another attempt may succeed."""
    import requests

    lasting = (requests.exceptions.SSLError, requests.exceptions.ProxyError)
    return isinstance(error, requests.ConnectionError | requests.Timeout) and not isinstance(error, lasting)


def reason(error: Exception) -> str:
    """What went wrong, out of a chain of wrapped exceptions: the innermost says it plainly."""
    import requests

    if isinstance(error, requests.Timeout):
        return "it does not answer"
    inner: BaseException = error
    while (cause := inner.__cause__ or inner.__context__) is not None:
        inner = cause
    words = inner.strerror.lower() if isinstance(inner, OSError) and inner.strerror else str(inner)
    if isinstance(error, requests.exceptions.SSLError):
        return f"its certificate is not trusted: {words}"
    if isinstance(error, requests.exceptions.ProxyError):
        return f"the proxy refuses: {words}"
    return words


def _is_direct(address: str, machine: Machine) -> bool:
    from requests.utils import should_bypass_proxies

    excepted = machine.proxy.get("NO_PROXY", "")
    with _ENVIRONMENT:
        return bool(excepted) and should_bypass_proxies(address, no_proxy=excepted)


def _bundle(machine: Machine) -> Path:
    """The usual authorities and the user's own as one file: requests takes only one."""
    from requests.utils import DEFAULT_CA_BUNDLE_PATH

    content = b"\n".join(_certificates(path) for path in (Path(DEFAULT_CA_BUNDLE_PATH), *machine.certificates))
    path = machine.cache / "certificates" / f"{hashlib.sha256(content).hexdigest()[:16]}.pem"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_suffix(f".{os.getpid()}")
        temporary.write_bytes(content)
        temporary.replace(path)
    return path


def _certificates(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ImageError(f"the certificates in `{path}` cannot be read: {(error.strerror or '').lower()}") from error
