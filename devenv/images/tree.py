"""A file system as data: read from tars, changed, compared, written as a layer."""

from __future__ import annotations

import hashlib
import io
import tarfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from io import BufferedReader
from pathlib import Path
from typing import IO, cast

from devenv.errors import ImageError
from devenv.images import normalise
from devenv.images.rewrite import REWRITES
from devenv.images.tarball import Header, Kind, Writer
from devenv.model.pins import ImageFile
from devenv.values import dataclass

_PIECE = 1 << 18
_ATTRIBUTE = "security.capability"
_OPAQUE = ".wh..wh..opq"
"""In a folder of a layer: nothing of what the layers below have in it remains."""
_KINDS: dict[bytes, Kind] = {
    tarfile.REGTYPE: "file",
    tarfile.AREGTYPE: "file",
    tarfile.DIRTYPE: "folder",
    tarfile.SYMTYPE: "symlink",
    tarfile.FIFOTYPE: "fifo",
    tarfile.CHRTYPE: "character",
    tarfile.BLKTYPE: "block",
}


@dataclass(frozen=True, slots=True)
class Node:
    """A file in a tree.

    Args:
        header: Its metadata; names of one hard-linked file are files of their own here.
        digest: Of its content.
        inode: Equal for the names of one hard-linked file, else the path.
        place: The file that holds its content, uncompressed, and where in it.
    """

    header: Header
    digest: str = ""
    inode: str = ""
    place: tuple[Path, int] | None = None


Tree = dict[str, Node]


class Spool:
    """A file that collects contents."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = path.open("wb")
        self._end = 0

    def add(self, content: IO[bytes], known: Node | None = None) -> tuple[str, tuple[Path, int]]:
        """Take over a content; return its digest and place, those of `known` when it is the same."""
        found = hashlib.sha256()
        self._file.seek(self._end)
        while piece := content.read(_PIECE):
            found.update(piece)
            self._file.write(piece)
        digest = found.hexdigest()
        if known is not None and known.digest == digest and known.place is not None:
            return digest, known.place
        place = (self._path, self._end)
        self._end = self._file.tell()
        return digest, place

    def __enter__(self) -> Spool:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        self._path.unlink(missing_ok=True)

    def flush(self) -> None:
        """Make everything added readable at its place."""
        self._file.flush()


def read(tar: tarfile.TarFile, lower: Mapping[str, Node], spool: Spool, epoch: int) -> Tree:
    """Read a container's exported file system, without what never gets into an image.

    No file is younger than the epoch then, so that compiled files stay newer than their sources wherever the image is
    built. Contents that `lower` has at the same path are not spooled.
    """
    tree: Tree = {}
    for member in _members(tar):
        path = member.name.removeprefix("./").strip("/")
        if path in ("", ".") or normalise.is_dropped(path):
            continue
        if member.islnk():
            target = tree.get(member.linkname.removeprefix("./").strip("/"))
            if target is not None:
                tree[path] = replace(target, header=replace(target.header, path=path))
            continue
        header = _header(member, path)
        header = replace(header, mtime=min(header.mtime, epoch))
        tree[path] = Node(header, inode=path)
        if header.kind == "file":
            content = _content(tar, member)
            if path in REWRITES:
                rewritten = REWRITES[path](content.read(), epoch)
                content, header = io.BytesIO(rewritten), replace(header, size=len(rewritten))
            digest, place = spool.add(content, lower.get(path))
            tree[path] = Node(header, digest, path, place)
    return tree


def read_layers(layers: Iterable[Path]) -> Tree:
    """Read what layers, bottom first, make up together.

    Raises:
        ImageError: A layer is damaged, or holds something that images cannot.
    """
    tree: Tree = {}
    for layer in layers:
        own: set[str] = set()
        try:
            with tarfile.open(layer, "r:") as tar:
                for member in _members(tar):
                    _add(tree, own, tar, member, layer)
        except tarfile.TarError as error:
            raise ImageError(f"a layer is damaged: {error}") from error
    return tree


def contents(tar: tarfile.TarFile) -> Iterator[tuple[Header, Iterator[bytes]]]:
    """Read a package's files as they are; a content must be taken before the next entry."""
    for member in _members(tar):
        path = member.name.removeprefix("./").strip("/")
        if path in ("", "."):
            continue
        if member.islnk():
            target = member.linkname.removeprefix("./").strip("/")
            yield (
                Header(path, "link", member.mode & 0o7777, member.uid, member.gid, int(member.mtime), 0, target),
                iter(()),
            )
            continue
        header = _header(member, path)
        yield header, _read(_content(tar, member)) if header.kind == "file" else iter(())


def finish(tree: Tree, epoch: int) -> None:
    """Take what the engine and the run of the clock did to folders out of a tree, and links to what was dropped."""
    for path, mode in normalise.FIXED_FOLDERS.items():
        tree[path] = Node(Header(path, "folder", mode), inode=path)
    for path, node in list(tree.items()):
        if node.header.kind == "folder":
            tree[path] = replace(node, header=replace(node.header, mtime=epoch))
        elif path.startswith("etc/ssl/certs/") and node.header.target and _leads_nowhere(node.header, tree):
            del tree[path]


def drop(tree: Tree, paths: Iterable[str]) -> None:
    """Remove paths; of one that ends with a slash, only what is in it."""
    for path in paths:
        wanted = normalise.merged(path.strip("/"))
        inside = [other for other in tree if other.startswith(f"{wanted}/")]
        for other in inside:
            del tree[other]
        if not path.endswith("/"):
            tree.pop(wanted, None)


