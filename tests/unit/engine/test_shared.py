"""Whether an engine has this host's files: how it is found out, and what is remembered of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from devenv.engine import shared
from devenv.engine.memory import MemoryEngine
from devenv.errors import EngineError, EngineUnreachable
from devenv.model.machine import Machine


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(state=tmp_path / "state")


def asked(engine: MemoryEngine) -> int:
    return [call for call, _ in engine.calls].count("read_host")


@pytest.mark.parametrize("answer", [True, False])
def test_what_a_file_has_proved_is_remembered(tmp_path: Path, machine: Machine, answer: bool) -> None:
    engine = MemoryEngine()
    engine.shares_files = answer
    assert [shared.shares(engine, tmp_path, machine) for _ in range(2)] == [answer, answer]
    assert asked(engine) == 1
    assert list((tmp_path / ".devenv").iterdir()) == []


def test_an_engine_on_another_kernel_shares_nothing_and_is_not_asked(tmp_path: Path, machine: Machine) -> None:
    engine = MemoryEngine()
    engine.info = replace(engine.info, kernel="5.15.0-linuxkit")
    assert not shared.shares(engine, tmp_path, machine)
    assert asked(engine) == 0


def test_an_engine_of_another_version_or_address_is_asked_again(tmp_path: Path, machine: Machine) -> None:
    engine = MemoryEngine()
    for info in (engine.info, replace(engine.info, version="2"), replace(engine.info, address="unix:///other")):
        engine.info = info
        assert shared.shares(engine, tmp_path, machine)
    assert asked(engine) == 3


@pytest.mark.parametrize("damage", ["", "[]", "{", '{"a": 1}'])
def test_a_damaged_memory_is_made_anew(tmp_path: Path, machine: Machine, damage: str) -> None:
    machine.state.mkdir()
    (machine.state / shared.KNOWN).write_text(damage)
    assert [shared.shares(MemoryEngine(), tmp_path, machine) for _ in range(2)] == [True, True]


def test_an_engine_that_refuses_to_be_asked_is_not_trusted_and_asked_the_next_time(
    tmp_path: Path, machine: Machine
) -> None:
    engine = MemoryEngine()
    engine.fail_on = lambda call, _: EngineError("forbidden") if call == "read_host" else None
    assert not shared.shares(engine, tmp_path, machine)
    engine.fail_on = lambda _call, _target: None
    assert shared.shares(engine, tmp_path, machine)


def test_an_engine_that_went_away_is_told(tmp_path: Path, machine: Machine) -> None:
    engine = MemoryEngine()
    engine.fail_on = lambda call, _: EngineUnreachable("gone") if call == "read_host" else None
    with pytest.raises(EngineUnreachable):
        shared.shares(engine, tmp_path, machine)
    assert list((tmp_path / ".devenv").iterdir()) == []
