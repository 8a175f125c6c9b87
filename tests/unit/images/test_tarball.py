from __future__ import annotations

import hashlib
import io
import tarfile

import pytest

from devenv.images import tarball
from devenv.images.tarball import Header, Writer


def written(*entries: tuple[Header, bytes]) -> bytes:
    buffer = io.BytesIO()
    writer = Writer(buffer)
    for header, content in entries:
        writer.add(header, (content,))
    digest = writer.close()
    assert digest == hashlib.sha256(buffer.getvalue()).hexdigest()
    assert writer.size == len(buffer.getvalue())
    return buffer.getvalue()


def read(archive: bytes) -> list[tarfile.TarInfo]:
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        return tar.getmembers()


@pytest.mark.parametrize("path", ["a", "ä/ö", "d/" + "x" * 99, "d" * 60 + "/" + "y" * 300, "\udcff\udcfe"])
def test_any_path_reads_back(path: str) -> None:
    (member,) = read(written((Header(path, "file", 0o640, 5, 6, 7, 3), b"abc")))
    assert (member.name, member.mode, member.uid, member.gid, member.mtime, member.size) == (path, 0o640, 5, 6, 7, 3)


def test_every_kind_reads_back() -> None:
    headers = [
        Header("d", "folder"),
        Header("f", "file"),
        Header("l", "link", target="f"),
        Header("s", "symlink", target="t" * 150),
        Header("p", "fifo"),
        Header("c", "character", device=(1, 3)),
    ]
    members = read(written(*((header, b"") for header in headers)))
    assert [member.type for member in members] == [b"5", b"0", b"1", b"2", b"6", b"3"]
    assert [member.linkname for member in members[2:4]] == ["f", "t" * 150]
    assert (members[5].devmajor, members[5].devminor) == (1, 3)


def test_numbers_that_do_not_fit_the_old_format_read_back() -> None:
    (member,) = read(written((Header("f", "file", user=1 << 22, group=1 << 23), b"")))
    assert (member.uid, member.gid) == (1 << 22, 1 << 23)


def test_extended_attributes_of_any_bytes_read_back() -> None:
    value = bytes(range(256))
    (member,) = read(written((Header("f", "file", attributes=(("security.capability", value),)), b"")))
    kept = member.pax_headers["SCHILY.xattr.security.capability"]
    assert kept.encode("utf-8", "surrogateescape") == value


def test_a_double_is_left_out() -> None:
    members = read(written((Header("f", "file", size=1), b"1"), (Header("f", "file", size=1), b"2")))
    assert [member.name for member in members] == ["f"]


def test_a_stream_is_what_the_writer_writes() -> None:
    entries = [(Header("d", "folder"), b""), (Header("f", "file", size=600), b"x" * 600)]
    assert b"".join(tarball.stream((header, (content,)) for header, content in entries)) == written(*entries)


def test_the_bytes_never_change() -> None:
    archive = written((Header("d", "folder"), b""), (Header("ä", "file", 0o644, 1, 2, 3, 3), b"abc"))
    assert hashlib.sha256(archive).hexdigest() == "1b002dcae9052206c83e1772263a9af6f8efa553358789e0eecf96e1ed220562"
