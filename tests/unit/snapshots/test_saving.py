from __future__ import annotations

import contextlib
import errno
import itertools
import resource
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest

from devenv.commands import snapshot
from devenv.engine.memory import Ran
from devenv.engine.protocol import Chunk, Command
from devenv.errors import DevenvError, EngineError, NotReady, UsageError
from devenv.model.progress import silence
from devenv.snapshots import carriers, store
from tests.unit.snapshots.world import Fate, Killed, World


@pytest.fixture
def world(tmp_path: Path) -> World:
    made = World(tmp_path / "shop")
    made.up()
    made.put("old")
    return made


def complete(world: World, name: str = "base") -> bool:
    """Whether the snapshot is there; a part of one is a failure."""
    if name not in store.names(world.project.folder):
        return False
    source = store.find(world.project.folder, name)
    store.verify(source, source.snapshot.parts, silence)
    assert [part.name for part in source.snapshot.parts] == ["postgres", "redis"]
    return True


def test_a_dump_where_there_is_one_and_files_of_a_stopped_server_elsewhere(world: World) -> None:
    world.engine.calls.clear()
    saved = world.save()
    assert [(part.name, part.method, part.version, part.data) for part in saved.parts] == [
        ("postgres", "dump", "17", "postgres 17"),
        ("redis", "files", "8", ""),
    ]
    changes = [call for call in world.engine.calls if call[0] in ("stop", "pack", "start")]
    assert changes == [("stop", "shop-redis-1"), ("pack", "shop-redis-1.data"), ("start", "shop-redis-1")]
    assert complete(world)
    assert world.left_over() == []


def test_a_service_that_is_paused_is_not_copied_as_it_stands(world: World) -> None:
    world.engine.containers["shop-redis-1"].status = "paused"
    with pytest.raises(NotReady, match="`redis` is paused"):
        world.save()
    assert not complete(world)
    assert world.engine.containers["shop-redis-1"].status == "paused"


def test_services_without_data_are_left_out(world: World) -> None:
    (folder := world.project.folder / "other").mkdir()
    fresh = World(folder)
    with pytest.raises(DevenvError, match="there is no data of `postgres` and `redis` yet"):
        fresh.save()
    fresh.engine.create(next(one for one in fresh.wanted.volumes if "redis" in one.name))
    assert [part.name for part in fresh.save().parts] == ["redis"]


def test_a_database_that_does_not_run_is_saved_as_files_and_stays_stopped(world: World) -> None:
    world.engine.stop("shop-postgres-1", 0)
    assert [part.method for part in world.save().parts] == ["files", "files"]
    assert world.engine.containers["shop-postgres-1"].status == "exited"


def test_killed_at_any_point_there_is_all_of_it_or_nothing(tmp_path: Path) -> None:
    outcomes = set()
    for at in itertools.count(1):
        world = World(tmp_path / str(at))
        world.up()
        world.put("old")
        fate = Fate(at)
        with fate.over(world.engine), contextlib.suppress(Killed):
            world.save()
        outcomes.add(complete(world))
        snapshot.listed(world.project)
        world.up()
        assert world.words() == {"old"}
        assert world.left_over() == []
        assert {one.status for one in world.engine.containers.values()} == {"running"}
        if not fate.came:
            break
    assert outcomes == {True, False}
    assert at > 20


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt()])
def test_a_full_disk_or_an_interrupt_leaves_all_of_it_or_nothing(tmp_path: Path, error: BaseException) -> None:
    for at in itertools.count(1):
        world = World(tmp_path / str(at))
        world.up()
        world.put("old")
        fate = Fate(at, error)
        with fate.over(world.engine, calls=not isinstance(error, OSError)):
            failed = _fails(world, DevenvError if isinstance(error, OSError) else KeyboardInterrupt)
        assert complete(world) or failed
        snapshot.listed(world.project)
        world.up()
        assert world.left_over() == []
        assert world.words() == {"old"}
        if not fate.came:
            break
    assert not failed
    assert at > 4


