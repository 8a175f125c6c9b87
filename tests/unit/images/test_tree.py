from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from devenv.images import tree
from devenv.images.tarball import Header, Writer
from devenv.images.tree import Spool, Tree
from devenv.model.pins import ImageFile

EPOCH = 1_000_000


Member = tarfile.TarInfo | tuple[tarfile.TarInfo, bytes]


@dataclass
class World:
    """Layers written one upon the other, as `layer` is called."""

    folder: Path
    spool: Spool
    layers: tuple[Path, ...] = ()

    def exported(self, *members: Member, lower: Tree | None = None) -> Tree:
        """Read an export; what is spooled stays until the test ends."""
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w") as tar:
            for member in members:
                info, content = member if isinstance(member, tuple) else (member, b"")
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))
        with tarfile.open(fileobj=io.BytesIO(buffer.getvalue()), mode="r|") as tar:
            found = tree.read(tar, lower or {}, self.spool, EPOCH)
        self.spool.flush()
        return found

    def below(self) -> Tree:
        return tree.read_layers(self.layers)

    def layer(self, upper: Tree) -> list[tarfile.TarInfo]:
        """Write what makes `upper` of the layers so far, and tell its entries."""
        path = self.folder / f"layer-{len(self.layers)}"
        with path.open("wb") as file:
            writer = Writer(file)
            tree.write(upper, self.below(), writer, EPOCH)
            writer.close()
        self.layers += (path,)
        with tarfile.open(path) as tar:
            return tar.getmembers()

    def contents(self) -> Mapping[str, bytes]:
        """The files that all layers together hold."""
        found = {}
        for path, node in self.below().items():
            if node.place is not None:
                layer, offset = node.place
                found[path] = layer.read_bytes()[offset : offset + node.header.size]
        return found


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with Spool(tmp_path / "spool") as spool:
        yield World(tmp_path, spool)


def file(path: str, content: bytes, mtime: int = 5, mode: int = 0o644) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(path)
    info.mtime, info.mode = mtime, mode
    return info, content


def folder(path: str, mtime: int = 5, mode: int = 0o755) -> tarfile.TarInfo:
    info = tarfile.TarInfo(path)
    info.type, info.mtime, info.mode = tarfile.DIRTYPE, mtime, mode
    return info


def link(path: str, target: str, *, hard: bool = False) -> tarfile.TarInfo:
    info = tarfile.TarInfo(path)
    info.type, info.linkname = tarfile.LNKTYPE if hard else tarfile.SYMTYPE, target
    return info


def names(members: list[tarfile.TarInfo]) -> list[str]:
    return [member.name for member in members]


def test_entries_are_sorted_whatever_order_the_engine_has(world: World) -> None:
    members: list[Member] = [folder("b"), file("b/2", b"2"), file("b/1", b"1"), folder("a")]
    assert names(world.layer(world.exported(*members))) == ["a", "b", "b/1", "b/2"]


def test_no_file_is_younger_than_the_epoch_and_folders_have_its_date(world: World) -> None:
    upper = world.exported(folder("a", mtime=7), file("a/new", b"", mtime=EPOCH + 9), file("a/old", b"", mtime=7))
    tree.finish(upper, EPOCH)
    times = {member.name: member.mtime for member in world.layer(upper)}
    assert (times["a"], times["a/new"], times["a/old"]) == (EPOCH, EPOCH, 7)


def test_file_type_bits_in_the_mode_are_left_out(world: World) -> None:
    (member,) = world.layer(world.exported(file("a", b"", mode=0o100755)))
    assert member.mode == 0o755


def test_a_layer_holds_only_what_changed_and_the_folders_around_it(world: World) -> None:
    members: list[Member] = [
        folder("a", mode=0o700),
        file("a/same", b"1"),
        file("a/changed", b"1"),
        folder("b"),
        file("b/same", b"1"),
    ]
    world.layer(world.exported(*members))
    members[2] = file("a/changed", b"2")
    changed = world.layer(world.exported(*members, file("new", b"3"), lower=world.below()))
    assert names(changed) == ["a", "a/changed", "new"]
    assert changed[0].mode == 0o700
    assert world.contents()["a/changed"] == b"2"


def test_a_changed_mode_alone_is_a_change_with_the_content(world: World) -> None:
    world.layer(world.exported(file("a", b"content")))
    upper = world.exported(file("a", b"content", mode=0o600), lower=world.below())
    (member,) = world.layer(upper)
    assert (member.mode, world.contents()["a"]) == (0o600, b"content")


def test_a_removed_folder_is_hidden_by_one_whiteout(world: World) -> None:
    world.layer(world.exported(folder("a"), folder("a/b"), file("a/b/c", b"")))
    assert names(world.layer(world.exported(folder("a"), lower=world.below()))) == ["a", "a/.wh.b"]
    assert sorted(world.below()) == ["a"]


