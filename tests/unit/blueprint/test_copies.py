"""What must exist where apps' folders are copied into volumes rather than mounted from the host."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from devenv import blueprint
from devenv.errors import DevenvError
from devenv.model import labels
from devenv.model.blueprint import Blueprint, Container, Mount
from devenv.model.project import App, Project, Service
from tests import projects

HOLDS = Mount("volume", "shop_web-files", "/work")


def project_of(root: Path, *apps: App, services: tuple[Service, ...] = ()) -> Project:
    return projects.project(root, apps=apps, services=services)


def make(project: Project, **place: object) -> Blueprint:
    placement = projects.placement(project.root, **({"copies": True} | place))
    return blueprint.make(project, projects.CATALOG, projects.pins(project), placement)


def unit(made: Blueprint, name: str) -> Container:
    return next(one for one in made.containers if one.unit == name)


def test_an_app_s_folder_is_a_volume_that_a_container_of_its_image_holds(tmp_path: Path) -> None:
    made = make(project_of(tmp_path, projects.app(needs=("redis",)), services=(projects.service("redis"),)), user="7:8")
    web, files = unit(made, "web"), unit(made, "web.files")
    assert HOLDS in web.mounts
    assert web.needs == ("redis", "web.files")
    assert (files.name, files.kind, files.image) == ("shop-web.files-1", "files", web.image)
    assert (files.mounts, files.command, files.user, files.working_dir) == ((HOLDS,), ("7:8",), "0:0", "/work")
    assert not files.is_attached
    assert "shop_web-files" in [one.name for one in made.volumes]
    assert [one.unit for one in made.containers].index("web.files") < [one.unit for one in made.containers].index("web")


def test_apps_of_one_folder_share_its_volume_and_others_have_their_own(tmp_path: Path) -> None:
    for folder in ("api", "web"):
        (tmp_path / folder).mkdir()
    apps = (
        projects.app("api", dir="./api/"),
        projects.app("web", dir="web"),
        projects.app("worker", dir="api", like="api"),
    )
    made = make(project_of(tmp_path, *apps))
    held = {one.unit: mount.source for one in made.containers for mount in one.mounts if mount.target == "/work"}
    assert held == {
        **dict.fromkeys(("api", "worker", "api.files"), "shop_api-files"),
        **dict.fromkeys(("web", "web.files"), "shop_web-files"),
    }
    assert unit(made, "worker").needs == ("api.files",)


def test_nothing_of_the_host_is_mounted_and_single_files_are_copied(tmp_path: Path) -> None:
    (tmp_path / "first.sql").write_text("select 1")
    database = projects.service(options={"init": ("first.sql",)})
    project = project_of(tmp_path, projects.app(), services=(database,))
    made = make(project, certificates="/state/ca.pem", passwd="/state/passwd", user="7:8")
    assert {mount.kind for one in made.containers for mount in one.mounts} == {"volume", "copy"}
    copied = {one.unit: json.loads(one.labels.get(labels.COPIED, "[]")) for one in made.containers}
    assert copied == {
        "postgres": [
            "/docker-entrypoint-initdb.d/010-first.sql",
            "/etc/devenv/ca-certificates.pem",
            "/run/secrets/POSTGRES_PASSWORD",
        ],
        "web": ["/etc/passwd", "/etc/devenv/ca-certificates.pem"],
        "web.files": [],
    }


def test_a_changed_file_makes_another_container_only_where_it_was_copied(tmp_path: Path) -> None:
    (tmp_path / "first.sql").write_text("select 1")
    project = project_of(tmp_path, services=(projects.service(options={"init": ("first.sql",)}),))
    before = [make(project, copies=copies).containers[0].config_hash for copies in (True, False)]
    (tmp_path / "first.sql").write_text("select 2")
    after = [make(project, copies=copies).containers[0].config_hash for copies in (True, False)]
    assert (after[0] == before[0], after[1] == before[1]) == (False, True)


def test_another_way_for_files_makes_another_container_and_the_same_image(tmp_path: Path) -> None:
    project = project_of(tmp_path, projects.app())
    copied, mounted = make(project), make(project, copies=False)
    assert unit(copied, "web").config_hash != unit(mounted, "web").config_hash
    assert copied.images == mounted.images


def test_a_folder_that_leads_out_of_the_project_is_refused(tmp_path: Path) -> None:
    (tmp_path / "project").mkdir()
    (tmp_path / "project" / "away").symlink_to(tmp_path)
    with pytest.raises(DevenvError, match="leads out of the project"):
        make(project_of(tmp_path / "project", replace(projects.app(), dir="away")))
