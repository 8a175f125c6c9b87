"""Foreign errors become ours."""

from __future__ import annotations

import http.client
import inspect

import docker.errors
import pytest
import requests
import urllib3.exceptions

from devenv.engine import failures
from devenv.errors import EngineError, EngineUnreachable, NotFound

ADDRESS = "unix:///var/run/docker.sock"


def errors_of_the_sdk() -> list[type[BaseException]]:
    members = inspect.getmembers(docker.errors, inspect.isclass)
    return [kind for _, kind in members if issubclass(kind, BaseException) and kind.__module__ == "docker.errors"]


@pytest.mark.parametrize("kind", errors_of_the_sdk())
def test_every_error_of_the_sdk_stands_in_the_table(kind: type[BaseException]) -> None:
    assert f"docker.errors.{kind.__name__}" in failures.TABLE


def test_the_table_names_no_error_that_the_sdk_does_not_have() -> None:
    named = {name.removeprefix("docker.errors.") for name in failures.TABLE if name.startswith("docker.errors.")}
    assert named == {kind.__name__ for kind in errors_of_the_sdk()}


@pytest.mark.parametrize(
    "error",
    [
        requests.ConnectionError("aborted"),
        requests.ReadTimeout("slow"),
        requests.exceptions.ChunkedEncodingError("cut"),
        urllib3.exceptions.ProtocolError("cut", http.client.IncompleteRead(b"")),
        http.client.RemoteDisconnected("gone"),
        ConnectionResetError(104, "reset"),
        BrokenPipeError(32, "pipe"),
    ],
)
def test_a_lost_connection_is_an_unreachable_engine(error: Exception) -> None:
    assert type(failures.ours(ADDRESS, error)) is EngineUnreachable


def test_the_innermost_error_tells_what_is_wrong() -> None:
    inner = urllib3.exceptions.ProtocolError("Connection aborted.", PermissionError(13, "Permission denied"))
    wrapped = docker.errors.DockerException("Error while fetching server API version")
    wrapped.__context__ = requests.ConnectionError(inner)
    error = failures.ours(ADDRESS, wrapped)
    assert error is not None
    assert "permission denied" in error.message


def test_a_refusal_keeps_its_status_and_the_engine_s_words() -> None:
    response = requests.Response()
    response.status_code = 404
    error = failures.ours(ADDRESS, docker.errors.APIError("404", response=response, explanation="No such image: x"))
    assert type(error) is NotFound
    assert error.message == "no such image: x"


def test_settings_the_sdk_does_not_accept_are_no_lost_connection() -> None:
    error = failures.ours(ADDRESS, docker.errors.InvalidArgument("odd value"))
    assert type(error) is EngineError
    assert "odd value" in error.message


def test_a_bug_stays_a_bug() -> None:
    assert failures.ours(ADDRESS, KeyError("Id")) is None
