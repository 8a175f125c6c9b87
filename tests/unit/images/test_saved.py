from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from devenv.errors import ImageError
from devenv.images import saved
from devenv.images.saved import Saved
from tests.unit.images import archives

BOTTOM = archives.tar({"etc/motd": b"hello"})
TOP = archives.tar({"usr/top": b"top"})
NO_IMAGE = "^the engine saved something that is no image: "
ZSTD = b"\x28\xb5\x2f\xfd" + b"compressed"


class Link(str):
    """Where a symbolic link in an archive leads."""

    __slots__ = ()


class HardLink(str):
    """Which entry of an archive a hard link is another name of."""

    __slots__ = ()


Entries = Mapping[str, bytes | str]


def archive(entries: Entries) -> bytes:
    """A tar of files, links and, for an empty text, folders."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, content in entries.items():
            info = tarfile.TarInfo(name)
            if isinstance(content, bytes):
                info.size = len(content)
            else:
                info.type = tarfile.LNKTYPE if isinstance(content, HardLink) else tarfile.SYMTYPE
                info.type = info.type if content else tarfile.DIRTYPE
                info.linkname = content
            tar.addfile(info, io.BytesIO(content) if isinstance(content, bytes) else None)
    return buffer.getvalue()


def pieces(content: bytes, size: int = 700) -> Iterator[bytes]:
    """An archive as it comes from an engine: in pieces that end anywhere."""
    return (content[start : start + size] for start in range(0, len(content), size))


def digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def config(*layers: bytes) -> bytes:
    settings = {"Env": ["PATH=/bin", "EMPTY=", "PAIR=a=b"]}
    return json.dumps({"config": settings, "rootfs": {"diff_ids": [digest(one) for one in layers]}}).encode()


def manifest(configuration: str, layers: Sequence[str]) -> bytes:
    return json.dumps([{"Config": configuration, "RepoTags": ["web:1"], "Layers": layers}]).encode()


def old(*layers: bytes) -> dict[str, bytes | str]:
    """An image as engines up to 24 save it: a folder for each layer, and one that comes twice as a link."""
    entries: dict[str, bytes | str] = {}
    names: list[str] = []
    for number, layer in enumerate(layers):
        first = layers.index(layer)
        entries |= {f"id{number}": Link(""), f"id{number}/VERSION": b"1.0"}
        entries[f"id{number}/layer.tar"] = layer if first == number else Link(f"../id{first}/layer.tar")
        names.append(f"id{number}/layer.tar")
    return entries | {"abc.json": config(*layers), "manifest.json": manifest("abc.json", names)}


def new(plain: Sequence[bytes], stored: Sequence[bytes] | None = None) -> dict[str, bytes | str]:
    """An image as newer engines save it, each layer by the digest of what is stored."""
    content = config(*plain)
    names = [f"blobs/sha256/{digest(one).removeprefix('sha256:')}" for one in (content, *(stored or plain))]
    return {
        **dict(zip(names, (content, *(stored or plain)), strict=True)),
        "oci-layout": b"{}",
        "manifest.json": manifest(names[0], names[1:]),
    }


def read(entries: Entries, folder: Path) -> tuple[Saved, list[bytes]]:
    """The image that an archive holds, and its layers' content."""
    with saved.opened(pieces(archive(entries)), folder) as found:
        return found, [blob.path.read_bytes() for blob in found.layers]


def refused(entries: Entries, folder: Path) -> ImageError:
    with pytest.raises(ImageError) as caught:
        read(entries, folder)
    return caught.value


@pytest.mark.parametrize("entries", [old(BOTTOM, TOP), new([BOTTOM, TOP])], ids=["old", "new"])
def test_an_image_is_read_from_what_engines_save(entries: Entries, tmp_path: Path) -> None:
    found, contents = read(entries, tmp_path)
    assert contents == [BOTTOM, TOP]
    assert [(blob.sha256, blob.size) for blob in found.layers] == [
        (digest(one).removeprefix("sha256:"), len(one)) for one in (BOTTOM, TOP)
    ]
    assert found.digest == digest(config(BOTTOM, TOP))
    assert found.diff_ids == (digest(BOTTOM), digest(TOP))
    assert found.damaged == ()


def test_a_layer_that_comes_twice_is_found_behind_its_link(tmp_path: Path) -> None:
    found, contents = read(old(BOTTOM, TOP, BOTTOM), tmp_path)
    assert contents == [BOTTOM, TOP, BOTTOM]
    assert found.damaged == ()


@pytest.mark.parametrize("link", [HardLink("./id0/layer.tar"), Link("./../id1/../id0/layer.tar")])
def test_links_are_followed_however_they_are_written(tmp_path: Path, link: str) -> None:
    _, contents = read(old(BOTTOM, BOTTOM) | {"id1/layer.tar": link}, tmp_path)
    assert contents == [BOTTOM, BOTTOM]


