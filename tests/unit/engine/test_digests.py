"""The digest of an image's configuration on both kinds of image store."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from devenv.engine.digests import Memory, is_hollow
from devenv.errors import EngineError

CONFIG = b'{"os": "linux"}'


def digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


MANIFEST = json.dumps({"config": {"digest": digest(CONFIG)}, "layers": []}).encode()
INDEX = json.dumps({"manifests": [{"digest": digest(MANIFEST)}]}).encode()


def on_containerd(identity: str) -> dict[str, Any]:
    return {"Id": identity, "Descriptor": {"digest": identity}}


def exported(*blobs: bytes) -> Iterator[bytes]:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for blob in blobs:
            entry = tarfile.TarInfo(f"blobs/sha256/{hashlib.sha256(blob).hexdigest()}")
            entry.size = len(blob)
            tar.addfile(entry, io.BytesIO(blob))
    data = buffer.getvalue()
    yield from (data[start : start + 700] for start in range(0, len(data), 700))


def never() -> Iterator[bytes]:
    raise AssertionError("an export is dear")
    yield b""


def test_the_classic_store_s_id_is_the_digest() -> None:
    assert Memory().find({"Id": "sha256:1", "RepoDigests": ["app@sha256:2"]}, never) == "sha256:1"


@pytest.mark.parametrize("top", [MANIFEST, INDEX])
def test_the_containerd_store_s_export_shows_the_way(top: bytes) -> None:
    blobs = (b"\0" * 5000, CONFIG, MANIFEST, INDEX)
    assert Memory().find(on_containerd(digest(top)), lambda: exported(*blobs)) == digest(CONFIG)


def test_an_older_containerd_store_is_known_by_its_repository_digest() -> None:
    entry = {"Id": digest(MANIFEST), "RepoDigests": [f"app@{digest(MANIFEST)}"]}
    assert Memory().find(entry, lambda: exported(MANIFEST)) == digest(CONFIG)


def test_what_an_index_holds_about_an_image_is_no_image() -> None:
    about = json.dumps({"config": {"digest": "sha256:provenance"}, "layers": []}).encode()
    entries = (
        {"digest": digest(about), "annotations": {"vnd.docker.reference.type": "attestation-manifest"}},
        {"digest": digest(about), "platform": {"os": "unknown", "architecture": "unknown"}},
        {"digest": digest(MANIFEST), "platform": {"os": "linux", "architecture": "amd64"}},
    )
    index = json.dumps({"manifests": entries}).encode()
    assert Memory().find(on_containerd(digest(index)), lambda: exported(about, MANIFEST, index)) == digest(CONFIG)


def test_what_was_learned_is_not_exported(tmp_path: Path) -> None:
    Memory(tmp_path).learn(digest(MANIFEST), digest(CONFIG))
    assert Memory(tmp_path).find(on_containerd(digest(MANIFEST)), never) == digest(CONFIG)


def test_the_export_is_read_no_further_than_needed() -> None:
    def long() -> Iterator[bytes]:
        yield from exported(MANIFEST, b"x" * 100)
        raise AssertionError("read to the end")

    assert Memory().find(on_containerd(digest(MANIFEST)), long) == digest(CONFIG)


def test_an_image_is_exported_once_and_never_again(tmp_path: Path) -> None:
    first = Memory(tmp_path)
    first.find(on_containerd(digest(MANIFEST)), lambda: exported(MANIFEST))
    assert first.find(on_containerd(digest(MANIFEST)), never) == digest(CONFIG)
    assert Memory(tmp_path).find(on_containerd(digest(MANIFEST)), never) == digest(CONFIG)


def test_a_broken_memory_is_read_anew(tmp_path: Path) -> None:
    Memory(tmp_path).find(on_containerd(digest(MANIFEST)), lambda: exported(MANIFEST))
    (file,) = tmp_path.iterdir()
    file.write_text("sha256:half")
    assert Memory(tmp_path).find(on_containerd(digest(MANIFEST)), lambda: exported(MANIFEST)) == digest(CONFIG)


def test_an_export_without_the_manifest_is_an_error() -> None:
    with pytest.raises(EngineError, match=digest(MANIFEST)):
        Memory().find(on_containerd(digest(MANIFEST)), lambda: exported(CONFIG))


@pytest.mark.parametrize(
    ("entry", "hollow"),
    [
        ({"Os": "linux", "RootFS": {"Layers": ["sha256:1"]}}, False),
        ({"Os": "linux", "RootFS": {}}, False),
        ({"Os": "", "RootFS": {}}, True),
        ({}, True),
    ],
)
def test_an_image_that_is_a_manifest_alone_is_told_from_a_whole_one(entry: dict[str, Any], hollow: bool) -> None:
    assert is_hollow(on_containerd("sha256:1") | entry) is hollow
    assert not is_hollow({"Id": "sha256:1"} | entry)
