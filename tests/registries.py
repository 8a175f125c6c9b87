"""Registries for tests: Debian's `docker-registry` on loopback, and tiny images."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import re
import shutil
import subprocess
import tarfile
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import pytest
import requests

from devenv.model.pins import OCI_PLATFORMS, RegistryPin
from tests.registry_proxy import Proxy as Proxy

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
CREATED = "2025-03-01T12:00:00.123456789Z"

_START_TIMEOUT = 20.0


# --- images ---


@dataclass(frozen=True)
class Image:
    """A tiny image's three blobs."""

    manifest: bytes
    config: bytes
    layer: bytes


def image(
    architecture: str = "amd64",
    files: Mapping[str, bytes | str] | None = None,
    labels: Mapping[str, str] | None = None,
    config: Mapping[str, object] | None = None,
) -> Image:
    """Make an image of one gzipped layer.

    Args:
        architecture: As Debian names it.
        files: By path without the first slash; text is the target of a symbolic link.
        config: Of the container, as the image configuration names it: `Cmd`, `Env`.
    """
    name, variant = OCI_PLATFORMS[architecture]
    plain = _tar(files or {"hello": f"hello {architecture}\n".encode()})
    layer = gzip.compress(plain, mtime=0)
    described = {
        "created": CREATED,
        "architecture": name,
        "os": "linux",
        "config": {"Env": ["PATH=/bin"], "Labels": dict(labels or {})} | dict(config or {}),
        "rootfs": {"type": "layers", "diff_ids": [digest(plain)]},
    } | ({"variant": variant} if variant else {})
    written = json.dumps(described).encode()
    return Image(_manifest(written, layer), written, layer)


def index(manifests: Mapping[str, tuple[str, int]]) -> bytes:
    """Make an index of manifests: digest and size by architecture."""
    return json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": [*map(_entry, manifests.items())]}).encode()


def digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def _entry(item: tuple[str, tuple[str, int]]) -> dict[str, object]:
    name, variant = OCI_PLATFORMS[item[0]]
    platform = {"os": "linux", "architecture": name} | ({"variant": variant} if variant else {})
    return {"mediaType": MANIFEST, "digest": item[1][0], "size": item[1][1], "platform": platform}


def _manifest(config: bytes, layer: bytes) -> bytes:
    described = {"config": _described(CONFIG, config), "layers": [_described(LAYER, layer)]}
    return json.dumps({"schemaVersion": 2, "mediaType": MANIFEST} | described).encode()


def _described(kind: str, content: bytes) -> dict[str, object]:
    return {"mediaType": kind, "digest": digest(content), "size": len(content)}


