from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from devenv import pinning
from devenv.errors import UsageError
from devenv.model.pins import Lockfile
from devenv.model.project import StackRequest
from devenv.pinning import Move
from tests import projects


def locked(tmp_path: Path) -> Lockfile:
    web = projects.app(stacks=(StackRequest("python"), StackRequest("node")), packages=("git",))
    return projects.lock(projects.project(tmp_path, apps=(web,), services=(projects.service(),)))


def names(lock: Lockfile, *upgrade: str) -> set[str]:
    return set(pinning.forget(lock.debian["amd64"], upgrade).layers)


def test_upgrading_everything_forgets_every_layer(tmp_path: Path) -> None:
    assert names(locked(tmp_path)) == set()


def test_upgrading_a_service_keeps_the_rest(tmp_path: Path) -> None:
    everything = set(locked(tmp_path).debian["amd64"].layers)
    assert everything - names(locked(tmp_path), "postgres") == {"service/postgres@17"}


def test_upgrading_a_stack_takes_what_stands_on_it_along(tmp_path: Path) -> None:
    assert names(locked(tmp_path), "python") == {"base", "service/postgres@17"}


def test_upgrading_an_app_means_its_packages(tmp_path: Path) -> None:
    everything = set(locked(tmp_path).debian["amd64"].layers)
    assert everything - names(locked(tmp_path), "web") == {"packages/web"}


def test_upgrading_what_is_not_pinned_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        names(locked(tmp_path), "mysql")
    assert caught.value.message == "no pin is called `mysql`"
    assert caught.value.hint is not None
    assert "`service/postgres@17`" in caught.value.hint


def test_a_move_tells_both_versions(tmp_path: Path) -> None:
    before = locked(tmp_path)
    pins = before.debian["amd64"]
    layer = pins.layers["service/postgres@17"]
    moved = replace(layer, runs=((projects.package("postgresql-17", "17.7-1"),),))
    after = replace(before, debian={"amd64": replace(pins, layers=dict(pins.layers) | {layer.name: moved})})
    assert pinning.moves(before, after) == (
        Move("amd64", layer.name, "postgresql-17", "1.0-1", "17.7-1"),
        Move("amd64", layer.name, "postgresql-client-17", "1.0-1", None),
    )


def test_nothing_moved_between_equal_lockfiles(tmp_path: Path) -> None:
    assert pinning.moves(locked(tmp_path), locked(tmp_path)) == ()