def lay(tree: Tree, files: Iterable[ImageFile], spool: Spool, epoch: int) -> None:
    """Put devenv's own files into a tree, with the folders they need."""
    for file in files:
        path = normalise.merged(file.path.strip("/"))
        for parent in parents(path):
            if parent not in tree:
                tree[parent] = Node(Header(parent, "folder", 0o755, mtime=epoch), inode=parent)
        if file.content is None:
            tree[path] = Node(Header(path, "folder", file.mode, mtime=epoch), inode=path)
            continue
        digest, place = spool.add(io.BytesIO(file.content))
        header = Header(path, "file", file.mode, mtime=epoch, size=len(file.content))
        tree[path] = Node(header, digest, path, place)


def write(tree: Mapping[str, Node], lower: Mapping[str, Node], writer: Writer, epoch: int) -> None:
    """Write what must be laid over `lower` to get `tree`: changed files with their folders, and whiteouts."""
    changed = {path for path, node in tree.items() if path not in lower or _differs(node, lower[path])}
    gone = {path for path in lower if path not in tree and _parent_is_folder(path, tree)}
    folders = {parent for path in changed | gone for parent in parents(path) if parent in tree}
    entries = {path: tree[path] for path in changed | folders}
    first: dict[str, str] = {}
    for path in sorted(entries.keys() | {_whiteout(path) for path in gone}):
        node = entries.get(path)
        if node is None:
            writer.add(Header(path, "file", 0o644, mtime=epoch))
        elif node.header.kind == "file" and node.inode in first:
            writer.add(replace(node.header, kind="link", size=0, target=first[node.inode]))
        else:
            first[node.inode] = path
            writer.add(node.header, _stored(node))


def _stored(node: Node) -> Iterator[bytes]:
    if node.place is None:
        return
    path, offset = node.place
    left = node.header.size
    with path.open("rb") as file:
        file.seek(offset)
        while piece := file.read(min(_PIECE, left)):
            left -= len(piece)
            yield piece


def _leads_nowhere(link: Header, tree: Tree) -> bool:
    return "/" not in link.target and f"{link.path.rpartition('/')[0]}/{link.target}" not in tree


def _read(content: IO[bytes]) -> Iterator[bytes]:
    while piece := content.read(_PIECE):
        yield piece


def _content(tar: tarfile.TarFile, member: tarfile.TarInfo) -> IO[bytes]:
    return cast(IO[bytes], tar.extractfile(member))


def _members(tar: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    while (member := tar.next()) is not None:
        yield member
        tar.members.clear()  # type: ignore[attr-defined]  # the library remembers each one, which for a stream is of no use


def _header(member: tarfile.TarInfo, path: str) -> Header:
    kind = _KINDS.get(member.type)
    if kind is None:
        raise ImageError(f"`/{path}` is of a kind that images cannot hold")
    attribute = member.pax_headers.get(f"SCHILY.xattr.{_ATTRIBUTE}")
    return Header(
        path,
        kind,
        member.mode & 0o7777,
        member.uid,
        member.gid,
        int(member.mtime),
        member.size if kind == "file" else 0,
        member.linkname if kind == "symlink" else "",
        ((_ATTRIBUTE, attribute.encode("utf-8", "surrogateescape")),) if attribute else (),
        (member.devmajor, member.devminor) if kind in ("character", "block") else (0, 0),
    )


def _add(tree: Tree, own: set[str], tar: tarfile.TarFile, member: tarfile.TarInfo, layer: Path) -> None:
    """Lay one entry of a layer over the tree; `own` are the paths that this layer has brought."""
    path = member.name.removeprefix("./").strip("/")
    folder, _, name = path.rpartition("/")
    if path in ("", "."):
        return
    if name == _OPAQUE:
        above = f"{folder}/" if folder else ""
        _remove(tree, [one for one in tree if one.startswith(above) and one not in own])
    elif name.startswith(".wh."):
        _remove(tree, _with_inside(tree, f"{folder}/{name[4:]}".lstrip("/")))
    else:
        node = _node(tree, tar, member, path, layer)
        if path in tree and tree[path].header.kind == "folder" != node.header.kind:
            _remove(tree, _with_inside(tree, path))
        tree[path] = node
        own.add(path)


def _node(tree: Tree, tar: tarfile.TarFile, member: tarfile.TarInfo, path: str, layer: Path) -> Node:
    if member.islnk():
        target = tree.get(member.linkname.removeprefix("./").strip("/"))
        if target is None:
            raise ImageError(f"`/{path}` is another name of a file that is not there: `{member.linkname}`")
        return replace(target, header=replace(target.header, path=path))
    header = _header(member, path)
    if header.kind != "file":
        return Node(header, inode=path)
    digest = hashlib.file_digest(cast(BufferedReader, _content(tar, member)), "sha256").hexdigest()
    return Node(header, digest, path, (layer, member.offset_data))


def _with_inside(tree: Tree, path: str) -> list[str]:
    return [one for one in tree if one == path or one.startswith(f"{path}/")]


def _remove(tree: Tree, paths: Iterable[str]) -> None:
    for path in paths:
        del tree[path]


def _differs(node: Node, other: Node) -> bool:
    if node.header.kind in ("folder", "symlink"):
        return replace(node.header, mtime=0) != replace(other.header, mtime=0)
    return node.header != other.header or node.digest != other.digest


def parents(path: str) -> Iterator[str]:
    """The folders a path is in, outermost first."""
    parts = path.split("/")
    return ("/".join(parts[:count]) for count in range(1, len(parts)))


def _parent_is_folder(path: str, tree: Mapping[str, Node]) -> bool:
    parent = path.rpartition("/")[0]
    return not parent or (parent in tree and tree[parent].header.kind == "folder")


def _whiteout(path: str) -> str:
    folder, _, name = path.rpartition("/")
    return f"{folder}/.wh.{name}" if folder else f".wh.{name}"
