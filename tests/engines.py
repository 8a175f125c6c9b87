"""Engines for tests: the one in memory, and every real one that answers."""

from __future__ import annotations

import functools
import hashlib
import io
import json
import os
import shutil
import struct
import subprocess
import tarfile
import tempfile
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from devenv.engine import address
from devenv.engine.docker import DockerEngine
from devenv.engine.memory import MemoryEngine, Ran
from devenv.engine.protocol import Chunk, Command, Engine, SeenImage
from devenv.engine.wire import Endpoint
from devenv.errors import EngineError
from devenv.model import labels
from devenv.model.blueprint import Container
from devenv.model.machine import Machine

IMAGE = "devenv-test-busybox:1"
REMEDY = "install a static busybox: `apt-get install -y busybox-static`"
PROGRAMS = ("sh", "cat", "echo", "env", "httpd", "id", "kill", "nc", "pwd", "sleep", "stty", "touch", "true")


@dataclass(frozen=True)
class Lab:
    """An engine with the test image, and a name of its own for what a test makes there."""

    engine: Engine
    instance: str

    def name(self, what: str) -> str:
        return f"{self.instance}-{what}"

    @property
    def labels(self) -> dict[str, str]:
        return {labels.INSTANCE: self.instance}


def addresses() -> tuple[str, ...]:
    """The engine that devenv finds, and those of `DEVENV_TEST_ENGINES`; each once."""
    found = os.environ.get("DEVENV_TEST_ENGINES", "").split()
    try:
        found.insert(0, address.find(Machine(), os.environ, Path.home()).address)
    except EngineError:
        if not found and os.environ.get("DEVENV_REQUIRE_ENGINE"):
            raise
    return tuple(dict.fromkeys(found))


def require() -> str:
    """The address of the engine devenv finds; skips the test without one, fails it where one is demanded."""
    found = addresses()
    if not found:
        pytest.skip("no container engine answers")
    return found[0]


@contextmanager
def lab(place: str) -> Iterator[Lab]:
    """Open an engine by address, `memory`, or `sdk+ADDRESS` for everything through the SDK; leave nothing behind."""
    engine = _open(place)
    if engine.image(IMAGE) is None:
        engine.load([packed()[0]])
    made = Lab(engine, f"devenv-test-{uuid.uuid4().hex[:8]}")
    try:
        yield made
    finally:
        clean(engine, made.instance)
        engine.close()


def clean(engine: Engine, instance: str) -> None:
    """Remove everything of an instance."""
    if isinstance(engine, MemoryEngine):
        return
    seen = engine.observe(instance)
    for container in seen.containers:
        engine.remove("container", container.name)
    for network in seen.networks:
        engine.remove("network", network.id)
    for volume in seen.volumes:
        engine.remove("volume", volume.name)


def _open(place: str) -> DockerEngine | MemoryEngine:
    if place == "memory":
        return MemoryEngine(program=_program, execute=_execute, builder=_build)
    if place == "none":
        pytest.skip("no container engine answers")
    if place.startswith("sdk+"):
        return ThroughSdk(Endpoint(place.removeprefix("sdk+")))
    return DockerEngine(Endpoint(place))


class ThroughSdk(DockerEngine):
    """Speaks to any address as it would over TLS or SSH: every call through the SDK."""

    def __init__(self, endpoint: Endpoint) -> None:
        super().__init__(endpoint)
        self._wire = None


def _program(container: Container) -> Ran:
    """What the test image's programs do, as far as the contract asks."""
    return _run(tuple(container.command or ()), b"")


def _execute(_name: str, command: Command) -> Ran:
    ran = _run(tuple(command.argv), b"".join(command.stdin or ()))
    return Ran(ran.output, ran.exit_code or 0)


def _build(engine: MemoryEngine, context: bytes, arguments: Mapping[str, str]) -> SeenImage:
    """What the contract's Dockerfiles make: the base, with one layer on top."""
    with tarfile.open(fileobj=io.BytesIO(context)) as archive:
        assert archive.extractfile("Dockerfile") is not None
    base = engine.images.get(arguments["BASE"])
    if base is None:
        raise EngineError("no such image")
    digest = _digest(base.id.encode() + context)
    return replace(base, id=digest, config_digest=digest, layers=(*base.layers, digest))


@contextmanager
def an_image(lab: Lab) -> Iterator[str]:
    """The test image under a name and with an id of the lab's own."""
    name = f"localhost/devenv/{lab.name('image')}:1"
    lab.engine.load([packed(name, lab.instance)[0]])
    try:
        yield name
    finally:
        lab.engine.remove("image", name)


