"""Random work on both sides at once: no content is lost, and both sides are equal in the end.

`DEVENV_SYNC_OPERATIONS=200000 pytest tests/unit/sync/test_property.py` does more of it than the suite does.
"""

from __future__ import annotations

import ctypes
import itertools
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import MappingProxyType

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

from tests.unit.sync.sides import Sides, until

OPERATIONS = int(os.environ.get("DEVENV_SYNC_OPERATIONS", "10000"))
STEPS = 200
PARTS = ("a", "b", "c d", "é")
PATHS = st.lists(st.sampled_from(PARTS), min_size=1, max_size=3).map("/".join)
SIDES = st.sampled_from(("host", "inner"))

_LIBC = ctypes.CDLL(None, use_errno=True)
_HERE, _NOREPLACE, _EXCHANGE = -100, 1, 2


def rename(source: Path, target: Path, how: int) -> bool:
    """`renameat2`: what people do is one step, so that it is known what they saw."""
    done = _LIBC.renameat2(_HERE, os.fsencode(source), _HERE, os.fsencode(target), how)
    return int(done) == 0


def tokens(path: Path) -> Iterator[str]:
    """What is in a file, or in all files of a folder."""
    if path.is_symlink():
        return
    for file in path.rglob("*") if path.is_dir() else (path,):
        if file.is_file() and not file.is_symlink():
            yield from file.read_text().split()


class People(RuleBasedStateMachine):
    """What people and programs do on both sides, and what happens to the connection."""

    environ: Mapping[str, str] = MappingProxyType({})

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="devenv-sync-"))
        self.away = self.folder / "away"
        self.away.mkdir()
        self.numbers = itertools.count()
        self.written: set[str] = set()
        self.given_up: set[str] = set()
        self.sides = Sides(self.folder / "host", self.folder / "inner", self.folder / "state")
        self.sides.environ = dict(self.environ)
        self.sides.host.mkdir()
        self.sides.inner.mkdir()
        self.sides.start()
        self.sides.settled()

    def at(self, side: str, path: str) -> Path:
        return (self.sides.host if side == "host" else self.sides.inner) / path

    def fresh(self) -> Path:
        return self.away / str(next(self.numbers))

    def new_file(self) -> tuple[Path, str]:
        made = self.fresh()
        token = f"token-{made.name}"
        made.write_text(f"{token}\n")
        return made, token

    # --- people ---

    @rule(side=SIDES, path=PATHS)
    def create(self, side: str, path: str) -> None:
        made, token = self.new_file()
        if rename(made, self.at(side, path), _NOREPLACE):
            self.written.add(token)

    @rule(side=SIDES, path=PATHS)
    def save(self, side: str, path: str) -> None:
        target = self.at(side, path)
        made, token = self.new_file()
        if target.is_file() and not target.is_symlink() and rename(made, target, _EXCHANGE):
            self.written.add(token)
            self.given_up.update(tokens(made))

    @rule(side=SIDES, path=PATHS)
    def append(self, side: str, path: str) -> None:
        """In place, as a log or a simple editor does."""
        token = f"token-{next(self.numbers)}"
        try:
            descriptor = os.open(self.at(side, path), os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW)
        except OSError:
            return
        os.write(descriptor, f"{token}\n".encode())
        if os.fstat(descriptor).st_nlink:  # else somebody had replaced the file: it went where nobody looks, as ever
            self.written.add(token)
        os.close(descriptor)

    @rule(side=SIDES, path=PATHS)
    def remove(self, side: str, path: str) -> None:
        away = self.fresh()
        if rename(self.at(side, path), away, _NOREPLACE):
            self.given_up.update(tokens(away))

    @rule(side=SIDES, path=PATHS)
    def make_folder(self, side: str, path: str) -> None:
        with suppress(OSError):
            self.at(side, path).mkdir(parents=True)

    @rule(side=SIDES, source=PATHS, place=PATHS)
    def move(self, side: str, source: str, place: str) -> None:
        rename(self.at(side, source), self.at(side, place), _NOREPLACE)

    @rule(side=SIDES, path=PATHS)
    def become_folder(self, side: str, path: str) -> None:
        target, away = self.at(side, path), self.fresh()
        if target.is_file() and rename(target, away, _NOREPLACE):
            self.given_up.update(tokens(away))
            with suppress(OSError):
                target.mkdir()

    @rule(side=SIDES, path=PATHS, name=st.sampled_from(PARTS))
    def link(self, side: str, path: str, name: str) -> None:
        with suppress(OSError):
            self.at(side, path).symlink_to(name)

    @rule(side=SIDES, path=PATHS, mode=st.sampled_from((0o644, 0o755, 0o600)))
    def change_mode(self, side: str, path: str, mode: int) -> None:
        target = self.at(side, path)
        if target.is_file() and not target.is_symlink():
            with suppress(OSError):
                target.chmod(mode)

    # --- misfortune ---

    @rule(how=st.sampled_from(("kill", "cut")), often=st.integers(0, 5))
    def lose_connection(self, how: str, often: int) -> None:
        link = self.sides.link
        if often or link is None:
            return
        with suppress(ProcessLookupError):
            link.kill() if how == "kill" else link.close()

    @rule(often=st.integers(0, 5))
    def pause(self, often: int) -> None:
        if not often and self.sides.session is not None:
            self.sides.session.pause()

    @rule()
    def resume(self) -> None:
        if self.sides.session is not None:
            self.sides.session.resume()

    @rule(often=st.integers(0, 10))
    def restart(self, often: int) -> None:
        if not often:
            self.sides.stop()
            self.sides.start()

    @rule(often=st.integers(0, 3))
    def wait(self, often: int) -> None:
        if not often and self.sides.session is not None:
            self.sides.session.flush(1)

    # --- the end ---

    def teardown(self) -> None:
        try:
            self.compare()
        finally:
            self.sides.stop()
            shutil.rmtree(self.folder)

    def compare(self) -> None:
        session = self.sides.session
        assert session is not None
        session.resume()

        def equal() -> bool:
            if session.status().stage in ("halted", "paused"):
                session.resume()
            return session.flush(5) and self.sides.equal()

        with differing(self.sides):
            until(equal, seconds=30)
        there = {token for side in (self.sides.host, self.sides.inner) for token in tokens(side)}
        assert self.written - self.given_up <= there
        assert self.sides.failure is None


@contextmanager
def differing(pair: Sides) -> Iterator[None]:
    """Let a failure say what differs, and what the session thinks of it."""
    try:
        yield
    except AssertionError as error:
        host, inner = pair.tree(pair.host), pair.tree(pair.inner)
        differs = sorted(path for path in host.keys() | inner.keys() if host.get(path) != inner.get(path))
        found = [f"{path!r}: {host.get(path)} here, {inner.get(path)} inside" for path in differs]
        status = pair.session.status() if pair.session is not None else None
        raise AssertionError("\n".join([str(error), *found, str(status)])) from error


def work(people: type[People], operations: int, steps: int) -> None:
    run_state_machine_as_test(
        people,
        settings=settings(
            max_examples=max(1, operations // steps),
            stateful_step_count=steps,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_nothing_is_lost_and_both_sides_become_equal() -> None:
    work(People, OPERATIONS, STEPS)


def test_nothing_is_lost_with_the_agent_in_sh_either(applets: Path) -> None:
    class Inside(People):
        environ: Mapping[str, str] = {"PATH": str(applets), "TMPDIR": str(applets.parent)}

    work(Inside, OPERATIONS // 40, STEPS // 4)
