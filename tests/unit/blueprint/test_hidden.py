"""Which variables hold secrets, and how they reach a container without being in the blueprint."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from devenv import blueprint
from devenv.blueprint import hidden
from devenv.blueprint.hidden import Hidden
from devenv.model import labels
from devenv.model.blueprint import Blueprint, Container, Fingerprint, Mount
from devenv.model.project import Project, Ready
from tests import projects

CANARY = "canary-5d3f"
NAMES = {"password": "db.password"}
MARK = Fingerprint("generated", "0123abcd", "0123456789abcdef")


def make(project: Project, **place: object) -> Blueprint:
    return blueprint.make(project, projects.CATALOG, projects.pins(project), projects.placement(project.root, **place))


def unit(made: Blueprint, name: str) -> Container:
    return next(one for one in made.containers if one.unit == name)


def revealed(template: str, password: str, **values: str) -> str:
    found = hidden.text(template, values, NAMES)
    assert isinstance(found, Hidden)
    return found.revealed({"db.password": password})


def test_a_text_without_a_secret_is_a_plain_one() -> None:
    assert hidden.text("{host}:1", {"host": "db"}, NAMES) == "db:1"


def test_a_secret_stays_hidden_until_its_value_is_put_in() -> None:
    found = hidden.text("<{password}{host}{password}>", {"host": "db"}, NAMES)
    assert (str(found), isinstance(found, Hidden) and found.secrets) == ("<…db…>", ("db.password",) * 2)
    assert revealed("<{password}{host}{password}>", "a b/{host}", host="db") == "<a b/{host}dba b/{host}>"


@pytest.mark.parametrize(
    ("password", "expected"),
    [("plain", "plain"), ("p@ss/w:rd ?#%&é{host}", "p%40ss%2Fw%3Ard%20%3F%23%25%26%C3%A9%7Bhost%7D")],
)
def test_a_url_has_its_login_percent_encoded_and_the_rest_as_it_is(password: str, expected: str) -> None:
    found = revealed("sql://{user}:{password}@{host}/{name}", password, user="a@b", host="db", name="a b")
    assert found == f"sql://a%40b:{expected}@db/a b"
    assert revealed("http://{host}/?key={password}", password, host="db") == f"http://db/?key={expected}"


def test_a_fingerprint_changes_with_the_secret_and_with_what_is_around_it() -> None:
    one, other = hidden.text("a{password}", {}, NAMES), hidden.text("b{password}", {}, NAMES)
    assert isinstance(one, Hidden)
    assert isinstance(other, Hidden)
    marks = [{"db.password": MARK}, {"db.password": replace(MARK, value="f" * 16)}, {}]
    found = [one.fingerprint(mark) for mark in marks] + [other.fingerprint(marks[0])]
    assert len(set(found)) == 4
    assert one.fingerprint({"db.password": replace(MARK, origin="given")}) == found[0]


def shop(root: Path, **options: object) -> Project:
    services = (projects.service(options=options), projects.service("rabbitmq"))
    return projects.project(root, apps=(projects.app(needs=("postgres", "rabbitmq"), stacks=()),), services=services)


def test_no_value_gets_into_the_blueprint(tmp_path: Path) -> None:
    for copies in (False, True):
        assert CANARY not in repr(make(shop(tmp_path, password=CANARY), copies=copies))
    assert make(shop(tmp_path, password=CANARY)) == make(shop(tmp_path))


def test_an_app_gets_files_that_its_start_puts_into_memory(tmp_path: Path) -> None:
    web = unit(make(shop(tmp_path)), "web")
    names = ["AMQP_URL", "DATABASE_URL", "PGPASSWORD", "RABBITMQ_PASSWORD", "RABBITMQ_URL"]
    assert [one.name for one in web.secrets] == names
    assert not set(names) & set(web.env)
    source = f"{tmp_path}/.devenv/secrets/web/PGPASSWORD"
    assert Mount("bind", source, "/etc/devenv/secrets/PGPASSWORD", read_only=True) in web.mounts
    assert Mount("tmpfs", "", "/run/secrets", owner="0:0") in web.mounts
    assert web.entrypoint is not None
    assert web.entrypoint[3:] == ("devenv-secrets", "/etc/devenv/secrets", "/run/secrets", "sleep", "infinity")


def test_a_service_gets_files_by_the_variables_its_image_has_for_that(tmp_path: Path) -> None:
    database = unit(make(shop(tmp_path)), "postgres")
    assert database.env["POSTGRES_PASSWORD_FILE"] == "/run/secrets/POSTGRES_PASSWORD"
    assert "POSTGRES_PASSWORD" not in database.env
    source = f"{tmp_path}/.devenv/secrets/postgres/POSTGRES_PASSWORD"
    assert Mount("bind", source, "/run/secrets/POSTGRES_PASSWORD", read_only=True) in database.mounts
    assert database.entrypoint is None


@pytest.mark.parametrize(
    ("origin", "own"), [("debian", "/usr/local/bin/start-rabbitmq"), ("registry", "docker-entrypoint.sh")]
)
def test_a_service_that_knows_no_files_gets_variables_before_its_own_entrypoint(
    tmp_path: Path, origin: str, own: str
) -> None:
    made = make(projects.project(tmp_path, services=(projects.service("rabbitmq", origin=origin),)))
    entrypoint = unit(made, "rabbitmq").entrypoint
    assert entrypoint is not None
    assert entrypoint[3:] == ("devenv-secrets", "/run/secrets", "", own)


def test_a_variable_that_the_project_sets_itself_is_no_secret(tmp_path: Path) -> None:
    services = (projects.service(env={"POSTGRES_PASSWORD": "mine"}),)
    web = projects.app(needs=("postgres",), env={"DATABASE_URL": "mine"})
    made = make(projects.project(tmp_path, apps=(web,), services=services), secrets={"postgres.password": MARK})
    database = unit(made, "postgres")
    assert (database.secrets, database.env["POSTGRES_PASSWORD"]) == ((), "mine")
    assert "POSTGRES_PASSWORD_FILE" not in database.env
    assert unit(made, "web").env["DATABASE_URL"] == "mine"
    assert [one.name for one in unit(made, "web").secrets] == ["PGPASSWORD"]
    assert not any(labels.SECRETS in volume.labels for volume in made.volumes)


def test_another_secret_means_new_containers_for_those_that_have_it(tmp_path: Path) -> None:
    project = shop(tmp_path)
    project = replace(project, apps=(*project.apps, projects.app("alone")))
    marks = dict.fromkeys(("postgres.password", "rabbitmq.password"), MARK)
    before = make(project, secrets=marks)
    after = make(project, secrets=marks | {"postgres.password": replace(MARK, value="f" * 16)})
    changed = {one.unit for one in before.containers if one.config_hash != unit(after, one.unit).config_hash}
    assert changed == {"postgres", "web"}


def test_a_volume_tells_which_secret_its_data_was_made_with_where_the_data_keeps_it(tmp_path: Path) -> None:
    services = (projects.service(), projects.service("clickhouse", origin="registry"))
    marks = {f"{one.name}.password": MARK for one in services}
    made = make(projects.project(tmp_path, services=services), secrets=marks)
    assert {volume.name: volume.labels.get(labels.SECRETS) for volume in made.volumes} == {
        "shop_postgres-data": '{"password":"generated 0123abcd 0123456789abcdef"}',
        "shop_clickhouse-data": None,
    }


def test_commands_inside_have_what_the_program_has(tmp_path: Path) -> None:
    project = shop(tmp_path)
    folders = {
        name: blueprint.inside(project, projects.CATALOG, name)[4:] for name in ("web", "rabbitmq", "postgres", "none")
    }
    assert folders == {"web": ("/etc/devenv/secrets", ""), "rabbitmq": ("/run/secrets", ""), "postgres": (), "none": ()}


@pytest.mark.parametrize(("name", "folder"), [("web", "/etc/devenv/secrets"), ("rabbitmq", "/run/secrets")])
def test_a_check_that_the_project_asks_for_has_them_too(tmp_path: Path, name: str, folder: str) -> None:
    project, ready = shop(tmp_path), Ready(exec=("ask",))
    services = tuple(replace(one, ready=ready) if one.name == name else one for one in project.services)
    asked = unit(make(replace(project, apps=(replace(project.apps[0], ready=ready),), services=services)), name)
    (probe,) = asked.readiness.probes
    assert asked.health is not None
    assert probe.exec == asked.health.command
    assert asked.health.command[3:] == ("devenv-secrets", folder, "", "ask")
