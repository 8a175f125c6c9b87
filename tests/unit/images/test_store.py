from __future__ import annotations

import hashlib
import multiprocessing
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from devenv.images.store import Store

KEY = "k" * 64
OWNER = "unix:///engine"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path)


def keep(store: Store, content: bytes) -> Path:
    temporary = store.temporary(KEY, "layer")
    temporary.write_bytes(content)
    return store.keep(KEY, temporary, hashlib.sha256(content).hexdigest(), len(content)).path


def test_a_kept_layer_is_found_with_digest_and_size(store: Store) -> None:
    assert store.find(KEY) is None
    path = keep(store, b"layer")
    found = store.find(KEY)
    assert found is not None
    assert (found.path, found.sha256, found.size) == (path, hashlib.sha256(b"layer").hexdigest(), 5)


def test_a_damaged_layer_is_none_and_gone(store: Store) -> None:
    path = keep(store, b"layer")
    path.write_bytes(b"other")
    assert store.find(KEY) is None
    assert not path.exists()


def test_a_claim_leaves_nothing_but_the_result(store: Store) -> None:
    with store.claim(KEY, OWNER):
        store.temporary(KEY, "spool").write_bytes(b"x")
        path = keep(store, b"layer")
    assert list(store.folder.iterdir()) == [path]


def test_a_claim_keeps_others_waiting(store: Store) -> None:
    order = []

    def second() -> None:
        with store.claim(KEY, OWNER):
            order.append("second")

    thread = threading.Thread(target=second)
    with store.claim(KEY, OWNER):
        thread.start()
        thread.join(0.1)
        order.append("first")
    thread.join()
    assert order == ["first", "second"]
    assert list(store.folder.iterdir()) == []


def test_a_held_claim_is_not_abandoned(store: Store) -> None:
    with store.claim(KEY, OWNER), store.abandoned(OWNER) as keys:
        assert keys == []


def test_what_a_killed_process_has_left_is_told_to_its_owner_only(store: Store) -> None:
    with _killed(store):
        with store.abandoned("unix:///another") as keys:
            assert keys == []
        with store.abandoned(OWNER) as keys:
            assert keys == [KEY]
            store.forget(KEY, OWNER)
        with store.abandoned(OWNER) as keys:
            assert keys == []
    assert list(store.folder.iterdir()) == []


def test_a_killed_process_keeps_nobody_waiting(store: Store) -> None:
    with _killed(store), store.claim(KEY, OWNER):
        assert keep(store, b"layer").exists()


def test_what_is_left_in_one_engine_is_known_after_another_has_built_the_layer(store: Store) -> None:
    with _killed(store):
        with store.claim(KEY, "unix:///another"):
            keep(store, b"layer")
        with store.abandoned(OWNER) as keys:
            assert keys == [KEY]


def _claim_for_ever(folder: Path, claimed: threading.Event) -> None:
    store = Store(folder)
    with store.claim(KEY, OWNER):
        store.temporary(KEY, "spool").write_bytes(b"half")
        claimed.set()
        threading.Event().wait()


@contextmanager
def _killed(store: Store) -> Iterator[None]:
    """A process that claimed the key and was killed."""
    context = multiprocessing.get_context("spawn")
    claimed = context.Event()
    process = context.Process(target=_claim_for_ever, args=(store.folder.parent, claimed))
    process.start()
    assert claimed.wait(30)
    process.kill()
    process.join()
    yield
