"""An image as an engine saves it: its configuration, and its layers as plain tars on disk."""

from __future__ import annotations

import gzip
import hashlib
import json
import shutil
import tarfile
import tempfile
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, cast

from devenv.engine.streams import Stream
from devenv.errors import ImageError
from devenv.images.pack import Blob
from devenv.values import dataclass

_GZIP, _ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
_PIECE = 1 << 20


@dataclass(frozen=True, slots=True)
class Saved:
    """A saved image.

    Args:
        config: The image configuration's bytes.
        layers: Bottom first, with the digest and size that were found.
        diff_ids: What the configuration says the layers' digests are.
    """

    config: bytes
    layers: tuple[Blob, ...]
    diff_ids: tuple[str, ...]

    @property
    def digest(self) -> str:
        """The configuration's: `sha256:…`."""
        return f"sha256:{hashlib.sha256(self.config).hexdigest()}"

    @property
    def damaged(self) -> tuple[int, ...]:
        """The layers, counted from the bottom, whose content is not what the configuration says."""
        pairs = enumerate(zip(self.layers, self.diff_ids, strict=True))
        return tuple(number for number, (blob, wanted) in pairs if f"sha256:{blob.sha256}" != wanted)


@contextmanager
def opened(archive: Iterable[bytes], folder: Path) -> Iterator[Saved]:
    """Read what `Engine.save` gives; the layers' files are there until the end.

    Args:
        folder: Where a temporary folder is made, for all of the image.

    Raises:
        ImageError: It is no image, or compressed in a way that this Python cannot undo.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="saved-", dir=folder) as place:
        try:
            files = _unpacked(archive, Path(place))
        except tarfile.TarError as error:
            raise _no_image(error) from error
        yield _read(files)


def _unpacked(archive: Iterable[bytes], place: Path) -> dict[str, Path]:
    """Every file of the archive by its name; engines write a layer that comes twice as a link."""
    files: dict[str, Path] = {}
    links: dict[str, str] = {}
    with tarfile.open(fileobj=Stream.buffered(archive), mode="r|") as tar:
        for member in tar:
            name = member.name.removeprefix("./")
            if member.issym() or member.islnk():
                links[name] = _target(name, member)
            elif member.isfile():
                files[name] = place / str(len(files))
                with files[name].open("wb") as file:
                    shutil.copyfileobj(cast(IO[bytes], tar.extractfile(member)), file, _PIECE)
    return files | {name: files[target] for name, target in links.items() if target in files}


def _target(name: str, member: tarfile.TarInfo) -> str:
    if member.islnk():
        return member.linkname.removeprefix("./")
    parts: list[str] = []
    for part in [*name.split("/")[:-1], *member.linkname.split("/")]:
        if part == "..":
            parts = parts[:-1]
        elif part != ".":
            parts.append(part)
    return "/".join(parts)


def _read(files: Mapping[str, Path]) -> Saved:
    try:
        (described,) = json.loads(files["manifest.json"].read_bytes())
        config = files[described["Config"]].read_bytes()
        diff_ids: Sequence[str] = json.loads(config)["rootfs"]["diff_ids"]
        paths = [files[name] for name in described["Layers"]]
    except (KeyError, ValueError, TypeError) as error:
        raise _no_image(error) from error
    if len(paths) != len(diff_ids):
        raise ImageError("the engine saved an image without all of its layers")
    # Engines with the containerd image store keep layers as they came.
    return Saved(config, tuple(plain(path, path.with_suffix(".tar")) for path in paths), tuple(diff_ids))


def _no_image(error: Exception) -> ImageError:
    return ImageError(f"the engine saved something that is no image: {error!r}")


def plain(path: Path, target: Path) -> Blob:
    """A layer as a tar that is not compressed; `target` is written only when it was.

    Raises:
        ImageError: It is compressed in a way that this Python cannot undo, or damaged.
    """
    with path.open("rb") as file:
        magic = file.read(4)
    refuse_zstd(magic)
    if magic.startswith(_GZIP):
        try:
            with gzip.open(path) as source, target.open("wb") as file:
                shutil.copyfileobj(source, file, _PIECE)
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise ImageError(f"a compressed layer is damaged and cannot be unpacked: {error}") from error
        path = target
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        return Blob(path, digest, file.tell())


def refuse_zstd(magic: bytes) -> None:
    """Tell of a layer that this Python has no means to read, by its first four bytes.

    Raises:
        ImageError: It is one.
    """
    if magic == _ZSTD:
        raise ImageError(
            "an image's layer is compressed by zstd, which this version of devenv cannot read",
            hint="use an image whose layers are compressed by gzip",
        )


def settings(config: bytes) -> Mapping[str, Any]:
    """The run-time part of an image configuration."""
    found = json.loads(config).get("config")
    return found if isinstance(found, dict) else {}


def env(config: bytes) -> dict[str, str]:
    """The variables an image configuration sets."""
    return dict(str(one).partition("=")[::2] for one in settings(config).get("Env") or ())
