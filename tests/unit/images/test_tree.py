from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from devenv.errors import ImageError
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


# --- layers that others have written ---


@dataclass
class Foreign:
    """Layers as other tools write them, bottom first."""

    folder: Path
    layers: tuple[Path, ...] = ()

    def add(self, *members: Member) -> Path:
        path = self.folder / f"foreign-{len(self.layers)}"
        with tarfile.open(path, "w") as tar:
            for member in members:
                info, content = member if isinstance(member, tuple) else (member, b"")
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))
        self.layers += (path,)
        return path

    def read(self) -> Tree:
        return tree.read_layers(self.layers)

    def content(self, path: str) -> bytes:
        node = self.read()[path]
        assert node.place is not None
        layer, offset = node.place
        return layer.read_bytes()[offset:][: node.header.size]


@pytest.fixture
def foreign(tmp_path: Path) -> Foreign:
    return Foreign(tmp_path)


def test_a_layer_may_begin_its_names_with_a_dot_and_hold_the_root(foreign: Foreign) -> None:
    foreign.add(folder("."), folder("./usr/"), file("./usr/a", b"a"), link("./usr/b", "./usr/a", hard=True))
    foreign.add(file("usr/a", b"new"))
    assert sorted(foreign.read()) == ["usr", "usr/a", "usr/b"]
    assert (foreign.content("usr/a"), foreign.content("usr/b")) == (b"new", b"a")


def test_a_whiteout_takes_a_file_or_a_folder_with_all_that_is_in_it(foreign: Foreign) -> None:
    foreign.add(file("a", b""), folder("b"), folder("b/c"), file("b/c/d", b""), file("b/cc", b""), file("bc", b""))
    foreign.add(file(".wh.a", b""), file("./b/.wh.c", b""), file("b/.wh.none", b""))
    assert sorted(foreign.read()) == ["b", "b/cc", "bc"]


def test_a_layer_above_may_bring_back_what_a_whiteout_took(foreign: Foreign) -> None:
    foreign.add(file("a", b"1"))
    foreign.add(file(".wh.a", b""))
    foreign.add(file("a", b"3"))
    assert foreign.content("a") == b"3"


@pytest.mark.parametrize("position", [0, 1, 2, 3])
def test_an_opaque_folder_keeps_only_what_its_own_layer_brings(foreign: Foreign, position: int) -> None:
    foreign.add(folder("a"), file("a/old", b""), folder("a/b"), file("a/b/old", b""), file("ab", b""))
    members: list[Member] = [folder("a"), folder("a/b"), file("a/b/new", b"")]
    foreign.add(*members[:position], file("a/.wh..wh..opq", b""), *members[position:])
    assert sorted(foreign.read()) == ["a", "a/b", "a/b/new", "ab"]


def test_the_root_may_be_opaque(foreign: Foreign) -> None:
    foreign.add(folder("a"), file("a/old", b""), file("b", b""))
    foreign.add(folder("a"), file(".wh..wh..opq", b""), file("c", b""))
    assert sorted(foreign.read()) == ["a", "c"]


def test_marks_of_layers_are_no_files(foreign: Foreign) -> None:
    foreign.add(folder("a"), file("a/.wh..wh..opq", b""), file("a/.wh.b", b""), file("a/.whole", b""))
    assert sorted(foreign.read()) == ["a", "a/.whole"]


def test_names_of_one_file_share_its_content_and_stay_so_when_one_is_replaced(foreign: Foreign) -> None:
    foreign.add(file("a", b"both", mode=0o640), link("b", "a", hard=True))
    both = foreign.read()
    assert both["b"] == tree.Node(
        Header("b", "file", 0o640, mtime=5, size=4), both["a"].digest, both["a"].inode, both["a"].place
    )
    foreign.add(file("a", b"own"))
    assert (foreign.content("a"), foreign.content("b")) == (b"own", b"both")


def test_a_hard_link_may_name_a_file_of_a_layer_below(foreign: Foreign) -> None:
    foreign.add(file("a", b"below"))
    foreign.add(link("b", "a", hard=True))
    assert foreign.content("b") == b"below"


def test_a_folder_replaced_by_a_link_takes_what_was_in_it_along(foreign: Foreign) -> None:
    foreign.add(folder("lib"), file("lib/a", b""), file("libx", b""))
    foreign.add(link("lib", "usr/lib"))
    found = foreign.read()
    assert sorted(found) == ["lib", "libx"]
    assert (found["lib"].header.kind, found["lib"].header.target) == ("symlink", "usr/lib")


def test_a_folder_told_once_more_keeps_what_is_in_it(foreign: Foreign) -> None:
    foreign.add(folder("a", mode=0o755), file("a/b", b""))
    foreign.add(folder("a", mode=0o700))
    found = foreign.read()
    assert sorted(found) == ["a", "a/b"]
    assert found["a"].header.mode == 0o700


def test_a_hard_link_to_nothing_is_named(foreign: Foreign) -> None:
    foreign.add(link("a", "none", hard=True))
    with pytest.raises(ImageError, match=r"^`/a` is another name of a file that is not there: `none`$"):
        foreign.read()


@pytest.mark.parametrize("damage", ["header", "cut"])
def test_a_damaged_layer_is_our_error(foreign: Foreign, damage: str) -> None:
    path = foreign.add(file("a", b"x" * 2000))
    content = path.read_bytes()
    path.write_bytes(b"b" + content[1:] if damage == "header" else content[:1000])
    with pytest.raises(ImageError, match=r"^a layer is damaged: "):
        foreign.read()


def test_a_layer_over_foreign_ones_is_read_back_as_it_was_meant(foreign: Foreign, world: World) -> None:
    world.layers = (foreign.add(folder("./a"), file("./a/b", b"1"), link("./a/c", "./a/b", hard=True), link("d", "a")),)
    upper = world.exported(folder("a"), link("a/c", "b"), file("d", b"now a file"), lower=world.below())
    assert names(world.layer(upper)) == ["a", "a/.wh.b", "a/c", "d"]
    assert {path: node.header for path, node in world.below().items()} == {
        path: node.header for path, node in upper.items()
    }
