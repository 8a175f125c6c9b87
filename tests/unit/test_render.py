from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from devenv import blueprint, render
from devenv.errors import DevenvError
from devenv.model.blueprint import Blueprint
from devenv.model.project import StackRequest
from tests import projects

HARD = [
    "plain",
    "$HOME ${AWS_SECRET_ACCESS_KEY} $$",
    'it\'s "quoted" \\ back',
    "two\nlines\r\n and a tab\t",
    "emoji 🦊 and ümlaut",
    "# no comment",
    "{{ 7 * 7 }} {% raw %}",
    "yes",
    "0x1f",
    "- item: [1, 2]",
    "\x7f\x1b[31m\u2028\ufeff",
    "",
]


def unescaped(value: str) -> str:
    """What compose makes of a string: `$$` stands for `$`."""
    return value.replace("$$", "$")


@pytest.mark.parametrize("value", HARD)
def test_a_value_reads_back_from_yaml_as_it_was(value: str) -> None:
    assert unescaped(yaml.safe_load(render.quoted(value))) == value


@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])))
def test_every_string_reads_back_from_yaml_as_it_was(value: str) -> None:
    text = render.quoted(value)
    assert text.isascii()
    assert unescaped(yaml.safe_load(text)) == value


def test_a_nul_is_refused() -> None:
    with pytest.raises(DevenvError, match="NUL"):
        render.quoted("a\0b")


def rendered(tmp_path: Path, value: str = "x") -> dict[str, str]:
    web = projects.app(
        run=f"echo {value}", env={"VALUE": value}, ports=(8000,), needs=("postgres",), setup=(f"echo {value}",)
    )
    database = projects.service("postgres", options={"password": value, "settings": {"work_mem": value}})
    project = projects.project(tmp_path, apps=(web,), services=(database,))
    made = blueprint.make(
        project, projects.CATALOG, projects.pins(project), projects.placement(tmp_path, ports={"postgres/5432": 25432})
    )
    return render.files(made, "0123456789ab")


def shape(value: Any) -> Any:
    """A document's keys and types, without its strings."""
    if isinstance(value, dict):
        return {key: shape(one) for key, one in value.items()}
    if isinstance(value, list):
        return [shape(one) for one in value]
    return type(value).__name__


@pytest.mark.parametrize("value", HARD)
def test_no_value_adds_a_key_or_an_instruction(tmp_path: Path, value: str) -> None:
    plain, hard = rendered(tmp_path), rendered(tmp_path, value)
    assert shape(yaml.safe_load(hard[".devenv/compose.yaml"])) == shape(yaml.safe_load(plain[".devenv/compose.yaml"]))
    instructions = [line.split(" ")[0] for line in hard[".devenv/web/Dockerfile"].splitlines()]
    assert instructions == [line.split(" ")[0] for line in plain[".devenv/web/Dockerfile"].splitlines()]
    command = json.loads(hard[".devenv/web/Dockerfile"].splitlines()[-1].removeprefix("CMD "))
    assert command[-1] == f"echo {value}"


def test_compose_gets_what_the_blueprint_says(tmp_path: Path) -> None:
    document = yaml.safe_load(rendered(tmp_path)[".devenv/compose.yaml"])
    assert document["services"]["postgres"]["ports"] == [
        {"target": 5432, "published": "25432", "host_ip": "127.0.0.1", "protocol": "tcp"}
    ]
    assert document["services"]["web"]["depends_on"] == {"postgres": {"condition": "service_healthy"}}
    assert document["services"]["web"]["pull_policy"] == "never"
    assert set(document["volumes"]) == {"postgres-data", "web-home"}


def test_writing_twice_writes_once(tmp_path: Path) -> None:
    project = projects.project(tmp_path, apps=(projects.app(),))
    made = blueprint.make(project, projects.CATALOG, projects.pins(project), projects.placement(tmp_path))
    assert render.write(made, tmp_path, lambda: "id") == (".devenv/compose.yaml", ".devenv/web/Dockerfile")
    assert render.write(made, tmp_path, lambda: "id") == ()


def test_git_ignores_what_is_rendered_and_sees_the_projects_own_services(tmp_path: Path) -> None:
    project = projects.project(tmp_path, apps=(projects.app(),))
    made = blueprint.make(project, projects.CATALOG, projects.pins(project), projects.placement(tmp_path))
    render.write(made, tmp_path, lambda: "id")
    (tmp_path / ".devenv" / "services" / "search").mkdir(parents=True)
    (tmp_path / ".devenv" / "services" / "search.toml").touch()
    (tmp_path / ".devenv" / "services" / "search" / "start.sh").touch()
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    listed = ["git", "ls-files", "-o", "--exclude-standard"]
    seen = subprocess.run(listed, cwd=tmp_path, check=True, capture_output=True, text=True).stdout.split()
    assert seen == [".devenv/services/search.toml", ".devenv/services/search/start.sh"]