def test_a_folder_that_became_a_file_needs_no_whiteout(world: World) -> None:
    world.layer(world.exported(folder("a"), file("a/b", b"")))
    assert names(world.layer(world.exported(file("a", b"x"), lower=world.below()))) == ["a"]
    assert sorted(world.below()) == ["a"]


def test_of_hard_links_the_first_name_is_the_file_whatever_the_engine_says(world: World) -> None:
    one = world.exported(file("b", b"x"), link("a", "b", hard=True), link("c", "b", hard=True))
    members = world.layer(one)
    assert [(member.name, member.linkname, member.islnk()) for member in members] == [
        ("a", "", False),
        ("b", "a", True),
        ("c", "a", True),
    ]


def test_a_new_hard_link_to_an_old_file_has_its_content(world: World) -> None:
    world.layer(world.exported(file("a", b"old")))
    upper = world.exported(file("a", b"old"), link("b", "a", hard=True), lower=world.below())
    assert names(world.layer(upper)) == ["b"]
    assert world.contents()["b"] == b"old"


def test_a_capability_is_kept_on_every_name(world: World) -> None:
    value = bytes([1, 0, 0, 2, 0xFF, 0x80])
    info, content = file("a", b"x")
    info.pax_headers = {"SCHILY.xattr.security.capability": value.decode("utf-8", "surrogateescape")}
    info.pax_headers["SCHILY.xattr.user.other"] = "dropped"
    for member in world.layer(world.exported((info, content), link("b", "a", hard=True))):
        kept = {name: text.encode("utf-8", "surrogateescape") for name, text in member.pax_headers.items()}
        assert kept == {"SCHILY.xattr.security.capability": value}


def test_what_the_engine_and_the_builder_bring_is_left_out(world: World) -> None:
    paths = ["etc/hosts", ".dockerenv", "run/x", "devenv-build/install", "var/lib/dpkg/status-old", "etc/passwd-"]
    upper = world.exported(*(file(path, b"x") for path in paths), file("etc/passwd", b"x"))
    assert sorted(upper) == ["etc/passwd"]


def test_folders_of_the_engine_have_fixed_permissions(world: World) -> None:
    upper = world.exported(folder("tmp", mode=0o700), folder("proc", mode=0o755))
    tree.finish(upper, EPOCH)
    assert (upper["tmp"].header.mode, upper["proc"].header.mode) == (0o1777, 0o555)


def test_temporary_names_in_debconfs_answers_do_not_matter(world: World) -> None:
    path = "var/cache/debconf/config.dat"
    first = world.exported(file(path, b" NEW = /tmp/postgresql-common.WdNDHe\nA: b\n"))
    second = world.exported(file(path, b" NEW = /tmp/postgresql-common.RjHDw\nA: b\n"))
    assert first[path].digest == second[path].digest
    world.layer({path: first[path]})
    assert world.contents()[path] == b" NEW = /tmp\nA: b\n"


def test_a_link_to_a_dropped_certificate_goes_too(world: World) -> None:
    base = "etc/ssl/certs/"
    upper = world.exported(
        link(f"{base}0a.0", "ssl-cert-snakeoil.pem"),
        link(f"{base}0b.0", "ca.pem"),
        link(f"{base}ca.pem", "/usr/ca.pem"),
    )
    tree.finish(upper, EPOCH)
    assert {path for path in upper if path.startswith(base)} == {f"{base}0b.0", f"{base}ca.pem"}


@pytest.mark.parametrize(
    ("path", "left"), [("/a/b", ["a", "bin"]), ("/a/", ["a", "bin"]), ("/a", ["bin"]), ("/none", ["a", "a/b", "bin"])]
)
def test_dropped_paths_go_with_what_is_in_them(world: World, path: str, left: list[str]) -> None:
    upper = world.exported(folder("a"), file("a/b", b""), link("bin", "usr/bin"))
    tree.drop(upper, [path])
    assert sorted(upper) == left


def test_our_own_files_get_the_folders_they_need(world: World) -> None:
    upper: Tree = {"usr": tree.Node(Header("usr", "folder", 0o711), inode="usr")}
    files = [ImageFile("/bin/start", b"#!", 0o755), ImageFile("/data/x", None, 0o1777)]
    tree.lay(upper, files, world.spool, EPOCH)
    world.spool.flush()
    members = {member.name: member for member in world.layer(upper)}
    assert sorted(members) == ["data", "data/x", "usr", "usr/bin", "usr/bin/start"]
    assert [members[name].mode for name in ("usr", "usr/bin", "usr/bin/start", "data/x")] == [
        0o711,
        0o755,
        0o755,
        0o1777,
    ]
    assert world.contents()["usr/bin/start"] == b"#!"


def test_a_kind_that_no_image_can_hold_is_named(world: World) -> None:
    info = tarfile.TarInfo("odd")
    info.type = b"7"
    with pytest.raises(Exception, match="`/odd` is of a kind that images cannot hold"):
        world.exported(info)
