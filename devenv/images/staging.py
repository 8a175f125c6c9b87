"""The topmost layer of the image that packages are installed in: their files and what installs them."""

from __future__ import annotations

import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from devenv.images import deb, normalise, tree
from devenv.images.chain import Link
from devenv.images.normalise import WORK
from devenv.images.tarball import Header, Writer
from devenv.images.tree import Node

INSTALL = f"/{WORK}/install"
"""The script to start."""

CLOCK_BEHIND = 70
"""Its exit code when files made now would be older than the packages."""

_SCRIPT = f"""\
set -eu
umask 022
cd /
[ "$(date +%s)" -ge "$SOURCE_DATE_EPOCH" ] || exit {CLOCK_BEHIND}
for run in /{WORK}/runs/*; do
  dpkg --force-depends --force-unsafe-io --force-confold --install "$run"/*.deb
done
dpkg --configure --pending
unfinished=$(dpkg-query --show --showformat '${{db:Status-Status}} ${{Package}}\\n' | grep -v '^installed ' || :)
[ -z "$unfinished" ] || {{ echo "not installed: $unfinished"; exit 1; }}
"""

_MANUALS = tuple(f"usr/share/man/man{section}" for section in range(1, 9))
_LINKS = ("bin", "lib", "sbin")
_ARCHITECTURE_LINKS = {"amd64": ("lib64",)}
_PIECE = 1 << 18


def write(
    link: Link, files: Mapping[str, Path], lower: Mapping[str, Node], architecture: str, path: Path
) -> tuple[str, int]:
    """Write the tar and return its digest and size.

    Args:
        files: Downloaded packages by hash.
        lower: The file system below; an empty one gets a system that is unpacked but not installed.
    """
    with path.open("wb") as file:
        writer = Writer(file)
        if not lower:
            _unpacked(writer, link, files, architecture)
        _folder(writer, WORK)
        _folder(writer, f"{WORK}/runs")
        for number, run in enumerate(link.runs):
            _folder(writer, folder := f"{WORK}/runs/{number:03}")
            for position, package in enumerate(run):
                source = files[package.sha256]
                header = Header(f"{folder}/{position:04}.deb", "file", 0o644, size=source.stat().st_size)
                writer.add(header, _pieces(source))
        _file(writer, f"{WORK}/install", _SCRIPT.encode())
        _file(writer, normalise.POLICY, b"#!/bin/sh\nexit 101\n", 0o755)
        _early(writer, link, lower)
        return writer.close(), writer.size


def _unpacked(writer: Writer, link: Link, files: Mapping[str, Path], architecture: str) -> None:
    """Merge what the packages install, over the links of a merged `/usr`, and an empty dpkg database."""
    for name in (*_LINKS, *_ARCHITECTURE_LINKS.get(architecture, ())):
        _folder(writer, f"usr/{name}")
        writer.add(Header(name, "symlink", 0o777, mtime=link.epoch, target=f"usr/{name}"))
    for package in link.packages:
        with deb.data(files[package.sha256]) as tar:
            _merge(writer, tar)
    for folder in _MANUALS:
        _folder(writer, folder, link.epoch)
    _file(writer, "etc/dpkg/dpkg.cfg.d/devenv", normalise.dpkg_settings(), mtime=link.epoch)
    _file(writer, "var/lib/dpkg/status", b"")


def _merge(writer: Writer, tar: tarfile.TarFile) -> None:
    for member, content in tree.contents(tar):
        path = normalise.merged(member.path)
        if path == f"usr/{member.path}" and "/" not in member.path:
            continue  # `/bin` and its like: a folder in some packages, in others the link that is there already
        if not normalise.is_excluded(path, folder=member.kind == "folder"):
            target = normalise.merged(member.target) if member.kind == "link" else member.target
            writer.add(replace(member, path=path, target=target), content)


def _early(writer: Writer, link: Link, lower: Mapping[str, Node]) -> None:
    for file in link.files:
        if not file.early:
            continue
        path = normalise.merged(file.path.strip("/"))
        for parent in tree.parents(path):
            writer.add(lower[parent].header if parent in lower else Header(parent, "folder", mtime=link.epoch))
        if file.content is None:
            writer.add(Header(path, "folder", file.mode, mtime=link.epoch))
        else:
            _file(writer, path, file.content, file.mode, link.epoch)


def _folder(writer: Writer, path: str, mtime: int = 0) -> None:
    writer.add(Header(path, "folder", mtime=mtime))


def _file(writer: Writer, path: str, content: bytes, mode: int = 0o644, mtime: int = 0) -> None:
    writer.add(Header(path, "file", mode, mtime=mtime, size=len(content)), (content,))


def _pieces(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            yield piece
