"""One devenv at a time."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

from devenv.engine import lock
from devenv.engine.lock import Holder
from devenv.errors import Busy, DevenvError
from devenv.model.machine import Machine

HOLD = """
import sys
from pathlib import Path
from devenv.engine import lock
from devenv.model.machine import Machine
with lock.hold(Machine(state=Path(sys.argv[1])), "unix:///a", "shop", command="devenv up"):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_second_holder_is_told_who_the_first_one_is(tmp_path: Path) -> None:
    machine, told = Machine(state=tmp_path), list[Holder]()
    ticks = itertools.count()
    with (
        lock.hold(machine, "unix:///a", "shop", command="devenv up"),
        pytest.raises(Busy) as caught,
        lock.hold(
            machine,
            "unix:///a",
            "shop",
            patience=5,
            tell=told.append,
            clock=lambda: float(next(ticks)),
            sleep=lambda _: None,
        ),
    ):
        pass
    assert caught.value.message == f"`devenv up` (process {os.getpid()}) works on `shop`"
    assert caught.value.hint == f"try again when it is done, or end it with `kill {os.getpid()}`"
    assert [holder.pid for holder in told] == [os.getpid()]


def test_other_instances_and_other_engines_are_not_locked(tmp_path: Path) -> None:
    machine = Machine(state=tmp_path)
    with (
        lock.hold(machine, "unix:///a", "shop"),
        lock.hold(machine, "unix:///a", "shop-2", patience=0),
        lock.hold(machine, "unix:///b", "shop", patience=0),
    ):
        assert len(list((tmp_path / "locks").iterdir())) == 3


def test_a_lock_is_free_after_its_holder_is_done_and_after_an_error(tmp_path: Path) -> None:
    machine = Machine(state=tmp_path)
    with pytest.raises(LookupError), lock.hold(machine, "unix:///a", "shop"):
        raise LookupError
    with lock.hold(machine, "unix:///a", "shop", patience=0):
        (file,) = (tmp_path / "locks").iterdir()
        assert file.stat().st_size > 0
    assert file.stat().st_size == 0


def test_a_killed_holder_does_not_block(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with (
            pytest.raises(Busy, match=f"process {holder.pid}"),
            lock.hold(Machine(state=tmp_path), "unix:///a", "shop", patience=0),
        ):
            pass
        holder.send_signal(signal.SIGKILL)
        holder.wait()
    with lock.hold(Machine(state=tmp_path), "unix:///a", "shop", patience=0):
        pass


def test_waiting_ends_when_the_lock_is_given_back(tmp_path: Path) -> None:
    machine = Machine(state=tmp_path)
    first = ExitStack()
    first.enter_context(lock.hold(machine, "unix:///a", "shop"))
    with lock.hold(machine, "unix:///a", "shop", sleep=lambda _: first.close()):
        pass


def test_a_state_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "locks").touch()
    with pytest.raises(DevenvError, match="lock file"), lock.hold(Machine(state=tmp_path), "unix:///a", "shop"):
        pass
