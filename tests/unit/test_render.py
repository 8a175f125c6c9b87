from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from devenv import blueprint, render
from devenv.errors import DevenvError
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
    return render.files(made)


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
    assert render.write(made, tmp_path) == (".devenv/compose.yaml", ".devenv/web/Dockerfile")
    assert render.write(made, tmp_path) == ()
    assert (tmp_path / ".devenv" / ".gitignore").read_text() == "*\n"
