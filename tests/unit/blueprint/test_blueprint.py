from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from devenv import blueprint
from devenv.errors import DevenvError, LockfileError
from devenv.model import labels
from devenv.model.blueprint import Blueprint, Container, Mount, Port, Probe, Readiness
from devenv.model.pins import DebianPins, DerivedRecipe, ImageRecipe
from devenv.model.project import Project, Service, StackRequest
from tests import projects


def make(project: Project, **place: object) -> Blueprint:
    return blueprint.make(project, projects.CATALOG, projects.pins(project), projects.placement(project.root, **place))


def unit(made: Blueprint, name: str) -> Container:
    return next(one for one in made.containers if one.unit == name)


def test_equal_files_give_an_equal_blueprint(tmp_path: Path) -> None:
    project = projects.project(tmp_path, apps=(projects.app(),), services=(projects.service(),))
    assert make(project) == make(project)


def test_an_app_is_told_how_to_reach_its_services(tmp_path: Path) -> None:
    database = projects.service(options={"databases": ("books", "test")})
    made = make(projects.project(tmp_path, apps=(projects.app(needs=("postgres",)),), services=(database,)))
    env = unit(made, "web").env
    assert (env["PGHOST"], env["PGPORT"], env["PGDATABASE"]) == ("postgres", "5432", "books")
    assert [one.name for one in unit(made, "web").secrets] == ["DATABASE_URL", "PGPASSWORD"]


def test_an_app_is_not_told_of_services_it_does_not_need(tmp_path: Path) -> None:
    made = make(projects.project(tmp_path, apps=(projects.app(),), services=(projects.service(),)))
    assert "DATABASE_URL" not in unit(made, "web").env


def test_the_second_service_of_a_kind_gets_its_name_in_front(tmp_path: Path) -> None:
    services = (projects.service(), projects.service("stats", use="postgres"))
    web = projects.app(needs=("postgres", "stats"))
    env = unit(make(projects.project(tmp_path, apps=(web,), services=services)), "web").env
    assert env["PGHOST"] == "postgres"
    assert env["STATS_PGHOST"] == "stats"


def test_programs_on_the_host_get_the_published_port(tmp_path: Path) -> None:
    project = projects.project(tmp_path, services=(projects.service(),))
    values = blueprint.variables(project, projects.CATALOG, project.services, {"postgres/5432": 25432})
    assert values["PGPORT"] == "25432"
    assert str(values["DATABASE_URL"]) == "postgresql://devenv:…@127.0.0.1:25432/shop"


@pytest.mark.parametrize(
    ("origin", "version", "data"),
    [
        ("debian", None, "postgres 17"),
        ("registry", None, "postgres 17"),
        ("registry", "16.4-alpine", "postgres 16"),
        ("registry", "latest", None),
    ],
)
def test_a_volume_says_whose_data_it_holds(tmp_path: Path, origin: str, version: str | None, data: str | None) -> None:
    database = projects.service(origin=origin, version=version)
    made = make(projects.project(tmp_path, services=(database, projects.service("redis"))))
    assert {volume.name: volume.labels.get(labels.DATA) for volume in made.volumes} == {
        "shop_postgres-data": data,
        "shop_redis-data": None,
    }


def test_settings_become_arguments_of_the_server(tmp_path: Path) -> None:
    database = projects.service(options={"settings": {"work_mem": "8MB", "log_statement": "all; rm -rf $HOME"}})
    made = make(projects.project(tmp_path, services=(database,)))
    assert unit(made, "postgres").command == (
        "postgres", "-c", "log_statement=all; rm -rf $HOME", "-c", "work_mem=8MB",
    )  # fmt: skip


def test_a_value_that_looks_like_a_name_of_the_catalog_is_left_alone(tmp_path: Path) -> None:
    database = projects.service(options={"user": "{host}{password}"})
    project = projects.project(tmp_path, services=(database,))
    assert unit(make(project), "postgres").env["POSTGRES_USER"] == "{host}{password}"
    url = blueprint.variables(project, projects.CATALOG, project.services)["DATABASE_URL"]
    assert str(url) == "postgresql://%7Bhost%7D%7Bpassword%7D:…@postgres:5432/shop"


