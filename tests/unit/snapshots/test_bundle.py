from __future__ import annotations

import contextlib
import errno
import itertools
import json
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from devenv.commands import snapshot
from devenv.errors import DevenvError, UsageError
from devenv.model.progress import silence
from devenv.snapshots import bundle, store
from tests.unit.snapshots.world import Fate, Killed, World


@pytest.fixture
def world(tmp_path: Path) -> World:
    made = World(tmp_path / "shop")
    made.up()
    made.put("new")
    made.save()
    made.put("old")
    return made


@pytest.fixture
def file(world: World, tmp_path: Path) -> Path:
    """The snapshot, exported."""
    path = tmp_path / "base.devenv-snapshot"
    snapshot.export(world.project, "base", path, report=silence)
    return path


def test_what_was_exported_is_imported_in_another_checkout(world: World, file: Path, tmp_path: Path) -> None:
    other = World(tmp_path / "other")
    imported = snapshot.bring_in(other.project, file, "theirs", report=silence)
    assert (imported.name, imported.project) == ("theirs", "shop")
    assert (
        store.find(other.project.folder, "theirs").snapshot.parts
        == store.find(world.project.folder, "base").snapshot.parts
    )
    other.restore("theirs")
    other.up()
    assert other.words() == {"new"}
    with pytest.raises(UsageError, match="there is a snapshot `theirs` already"):
        snapshot.bring_in(other.project, file, "theirs", report=silence)


def test_an_export_is_a_plain_tar(file: Path) -> None:
    with tarfile.open(file) as archive:
        assert archive.getnames() == ["snapshot.json", "postgres.dump.gz", "redis.data.tar.gz"]


def test_an_export_replaces_an_export_and_nothing_else(world: World, file: Path) -> None:
    before = file.read_bytes()
    snapshot.export(world.project, "base", file, report=silence)
    assert file.read_bytes() == before
    for content in (b"", b"precious", bytes(2000)):
        file.write_bytes(content)
        with pytest.raises(UsageError, match="is no exported snapshot"):
            snapshot.export(world.project, "base", file, report=silence)
        assert file.read_bytes() == content


def test_killed_or_on_a_full_disk_there_is_no_file_or_all_of_it(world: World, tmp_path: Path) -> None:
    errors = (None, OSError(errno.ENOSPC, "No space left on device"))
    for error, at in itertools.product(errors, range(1, 4)):
        path = tmp_path / f"{at}.devenv-snapshot"
        path.unlink(missing_ok=True)
        fate = Fate(at, error)
        with fate.over(world.engine):
            try:
                snapshot.export(world.project, "base", path, report=silence)
            except (Killed, DevenvError):
                assert fate.came
        if path.exists():
            with bundle.opened(path) as source:
                store.verify(source, source.snapshot.parts, silence)


def test_killed_or_on_a_full_disk_an_import_is_there_as_a_whole_or_not_at_all(file: Path, tmp_path: Path) -> None:
    outcomes = set()
    for error, at in itertools.product((None, OSError(errno.ENOSPC, "No space left on device")), range(1, 12)):
        other = World(tmp_path / f"{at} {error}")
        with Fate(at, error).over(other.engine), contextlib.suppress(Killed, DevenvError):
            snapshot.bring_in(other.project, file, None, report=silence)
        listed = snapshot.listed(other.project)
        assert listed.damaged == ()
        assert other.left_over() == []
        outcomes.add(len(listed.snapshots))
        for one in listed.snapshots:
            source = store.find(other.project.folder, one.name)
            store.verify(source, one.parts, silence)
    assert outcomes == {0, 1}


def refused(file: Path, tmp_path: Path, content: bytes) -> str:
    """Import this; what is said of it."""
    file.write_bytes(content)
    other = World(tmp_path / "other")
    with pytest.raises(DevenvError) as caught:
        snapshot.bring_in(other.project, file, None, report=silence)
    assert store.names(other.project.folder) == ()
    assert other.left_over() == []
    return caught.value.message


def test_a_file_that_is_cut_off_anywhere_or_longer_is_refused(file: Path, tmp_path: Path) -> None:
    whole = file.read_bytes()
    for length in (0, 1, 511, 512, 600, *range(1024, len(whole), 509), len(whole) - 1):
        assert refused(file, tmp_path, whole[:length])
    assert "too late" in refused(file, tmp_path, whole + b"x")