def test_names_that_begin_with_a_dot_are_the_same_names(tmp_path: Path) -> None:
    _, contents = read({f"./{name}": content for name, content in new([BOTTOM]).items()}, tmp_path)
    assert contents == [BOTTOM]


def test_layers_kept_as_they_came_are_unpacked(tmp_path: Path) -> None:
    packed = [gzip.compress(one, mtime=0) for one in (BOTTOM, BOTTOM, TOP)]
    found, contents = read(new([BOTTOM, BOTTOM, TOP], packed), tmp_path)
    assert contents == [BOTTOM, BOTTOM, TOP]
    assert found.damaged == ()


def test_a_layer_compressed_by_zstd_is_refused_with_the_remedy(tmp_path: Path) -> None:
    error = refused(new([BOTTOM], [ZSTD]), tmp_path)
    assert "compressed by zstd" in error.message
    assert error.hint == "use an image whose layers are compressed by gzip"


def test_a_flipped_bit_shows_which_layer_is_damaged(tmp_path: Path) -> None:
    flipped = TOP.replace(b"top\0", b"tnp\0")
    assert flipped != TOP
    found, _ = read(new([BOTTOM, TOP, BOTTOM], [BOTTOM, flipped, BOTTOM]), tmp_path)
    assert found.damaged == (1,)


@pytest.mark.parametrize("damage", ["flipped", "cut"])
def test_a_damaged_compressed_layer_is_our_error(tmp_path: Path, damage: str) -> None:
    packed = bytearray(gzip.compress(BOTTOM, mtime=0))
    packed[len(packed) // 2] ^= 0xFF
    broken = bytes(packed) if damage == "flipped" else bytes(packed[: len(packed) // 3])
    assert "cannot be unpacked" in refused(new([BOTTOM], [broken]), tmp_path).message


@pytest.mark.parametrize(
    "entries",
    [
        {"oci-layout": b"{}"},
        {"manifest.json": b"not JSON"},
        {"manifest.json": b"[]"},
        {"manifest.json": b"[1]"},
        new([BOTTOM]) | {"manifest.json": manifest("blobs/none", [])},
        old(BOTTOM) | {"abc.json": b"{}"},
        old(BOTTOM) | {"id0/layer.tar": Link("../none/layer.tar")},
    ],
    ids=["no manifest", "no JSON", "no image", "no object", "no configuration", "no layers told", "no layer"],
)
def test_an_archive_that_holds_no_image_is_named(tmp_path: Path, entries: Entries) -> None:
    assert refused(entries, tmp_path).message.startswith("the engine saved something that is no image")


@pytest.mark.parametrize("content", [b"", b"{}" * 700], ids=["empty", "no tar"])
def test_what_is_no_archive_at_all_is_named(tmp_path: Path, content: bytes) -> None:
    with (
        pytest.raises(ImageError, match=NO_IMAGE),
        saved.opened([content], tmp_path),
    ):
        pass


@pytest.mark.parametrize("length", [100, 1500, 4000, 9000])
def test_an_archive_that_breaks_off_is_named(tmp_path: Path, length: int) -> None:
    half = archive(old(BOTTOM, TOP))[:length]
    with pytest.raises(ImageError, match=NO_IMAGE), saved.opened([half], tmp_path):
        pass


def test_an_image_that_lacks_a_layer_is_refused(tmp_path: Path) -> None:
    entries = old(BOTTOM, TOP) | {"manifest.json": manifest("abc.json", ["id0/layer.tar"])}
    assert refused(entries, tmp_path).message == "the engine saved an image without all of its layers"


def test_the_layers_lie_in_the_given_folder_and_are_gone_afterwards(tmp_path: Path) -> None:
    folder = tmp_path / "cache" / "layers"
    with saved.opened(pieces(archive(new([BOTTOM]))), folder) as found:
        assert all(blob.path.is_relative_to(folder) for blob in found.layers)
    assert list(folder.iterdir()) == []


def test_nothing_is_left_of_an_archive_that_is_refused(tmp_path: Path) -> None:
    refused(new([BOTTOM], [ZSTD]), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_layer_that_is_not_compressed_stays_where_it_is(tmp_path: Path) -> None:
    (tmp_path / "layer").write_bytes(BOTTOM)
    blob = saved.plain(tmp_path / "layer", tmp_path / "target")
    assert (blob.path, blob.size) == (tmp_path / "layer", len(BOTTOM))
    assert not (tmp_path / "target").exists()


def test_variables_are_read_up_to_the_first_equals_sign() -> None:
    assert saved.env(config()) == {"PATH": "/bin", "EMPTY": "", "PAIR": "a=b"}


@pytest.mark.parametrize("content", [b"{}", b'{"config": null}', b'{"config": {"Env": null}}'])
def test_an_image_without_settings_has_no_variables(content: bytes) -> None:
    assert saved.env(content) == {}