def test_init_files_are_mounted_read_only_in_the_order_written(tmp_path: Path) -> None:
    (tmp_path / "db").mkdir()
    for name in ("b.sql", "a.sql", "last.sh"):
        (tmp_path / "db" / name).touch()
    database = projects.service(options={"init": ("db/*.sql", "db/last.sh")})
    made = make(projects.project(tmp_path, services=(database,)))
    into = "/docker-entrypoint-initdb.d/"
    targets = [one.target.removeprefix(into) for one in unit(made, "postgres").mounts if one.target.startswith(into)]
    assert targets == ["010-a.sql", "011-b.sql", "012-last.sh"]
    assert all(mount.read_only for mount in unit(made, "postgres").mounts if mount.kind == "bind")


def test_an_init_glob_without_a_match_is_an_error(tmp_path: Path) -> None:
    database = projects.service(options={"init": ("db/*.sql",)})
    with pytest.raises(DevenvError) as caught:
        make(projects.project(tmp_path, services=(database,)))
    assert caught.value.message == "`init` of service `postgres`: no file matches `db/*.sql`"


def test_a_link_that_leads_out_of_the_project_is_refused(tmp_path: Path) -> None:
    inside = tmp_path / "project"
    inside.mkdir()
    (inside / "away").symlink_to(tmp_path)
    with pytest.raises(DevenvError, match="leads out of the project"):
        make(projects.project(inside, apps=(projects.app(dir="away"),)))


def test_apps_that_are_alike_share_image_and_home(tmp_path: Path) -> None:
    web, worker = projects.app("web", packages=("git",)), projects.app("worker", like="web", packages=("git",))
    made = make(projects.project(tmp_path, apps=(web, worker)))
    assert unit(made, "web").image == unit(made, "worker").image
    assert [one.name for one in made.volumes] == ["shop_web-home"]


def test_units_stand_after_what_they_need(tmp_path: Path) -> None:
    apps = (projects.app("web", needs=("api",)), projects.app("api", needs=("postgres",)))
    made = make(projects.project(tmp_path, apps=apps, services=(projects.service(),)))
    names = [one.unit for one in made.containers]
    assert names.index("postgres") < names.index("api") < names.index("web")


def test_the_machine_never_changes_an_image(tmp_path: Path) -> None:
    project = projects.project(tmp_path, apps=(projects.app(),), services=(projects.service(),))
    here = make(project)
    there = make(
        project, user="1000:1000", certificates="/ca.pem", env={"HTTP_PROXY": "http://p"}, passwd="/p", folder="/x"
    )
    assert here.images == there.images


def test_certificates_and_proxy_reach_every_container_at_run_time(tmp_path: Path) -> None:
    project = projects.project(tmp_path, apps=(projects.app(),), services=(projects.service(),))
    made = make(project, certificates="/state/ca.pem", env={"HTTP_PROXY": "http://proxy:3128"})
    for container in made.containers:
        assert container.env["SSL_CERT_FILE"] == container.env["PIP_CERT"] == "/etc/devenv/ca-certificates.pem"
        assert container.env["HTTP_PROXY"] == "http://proxy:3128"
        assert any(mount.source == "/state/ca.pem" and mount.read_only for mount in container.mounts)


def test_the_projects_own_variables_win(tmp_path: Path) -> None:
    web = projects.app(needs=("postgres",), env={"DATABASE_URL": "mine"})
    made = make(projects.project(tmp_path, apps=(web,), services=(projects.service(),)))
    assert unit(made, "web").env["DATABASE_URL"] == "mine"


def test_each_part_of_the_configuration_counts_for_its_hash(tmp_path: Path) -> None:
    base = projects.app(run="a")
    variants = [
        base,
        replace(base, run="b"),
        replace(base, env={"A": "1"}),
        replace(base, ports=(8000,)),
        replace(base, packages=("git",)),
    ]
    hashes = {make(projects.project(tmp_path, apps=(one,))).containers[0].config_hash for one in variants}
    assert len(hashes) == len(variants)


def test_an_image_has_a_tag_no_registry_can_serve(tmp_path: Path) -> None:
    made = make(projects.project(tmp_path, services=(projects.service(),)))
    assert made.images[0].reference == f"localhost/devenv/postgres:{made.images[0].key[:16]}"


