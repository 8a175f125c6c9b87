"""What the catalog's strings and files become in a service's container."""

from __future__ import annotations

from pathlib import Path

import pytest

from devenv import blueprint, catalog, config
from devenv.catalog import Catalog
from devenv.errors import Problems
from devenv.lockfile import wanted
from devenv.model.blueprint import Container, Mount, Probe, Readiness
from devenv.model.pins import Pins
from devenv.model.project import Project, Service
from tests import projects

MAIL = """\
summary = "A mail sink"
docs = "-"
ports = { smtp = 1025, web = 8025 }
command = ["sink", "--name", "{service}"]
ready = [{ exec = ["probe", "{service}"], timeout = 7 }]
provides = { SMTP_PORT = "{port}", MAIL_PAGE = "http://{host}:{port.web}" }
[registry]
image = "acme/mail"
default = "1"
versions = ["1"]
"""


def mail(root: Path) -> tuple[Project, Catalog]:
    folder = root / ".devenv" / "services"
    folder.mkdir(parents=True)
    (folder / "mail.toml").write_text(MAIL)
    services = (Service("post", "mail"),)
    return projects.project(root, services=services), catalog.of(root)


def one(project: Project, entries: Catalog = projects.CATALOG) -> Container:
    """The container of the only service."""
    pins = Pins("amd64", registry={name: projects.image(name) for name in wanted.of(project, entries).images})
    pins = projects.pins(project) if entries is projects.CATALOG else pins
    made = blueprint.make(project, entries, pins, projects.placement(project.root))
    return next(container for container in made.containers if container.kind == "service")


def test_variables_name_each_port_as_it_is_reached_inside_and_on_the_host(tmp_path: Path) -> None:
    project, entries = mail(tmp_path)
    inside = blueprint.variables(project, entries, project.services)
    assert inside == {"SMTP_PORT": "1025", "MAIL_PAGE": "http://post:8025"}
    outside = blueprint.variables(project, entries, project.services, {"post/1025": 21025, "post/8025": 28025})
    assert outside == {"SMTP_PORT": "21025", "MAIL_PAGE": "http://127.0.0.1:28025"}


def test_a_service_is_told_its_own_name_in_the_network(tmp_path: Path) -> None:
    service = Service("events", "kafka")
    container = one(projects.project(tmp_path, services=(service,)))
    assert container.env["KAFKA_ADVERTISED_LISTENERS"] == "PLAINTEXT://events:9092"


def test_a_command_that_is_filled_in_keeps_its_time(tmp_path: Path) -> None:
    container = one(*mail(tmp_path))
    assert container.command == ("sink", "--name", "post")
    assert container.readiness == Readiness((Probe(exec=("probe", "post")),), timeout=7)


@pytest.mark.parametrize(
    ("use", "value", "target"),
    [
        ("prometheus", "ops/site.conf", "/etc/prometheus/prometheus.yml"),
        ("nginx", "ops/site.conf", "/etc/nginx/project/010-site.conf"),
        ("haproxy", ("ops/site.conf",), "/etc/haproxy/project/010-site.conf"),
    ],
)
def test_a_file_of_the_project_is_where_the_service_looks_for_it(
    tmp_path: Path, use: str, value: str | tuple[str, ...], target: str
) -> None:
    (tmp_path / "ops").mkdir()
    (tmp_path / "ops" / "site.conf").write_text("")
    container = one(projects.project(tmp_path, services=(projects.service(use, options={"config": value}),)))
    (mount,) = (mount for mount in container.mounts if mount.kind == "bind")
    assert mount == Mount("bind", f"{tmp_path}/ops/site.conf", target, read_only=True)


@pytest.mark.parametrize(
    ("use", "value", "message"),
    [
        ("prometheus", '"ops/absent.yml"', "the project has no file `ops/absent.yml`"),
        ("prometheus", '"../prometheus.yml"', "`../prometheus.yml` leads out of the project"),
        ("prometheus", '["ops/absent.yml"]', "`config` must be the path of a file"),
        ("prometheus", f'"{"a" * 300}"', f"`{'a' * 79}…` cannot be a file"),
        ("nginx", '"/etc/passwd"', "`/etc/passwd` leads out of the project"),
        ("nginx", '["devenv.toml", "../*"]', "`../*` leads out of the project"),
        ("nginx", '["a**"]', "`a**` is no pattern for files"),
        ("nginx", '["."]', "`.` is no pattern for files"),
        ("nginx", "{ a = 1 }", "`config` must be a list of files"),
    ],
)
def test_a_file_that_is_none_is_told_where_it_is_named(tmp_path: Path, use: str, value: str, message: str) -> None:
    (tmp_path / "devenv.toml").write_text(f"[services.{use}]\nconfig = {value}\n")
    loaded = config.read(tmp_path)
    with pytest.raises(Problems) as caught:
        catalog.check(loaded.project, projects.CATALOG, loaded.place)
    (problem,) = caught.value.problems
    assert problem.message == message
    assert problem.where is not None
    assert problem.where.line == 2


def test_a_service_by_an_image_is_started_as_it_is_told_and_after_what_it_needs(tmp_path: Path) -> None:
    proxy = Service(
        "proxy", None, image="acme/proxy:1", entrypoint=("/entry",), command=("serve",), working_dir="/srv",
        run_as="1:2", needs=("web", "db"),
    )  # fmt: skip
    services = (proxy, Service("db", None, image="acme/db:1"))
    project = projects.project(tmp_path, apps=(projects.app(needs=("db",)),), services=services)
    made = blueprint.make(project, projects.CATALOG, projects.pins(project), projects.placement(tmp_path))
    assert [one.unit for one in made.containers] == ["db", "web", "proxy"]
    last = made.containers[-1]
    assert (last.entrypoint, last.command, last.working_dir) == (("/entry",), ("serve",), "/srv")
    assert (last.user, last.needs) == ("1:2", ("web", "db"))


def test_arguments_and_stage_decide_what_a_dockerfile_makes(tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("ARG A\nFROM acme/x:${A:-0} AS one\nFROM alpine\n")
    keys = set()
    for changes in ({}, {"args": {"A": "1"}}, {"args": {"A": "2"}}, {"target": "one"}):
        service = Service("search", None, dockerfile="Dockerfile", **changes)
        project = projects.project(tmp_path, services=(service,))
        keys.add(
            blueprint.make(project, projects.CATALOG, projects.pins(project), projects.placement(tmp_path))
            .images[0]
            .key
        )
    assert len(keys) == 4
