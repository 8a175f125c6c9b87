"""A proxy before a registry that misbehaves on demand."""

from __future__ import annotations

import http.client
import io
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

_PIECE = 1 << 14
_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length", "host"}


@dataclass(frozen=True)
class Asked:
    """A request that came by."""

    method: str
    path: str
    headers: Mapping[str, str]


@dataclass
class _Trick:
    """What to do instead of passing an answer on, for so many requests of a method whose path has a part."""

    part: str
    times: float
    status: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)
    after: int | None = None
    content: bytes | None = None


class Proxy:
    """Stands before a registry, passes everything on, and does what it is told instead.

    Args:
        target: Host and port.
    """

    def __init__(self, target: str) -> None:
        self.target = target
        self.asked: list[Asked] = []
        self.delay = 0.0
        self._tricks: list[_Trick] = []
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self.address = f"127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Proxy:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def answer_429(self, times: float = 1, retry_after: int | str | None = None, part: str = "/manifests/") -> None:
        """Let requests for a part of the path run into a rate limit."""
        self.answer(429, times, part, {} if retry_after is None else {"Retry-After": str(retry_after)})

    def answer(self, status: int, times: float = 1, part: str = "", headers: Mapping[str, str] | None = None) -> None:
        """Answer with a status instead of asking the registry."""
        self._tricks.append(_Trick(part, times, status=status, headers=headers or {}))

    def cut(self, after_bytes: int, times: float = 1, part: str = "/blobs/") -> None:
        """Break the connection in the middle of a body."""
        self._tricks.append(_Trick(part, times, after=after_bytes))

    def lie(self, path_part: str, content: bytes, times: float = float("inf")) -> None:
        """Send another body than the registry's, with the registry's headers."""
        self._tricks.append(_Trick(path_part, times, content=content))

    def obey(self) -> None:
        """Forget all that was told: pass everything on."""
        self._tricks.clear()

    def count(self, part: str = "", method: str = "") -> int:
        """How many requests had a part in their path."""
        return sum(part in one.path and method in ("", one.method) for one in self.asked)

    def _note(self, asked: Asked) -> _Trick | None:
        """Note a request, and return what to do instead."""
        with self._lock:
            self.asked.append(asked)
            for trick in self._tricks:
                if trick.part in asked.path and trick.times > 0 and (trick.after is None or asked.method == "GET"):
                    trick.times -= 1
                    return trick
        return None


def _handler(proxy: Proxy) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self) -> None:
            self.close_connection = True
            try:
                _pass_on(self, proxy)
            except (BrokenPipeError, ConnectionResetError):
                return  # a client may go when it has seen enough

        do_GET = do_HEAD = do_PUT = do_POST = do_PATCH = do_DELETE = _answer  # noqa: N815

        def log_message(self, *_: object) -> None:
            return None

    return Handler


def _pass_on(request: BaseHTTPRequestHandler, proxy: Proxy) -> None:
    trick = proxy._note(Asked(request.command, request.path, dict(request.headers.items())))
    if proxy.delay:
        time.sleep(proxy.delay)
    if trick is not None and trick.status:
        for _ in _body(request):
            pass
        _head(request, trick.status, {**trick.headers, "Content-Length": "0"})
        return
    target = http.client.HTTPConnection(proxy.target, timeout=30)
    try:
        _copy_answer(request, _ask(request, target), proxy, trick or _Trick("", 0))
    finally:
        target.close()


def _ask(request: BaseHTTPRequestHandler, target: http.client.HTTPConnection) -> http.client.HTTPResponse:
    target.putrequest(request.command, request.path, skip_host=True, skip_accept_encoding=True)
    for name, value in request.headers.items():
        if name.lower() not in _HOP - {"host", "content-length"} and name.lower() != "expect":
            target.putheader(name, value)
    chunked = "chunked" in request.headers.get("Transfer-Encoding", "")
    if chunked:
        target.putheader("Transfer-Encoding", "chunked")
    target.endheaders()
    for piece in _body(request):
        target.send(b"%x\r\n%s\r\n" % (len(piece), piece) if chunked else piece)
    if chunked:
        target.send(b"0\r\n\r\n")
    return target.getresponse()


def _body(request: BaseHTTPRequestHandler) -> Iterator[bytes]:
    if "chunked" not in request.headers.get("Transfer-Encoding", ""):
        yield from _pieces(request, int(request.headers.get("Content-Length") or 0))
        return
    while size := int(request.rfile.readline().partition(b";")[0], 16):
        yield from _pieces(request, size)
        request.rfile.readline()
    request.rfile.readline()


def _pieces(request: BaseHTTPRequestHandler, size: int) -> Iterator[bytes]:
    while size and (piece := request.rfile.read(min(_PIECE, size))):
        size -= len(piece)
        yield piece


def _copy_answer(
    request: BaseHTTPRequestHandler, answer: http.client.HTTPResponse, proxy: Proxy, trick: _Trick
) -> None:
    headers = {name: value for name, value in answer.getheaders() if name.lower() not in _HOP}
    if "Location" in headers:
        headers["Location"] = headers["Location"].replace(f"//{proxy.target}", f"//{proxy.address}")
    length = answer.getheader("Content-Length") if trick.content is None else str(len(trick.content))
    _head(request, answer.status, headers | ({} if length is None else {"Content-Length": length}))
    if request.command == "HEAD":
        return
    body = io.BytesIO(trick.content) if trick.content is not None else answer
    left = float("inf") if trick.after is None else trick.after
    while left and (piece := body.read(int(min(_PIECE, left)))):
        left -= len(piece)
        request.wfile.write(piece)


def _head(request: BaseHTTPRequestHandler, status: int, headers: Mapping[str, str]) -> None:
    request.send_response_only(status)
    for name, value in headers.items():
        request.send_header(name, value)
    request.send_header("Connection", "close")
    request.end_headers()