@pytest.mark.parametrize("lacking", [{"debian": None}, {"debian": DebianPins("amd64", "trixie", (), {})}])
def test_a_missing_pin_is_an_error_that_names_the_remedy(tmp_path: Path, lacking: dict[str, Any]) -> None:
    project = projects.project(tmp_path, services=(projects.service(),))
    with pytest.raises(LockfileError) as caught:
        blueprint.make(project, projects.CATALOG, projects.pins(project, **lacking), projects.placement(tmp_path))
    assert caught.value.hint == "run `devenv lock`"


REDIS = "docker.io/library/redis:8"


def of_registry(tmp_path: Path) -> Blueprint:
    web = projects.app(
        origin="registry", stacks=(StackRequest("python", "3.13"), StackRequest("node", "22")), packages=("git",)
    )
    services = (
        projects.service("redis", origin="registry"),
        projects.service(origin="registry", options={"databases": ("shop", "test")}),
        Service("search", None, "registry", "ghcr.io/acme/search:2", ports=(9200,), volumes={"data": "/data"}),
    )
    project = projects.project(tmp_path, apps=(web,), services=services)
    ports = {"search/9200": 29200}
    return blueprint.make(project, projects.CATALOG, projects.pins(project), projects.placement(tmp_path, ports=ports))


def test_an_image_of_a_registry_is_known_by_its_configuration_before_it_is_there(tmp_path: Path) -> None:
    image = next(one for one in of_registry(tmp_path).images if one.source == projects.image(REDIS))
    assert image.digest == projects.image(REDIS).config
    assert re.fullmatch("localhost/devenv/redis:[0-9a-f]{16}", image.reference)


def test_an_app_of_a_registry_stands_on_its_first_stack_and_takes_the_others_folders(tmp_path: Path) -> None:
    (source,) = [one.source for one in of_registry(tmp_path).images if isinstance(one.source, DerivedRecipe)]
    assert source.base.reference == "docker.io/library/python:3.13-slim"
    assert [(pin.reference, paths) for pin, paths in source.copied] == [
        ("docker.io/library/node:22-slim", ("/usr/local/",))
    ]
    assert source.layer is not None
    assert source.layer.request == ("git",)


def test_the_official_image_of_postgres_is_told_of_further_databases(tmp_path: Path) -> None:
    (container,) = [one for one in of_registry(tmp_path).containers if one.unit == "postgres"]
    assert container.command is not None
    assert container.command[:2] == ("/bin/sh", "-c")
    assert container.command[-1] == "postgres"
    assert container.env["DEVENV_DATABASES"] == "shop,test"


def test_a_service_by_image_is_run_as_the_image_says(tmp_path: Path) -> None:
    (container,) = [one for one in of_registry(tmp_path).containers if one.unit == "search"]
    assert (container.entrypoint, container.command, container.health) == (None, None, None)
    assert container.mounts == (Mount("volume", "shop_search-data", "/data"),)
    assert container.ports == (Port(9200, 29200),)
    assert container.readiness == Readiness((Probe(tcp=9200),))


def test_an_image_without_a_pin_names_the_remedy(tmp_path: Path) -> None:
    project = projects.project(tmp_path, services=(projects.service("redis", origin="registry"),))
    with pytest.raises(LockfileError, match=f"no pin for `{REDIS}`"):
        blueprint.make(project, projects.CATALOG, None, projects.placement(tmp_path))


def test_files_that_a_stack_is_installed_with_are_in_its_own_layer_and_gone_at_the_end_of_it(tmp_path: Path) -> None:
    web = projects.app(stacks=(StackRequest("python"), StackRequest("go")), packages=("jq",))
    (image,) = make(projects.project(tmp_path, apps=(web,))).images
    assert isinstance(image.source, ImageRecipe)
    layer = "stack/python@3.13+go@1.24"
    assert [one.path for one in image.source.files[layer]] == ["/etc/dpkg/dpkg.cfg.d/go"]
    assert image.source.drop == {layer: ("/etc/dpkg/dpkg.cfg.d/go",)}
    assert image.source.files.keys() == {"base", layer}