def _fails(world: World, kind: type[BaseException]) -> bool:
    try:
        world.save()
    except kind:
        return True
    return False


def test_a_disk_that_is_full_in_the_middle_of_a_stream_is_told(world: World) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (40, hard))
    try:
        with pytest.raises(DevenvError, match="cannot write"):
            world.save()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert not complete(world)
    assert world.left_over() == []


def test_a_dump_that_fails_or_is_cut_off_makes_no_snapshot(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def dumping(*chunks: Chunk, code: int) -> None:
        def execute(_name: str, command: Command) -> Ran:
            return Ran(chunks, code) if carriers.END.decode() in command.argv else Ran(exit_code=0)

        monkeypatch.setattr(world.engine, "_execute", execute)

    dumping(Chunk("stdout", b"SQL"), Chunk("stderr", b"no such role\n"), code=3)
    with pytest.raises(EngineError, match=r"the dump of `postgres` failed with exit code 3:\s+no such role"):
        world.save()
    for cut in (b"", b"SQL", b"SQL" + carriers.END[:-1]):
        dumping(Chunk("stdout", cut), code=0)
        with pytest.raises(EngineError, match="the dump of `postgres` was cut off"):
            world.save()
    assert not complete(world)
    dumping(*(Chunk("stdout", carriers.END[at : at + 1]) for at in range(len(carriers.END))), code=0)
    assert world.save().parts[0].streams[0].content == 0


def test_a_large_volume_takes_little_memory(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    piece, pieces = bytes(1024 * 1024), 256

    def pack(_container: str, _path: str) -> Iterator[bytes]:
        yield from itertools.repeat(piece, pieces)

    monkeypatch.setattr(world.engine, "pack", pack)
    tracemalloc.start()
    try:
        saved = world.save(services=("redis",))
        source = store.find(world.project.folder, "base")
        store.verify(source, saved.parts, silence)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    (stream,) = saved.parts[0].streams
    assert stream.content == len(piece) * pieces
    assert peak < 16 * 1024 * 1024


@pytest.mark.parametrize("name", ["", ".hidden", "../up", "a/b", "Base", "-x", "ä", "a" * 101])
def test_names_that_could_be_paths_or_options_are_refused(world: World, name: str) -> None:
    if name:
        with pytest.raises(UsageError, match="cannot name a snapshot"):
            world.save(name)
    with pytest.raises(UsageError, match="unknown snapshot"):
        store.find(world.project.folder, name)


def test_a_name_that_is_taken_is_refused_before_anything_stops(world: World) -> None:
    world.save()
    world.engine.calls.clear()
    with pytest.raises(UsageError, match="there is a snapshot `base` already"):
        world.save()
    assert world.engine.calls == []


def test_a_snapshot_is_removed_as_a_whole_and_none_when_one_is_unknown(world: World) -> None:
    world.save("one")
    world.save("two")
    with pytest.raises(UsageError, match="unknown snapshot `three`"):
        snapshot.delete(world.project, ["one", "three"])
    assert [one.name for one in snapshot.listed(world.project).snapshots] == ["one", "two"]
    snapshot.delete(world.project, ["one", "one"])
    assert [one.name for one in snapshot.listed(world.project).snapshots] == ["two"]
    (world.project.folder / store.FOLDER / "two" / "snapshot.json").write_text("[" * 5000)
    assert snapshot.listed(world.project).damaged == ("two",)
    snapshot.delete(world.project, ["two"])
    assert world.left_over() == []


def test_what_a_living_process_writes_is_not_swept(world: World) -> None:
    with contextlib.suppress(RuntimeError), store.draft(world.project.folder, "base"):
        snapshot.listed(world.project)
        (hidden,) = world.left_over()
        raise RuntimeError
    assert hidden.startswith(".base.")
    assert world.left_over() == []
    assert not complete(world)
