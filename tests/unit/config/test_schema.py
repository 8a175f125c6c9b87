from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from devenv import config
from devenv.errors import DevenvError

ROOT = Path(__file__).parents[3]
EXAMPLES = sorted([*ROOT.glob("examples/*/devenv.toml"), *ROOT.glob("devenv.toml")])

EXAMPLE = """\
name = "bookshop"
require_version = ">=0.1"
images = "debian"
[debian]
suite = "trixie"
[apps.web]
stack = "python@3.13"
dir = "."
packages = ["git", "libpq-dev"]
setup = ["pip install -r requirements.txt"]
run = "uvicorn shop:app --host 0.0.0.0 --port 8000 --reload"
ports = [8000]
env = { LOG_LEVEL = "debug", WORKERS = 2 }
needs = ["postgres", "redis"]
ready = { http = "/health" }
limits = { cpus = 1.0, memory = "512M" }
[apps.worker]
like = "web"
run = "rq worker"
[services.redis]
[services.postgres]
version = "17"
databases = ["shop", "shop_test"]
extensions = ["pg_trgm"]
settings = { shared_buffers = "128MB" }
init = ["db/*.sql"]
[services.search]
image = "docker.io/acme/search:2"
ports = [9200]
env = { MODE = "dev" }
volumes = { data = "/var/lib/search" }
ready = { http = "/", port = 9200 }
[sync]
mode = "auto"
ignore = ["*.log"]
[[sync.rules]]
path = "requirements.txt"
action = "setup"
[tasks.migrate]
run = "alembic upgrade head"
app = "web"
[profiles.ci]
apps.web.env = { LOG_LEVEL = "info" }
tasks.migrate.app = "worker"
"""


def accepts(text: str) -> bool:
    validator = jsonschema.Draft202012Validator(config.schema())
    return validator.is_valid(tomllib.loads(text))


def objects(schema: Any) -> Iterator[dict[str, Any]]:
    if isinstance(schema, dict):
        if "properties" in schema:
            yield schema
        for one in schema.values():
            yield from objects(one)
    elif isinstance(schema, list):
        for one in schema:
            yield from objects(one)


def test_the_schema_is_one_of_its_draft() -> None:
    jsonschema.Draft202012Validator.check_schema(config.schema())


def test_a_file_with_every_key_fits_and_is_read(tmp_path: Path) -> None:
    (tmp_path / "devenv.toml").write_text(EXAMPLE)
    assert config.load(tmp_path).name == "bookshop"
    assert accepts(EXAMPLE)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.parent.name)
def test_the_projects_own_files_fit_and_are_read(path: Path) -> None:
    assert accepts(path.read_text())
    assert config.load(path.parent).apps


@pytest.mark.parametrize(
    "text",
    [
        "nme = 'x'",
        "name = 3",
        "images = 'debain'",
        "[apps.Web]",
        "[apps.web]\nports = [0]",
        "[apps.web]\nprots = [1]",
        "[apps.web]\nstack = ['a b']",
        "[apps.web]\nenv = { 'A B' = '1' }",
        "[apps.web]\nenv = { A = [] }",
        "[apps.web]\nlimits = { memory = '12 X' }",
        "[services.db]\nversion = 17",
        "[tasks.t]\napp = 'web'",
        "[[sync.rules]]\npath = 'x'",
        "[[sync.rules]]\npath = 'x'\naction = 'stop'",
        "sync.ignore = ['']",
        "[profiles.ci]\napps.web.prots = [1]",
        "[profiles.ci.profiles.x]",
    ],
)
def test_a_wrong_file_is_refused_by_the_schema_and_by_the_reader_alike(tmp_path: Path, text: str) -> None:
    assert not accepts(text)
    (tmp_path / "devenv.toml").write_text(text)
    with pytest.raises(DevenvError):
        config.load(tmp_path)


def test_every_key_is_described() -> None:
    undescribed = [
        key for table in objects(config.schema()) for key, one in table["properties"].items() if not one["description"]
    ]
    assert undescribed == []
    assert config.schema()["properties"]["apps"]["additionalProperties"]["properties"]["ports"]["description"]
