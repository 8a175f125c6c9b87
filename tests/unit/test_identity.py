"""What the environment id holds, and what it does not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from devenv import identity, lockfile
from devenv.model.machine import Machine
from devenv.model.pins import Lockfile
from devenv.model.project import HostPath, Limits, Project, Reach, Sync, SyncMode
from devenv.workspace import Workspace
from tests import projects


def shop(root: Path, **changes: object) -> Project:
    root.mkdir(parents=True, exist_ok=True)
    web = projects.app(ports=(8000,), env={"LEVEL": "info"}, packages=("git",), needs=("postgres",))
    return replace(projects.project(root, apps=(web,), services=(projects.service(),)), **changes)  # type: ignore[arg-type]


def id_of(project: Project, lock: Lockfile | None = None, machine: Machine | None = None) -> str:
    workspace = Workspace(project.root, project, projects.CATALOG, machine or Machine())
    return identity.of(workspace, lock or projects.lock(project))


def test_the_id_is_twelve_hex_digits(tmp_path: Path) -> None:
    assert len(bytes.fromhex(id_of(shop(tmp_path)))) == 6


def test_another_folder_user_proxy_and_cache_leave_the_id_alone(tmp_path: Path) -> None:
    machine = Machine(user="1000:1000", proxy={"HTTP_PROXY": "http://proxy:3128"}, cache=tmp_path / "cache")
    assert id_of(shop(tmp_path / "here")) == id_of(shop(tmp_path / "there"), machine=machine)


def test_a_published_port_leaves_the_id_alone_and_a_port_inside_does_not(tmp_path: Path) -> None:
    project = shop(tmp_path)
    fixed = replace(project, services=(replace(project.services[0], port=5432),))
    assert id_of(fixed) == id_of(project)
    other = replace(project, apps=(replace(project.apps[0], ports=(9000,)),))
    assert id_of(other) != id_of(project)


def test_what_a_build_came_out_as_leaves_the_id_alone(tmp_path: Path) -> None:
    project = shop(tmp_path)
    lock = projects.lock(project)
    built = replace(lock.platforms["amd64"], images={"key": f"sha256:{'0' * 64}"})
    assert id_of(project, replace(lock, platforms={"amd64": built})) == id_of(project, lock)


def test_a_changed_variable_package_or_image_is_another_environment(tmp_path: Path) -> None:
    project = shop(tmp_path)
    variable = replace(project, apps=(replace(project.apps[0], env={"LEVEL": "debug"}),))
    lock = projects.lock(project)
    layer = projects.layers(lock)["service/postgres@17"]
    moved = replace(layer, runs=((projects.package("postgresql-17", "17.7-1"),),))
    package = projects.with_layers(lock, dict(projects.layers(lock)) | {layer.name: moved})
    registry = replace(project, services=(projects.service(origin="registry"),))
    assert len({id_of(project), id_of(variable), id_of(project, package), id_of(registry)}) == 4


def test_a_moved_image_of_a_registry_is_another_environment(tmp_path: Path) -> None:
    project = projects.project(tmp_path, services=(projects.service("redis", origin="registry"),))
    lock = projects.lock(project)
    pins = lock.platforms["amd64"]
    name = "docker.io/library/redis:8"
    moved = replace(lock, platforms={"amd64": replace(pins, registry={name: projects.image(name, "2.0")})})
    assert id_of(project, moved) != id_of(project, lock)


def test_passwords_leave_the_id_alone(tmp_path: Path) -> None:
    given = projects.service(options={"password": "s3cret"})
    assert id_of(shop(tmp_path, services=(given,))) == id_of(shop(tmp_path))


def test_the_content_of_an_init_file_counts(tmp_path: Path) -> None:
    (tmp_path / "schema.sql").write_text("create table a ()")
    project = shop(tmp_path, services=(projects.service(options={"init": ("*.sql",)}),))
    before = id_of(project)
    (tmp_path / "schema.sql").write_text("create table b ()")
    assert id_of(project) != before


def test_the_id_holds_the_pins_of_all_architectures_and_is_the_same_on_each(tmp_path: Path) -> None:
    project = shop(tmp_path)
    lock = projects.lock(project)
    both = replace(lock, platforms={**lock.platforms, "arm64": replace(lock.platforms["amd64"], architecture="arm64")})
    assert id_of(project, both) != id_of(project, lock)


def test_a_project_that_pins_nothing_has_an_id_without_a_lockfile(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path, projects.project(tmp_path), projects.CATALOG, Machine())
    assert identity.current(workspace) == identity.of(workspace, None)
    assert len(identity.current(workspace)) == 12


def test_the_id_of_now_is_that_of_the_lockfile_on_disk(tmp_path: Path) -> None:
    project = shop(tmp_path)
    lock = projects.lock(project)
    lockfile.write(tmp_path, lock)
    workspace = Workspace(tmp_path, project, projects.CATALOG, Machine())
    assert identity.current(workspace) == id_of(project, lock)


def test_what_a_service_is_given_or_an_app_needs_counts(tmp_path: Path) -> None:
    project = shop(tmp_path)
    (web,) = project.apps
    others = (
        replace(project, services=(projects.service(env={"TZ": "UTC"}),)),
        replace(project, apps=(replace(web, needs=()),)),
        replace(project, apps=(replace(web, run="serve"),)),
        replace(project, apps=(replace(web, limits=Limits(memory=1 << 30)),)),
        replace(project, apps=(replace(web, dir="web"),)),
        replace(project, apps=(replace(web, name="api"),)),
    )
    (tmp_path / "web").mkdir()
    lock = projects.lock(project)
    pins = lock.platforms["amd64"]
    assert pins.debian is not None
    renamed = {"packages/api": replace(pins.debian.layers["packages/web"], name="packages/api")}
    lock = projects.with_layers(lock, {**pins.debian.layers, **renamed})
    assert len({id_of(one, lock) for one in (project, *others)}) == len(others) + 1


def test_the_order_in_which_apps_start_counts_though_nothing_inside_them_changes(tmp_path: Path) -> None:
    apps = (projects.app("api"), projects.app("web"))
    project = projects.project(tmp_path, apps=apps)
    waiting = replace(project, apps=(apps[0], replace(apps[1], needs=("api",))))
    assert id_of(waiting) != id_of(project)


def test_where_an_image_comes_from_counts_only_by_what_it_is(tmp_path: Path) -> None:
    project = projects.project(tmp_path, services=(projects.service("redis", origin="registry"),))
    lock = projects.lock(project)
    pins = lock.platforms["amd64"]
    name = "docker.io/library/redis:8"
    again = replace(pins.registry[name], digest=f"sha256:{'1' * 64}", version="8.0.3")
    assert id_of(project, replace(lock, platforms={"amd64": replace(pins, registry={name: again})})) == id_of(project)


def test_the_name_and_the_presence_of_an_init_file_count_and_other_files_do_not(tmp_path: Path) -> None:
    (tmp_path / "a.sql").write_text("create table a ()")
    project = shop(tmp_path, services=(projects.service(options={"init": ("*.sql",)}),))
    before = id_of(project)
    (tmp_path / "notes.txt").write_text("none of it")
    assert id_of(project) == before
    (tmp_path / "b.sql").write_text("create table b ()")
    both = id_of(project)
    (tmp_path / "b.sql").rename(tmp_path / "c.sql")
    assert len({before, both, id_of(project)}) == 3


def test_the_way_files_reach_the_apps_leaves_the_id_alone(tmp_path: Path) -> None:
    modes: tuple[SyncMode, ...] = ("bind", "copy", "auto")
    assert len({id_of(shop(tmp_path, sync=Sync(mode))) for mode in modes}) == 1


def test_what_a_unit_reaches_is_part_of_the_environment_and_a_file_that_it_is_given_by_its_content(
    tmp_path: Path,
) -> None:
    project = shop(tmp_path)
    (tmp_path / "conf").mkdir()
    ids = [id_of(project), id_of(reaching(project, capabilities=("KILL",)))]
    for text in ("one", "two"):
        (tmp_path / "conf/a").write_text(text)
        ids.append(id_of(reaching(project, mounts=(HostPath("/a", "conf/a"),))))
    ids += [id_of(reaching(project, mounts=(HostPath("/a", source),))) for source in ("conf", "/conf", "~/conf")]
    assert len(set(ids)) == len(ids)


def test_what_a_link_finds_outside_of_the_project_is_not_part_of_the_environment(tmp_path: Path) -> None:
    project = reaching(shop(tmp_path / "shop"), mounts=(HostPath("/a", "away"),))
    (tmp_path / "shop/away").symlink_to(tmp_path / "a")
    before = id_of(project)
    (tmp_path / "a").write_text("secret")
    assert id_of(project) == before


def test_home_folders_of_two_machines_are_one_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project = reaching(shop(tmp_path), mounts=(HostPath("/a", "~/a"),))
    before = id_of(project)
    monkeypatch.setenv("HOME", "/elsewhere")
    assert id_of(project) == before


def reaching(project: Project, **reach: Any) -> Project:
    return replace(project, apps=(replace(project.apps[0], reach=Reach(**reach)),))
