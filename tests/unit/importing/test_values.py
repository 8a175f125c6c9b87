"""Variables of compose files: what they become, and that this machine's are never read."""

from __future__ import annotations

from pathlib import Path

import pytest

from devenv.errors import DevenvError
from tests.unit.importing import imports


def env(root: Path, value: str, dotenv: str = "SET=set\nEMPTY=\nNAMES='a b'\n") -> dict[str, str]:
    found = imports.service(root, f'environment:\n  X: "{value}"', _env=dotenv)
    variables: dict[str, str] = found.services["web"]["env"]
    return variables


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("$SET", "set"),
        ("${SET}", "set"),
        ("a${SET}b$SET", "asetbset"),
        ("${NOT:-default}", "default"),
        ("${NOT-default}", "default"),
        ("${EMPTY:-default}", "default"),
        ("${EMPTY-default}", ""),
        ("${NOT:-${SET}}", "set"),
        ("${NOT:-${ALSO:-deep}}", "deep"),
        ("${SET:+other}", "other"),
        ("${NOT:+other}", ""),
        ("${SET:?must be}", "set"),
        ("$$SET", "$SET"),
        ("$${SET}", "${SET}"),
        ("${NAMES}", "a b"),
        ("100$", "100$"),
        ("a$.b", "a$.b"),
        ("${NOT:-}", ""),
        ("${NOT:-a:b-c}", "a:b-c"),
    ],
)
def test_variables_are_put_in_as_compose_does(tmp_path: Path, text: str, value: str) -> None:
    assert env(tmp_path, text) == {"X": value}


@pytest.mark.parametrize("text", ["${SET", "${}", "${a b}", "${SET:*}", "${:-x}"])
def test_what_is_no_variable_is_an_error_with_its_place(tmp_path: Path, text: str) -> None:
    with pytest.raises(DevenvError, match=r"no variable|has no `}`") as caught:
        env(tmp_path, text)
    assert caught.value.where is not None
    assert caught.value.where.line == 5


def test_a_variable_without_a_value_is_told_once(tmp_path: Path) -> None:
    found = imports.service(tmp_path, "environment:\n  A: $NOPE\n  B: ${NOPE}\n  C: ${OTHER:?}")
    assert found.losses() == ["${NOPE}", "${OTHER}"]
    assert found.loss("${NOPE}").place is not None


def test_variables_of_this_machine_are_never_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLANTED", "host-secret")
    monkeypatch.setenv("HOME", "/home/host-secret")
    text = """\
name: "x${PLANTED}"
services:
  web:
    image: "a:${PLANTED:-1}"
    environment:
      - PLANTED
      - B=${PLANTED}$HOME
    command: "run ${PLANTED}"
    volumes: ["~/x:/x", "${PLANTED:-./d}:/d"]
    build: {context: ., args: [PLANTED]}
"""
    made = imports.compose(tmp_path, text, Dockerfile="FROM debian\n", d="x").made
    assert "host-secret" not in made.text + made.local + repr(made.losses)
    imports.files(tmp_path, {"sub/.devcontainer.json": '{"image": "a", "remoteEnv": {"A": "${localEnv:PLANTED}"}}'})
    made = imports.done(tmp_path, {}, file="sub/.devcontainer.json").made
    assert "host-secret" not in made.text + repr(made.losses)


@pytest.mark.parametrize(
    "line", ["DB_PASS=s3cret", "DSN=s3cret", "DATABASE_URL=postgres://u:s3cret@db/shop", "PWD=s3cret"]
)
def test_a_secret_is_known_by_its_name_or_by_a_login_in_it(tmp_path: Path, line: str) -> None:
    text = "services: {web: {image: a, env_file: .env}}\n"
    found = imports.compose(tmp_path, text, _env=f"{line}\nPASSING=1\nURL=http://a:80/b@c\n")
    assert "s3cret" not in found.made.text
    assert found.services["web"]["env"] == {"PASSING": "1", "URL": "http://a:80/b@c"}


def test_secrets_of_dotenv_go_to_the_file_that_is_not_committed(tmp_path: Path) -> None:
    text = """\
services:
  db:
    image: postgres:17
    environment: {POSTGRES_PASSWORD: "${DB_PASSWORD}", POSTGRES_USER: shop}
  web:
    image: a
    env_file: .env
    command: [serve, "--token=${API_TOKEN}"]
    environment:
      URL: "postgres://shop:${DB_PASSWORD}@db/shop"
      SECRET_KEY:
"""
    found = imports.compose(tmp_path, text, _env="DB_PASSWORD=s3cret\nAPI_TOKEN=t0ken\nMODE=dev\nSECRET_KEY=k3y\n")
    for secret in ("s3cret", "t0ken", "k3y"):
        assert secret not in found.made.text
    assert found.services["web"] == {"image": "a", "env": {"MODE": "dev"}}
    assert found.local["services"] == {
        "db": {"password": "s3cret"},
        "web": {
            "command": ["serve", "--token=t0ken"],
            "env": {
                "DB_PASSWORD": "s3cret",
                "API_TOKEN": "t0ken",
                "URL": "postgres://shop:s3cret@db/shop",
                "SECRET_KEY": "k3y",
            },
        },
    }


@pytest.mark.parametrize("form", ["env_file: a.env", "env_file: [a.env]", "env_file: [{path: a.env}]"])
def test_files_of_variables_are_read_and_what_is_said_beside_them_counts(tmp_path: Path, form: str) -> None:
    found = imports.service(tmp_path, f"{form}\nenvironment: [B=3]", a_env="# c\nexport A='1 $x'\nB=2\n\nC=\"4\" # c\n")
    assert found.services["web"]["env"] == {"A": "1 $x", "B": "3", "C": "4"}


def test_a_file_of_variables_that_need_not_be_there_may_lack(tmp_path: Path) -> None:
    found = imports.service(tmp_path, "env_file: [{path: no.env, required: false}]")
    assert found.made.losses == ()


@pytest.mark.parametrize("name", [".env", "a.env", "x.yaml"])
def test_links_that_lead_out_of_the_project_are_not_followed(tmp_path: Path, name: str) -> None:
    (tmp_path / "secret").write_text("PLANTED: {image: planted-secret}\nPLANTED=planted-secret\n")
    root = tmp_path / "project"
    root.mkdir()
    (root / name).symlink_to("../secret")
    lines = {"a.env": "env_file: a.env", "x.yaml": "extends: {file: x.yaml, service: PLANTED}"}
    try:
        made = imports.service(root, lines.get(name, "environment: {A: $PLANTED}")).made
    except DevenvError as error:
        told = error.message
    else:
        assert "planted" not in made.text + made.local
        told = " ".join(one.why for one in made.losses)
    assert "leads out of the project" in told or "outside of the project" in told
