"""How it is decided whether apps' folders are copied, and what of it is recorded."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from devenv import workspace
from devenv.engine.memory import MemoryEngine
from devenv.errors import Conflict
from devenv.instances import Claim
from devenv.model import labels
from devenv.model.blueprint import Volume
from devenv.model.machine import Machine
from devenv.model.project import Sync, SyncMode
from devenv.workspace import Workspace
from tests import projects


def opened(root: Path, mode: SyncMode = "auto", *, apps: int = 1) -> Workspace:
    project = projects.project(root, apps=(projects.app(),) * apps, sync=Sync(mode))
    return Workspace(root, project, projects.CATALOG, Machine(state=root / "state"))


def an_engine(*, shares: bool, address: str = "memory://") -> MemoryEngine:
    engine = MemoryEngine()
    engine.shares_files, engine.info = shares, replace(engine.info, address=address)
    return engine


@pytest.mark.parametrize(("mode", "apps", "expected"), [("bind", 1, False), ("copy", 1, True), ("copy", 0, True)])
def test_what_the_project_says_needs_no_engine(tmp_path: Path, mode: SyncMode, apps: int, expected: bool) -> None:
    project, engine = opened(tmp_path, mode, apps=apps), an_engine(shares=True)
    assert (workspace.copies(project, engine), workspace.copies_recorded(project)) == (expected, expected)
    assert engine.calls == []
    assert not (tmp_path / workspace.STATE).exists()


@pytest.mark.parametrize("shares", [True, False])
def test_files_are_copied_where_the_engine_does_not_share_them(tmp_path: Path, shares: bool) -> None:
    project = opened(tmp_path)
    assert not workspace.copies_recorded(project)
    assert workspace.copies(project, an_engine(shares=shares)) is not shares
    assert workspace.copies_recorded(project) is not shares


def test_each_engine_has_its_own_decision_and_the_last_one_holds_without_an_engine(tmp_path: Path) -> None:
    project = opened(tmp_path)
    workspace.copies(project, an_engine(shares=True, address="unix:///here"))
    workspace.copies(project, an_engine(shares=False, address="ssh://there"))
    assert workspace.copies_recorded(project)
    assert not workspace.copies_recorded(project, "unix:///here")
    workspace.copies(project, an_engine(shares=True, address="unix:///here"))
    assert not workspace.copies_recorded(project)


def test_what_is_recorded_once_is_not_written_again(tmp_path: Path) -> None:
    project = opened(tmp_path)
    workspace.copies(project, an_engine(shares=True))
    before = (tmp_path / workspace.STATE).stat()
    workspace.copies(project, an_engine(shares=True))
    assert (tmp_path / workspace.STATE).stat().st_ino == before.st_ino


def test_chosen_ports_and_the_decision_stand_in_one_file(tmp_path: Path) -> None:
    project = opened(tmp_path)
    project = replace(project, project=replace(project.project, services=(projects.service("redis"),)))
    ports = workspace.placement(project).ports
    workspace.copies(project, an_engine(shares=False))
    assert workspace.placement(project).ports == ports
    assert workspace.copies_recorded(project)


# --- other checkouts that an engine knows of ---


def with_volume(root: Path, folder: Path | str, host: str | None) -> MemoryEngine:
    engine, own = MemoryEngine(), {labels.INSTANCE: "shop", labels.FOLDER: str(folder)}
    engine.create(Volume("shop_redis-data", own | ({labels.HOST: host} if host else {})))
    (root / "state").mkdir()
    (root / "state" / "host").write_text("0123456789abcdef")
    return engine


@pytest.mark.parametrize("host", [None, "0123456789abcdef", "fedcba9876543210"])
@pytest.mark.parametrize("place", ["same", "there", "gone"])
def test_a_name_is_left_to_checkouts_that_are_there_and_to_other_machines(
    tmp_path: Path, place: str, host: str | None
) -> None:
    project = opened(tmp_path)
    for folder in (tmp_path, tmp_path / "there"):
        folder.mkdir(exist_ok=True)
        (folder / "devenv.toml").touch()
    engine = with_volume(tmp_path, tmp_path if place == "same" else tmp_path / place, host)
    is_others = place == "there" or (place == "gone" and host == "fedcba9876543210")
    assert (workspace.claim(project, engine=engine).instance != "shop") is is_others
    again = replace(project, claim=Claim("shop"))
    if is_others:
        where = tmp_path / place
        with pytest.raises(Conflict, match=f"an environment named `shop` belongs to `{where}`"):
            workspace.guard(again, engine.observe("shop"))
    else:
        workspace.guard(again, engine.observe("shop"))


def test_what_is_there_under_a_name_is_not_left_behind_by_another_one(tmp_path: Path) -> None:
    (tmp_path / "devenv.toml").touch()
    project = workspace.claim(opened(tmp_path))
    engine = MemoryEngine()
    own = {labels.INSTANCE: "shop", labels.FOLDER: str(tmp_path)}
    engine.create(Volume("shop_redis-data", own))
    with pytest.raises(Conflict, match="this checkout has volumes as `shop`, which cannot be renamed"):
        workspace.claim(project, "review", engine)
    engine.remove("volume", "shop_redis-data")
    assert workspace.claim(project, "review", engine).instance == "review"
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "devenv.toml").touch()
    theirs = {labels.INSTANCE: "taken", labels.FOLDER: str(tmp_path / "other")}
    engine.create(Volume("taken_redis-data", theirs))
    with pytest.raises(Conflict, match="an environment named `taken` belongs to"):
        workspace.claim(project, "taken", engine)
    assert workspace.claim(project).instance == "review"
