"""A Debian archive of a few made-up packages, signed with a key of its own and served over HTTP."""

from __future__ import annotations

import hashlib
import io
import lzma
import tarfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.utils import formatdate
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pysequoia

from devenv.model.pins import Package

DATE = int(time.time()) // 86400 * 86400 - 86400
Fields = Mapping[str, str]


@cache
def key() -> pysequoia.Tsk:
    return pysequoia.Tsk.generate("Test Archive <test@localhost>")


@dataclass
class Server:
    """Serves files by path, and notes what is asked for.

    Args:
        broken: For a path, how many bytes of each answer are sent before the connection ends, in order.
        refused: For a path, the statuses to answer with, in order, before it is served.
    """

    address: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    asked: list[tuple[str, str | None]] = field(default_factory=list)
    broken: dict[str, list[int]] = field(default_factory=dict)
    refused: dict[str, list[int]] = field(default_factory=dict)

    def add_suite(
        self,
        suite: str,
        packages: Sequence[Fields],
        *,
        root: str = "debian",
        valid_until: int | None = None,
        **named: str,
    ) -> None:
        """Publish an index of packages for amd64.

        Args:
            named: Fields of the release that differ from what the suite's name gives.
        """
        plain = "\n\n".join("\n".join(f"{name}: {value}" for name, value in one.items()) for one in packages).encode()
        packed = lzma.compress(plain)
        listed = {"main/binary-amd64/Packages": plain, "main/binary-amd64/Packages.xz": packed}
        fields = {"Suite": "stable", "Codename": suite, "Date": formatdate(DATE, usegmt=True)} | named
        if valid_until is not None:
            fields["Valid-Until"] = formatdate(valid_until, usegmt=True)
        lines = [*(f"{name}: {value}" for name, value in fields.items()), "SHA256:"]
        lines += [f" {hashlib.sha256(content).hexdigest()} {len(content)} {path}" for path, content in listed.items()]
        self.files[f"/{root}/dists/{suite}/main/binary-amd64/Packages.xz"] = packed
        self.files[f"/{root}/dists/{suite}/InRelease"] = sign("\n".join(lines).encode())

    def mirror(self, root: str = "debian") -> str:
        return f"{self.address}/{root}"


def sign(text: bytes, by: pysequoia.Tsk | None = None) -> bytes:
    """Sign as an `InRelease` file is signed."""
    return pysequoia.sign((by or key()).signer(), text, mode=pysequoia.SignatureMode.CLEAR)


def package(name: str, version: str = "1", **fields: str) -> dict[str, str]:
    """A package as an index describes it; `pre_depends` stands for `Pre-Depends`."""
    named = {key.replace("_", "-").title(): value for key, value in fields.items()}
    return {
        "Package": name,
        "Version": version,
        "Architecture": "amd64",
        "SHA256": hashlib.sha256(f"{name} {version}".encode()).hexdigest(),
        "Size": "100",
        "Filename": f"pool/main/{name[0]}/{name}/{name}_{version}_amd64.deb",
    } | named


def deb(control: Fields, files: Mapping[str, bytes]) -> bytes:
    """The content of a `.deb`."""
    text = "".join(f"{name}: {value}\n" for name, value in control.items()).encode()
    members = {
        "debian-binary": b"2.0\n",
        "control.tar.xz": lzma.compress(tar({"./control": text})),
        "data.tar.xz": lzma.compress(tar({f"./{path}": content for path, content in files.items()})),
    }
    return b"!<arch>\n" + b"".join(_member(name, content) for name, content in members.items())


def pin(name: str, content: bytes, version: str = "1") -> Package:
    """A package pinned to this content."""
    path = f"pool/main/{name[0]}/{name}/{name}_{version}_amd64.deb"
    return Package(name, version, "amd64", hashlib.sha256(content).hexdigest(), len(content), path)


def tar(files: Mapping[str, bytes | None], mtime: int = DATE - 1000) -> bytes:
    """A tar of files, and of folders where there is no content."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for path, content in files.items():
            member = tarfile.TarInfo(path)
            member.mtime = mtime
            if content is None:
                member.type, member.mode = tarfile.DIRTYPE, 0o755
            else:
                member.size = len(content)
            archive.addfile(member, None if content is None else io.BytesIO(content))
    return buffer.getvalue()


def trust(folder: Path) -> Path:
    """Make a folder of keys with the archive's own."""
    folder.mkdir()
    (folder / "test.asc").write_text(str(key().extract_certificate()))
    return folder


@contextmanager
def served() -> Iterator[Server]:
    """Serve what is added, on loopback."""
    told = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            _answer(self, told)

        def log_message(self, *_: object) -> None:
            return None

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        http.daemon_threads = True
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        told.address = f"http://127.0.0.1:{http.server_port}"
        try:
            yield told
        finally:
            http.shutdown()
            thread.join()


def _answer(request: BaseHTTPRequestHandler, told: Server) -> None:
    wanted = request.headers.get("Range")
    told.asked.append((request.path, wanted))
    request.close_connection = True
    content = told.files.get(request.path)
    statuses = told.refused.get(request.path)
    if content is None or statuses:
        request.send_response(statuses.pop(0) if statuses else 404)
        request.send_header("Content-Length", "0")
        request.end_headers()
        return
    start = int(wanted.removeprefix("bytes=").removesuffix("-")) if wanted else 0
    request.send_response(206 if wanted else 200)
    request.send_header("Content-Length", str(len(content) - start))
    request.end_headers()
    lengths = told.broken.get(request.path)
    request.wfile.write(content[start:][: lengths.pop(0) if lengths else None])


def _member(name: str, content: bytes) -> bytes:
    header = f"{name:<16}{0:<12}{0:<6}{0:<6}{0o100644:<8o}{len(content):<10}`\n".encode()
    return header + content + b"\n" * (len(content) % 2)