def test_a_changed_byte_of_any_stream_is_refused(file: Path, tmp_path: Path) -> None:
    whole = file.read_bytes()
    first = whole.index(b"postgres.dump.gz\0")
    for at in range(first, len(whole), 97):
        changed = bytearray(whole)
        changed[at] ^= 0x41
        assert refused(file, tmp_path, bytes(changed)), at


def packed(members: list[tuple[tarfile.TarInfo, bytes]]) -> bytes:
    blocks = (entry.tobuf(tarfile.GNU_FORMAT) + content + bytes(-len(content) % 512) for entry, content in members)
    return b"".join(blocks) + bytes(1024)


def members(file: Path) -> list[tuple[tarfile.TarInfo, bytes]]:
    with tarfile.open(file) as archive:
        return [(entry, archive.extractfile(entry).read()) for entry in archive]  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda entry: setattr(entry, "name", "../../evil"),
        lambda entry: setattr(entry, "name", "/etc/passwd"),
        lambda entry: setattr(entry, "type", tarfile.SYMTYPE),
        lambda entry: setattr(entry, "linkname", "/etc/passwd"),
        lambda entry: setattr(entry, "mode", 0o4755),
        lambda entry: setattr(entry, "uid", 4711),
    ],
)
def test_members_that_are_not_as_an_export_writes_them_are_refused(
    file: Path, tmp_path: Path, spoil: Callable[[tarfile.TarInfo], None]
) -> None:
    whole = file.read_bytes()
    for index in range(3):
        file.write_bytes(whole)
        found = members(file)
        assert packed(found) == whole
        spoil(found[index][0])
        assert refused(file, tmp_path / str(index), packed(found))


def spoilt(file: Path, change: Callable[[dict[str, Any]], object]) -> bytes:
    """The export with another `snapshot.json`."""
    (entry, text), *rest = members(file)
    data = json.loads(text)
    change(data)
    content = json.dumps(data).encode()
    entry.size = len(content)
    return packed([(entry, content), *rest])


@pytest.mark.parametrize(
    "change",
    [
        lambda data: data["services"][0]["streams"][0].update(file="../evil.gz"),
        lambda data: data["services"][0]["streams"][0].update(file="redis.data.tar.gz"),
        lambda data: data["services"][0]["streams"][0].update(sha256="0" * 64),
        lambda data: data["services"][0]["streams"][0].update(size=1),
        lambda data: data["services"][0]["streams"][0].update(size=-1),
        lambda data: data["services"][0]["streams"][0].update(size=True),
        lambda data: data["services"][0].update(method="shell"),
        lambda data: data["services"][0].update(streams=[]),
        lambda data: data["services"][1]["streams"][0].update(volume=None),
        lambda data: data["services"].append(data["services"][0]),
        lambda data: data.update(services=[]),
        lambda data: data.update(name="../evil"),
        lambda data: data.update(name=".hidden"),
        lambda data: data.update(project="\x1b[31m"),
        lambda data: data.update(format=2),
        lambda data: data.update(format=None),
        lambda data: data.pop("created"),
    ],
)
def test_a_description_that_devenv_does_not_write_is_refused(
    file: Path, tmp_path: Path, change: Callable[[dict[str, Any]], object]
) -> None:
    assert refused(file, tmp_path, spoilt(file, change))


def test_a_stream_that_unpacks_to_more_than_it_says_stops_a_restore(world: World, file: Path, tmp_path: Path) -> None:
    file.write_bytes(spoilt(file, lambda data: data["services"][1]["streams"][0].update(content=3)))
    snapshot.bring_in(world.project, file, "bomb", report=silence)
    with pytest.raises(DevenvError, match="holds more than it should"):
        world.restore("bomb")
    world.up()
    assert world.words() == {"old"}
    assert world.left_over() == []


def test_what_is_no_export_is_told(world: World, tmp_path: Path) -> None:
    with pytest.raises(DevenvError, match=r"cannot read .*absent.*: no such file"):
        snapshot.bring_in(world.project, tmp_path / "absent", None, report=silence)
    with pytest.raises(DevenvError, match=r"cannot read .*: is a directory"):
        snapshot.bring_in(world.project, tmp_path, None, report=silence)
    assert "is no exported snapshot" in refused(tmp_path / "file", tmp_path, packed([(tarfile.TarInfo("a"), b"")]))
