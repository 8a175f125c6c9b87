from __future__ import annotations

import hashlib
import io
import json
import tarfile
from pathlib import Path
from typing import Any

from devenv.engine.memory import MemoryEngine
from devenv.images import pack
from devenv.images.pack import Blob
from devenv.model.pins import ImageConfig

SETTINGS = ImageConfig(
    env={"PATH": "/bin", "A": "b"},
    entrypoint=("/start",),
    command=("serve",),
    user="redis",
    working_dir="/data",
    ports=(6379,),
    volumes=("/data",),
    stop_signal="SIGINT",
)


def blob(folder: Path, content: bytes) -> Blob:
    digest = hashlib.sha256(content).hexdigest()
    (folder / digest).write_bytes(content)
    return Blob(folder / digest, digest, len(content))


def config(settings: ImageConfig, *layers: Blob) -> bytes:
    return pack.config("amd64", 1_700_000_000, [("layer", one) for one in layers], settings, {"l": "v"})


def test_the_configuration_says_what_the_recipe_asks_for(tmp_path: Path) -> None:
    layer = blob(tmp_path, b"tar")
    read = json.loads(config(SETTINGS, layer))
    assert (read["architecture"], read["os"], read["created"]) == ("amd64", "linux", "2023-11-14T22:13:20Z")
    assert read["rootfs"] == {"type": "layers", "diff_ids": [f"sha256:{layer.sha256}"]}
    assert read["config"] == {
        "Env": ["A=b", "PATH=/bin"],
        "Entrypoint": ["/start"],
        "Cmd": ["serve"],
        "User": "redis",
        "WorkingDir": "/data",
        "ExposedPorts": {"6379/tcp": {}},
        "Volumes": {"/data": {}},
        "StopSignal": "SIGINT",
        "Labels": {"l": "v"},
    }


def test_what_is_not_asked_for_is_not_in_the_configuration() -> None:
    assert json.loads(config(ImageConfig(env={})))["config"] == {"Env": [], "Labels": {"l": "v"}}


def test_the_order_of_variables_does_not_change_the_bytes() -> None:
    assert config(ImageConfig({"A": "1", "B": "2"})) == config(ImageConfig({"B": "2", "A": "1"}))


def test_an_engine_takes_the_archive_and_finds_the_predicted_digest(tmp_path: Path) -> None:
    layer = blob(tmp_path, b"x" * 700)
    content = config(SETTINGS, layer, layer)
    engine = MemoryEngine()
    engine.load(pack.archive(content, [layer, layer], "localhost/redis:1"))
    seen = engine.image("localhost/redis:1")
    assert seen is not None
    assert seen.config_digest == f"sha256:{hashlib.sha256(content).hexdigest()}"
    assert seen.labels == {"l": "v"}


def test_every_blob_of_the_layout_is_there_under_its_hash(tmp_path: Path) -> None:
    layers = [blob(tmp_path, b"x" * 700), blob(tmp_path, b"")]
    files = _files(b"".join(pack.archive(config(SETTINGS, *layers), layers, "redis:1")))
    for path, content in files.items():
        if path.startswith("blobs/"):
            assert path == f"blobs/sha256/{hashlib.sha256(content).hexdigest()}"
    manifest = json.loads(files[_blob(json.loads(files["index.json"])["manifests"][0])])
    assert [files[_blob(one)] for one in manifest["layers"]] == [b"x" * 700, b""]
    assert json.loads(files[_blob(manifest["config"])])["os"] == "linux"


def test_containerd_gets_the_whole_name(tmp_path: Path) -> None:
    names = {}
    for reference in ("redis:1", "devenv/redis:1", "localhost/devenv/redis:1", "ghcr.io/a/b:1"):
        index = json.loads(_files(b"".join(pack.archive(config(SETTINGS), [], reference)))["index.json"])
        names[reference] = index["manifests"][0]["annotations"]["io.containerd.image.name"]
    assert names == {
        "redis:1": "docker.io/library/redis:1",
        "devenv/redis:1": "docker.io/devenv/redis:1",
        "localhost/devenv/redis:1": "localhost/devenv/redis:1",
        "ghcr.io/a/b:1": "ghcr.io/a/b:1",
    }


def _files(archive: bytes) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        return {member.name: file.read() for member in tar if (file := tar.extractfile(member)) is not None}


def _blob(descriptor: dict[str, Any]) -> str:
    return "blobs/" + str(descriptor["digest"]).replace(":", "/")