def _run(argv: tuple[str, ...], stdin: bytes) -> Ran:
    match argv:
        case ("echo", text):
            return Ran((Chunk("stdout", f"{text}\n".encode()),), 0)
        case ("cat",):
            return Ran((Chunk("stdout", stdin),) if stdin else (), 0)
        case ("sh", "-c", "echo out; echo wrong >&2; exit 3"):
            return Ran((Chunk("stdout", b"out\n"), Chunk("stderr", b"wrong\n")), 3)
        case ("sh", "-c", "echo one; echo two; echo three; exec sleep 1000"):
            return Ran(tuple(Chunk("stdout", line) for line in (b"one\n", b"two\n", b"three\n")))
        case ("sleep", *_):
            return Ran()
    raise AssertionError(f"the test image does not know {argv}")


@functools.cache
def packed(name: str = IMAGE, pin: str = "test") -> tuple[bytes, str]:
    """The test image as a tar (OCI layout and `manifest.json`), and its configuration's digest."""
    layer = _layer(busybox().read_bytes())
    config = _json(
        {
            "architecture": _architecture(),
            "os": "linux",
            "config": {"Env": ["PATH=/bin"], "Labels": {labels.PIN: pin}},
            "rootfs": {"type": "layers", "diff_ids": [_digest(layer)]},
        }
    )
    manifest = _json(
        {
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": _described("application/vnd.oci.image.config.v1+json", config),
            "layers": [_described("application/vnd.oci.image.layer.v1.tar", layer)],
        }
    )
    named = _described("application/vnd.oci.image.manifest.v1+json", manifest) | {
        "annotations": {"io.containerd.image.name": name if "/" in name else f"docker.io/library/{name}"}
    }
    files = {_blob(content): content for content in (layer, config, manifest)} | {
        "oci-layout": _json({"imageLayoutVersion": "1.0.0"}),
        "index.json": _json({"schemaVersion": 2, "manifests": [named]}),
        "manifest.json": _json([{"Config": _blob(config), "RepoTags": [name], "Layers": [_blob(layer)]}]),
    }
    return tar(files), _digest(config)


def _layer(program: bytes) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for folder in ("bin", "etc", "tmp"):
            entry = tarfile.TarInfo(folder)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o777
            tar.addfile(entry)
        entry = tarfile.TarInfo("bin/busybox")
        entry.size, entry.mode = len(program), 0o755
        tar.addfile(entry, io.BytesIO(program))
        for name in (*PROGRAMS, "grep"):
            entry = tarfile.TarInfo(f"bin/{name}")
            entry.type, entry.linkname = tarfile.SYMTYPE, "busybox"
            tar.addfile(entry)
    return buffer.getvalue()


def tar(files: Mapping[str, bytes]) -> bytes:
    """Files as a tar."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def owned_tar(folder: str, *, uid: int, mode: int) -> bytes:
    """A folder of that owner and mode with one file in it."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        entry = tarfile.TarInfo(folder)
        entry.type, entry.mode, entry.uid, entry.gid = tarfile.DIRTYPE, mode, uid, uid
        archive.addfile(entry)
        entry = tarfile.TarInfo(f"{folder}/file")
        entry.size, entry.mode, entry.uid, entry.gid = 5, 0o600, uid, uid
        archive.addfile(entry, io.BytesIO(b"hello"))
    return buffer.getvalue()


def _json(value: object) -> bytes:
    return json.dumps(value).encode()


def _digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def _blob(content: bytes) -> str:
    return f"blobs/{_digest(content).replace(':', '/')}"


def _described(kind: str, content: bytes) -> dict[str, object]:
    return {"mediaType": kind, "digest": _digest(content), "size": len(content)}


def _architecture() -> str:
    return {"x86_64": "amd64", "aarch64": "arm64"}.get(os.uname().machine, os.uname().machine)


def busybox() -> Path:
    """A static busybox: the host's own, else the one from the Debian package, unpacked and not installed."""
    own = shutil.which("busybox")
    if own is not None and _is_static(Path(own)):
        return Path(own)
    kept = Path(tempfile.gettempdir()) / f"devenv-test-busybox-{os.getuid()}" / "busybox"
    if not kept.is_file():
        _unpack(kept)
    return kept


def _unpack(target: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        try:
            _quietly(folder, "apt-get", "download", "busybox-static")
            (package,) = Path(folder).glob("busybox-static_*.deb")
            _quietly(folder, "dpkg", "-x", str(package), "unpacked")
        except (OSError, ValueError, subprocess.CalledProcessError) as error:
            raise AssertionError(f"no image for tests: {REMEDY}") from error
        (program,) = Path(folder, "unpacked").rglob("bin/busybox")
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        shutil.copy(program, target.with_suffix(".new"))
        target.with_suffix(".new").replace(target)


def _quietly(folder: str, *argv: str) -> None:
    subprocess.run(argv, cwd=folder, check=True, capture_output=True)


def _is_static(program: Path) -> bool:
    """Whether a 64-bit ELF program has no interpreter (program header of type 3)."""
    data = program.read_bytes()
    if data[:5] != b"\x7fELF\x02":
        return False
    (offset,) = struct.unpack_from("<Q", data, 0x20)
    size, count = struct.unpack_from("<HH", data, 0x36)
    return all(struct.unpack_from("<I", data, offset + index * size)[0] != 3 for index in range(count))
