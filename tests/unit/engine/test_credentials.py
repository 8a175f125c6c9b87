from __future__ import annotations

import base64
import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from devenv.engine import credentials
from devenv.errors import EngineError
from devenv.model.machine import Login

HUB = "https://index.docker.io/v1/"


@dataclass
class Home:
    """A user's home folder, with their credential helpers on the path."""

    folder: Path
    environ: dict[str, str]
    told: list[str] = field(default_factory=list)

    def configure(self, content: object, folder: str = ".docker") -> Path:
        path = self.folder / folder / "config.json"
        path.parent.mkdir(exist_ok=True)
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        return path

    def help_with(self, name: str, script: str) -> None:
        path = self.folder / f"docker-credential-{name}"
        path.write_text(f"#!/bin/sh\nread -r server || true\n{script}\n")
        path.chmod(0o755)

    def find(self, registry: str) -> Login | None:
        return credentials.find(registry, self.environ, self.folder, self.told.append)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("HOME", str(tmp_path / "other"))
    monkeypatch.setenv("DOCKER_CONFIG", str(_other(tmp_path)))
    return Home(tmp_path, {"PATH": os.environ["PATH"]})


def test_without_a_configuration_there_is_no_login(home: Home) -> None:
    assert home.find("docker.io") is None
    assert home.told == []


@pytest.mark.parametrize("content", [{}, {"auths": {}}, {"auths": {"ghcr.io": {}}}, {"HttpHeaders": {"A": "b"}}])
def test_a_configuration_without_logins_has_none_and_no_other_is_read(home: Home, content: object) -> None:
    home.configure(content)
    assert home.find("ghcr.io") is None
    assert home.find("docker.io") is None


def test_a_name_and_a_password_are_read(home: Home) -> None:
    home.configure({"auths": {"ghcr.io": _auth("anna", "s3:cret"), HUB: _auth("hub", "other")}})
    assert home.find("ghcr.io") == Login("ghcr.io", "anna", "s3:cret")
    assert home.find("docker.io") == Login(HUB, "hub", "other")
    assert home.find("127.0.0.1:5000") is None


def test_an_address_in_place_of_a_host_is_the_same_registry(home: Home) -> None:
    home.configure({"auths": {"https://127.0.0.1:5000/v1/": _auth("anna", "s3cret")}})
    found = home.find("127.0.0.1:5000")
    assert found is not None
    assert (found.username, found.password) == ("anna", "s3cret")


def test_an_identity_token_goes_before_the_name(home: Home) -> None:
    home.configure({"auths": {"acme.example": _auth("anna", "") | {"identitytoken": "t0ken"}}})
    assert home.find("acme.example") == Login("acme.example", token="t0ken")


def test_an_empty_identity_token_is_none(home: Home) -> None:
    home.configure({"auths": {"acme.example": _auth("anna", "s3cret") | {"identitytoken": ""}, "x.test": {"auth": ""}}})
    assert home.find("acme.example") == Login("acme.example", "anna", "s3cret")
    assert home.find("x.test") is None


def test_docker_config_names_another_folder(home: Home) -> None:
    home.configure({"auths": {"ghcr.io": _auth("anna", "s3cret")}}, "elsewhere")
    home.environ["DOCKER_CONFIG"] = str(home.folder / "elsewhere")
    assert home.find("ghcr.io") == Login("ghcr.io", "anna", "s3cret")


def test_a_credential_store_is_asked_for_every_registry(home: Home) -> None:
    home.configure({"credsStore": "test", "auths": {"ghcr.io": {}}})
    home.help_with("test", """printf '{"Username":"anna","Secret":"for %s"}' "$server" """)
    assert home.find("ghcr.io") == Login("ghcr.io", "anna", "for ghcr.io")
    assert home.find("docker.io") == Login(HUB, "anna", f"for {HUB}")


def test_a_helper_is_asked_for_its_own_registry_alone(home: Home) -> None:
    home.configure({"credHelpers": {"acme.example": "test"}, "auths": {"ghcr.io": _auth("bob", "other")}})
    home.help_with("test", """printf '{"Username":"<token>","Secret":"t0ken"}'""")
    assert home.find("acme.example") == Login("acme.example", token="t0ken")
    assert home.find("ghcr.io") == Login("ghcr.io", "bob", "other")


def test_a_helper_that_knows_no_login_is_no_failure(home: Home) -> None:
    home.configure({"credsStore": "test"})
    home.help_with("test", "echo credentials not found in native keychain; exit 1")
    assert home.find("ghcr.io") is None
    assert home.told == []


def test_a_helper_that_is_missing_is_told_and_done_without(home: Home) -> None:
    home.configure({"credsStore": "missing"})
    assert home.find("ghcr.io") is None
    assert home.told == [
        "the credential helper `docker-credential-missing` is not installed: `ghcr.io` is asked without a login"
    ]


@pytest.mark.parametrize("script", ["echo s3cret; exit 1", "echo s3cret", "echo '{}'", "echo '[]'"])
def test_a_helper_that_fails_is_told_without_what_it_says(home: Home, script: str) -> None:
    home.configure({"credsStore": "test"})
    home.help_with("test", script)
    assert home.find("docker.io") is None
    assert home.told == ["the credential helper `docker-credential-test` fails: `docker.io` is asked without a login"]


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("{", "it is not JSON"),
        ("[]", "it is no JSON object"),
        ({"auths": ["ghcr.io"]}, "`auths` is not as Docker writes it"),
        ({"credsStore": ["x"]}, "`credsStore` is not as Docker writes it"),
        ({"auths": {"ghcr.io": "s3cret"}}, "a login in it is damaged"),
        ({"auths": {"ghcr.io": {"auth": "s3cret"}}}, "a login in it is damaged"),
        ({"auths": {"ghcr.io": {"auth": 5}}}, "a login in it is damaged"),
    ],
)
def test_a_broken_configuration_is_told_with_its_path(home: Home, content: object, why: str) -> None:
    path = home.configure(content)
    with pytest.raises(EngineError) as caught:
        home.find("ghcr.io")
    assert caught.value.message == f"Docker's configuration `{path}` cannot be used: {why}"
    assert "s3cret" not in f"{caught.value} {caught.value.hint}"


def test_a_configuration_that_may_not_be_read_is_told(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    home.configure({})
    monkeypatch.setattr(Path, "read_text", _forbid)
    with pytest.raises(EngineError, match="cannot be used: permission denied"):
        home.find("ghcr.io")


def _auth(username: str, password: str) -> dict[str, str]:
    return {"auth": base64.b64encode(f"{username}:{password}".encode()).decode()}


def _other(folder: Path) -> Path:
    """A configuration of the process's own environment, which is not the one to read."""
    made = folder / "other"
    made.mkdir()
    logins: dict[str, Any] = {HUB: _auth("wrong", "wrong"), "ghcr.io": _auth("wrong", "wrong")}
    (made / "config.json").write_text(json.dumps({"auths": logins}))
    return made


def _forbid(*_: object, **__: object) -> str:
    raise PermissionError(13, "Permission denied")
