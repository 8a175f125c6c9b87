"""A registry in memory, behind a proxy that misbehaves on demand."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from devenv import reference
from devenv.errors import ImageError
from devenv.images.registry import Registry
from devenv.model.machine import Login, Machine
from devenv.model.progress import Progress
from devenv.reference import Reference
from tests import registries
from tests.registries import INDEX, MANIFEST, Image, Proxy

NOW = 1_760_000_000.0
TOKEN = "t0ken"


@dataclass
class Memory:
    """A registry in memory.

    Args:
        served: Media type and content by path below `/v2/`.
        moved: Address that a path is redirected to.
        wants: `bearer` or `basic` to let nobody in without.
        accepts: The `Authorization` that gets a token; None lets everybody have one.
        asked: Path and `Authorization` of each request.
        forms: What was posted for a token.
    """

    address: str = ""
    served: dict[str, tuple[str, bytes]] = field(default_factory=dict)
    moved: dict[str, str] = field(default_factory=dict)
    wants: str = ""
    accepts: str | None = None
    asked: list[tuple[str, str | None]] = field(default_factory=list)
    forms: list[dict[str, list[str]]] = field(default_factory=list)

    def put(self, repository: str, tag: str, content: bytes, media_type: str) -> str:
        named = registries.digest(content)
        for name in (tag, named):
            self.served[f"{repository}/manifests/{name}"] = media_type, content
        return named

    def image(self, repository: str, tag: str, architecture: str = "amd64", **more: Mapping[str, str]) -> Image:
        made = registries.image(architecture, **more)
        for blob in (made.config, made.layer):
            self.served[f"{repository}/blobs/{registries.digest(blob)}"] = "application/octet-stream", blob
        self.put(repository, tag, made.manifest, MANIFEST)
        return made

    def index(self, repository: str, tag: str, *architectures: str) -> str:
        made = {one: self.image(repository, f"{tag}-{one}", one).manifest for one in architectures}
        content = registries.index({one: (registries.digest(it), len(it)) for one, it in made.items()})
        return self.put(repository, tag, content, INDEX)


@dataclass
class World:
    """A registry in memory behind a proxy that misbehaves, and what this machine has."""

    memory: Memory
    proxy: Proxy
    cache: Path
    logins: dict[str, Login] = field(default_factory=dict)
    logins_asked: list[str] = field(default_factory=list)
    slept: list[float] = field(default_factory=list)
    reports: list[Progress] = field(default_factory=list)

    def registry(self, **machine: str) -> Registry:
        def login(registry: str) -> Login | None:
            self.logins_asked.append(registry)
            return self.logins.get(registry)

        made = Machine(cache=self.cache, **machine)  # type: ignore[arg-type]  # texts alone
        return Registry(made, login, self.reports.append, sleep=self.slept.append, clock=lambda: NOW)

    def named(self, text: str) -> Reference:
        return reference.parse(f"{self.proxy.address}/{text}")

    def sign_in(self, username: str = "anna", password: str = "s3cret", token: str = "") -> None:
        self.logins[self.proxy.address] = Login(self.proxy.address, username, password, token)

    def refused(self, act: Callable[[Registry, str], object]) -> ImageError:
        """The error that an act with an image's name ends in."""
        with self.registry() as registry, pytest.raises(ImageError) as caught:
            act(registry, f"{self.proxy.address}/acme/x:1")
        return caught.value


@contextmanager
def opened(folder: Path) -> Iterator[World]:
    """Serve a registry in memory, behind a proxy."""
    memory = Memory()
    with served(memory), Proxy(memory.address) as proxy:
        yield World(memory, proxy, folder / "cache")


class served:  # noqa: N801
    """Serve a registry in memory on loopback."""

    def __init__(self, memory: Memory) -> None:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                _answer(self, memory)

            do_HEAD = do_POST = do_GET  # noqa: N815

            def log_message(self, *_: object) -> None:
                return None

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        memory.address = f"127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def _answer(request: BaseHTTPRequestHandler, memory: Memory) -> None:
    given = request.headers.get("Authorization")
    memory.asked.append((request.path, given))
    path = request.path.removeprefix("/v2/")
    if request.path.startswith("/token"):
        _give_token(request, memory, given)
    elif memory.wants and (given is None or given not in (f"Bearer {TOKEN}", memory.accepts)):
        realm = f'{memory.wants} realm="http://{memory.address}/token",service="tests"'
        _send(request, 401, {"WWW-Authenticate": realm})
    elif path in memory.moved:
        _send(request, 307, {"Location": memory.moved[path]})
    elif path not in memory.served:
        _send(request, 404)
    else:
        _serve(request, *memory.served[path])


def _give_token(request: BaseHTTPRequestHandler, memory: Memory, given: str | None) -> None:
    if request.command == "POST":
        memory.forms.append(parse_qs(request.rfile.read(int(request.headers["Content-Length"])).decode()))
    if memory.accepts not in (None, given):
        _send(request, 401)
    else:
        assert urlsplit(request.path).path == "/token"
        _send(request, 200, body=json.dumps({"access_token": TOKEN}).encode())


def _serve(request: BaseHTTPRequestHandler, media_type: str, content: bytes) -> None:
    headers = {"Content-Type": media_type, "Docker-Content-Digest": registries.digest(content)}
    wanted = request.headers.get("Range")
    if wanted is None or media_type == "whole":
        _send(request, 200, headers, content)
        return
    start = int(wanted.removeprefix("bytes=").removesuffix("-"))
    place = {"Content-Range": f"bytes {start}-{len(content) - 1}/{len(content)}"}
    _send(request, 206, headers | place, content[start:])


def _send(
    request: BaseHTTPRequestHandler, status: int, headers: Mapping[str, str] | None = None, body: bytes = b""
) -> None:
    request.send_response(status)
    for name, value in (headers or {}).items():
        request.send_header(name, value)
    request.send_header("Content-Length", str(len(body)))
    request.end_headers()
    if request.command != "HEAD":
        request.wfile.write(body)
