"""What a project's own files tell of its apps and services."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from devenv import config, detection
from devenv.detection import draft, manifests, variables
from devenv.model.project import Origin
from tests import newcomers, projects


def written(folder: Path, files: Mapping[str, str]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def drafted(folder: Path, files: Mapping[str, str], images: Origin = "debian") -> dict[str, Any]:
    """The draft for a project of these files, read back as TOML."""
    import tomllib

    text = draft.text(detection.look(written(folder / "shop", files), projects.CATALOG, images))
    detection.check(folder / "shop", text)
    return tomllib.loads(text)


@pytest.mark.parametrize("images", ["debian", "registry"])
@pytest.mark.parametrize("name", newcomers.ALL)
def test_a_draft_for_each_kind_of_project_is_a_project_that_starts_something(
    tmp_path: Path, name: str, images: Origin
) -> None:
    found = drafted(tmp_path, newcomers.ALL[name], images)
    assert found["images"] == images
    assert all(app["run"] and app["ports"] for app in found["apps"].values())


def test_django_migrates_and_gets_the_database_that_its_example_names(tmp_path: Path) -> None:
    found = drafted(tmp_path, newcomers.DJANGO)
    web = found["apps"]["web"]
    assert web["setup"] == ["pip install -r requirements.txt", "python manage.py migrate"]
    assert web["run"] == "python manage.py runserver 0.0.0.0:8000"
    assert web["env"] == {"SECRET_KEY": "not-a-secret", "DEBUG": "1"}  # DATABASE_URL is PostgreSQL's to provide
    assert found["services"] == {"postgres": {"databases": ["shop"], "user": "shop", "password": "shop"}}


def test_flask_is_started_by_the_module_that_makes_its_app(tmp_path: Path) -> None:
    found = drafted(tmp_path, newcomers.FLASK)
    assert found["apps"]["web"]["run"] == "flask --app notes run --host 0.0.0.0 --port 5000 --debug"
    assert found["services"] == {"redis": {}}


def test_fastapi_is_started_by_module_and_object_and_gets_the_server_it_lacks(tmp_path: Path) -> None:
    files = {"requirements.txt": "fastapi\n", "src/shop/main.py": "from fastapi import FastAPI\napi = FastAPI()\n"}
    web = drafted(tmp_path, files)["apps"]["web"]
    assert web["run"] == "uvicorn src.shop.main:api --host 0.0.0.0 --port 8000 --reload"
    assert web["setup"] == ["pip install -r requirements.txt", "pip install uvicorn"]
    assert drafted(tmp_path / "2", files | {"requirements.txt": "fastapi\nuvicorn\n"})["apps"]["web"]["setup"] == [
        "pip install -r requirements.txt"
    ]


def test_an_app_factory_is_started_as_one(tmp_path: Path) -> None:
    text = "from fastapi import FastAPI\n\n\ndef create_app() -> FastAPI:\n    return FastAPI()\n"
    found = drafted(tmp_path, {"requirements.txt": "fastapi\nuvicorn\n", "main.py": text})
    assert found["apps"]["web"]["run"].startswith("uvicorn main:create_app --factory ")


def test_the_port_that_the_source_names_is_taken(tmp_path: Path) -> None:
    assert drafted(tmp_path, newcomers.EXPRESS)["apps"]["web"]["ports"] == [4000]
    assert drafted(tmp_path / "2", newcomers.GO)["apps"]["web"]["ports"] == [9090]


def test_a_port_that_no_source_names_is_marked_as_guessed(tmp_path: Path) -> None:
    files = {"package.json": '{"scripts": {"start": "node x.js"}}'}
    text = draft.text(detection.look(written(tmp_path, files), projects.CATALOG, "debian"))
    assert "ports = [3000] # guessed: the one it listens on" in text


def test_apps_in_folders_of_a_repository_are_found_with_their_folders(tmp_path: Path) -> None:
    apps = drafted(tmp_path, newcomers.MONOREPO)["apps"]
    assert {name: app["dir"] for name, app in apps.items()} == {"api": "apps/api", "site": "apps/site"}


def test_a_second_stack_is_there_for_what_it_installs(tmp_path: Path) -> None:
    styles = {"package.json": '{"devDependencies": {"tailwindcss": "3"}}', "package-lock.json": "{}"}
    web = drafted(tmp_path, newcomers.DJANGO | styles)["apps"]["web"]
    assert web["stack"] == ["python", "node"]
    assert web["setup"][1] == "npm ci"
    assert web["run"].startswith("python manage.py")


def test_processes_of_a_procfile_are_apps_like_the_first(tmp_path: Path) -> None:
    files = newcomers.FLASK | {"Procfile": "web: gunicorn notes\nworker: rq worker\nrelease: true\n"}
    apps = drafted(tmp_path, files)["apps"]
    assert apps["worker"] == {"like": "web", "run": "rq worker"}
    assert apps.keys() == {"web", "worker"}
    assert apps["web"]["run"].startswith("flask")  # reloads, which gunicorn does not


def test_a_procfile_tells_how_an_unknown_app_starts(tmp_path: Path) -> None:
    files = {"requirements.txt": "gevent\n", "Procfile": "web: python serve.py $PORT\n"}
    assert drafted(tmp_path, files)["apps"]["web"]["run"] == "python serve.py $PORT"


def test_what_cannot_be_seen_is_left_open_and_can_be_answered(tmp_path: Path) -> None:
    found = detection.look(written(tmp_path, {"requirements.txt": "numpy\n"}), projects.CATALOG, "debian")
    assert detection.unknown(found) == ("web",)
    assert "# run = " in draft.text(found)
    answered = detection.answered(found, "web", 'python -c "print(1)"', 9000)
    assert detection.unknown(answered) == ()
    assert 'run = "python -c \\"print(1)\\""\nports = [9000]' in draft.text(answered)
    assert "# run = " not in draft.text(answered)


def test_nothing_at_all_gives_a_project_without_apps_and_a_remark(tmp_path: Path) -> None:
    found = detection.look(tmp_path, projects.CATALOG, "registry")
    assert found.apps == ()
    assert "add its apps by hand" in found.remarks[0]


@pytest.mark.parametrize(
    ("asked", "stack"),
    [("3.13.1\n", "python@3.13"), ("3.9\n", "python"), ("", "python")],
)
def test_a_version_is_taken_where_the_catalog_has_it(tmp_path: Path, asked: str, stack: str) -> None:
    files = {"requirements.txt": "flask\n", "app.py": "app = Flask(__name__)\n", ".python-version": asked}
    assert drafted(tmp_path, files)["apps"]["web"]["stack"] == stack


def test_a_version_that_is_not_to_be_had_is_told_unless_a_newer_one_will_do(tmp_path: Path) -> None:
    def text(name: str, files: Mapping[str, str]) -> str:
        return draft.text(detection.look(written(tmp_path / name, files), projects.CATALOG, "debian"))

    assert "the project asks for python 3.9" in text("a", {"setup.py": "", ".python-version": "3.9"})
    assert "asks for" not in text("b", newcomers.GO)
    assert "the project asks for go 9.1" in text("c", newcomers.GO | {"go.mod": "module x\n\ngo 9.1\n"})


def test_libraries_that_are_compiled_bring_what_that_takes(tmp_path: Path) -> None:
    web = drafted(tmp_path, {"requirements.txt": "psycopg2==2.9\n"})["apps"]["web"]
    assert {"gcc", "libpq-dev"} <= set(web["packages"])


# --- services ---


def test_a_service_that_only_another_origin_has_is_replaced_by_one_for_the_same_clients(tmp_path: Path) -> None:
    files = {"requirements.txt": "mysqlclient\n"}
    assert drafted(tmp_path, files, "debian")["services"].keys() == {"mariadb"}
    assert drafted(tmp_path / "2", files, "registry")["services"].keys() == {"mysql"}


def test_services_are_seen_in_a_compose_file(tmp_path: Path) -> None:
    compose = (
        'services:\n  db:\n    image: "postgis/postgis:17-3.5"\n  q:\n    image: docker.io/library/redis@sha256:1\n'
    )
    found = drafted(tmp_path, {"requirements.txt": "", "compose.yaml": compose})
    assert found["services"].keys() == {"postgres", "redis"}


def test_addresses_lead_to_services_by_their_names(tmp_path: Path) -> None:
    example = (
        "# REDIS_URL=redis://elsewhere\n"
        "export CACHE=redis://localhost:6379/1\n"
        "DB_HOST=localhost\n"
        "DATABASE_URL='postgresql+psycopg://me:s%40cret@127.0.0.1/shop'\n"
        "BIND=0.0.0.0\n"
        "SITE='My shop' # shown\n"
        "API_TOKEN=\n"
    )
    found = drafted(tmp_path, {"requirements.txt": "", ".env.example": example})
    env = found["apps"]["web"]["env"]
    assert env == {"CACHE": "redis://redis:6379/1", "DB_HOST": "postgres", "SITE": "My shop"}
    assert found["services"]["postgres"] == {"databases": ["shop"], "user": "me", "password": "s@cret"}


def test_a_secret_without_a_value_is_left_to_people(tmp_path: Path) -> None:
    files = {"requirements.txt": "", ".env.example": "API_TOKEN=\n"}
    text = draft.text(detection.look(written(tmp_path, files), projects.CATALOG, "debian"))
    assert "# API_TOKEN has no value in .env.example" in text


# --- manifests ---


@pytest.mark.parametrize(
    ("files", "setup"),
    [
        ({"uv.lock": "", "pyproject.toml": ""}, ("pip install uv && uv sync --active --frozen",)),
        ({"poetry.lock": "", "pyproject.toml": ""}, ("pip install poetry && poetry install --no-root",)),
        ({"Pipfile": "[packages]\nflask = '*'\n"}, ("pip install pipenv && pipenv install --dev",)),
        ({"setup.py": ""}, ("pip install -e .",)),
        (
            {"requirements.txt": "", "requirements-dev.txt": ""},
            ("pip install -r requirements.txt", "pip install -r requirements-dev.txt"),
        ),
        (
            {"pyproject.toml": '[project]\nname = "x"\ndependencies = ["flask>=3; python_version > \'3\'"]'},
            ("pip install 'flask>=3; python_version > '\"'\"'3'\"'\"''",),
        ),
        ({"package.json": '{"dependencies": {"a": "1"}, "packageManager": "pnpm@9.1.0+sha1.a"}'}, None),
        ({"package.json": '{"dependencies": {"a": "1"}}', "yarn.lock": ""}, None),
        ({"Gemfile": "gem 'rails'\n"}, ("bundle install",)),
        ({"composer.json": "{}"}, ("composer install",)),
    ],
)
def test_the_tool_that_a_project_uses_installs_its_libraries(
    tmp_path: Path, files: Mapping[str, str], setup: tuple[str, ...] | None
) -> None:
    (found,) = manifests.find(written(tmp_path, files))
    if setup is not None:
        assert found.setup == setup
    else:
        assert found.setup[0].startswith("npm install --global ")


@pytest.mark.parametrize(
    "files",
    [
        {"package.json": "{"},
        {"package.json": "[" * 100_000},
        {"package.json": '{"dependencies": [], "scripts": 3}'},
        {"pyproject.toml": "[project\n"},
        {"pyproject.toml": 'project = 3\ntool = "x"'},
        {"composer.json": '"x"'},
        {"Gemfile": "\x00\xff"},
        {".env.example": "=\n==\nA\nB='\n", "setup.py": "'''"},
    ],
)
def test_files_that_are_not_what_they_should_be_are_survived(tmp_path: Path, files: Mapping[str, str]) -> None:
    drafted(tmp_path, files)


def test_values_from_a_project_cannot_add_a_table(tmp_path: Path) -> None:
    evil = 'x"\n[services.evil]\nimage = "evil'
    files = {
        "package.json": '{"scripts": {"start": "x"}}',
        ".env.example": "A='\x1b[31m\" ] = {'\nB=\"'''\n",
        "Procfile": f"wor-ker: {evil!r}\n",
    }
    found = drafted(tmp_path, files)
    assert "services" not in found
    assert found["apps"].keys() == {"web", "wor-ker"}


def test_links_that_lead_out_are_not_followed(tmp_path: Path) -> None:
    outside = written(tmp_path / "outside", newcomers.EXPRESS)
    folder = written(tmp_path / "shop", {"README": ""})
    (folder / "app").symlink_to(outside)
    assert detection.look(folder, projects.CATALOG, "debian").apps == ()


@pytest.mark.parametrize(("value", "here"), [("localhost", True), ("http://127.0.0.1:1/", True), ("http://[", False)])
def test_whether_a_value_names_this_machine(value: str, here: bool) -> None:
    assert variables.is_here(value) is here


def test_every_framework_of_the_catalog_is_right_and_of_a_stack_that_there_is() -> None:
    from devenv import catalog, toml
    from devenv.model.catalog import FrameworkEntry

    for name in projects.CATALOG.names("framework"):
        path = catalog.data_folder() / "frameworks" / f"{name}.toml"
        catalog.validate(FrameworkEntry, toml.read(path, name=path.name))
        entry = projects.CATALOG.framework(name)
        assert entry.stack in projects.CATALOG.names("stack")
        assert set(re.findall(r"\{(\w+)\}", entry.run)) <= {"port", "module", "object", "main", "folder"}


def test_the_name_is_a_label_made_of_the_folder_s(tmp_path: Path) -> None:
    found = detection.look(written(tmp_path / "My Shop (new)", {"setup.py": ""}), projects.CATALOG, "debian")
    detection.check(tmp_path / "My Shop (new)", draft.text(found))
    assert config.read(tmp_path / "My Shop (new)", text=draft.text(found)).project.name == found.name
