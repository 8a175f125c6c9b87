"""What a project leaves when it leaves devenv."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from devenv import ejection
from devenv.ejection import Ejected
from devenv.model.project import App, HostPath, Project, Reach, Secret, Service, Task
from tests import projects
from tests.unit.test_render import HARD, shape, unescaped

KNOWN = {"postgres.password": "p@ss/w0rd $1", "TOKEN": "t"}


def made(project: Project, folder: str = ".", user: str = "1000:1000") -> Ejected:
    return ejection.make(project, projects.CATALOG, projects.pins(project), folder, user, KNOWN, "at {}".format)


def shop(root: Path, value: str = "x", **changes: Any) -> Project:
    (root / "requirements.txt").write_text("flask\n")
    values: dict[str, Any] = {
        "run": f"echo {value}",
        "env": {"VALUE": value},
        "ports": (8000,),
        "needs": ("postgres",),
        "setup": (f"echo {value}", "pip install -r requirements.txt"),
    }
    database = projects.service("postgres", options={"settings": {"work_mem": value}})
    return projects.project(root, apps=(projects.app(**values),), services=(database,), **changes)


def compose(files: Ejected) -> dict[str, Any]:
    data: dict[str, Any] = yaml.safe_load(files.files["compose.yaml"])
    return data


def test_nothing_of_devenv_or_of_this_machine_is_left(tmp_path: Path) -> None:
    found = made(shop(tmp_path))
    text = "".join(found.files.values())
    assert str(tmp_path) not in text
    assert "dev.devenv" not in text
    assert "localhost/devenv" not in text
    assert "labels" not in compose(found)["services"]["web"]


def test_passwords_are_in_the_file_of_variables_alone(tmp_path: Path) -> None:
    found = made(shop(tmp_path))
    assert KNOWN["postgres.password"] not in "".join(found.files.values())
    assert found.env == {
        "POSTGRES_PASSWORD": KNOWN["postgres.password"],
        "POSTGRES_PASSWORD_ENCODED": "p%40ss%2Fw0rd%20%241",
        "DEV_UID": "1000",
        "DEV_GID": "1000",
    }
    assert found.example == {name: one if "DEV_" in name else "change-me" for name, one in found.env.items()}
    services = compose(found)["services"]
    url = "postgresql://devenv:${POSTGRES_PASSWORD_ENCODED:?it is in .env}@postgres:5432/shop"
    assert services["web"]["environment"]["DATABASE_URL"] == url
    assert services["postgres"]["secrets"] == [{"source": "postgres.POSTGRES_PASSWORD", "target": "POSTGRES_PASSWORD"}]
    assert compose(found)["secrets"] == {"postgres.POSTGRES_PASSWORD": {"environment": "POSTGRES_PASSWORD"}}


def test_what_people_bring_is_asked_for(tmp_path: Path) -> None:
    project = projects.project(tmp_path, apps=(projects.app(),), secrets=(Secret("TOKEN"),))
    found = made(project)
    assert compose(found)["services"]["web"]["environment"]["TOKEN"] == "${TOKEN:?it is in .env}"
    assert (found.env["TOKEN"], found.example["TOKEN"]) == ("t", "change-me")


def test_an_app_is_set_up_by_a_script_of_its_own_and_started(tmp_path: Path) -> None:
    found = made(shop(tmp_path))
    script = found.files["docker/web/start.sh"]
    assert 'cat "$0" requirements*.txt pyproject.toml' in script
    assert "sh -ec 'pip install -r requirements.txt' 9>&- </dev/null\n" in script
    assert script.endswith("exec /bin/sh -c 'echo x'\n")
    web = compose(found)["services"]["web"]
    assert web["entrypoint"] == ["/bin/sh", "/usr/local/bin/start-app"]
    assert web["user"] == "${DEV_UID:-1000}:${DEV_GID:-1000}"
    assert web["depends_on"] == {"postgres": {"condition": "service_healthy"}}
    assert {one["target"]: one["source"] for one in web["volumes"]} == {
        "/work": ".",
        "/home/dev": "web-home",
        "/usr/local/bin/start-app": "./docker/web/start.sh",
    }


def test_an_image_of_debian_packages_is_built_on_debian_with_what_was_locked_to_be_had(tmp_path: Path) -> None:
    text = made(shop(tmp_path)).files["docker/postgres/Dockerfile"]
    assert "FROM debian:trixie-slim\n" in text
    assert "$SNAPSHOT/archive/debian/at 1760000000 trixie main" in text
    assert "        postgresql-17=1.0-1 \\\n" in text
    assert "        postgresql-17 \\\n" in text
    assert 'ENTRYPOINT ["/usr/local/bin/docker-entrypoint.sh"]' in text


def test_images_of_a_registry_are_named_by_digest(tmp_path: Path) -> None:
    web = App("web", image="acme/base:1", run="x", needs=())
    cache = Service(
        "cache", use=None, image="acme/cache:2", ports=(80,), working_dir="/x", run_as="1:1", needs=("web",)
    )
    found = made(projects.project(tmp_path, apps=(web,), services=(cache,)))
    digest = projects.image("docker.io/acme/cache:2").digest
    services = compose(found)["services"]
    assert services["cache"]["image"] == f"docker.io/acme/cache:2@{digest}"
    assert (services["cache"]["user"], services["cache"]["working_dir"]) == ("1:1", "/x")
    assert services["cache"]["depends_on"] == {"web": {"condition": "service_started"}}
    assert services["web"]["build"] == {"context": "./docker/web", "dockerfile": "Dockerfile", "network": "none"}
    base = projects.image("docker.io/acme/base:1").digest
    assert f"FROM docker.io/acme/base:1@{base}\n" in found.files["docker/web/Dockerfile"]


def test_a_dockerfile_of_the_project_stays_what_is_built(tmp_path: Path) -> None:
    (tmp_path / "search").mkdir()
    (tmp_path / "search/Dockerfile").write_text("FROM debian AS one\nFROM alpine\n")
    search = Service(
        "search", use=None, dockerfile="search/Dockerfile", context=".", target="one", args={"A": "$b"},
        reach=Reach((HostPath("/a", "search"),), privileged=True),
    )  # fmt: skip
    found = compose(made(projects.project(tmp_path, services=(search,)), folder=".."))["services"]["search"]
    assert found["build"] == {
        "context": "..",
        "dockerfile": "search/Dockerfile",
        "target": "one",
        "args": {"A": "$$b"},
    }
    assert (found["privileged"], found["volumes"][0]["source"]) == (True, "../search")


def test_what_is_lost_is_said(tmp_path: Path) -> None:
    project = shop(tmp_path, tasks=(Task("migrate", "flask db upgrade", "web"),), joins=("shared",), seed="a")
    told = " ".join(made(project).losses)
    for word in ("devenv.lock", "Debian packages", "docker compose exec web sh -c 'flask db upgrade'", "join", "dump"):
        assert word in told


def test_ports_of_two_services_do_not_meet(tmp_path: Path) -> None:
    services = tuple(projects.service(name, use="redis") for name in ("one", "two"))
    found = compose(made(projects.project(tmp_path, services=services)))["services"]
    assert [found[name]["ports"] for name in ("one", "two")] == [["127.0.0.1:6379:6379"], ["127.0.0.1:20000:6379"]]


@pytest.mark.parametrize("value", [one for one in HARD if "\n" not in one])
def test_a_value_adds_nothing_to_any_file(tmp_path: Path, value: str) -> None:
    hard, plain = made(shop(tmp_path, value)), made(shop(tmp_path))
    assert shape(compose(hard)) == shape(compose(plain))
    assert unescaped(compose(hard)["services"]["web"]["environment"]["VALUE"]) == value
    for name in plain.files:
        if name.endswith("Dockerfile"):
            assert hard.files[name] == plain.files[name]
    assert json.dumps(sorted(hard.files)) == json.dumps(sorted(plain.files))
