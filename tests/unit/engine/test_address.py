"""Where the engine is found, and in which order."""

from __future__ import annotations

import hashlib
import json
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from devenv.engine import address
from devenv.engine.wire import Tls
from devenv.errors import EngineError, EngineUnreachable
from devenv.model.machine import Machine

NOBODY = Machine()


@pytest.fixture
def sockets() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def listen(sockets: ExitStack, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    listener = sockets.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
    listener.bind(str(path))
    listener.listen()


def a_context(home: Path, name: str, host: str, *, tls: bool = False, current: bool = True) -> None:
    folder = hashlib.sha256(name.encode()).hexdigest()
    meta = home / ".docker/contexts/meta" / folder / "meta.json"
    meta.parent.mkdir(parents=True)
    meta.write_text(json.dumps({"Name": name, "Endpoints": {"docker": {"Host": host, "SkipTLSVerify": False}}}))
    if current:
        (home / ".docker/config.json").write_text(json.dumps({"currentContext": name}))
    if tls:
        material = home / ".docker/contexts/tls" / folder / "docker"
        material.mkdir(parents=True)
        for part in ("ca", "cert", "key"):
            (material / f"{part}.pem").touch()


def only_usual(monkeypatch: pytest.MonkeyPatch, *places: Path) -> None:
    monkeypatch.setattr(address, "_usual", lambda _environ, _home: iter([("Test", place) for place in places]))


def test_the_flag_comes_before_the_settings_before_docker_host_before_the_context(tmp_path: Path) -> None:
    a_context(tmp_path, "colima", "unix:///context.sock")
    environ = {"DOCKER_HOST": "unix:///host.sock"}
    machine = Machine(engine="unix:///machine.sock")
    assert address.find(machine, environ, tmp_path, "unix:///flag.sock").address == "unix:///flag.sock"
    assert address.find(machine, environ, tmp_path).address == "unix:///machine.sock"
    assert address.find(NOBODY, environ, tmp_path).address == "unix:///host.sock"
    assert address.find(NOBODY, {}, tmp_path).address == "unix:///context.sock"


def test_docker_context_chooses_another_than_the_current_one(tmp_path: Path) -> None:
    a_context(tmp_path, "current", "unix:///current.sock")
    a_context(tmp_path, "other", "unix:///other.sock", current=False)
    found = address.find(NOBODY, {"DOCKER_CONTEXT": "other"}, tmp_path)
    assert found.address == "unix:///other.sock"
    assert "other" in found.source


def test_docker_config_moves_the_folder_of_contexts(tmp_path: Path) -> None:
    a_context(tmp_path, "far", "unix:///far.sock")
    found = address.find(NOBODY, {"DOCKER_CONFIG": str(tmp_path / ".docker")}, tmp_path / "elsewhere")
    assert found.address == "unix:///far.sock"


def test_a_context_brings_its_tls_material(tmp_path: Path) -> None:
    a_context(tmp_path, "far", "tcp://far:2376", tls=True)
    found = address.find(NOBODY, {}, tmp_path)
    assert found.tls is not None
    assert found.tls.verify
    assert [Path(part or "").name for part in (found.tls.ca, found.tls.certificate, found.tls.key)] == [
        "ca.pem",
        "cert.pem",
        "key.pem",
    ]
    assert not found.plain


def test_docker_tls_verify_means_tls_for_tcp_alone(tmp_path: Path) -> None:
    environ = {"DOCKER_TLS_VERIFY": "1", "DOCKER_CERT_PATH": str(tmp_path)}
    assert address.find(NOBODY, environ | {"DOCKER_HOST": "tcp://far:2376"}, tmp_path).tls == Tls()
    assert address.find(NOBODY, environ | {"DOCKER_HOST": "unix:///near.sock"}, tmp_path).tls is None


def test_a_context_that_does_not_exist_is_named(tmp_path: Path) -> None:
    with pytest.raises(EngineUnreachable, match="the docker context `gone` does not exist"):
        address.find(NOBODY, {"DOCKER_CONTEXT": "gone"}, tmp_path)


def test_a_broken_docker_configuration_is_named(tmp_path: Path) -> None:
    (tmp_path / ".docker").mkdir()
    (tmp_path / ".docker/config.json").write_text("{")
    with pytest.raises(EngineError, match=r"config\.json"):
        address.find(NOBODY, {}, tmp_path)


def test_a_path_is_an_address_and_anything_else_is_refused(tmp_path: Path) -> None:
    assert address.find(NOBODY, {}, tmp_path, "/run/a.sock").address == "unix:///run/a.sock"
    with pytest.raises(EngineError, match="`localhost` from `--engine` is no engine address"):
        address.find(NOBODY, {}, tmp_path, "localhost")


def test_the_first_usual_socket_that_answers_is_taken(
    tmp_path: Path, sockets: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "stale").touch()
    listen(sockets, tmp_path / "second")
    listen(sockets, tmp_path / "third")
    only_usual(monkeypatch, tmp_path / "stale", tmp_path / "second", tmp_path / "third")
    assert address.find(NOBODY, {}, tmp_path).address == f"unix://{tmp_path}/second"


def test_the_context_default_means_the_usual_sockets(
    tmp_path: Path, sockets: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    listen(sockets, tmp_path / "usual")
    only_usual(monkeypatch, tmp_path / "usual")
    assert address.find(NOBODY, {"DOCKER_CONTEXT": "default"}, tmp_path).address == f"unix://{tmp_path}/usual"


def test_no_engine_at_all_lists_where_it_looked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    only_usual(monkeypatch, tmp_path / "a", tmp_path / "b")
    with pytest.raises(EngineUnreachable) as caught:
        address.find(NOBODY, {}, tmp_path)
    assert caught.value.message == (
        "no container engine answers; neither `DOCKER_HOST` nor a docker context names one, and nothing listens at\n"
        f"  {tmp_path}/a (Test)\n  {tmp_path}/b (Test)"
    )
    assert caught.value.hint == "`devenv doctor --fix` installs one or tells how"


def test_a_socket_that_is_not_permitted_is_told_when_nothing_else_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forbid(_path: Path) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(address, "_knock", forbid)
    with pytest.raises(EngineUnreachable, match="this user may not use the engine"):
        address.find(NOBODY, {}, tmp_path)


def test_every_usual_place_is_looked_at(tmp_path: Path) -> None:
    places = dict(address._usual({"XDG_RUNTIME_DIR": "/run/user/1000"}, tmp_path))
    assert {
        "Docker",
        "Docker, rootless",
        "Docker Desktop",
        "Colima",
        "OrbStack",
        "Rancher Desktop",
        "Podman",
        "Podman, rootless",
    } == set(places)


def test_connecting_where_nobody_listens_fails_at_once(tmp_path: Path) -> None:
    found = address.find(NOBODY, {}, tmp_path, f"{tmp_path}/nobody")
    with pytest.raises(EngineUnreachable, match="no engine answers"):
        address.connect(found)