def _tar(files: Mapping[str, bytes | str]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for path, content in files.items():
            entry = tarfile.TarInfo(path)
            entry.mode = 0o755
            if isinstance(content, str):
                entry.type, entry.linkname = tarfile.SYMTYPE, content
            else:
                entry.size = len(content)
            tar.addfile(entry, None if isinstance(content, str) else io.BytesIO(content))
    return buffer.getvalue()


# --- a real registry ---


@dataclass(frozen=True)
class RunningRegistry:
    """A registry that runs until the test is over.

    Args:
        address: Host and port.
        folder: Of its storage.
        login: A name and password that it lets in, if it asks for any.
    """

    address: str
    folder: Path
    login: tuple[str, str] | None = None
    _sizes: dict[str, int] = field(default_factory=dict)

    def put(self, repository: str, tag: str, manifest: bytes, media_type: str) -> str:
        """Store a manifest or an index under a tag, and return its digest."""
        self._send("PUT", f"/v2/{repository}/manifests/{tag}", manifest, {"Content-Type": media_type})
        self._sizes[digest(manifest)] = len(manifest)
        return digest(manifest)

    def upload(self, repository: str, blob: bytes) -> str:
        """Store a blob, and return its digest."""
        begun = self._send("POST", f"/v2/{repository}/blobs/uploads/")
        location = begun.headers["Location"]
        joint = "&" if "?" in location else "?"
        kind = {"Content-Type": "application/octet-stream"}
        self._send("PUT", f"{location}{joint}digest={digest(blob)}", blob, kind)
        return digest(blob)

    def image(
        self,
        repository: str,
        tag: str,
        architecture: str = "amd64",
        files: Mapping[str, bytes | str] | None = None,
        labels: Mapping[str, str] | None = None,
        config: Mapping[str, object] | None = None,
    ) -> RegistryPin:
        """Store a tiny image of one layer; its arguments are those of `image`."""
        made = image(architecture, files, labels, config)
        self.upload(repository, made.layer)
        own = self.upload(repository, made.config)
        named = self.put(repository, tag, made.manifest, MANIFEST)
        return RegistryPin(f"{self.address}/{repository}:{tag}", named, named, own)

    def index(self, repository: str, tag: str, images: Mapping[str, RegistryPin]) -> str:
        """Store an index of images that are there, by architecture, and return its digest."""
        content = index({name: (one.manifest, self._sizes[one.manifest]) for name, one in images.items()})
        return self.put(repository, tag, content, INDEX)

    def corrupt(self, named: str) -> None:
        """Flip one bit of a stored blob or manifest."""
        path = self._stored(named)
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        path.write_bytes(content)

    def remove(self, named: str) -> None:
        """Take a stored blob or manifest away."""
        shutil.rmtree(self._stored(named).parent)

    def _stored(self, named: str) -> Path:
        value = named.removeprefix("sha256:")
        return self.folder / "docker" / "registry" / "v2" / "blobs" / "sha256" / value[:2] / value / "data"

    def _send(
        self, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> requests.Response:
        with requests.Session() as session:
            session.trust_env = False
            address = urljoin(f"http://{self.address}", path)
            answer = session.request(method, address, data=body, headers=headers, auth=self.login, timeout=20)
        answer.raise_for_status()
        return answer


def installed() -> Path:
    """Debian's registry: the host's own, else the one from the package, unpacked and not installed.

    Skips the test where there is none, or fails it where an engine is demanded.
    """
    own = shutil.which("docker-registry")
    if own is not None:
        return Path(own)
    kept = Path(tempfile.gettempdir()) / f"devenv-test-registry-{os.getuid()}" / "docker-registry"
    if not kept.is_file():
        try:
            _unpack(kept)
        except (OSError, ValueError, subprocess.CalledProcessError) as error:
            _missing(error)
    return kept


@contextmanager
def running(folder: Path, *, users: Mapping[str, str] | None = None) -> Iterator[RunningRegistry]:
    """Run a registry on a free port of loopback.

    Args:
        folder: For its storage; what is there already is served.
        users: Passwords by name; without any, everybody may do everything.
    """
    program = installed()
    with tempfile.TemporaryDirectory() as scratch:
        log = Path(scratch, "log")
        with log.open("wb") as file:
            process = subprocess.Popen(
                [program, "serve", _configuration(Path(scratch), folder, users)], stdout=file, stderr=file
            )
        try:
            yield RunningRegistry(_listening(process, log), folder, next(iter((users or {}).items()), None))
        finally:
            process.terminate()
            process.wait()


def _missing(error: Exception) -> None:
    told = "no registry for tests: install it with `apt-get install -y docker-registry`"
    if os.environ.get("DEVENV_REQUIRE_ENGINE"):
        raise AssertionError(told) from error
    pytest.skip(told)


def _unpack(target: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        _downloaded(folder)
        (package,) = Path(folder).glob("docker-registry_*.deb")
        _quietly(folder, "dpkg", "-x", str(package), "unpacked")
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        own = target.with_suffix(f".{os.getpid()}")
        shutil.copy(Path(folder, "unpacked", "usr", "bin", "docker-registry"), own)
        own.replace(target)


def _downloaded(folder: str) -> None:
    """A machine that is new, or has not been used for long, has no list of packages or an old one."""
    try:
        _quietly(folder, "apt-get", "download", "docker-registry")
    except subprocess.CalledProcessError:
        _quietly(folder, *(() if os.geteuid() == 0 else ("sudo", "-n")), "apt-get", "-q", "update")
        _quietly(folder, "apt-get", "download", "docker-registry")


def _quietly(folder: str, *argv: str) -> bytes:
    return subprocess.run(argv, cwd=folder, check=True, capture_output=True).stdout


def _configuration(scratch: Path, folder: Path, users: Mapping[str, str] | None) -> Path:
    """Write the registry's configuration, as JSON, which is YAML too."""
    settings: dict[str, Any] = {
        "version": "0.1",
        "storage": {"filesystem": {"rootdirectory": str(folder)}, "delete": {"enabled": True}},
        "http": {"addr": "127.0.0.1:0", "secret": "tests"},
    }
    if users:
        passwords = scratch / "htpasswd"
        passwords.write_text("".join(f"{name}:{_hashed(secret)}\n" for name, secret in users.items()))
        settings["auth"] = {"htpasswd": {"realm": "tests", "path": str(passwords)}}
    path = scratch / "config.yml"
    path.write_text(json.dumps(settings))
    return path


def _hashed(secret: str) -> str:
    """A password by bcrypt, the only hash this registry takes."""
    salt = "$2b$04$abcdefghijklmnopqrstuu"
    return _quietly(".", "perl", "-e", "print crypt($ARGV[0], $ARGV[1])", secret, salt).decode()


def _listening(process: subprocess.Popen[bytes], log: Path) -> str:
    """The address that the registry tells in its log."""
    end = time.monotonic() + _START_TIMEOUT
    while time.monotonic() < end and process.poll() is None:
        found = re.search(r"listening on (127\.0\.0\.1:\d+)", log.read_text())
        if found is not None:
            return found[1]
        time.sleep(0.02)
    raise AssertionError(f"the registry does not start: {log.read_text()[-2000:]}")