def derived(tmp_path: Path) -> dict[str, str]:
    stacks = (StackRequest("python", "3.13"), StackRequest("node", "22"))
    web = projects.app(origin="registry", stacks=stacks, packages=("git",))
    project = projects.project(tmp_path, apps=(web,))
    made = blueprint.make(project, projects.CATALOG, projects.pins(project), projects.placement(tmp_path))
    return render.files(made, "0123456789ab")


def test_an_apps_base_is_built_from_digests_and_locked_packages(tmp_path: Path) -> None:
    lines = derived(tmp_path)[".devenv/web/base.Dockerfile"].splitlines()
    python, node = (projects.image(f"docker.io/library/{one}") for one in ("python:3.13-slim", "node:22-slim"))
    assert f"ARG BASE=docker.io/library/python:3.13-slim@{python.digest}" in lines
    assert f"ARG STACK_1=docker.io/library/node:22-slim@{node.digest}" in lines
    assert "FROM ${STACK_1} AS stack-1" in lines
    assert 'COPY --from=stack-1 ["/usr/local/", "/usr/local/"]' in lines
    assert "#   git 1.0-1" in lines


def copied(root: Path, init: str | bytes = "select 1;") -> Blueprint:
    (root / "first.sql").write_bytes(init if isinstance(init, bytes) else init.encode())
    database = projects.service("postgres", options={"init": ("first.sql",)})
    project = projects.project(root, apps=(projects.app(),), services=(database,))
    place = projects.placement(root, copies=True, passwd=str(root / "passwd"), user="7:8")
    return blueprint.make(project, projects.CATALOG, projects.pins(project), place)


@pytest.mark.parametrize("value", HARD)
def test_compose_copies_the_files_that_there_are(tmp_path: Path, value: str) -> None:
    document = yaml.safe_load(render.files(copied(tmp_path, value), "")[".devenv/compose.yaml"])
    (name,) = document["configs"]
    assert unescaped(document["configs"][name]["content"]) == value
    target = "/docker-entrypoint-initdb.d/010-first.sql"
    assert {"source": name, "target": target, "mode": 0o444} in document["services"]["postgres"]["configs"]
    assert "configs" not in document["services"]["web"]


def test_compose_copies_secrets_out_of_a_file_of_their_own(tmp_path: Path) -> None:
    made = copied(tmp_path)
    document = yaml.safe_load(render.files(made, "")[".devenv/compose.yaml"])
    name, target = "postgres.POSTGRES_PASSWORD", "/run/secrets/POSTGRES_PASSWORD"
    assert document["include"] == ["secrets/compose.yaml"]
    assert {"source": name, "target": target, "mode": 0o444} in document["services"]["postgres"]["configs"]
    assert render.secret_configs(made) == {f"{tmp_path}/.devenv/secrets/postgres/POSTGRES_PASSWORD": name}
    for value in HARD:
        included = yaml.safe_load(render.compose_secrets({name: value}))
        assert unescaped(included["configs"][name]["content"]) == value
    assert "include" not in yaml.safe_load(rendered(tmp_path)[".devenv/compose.yaml"])


def test_compose_keeps_an_app_s_files_in_a_volume_that_starts_empty(tmp_path: Path) -> None:
    services = yaml.safe_load(render.files(copied(tmp_path), "")[".devenv/compose.yaml"])["services"]
    held = {"type": "volume", "source": "web-files", "target": "/work", "volume": {"nocopy": True}}
    assert services["web.files"]["volumes"] == [held]
    assert held in services["web"]["volumes"]
    assert services["web"]["depends_on"] == {"web.files": {"condition": "service_started"}}
    assert services["web.files"]["network_mode"] == "none"


def test_a_file_that_was_changed_or_made_since_is_rendered_again(tmp_path: Path) -> None:
    marks = [render.fingerprint(copied(tmp_path)), render.fingerprint(copied(tmp_path, "select 2;"))]
    (tmp_path / "passwd").mkdir()
    made = copied(tmp_path, "select 2;")
    Path(next(path for path in render._copied(made) if "passwd" in path)).write_text("root:x:0:0::/:/bin/sh")
    assert len({*marks, render.fingerprint(made)}) == 3


@pytest.mark.parametrize("content", [b"\x1f\x8b\xff", b"a\0b"])
def test_a_copied_file_that_is_no_text_is_left_out_of_compose_with_a_word_in_its_place(
    tmp_path: Path, content: bytes
) -> None:
    compose = render.files(copied(tmp_path, content), "")[".devenv/compose.yaml"]
    assert '# "/docker-entrypoint-initdb.d/010-first.sql" is left out' in compose
    assert "configs" not in yaml.safe_load(compose)  # those of secrets stand in another file
