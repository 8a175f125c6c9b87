from __future__ import annotations

from pathlib import Path

import pytest

from devenv import catalog, workspace
from devenv.catalog import Catalog
from devenv.errors import DevenvError, Problems
from devenv.model.machine import Machine
from tests import projects

SERVICES = projects.CATALOG.names("service")
STACKS = projects.CATALOG.names("stack")


def test_the_catalog_has_what_this_version_promises() -> None:
    services = """adminer caddy clickhouse elasticsearch etcd haproxy kafka keycloak localstack mailpit mariadb
        meilisearch memcached minio mongodb mosquitto mysql nats nginx opensearch otel-collector postgres prometheus
        rabbitmq redis temporal valkey varnish"""
    assert set(SERVICES) >= set(services.split())
    assert set(STACKS) >= {"c", "elixir", "go", "java", "node", "php", "python", "ruby", "rust"}


def own(tmp_path: Path, text: str) -> Catalog:
    folder = tmp_path / ".devenv" / "services"
    folder.mkdir(parents=True)
    (folder / "queue.toml").write_text(text)
    return catalog.of(tmp_path)


def test_a_project_may_have_services_of_its_own(tmp_path: Path) -> None:
    entry = own(tmp_path, 'summary = "A queue"\ndocs = "-"\nports = { main = 99 }\n').service("queue")
    assert entry.ports == {"main": 99}


def test_every_mistake_in_a_projects_own_service_is_told_with_its_place(tmp_path: Path) -> None:
    with pytest.raises(Problems) as caught:
        own(tmp_path, 'summary = 1\ndocs = "-"\nportz = 1\n').service("queue")
    assert [one.message for one in caught.value.problems] == [
        "`summary`: input should be a valid string",
        "`portz`: unexpected keyword argument",
    ]
    assert [one.where.line for one in caught.value.problems if one.where] == [1, 3]


def test_an_unknown_service_is_told_with_the_nearest_known() -> None:
    with pytest.raises(DevenvError) as caught:
        projects.CATALOG.service("postgress")
    assert caught.value.message == "unknown service `postgress`"
    assert caught.value.hint == "did you mean `postgres`?"


def test_an_entrys_file_must_be_in_the_entrys_folder(tmp_path: Path) -> None:
    from devenv.model.catalog import EntryFile

    with pytest.raises(DevenvError, match="is not in the folder of"):
        projects.CATALOG.content("service", "postgres", EntryFile("/x", "../redis.toml"))


VAULT = """\
summary = "A vault"
docs = "-"
{0}
[registry]
image = "acme/vault"
default = "1"
versions = ["1"]
{1}
[env]
TOKEN = "{{token}}"
[provides]
VAULT_TOKEN = "{{token}}"
[options.token]
summary = "A token"
type = "string"
{2}
"""
MISUSES = [
    ('command = ["vault", "--token={token}"]', "secret = true", "`command`: the secret `token` would be seen", 3),
    ('client = ["vault", "{token}"]', "secret = true", "`client`: the secret `token` would be seen", 3),
    ('health = ["{token}"]', "secret = true", "`health`: the secret `token` would be seen", 3),
    ('ready = [{ exec = ["{token}"] }]', "secret = true", "`ready.0`: the secret `token` would be seen", 3),
    ("", 'secret = true\ndefault = ["x"]', "`options.token.default`: a secret has no default", 17),
    ("", "kept = true", "`options.token.kept`: only a secret can be kept", 16),
]


@pytest.mark.parametrize(("top", "option", "message", "line"), MISUSES)
def test_an_entry_that_would_show_a_secret_is_refused_with_the_place(
    tmp_path: Path, top: str, option: str, message: str, line: int
) -> None:
    with pytest.raises(Problems) as caught:
        own(tmp_path, VAULT.format(top, "entrypoint = []", option)).service("queue")
    (found,) = caught.value.problems
    assert found.message.startswith(message)
    assert found.where is not None
    assert found.where.line == line


def test_a_secret_that_becomes_a_variable_needs_the_images_entrypoint_or_a_variable_for_its_file(
    tmp_path: Path,
) -> None:
    texts = {
        name: VAULT.format("", more, "secret = true") for name, more in {"bare": "", "known": "entrypoint = []"}.items()
    }
    filed = texts["bare"].replace("[provides]", 'TOKEN_FILE = "/run/secrets/TOKEN"\n[provides]')
    for name, text in {**texts, "filed": filed}.items():
        entries = own(tmp_path / name, text)
        if name == "bare":
            with pytest.raises(Problems) as caught:
                entries.service("queue")
            (found,) = caught.value.problems
            assert found.message == "`registry`: `entrypoint` is missing, before which `TOKEN` is set"
        else:
            assert entries.service("queue").options["token"].secret


def test_a_secret_that_no_variable_can_hold_is_refused_without_being_shown(tmp_path: Path) -> None:
    for value, wrong in {"": "is empty", "canary\\n": "has a line break or a NUL, which no password can have"}.items():
        text = f'images = "debian"\n[services.postgres]\npassword = "{value}"\n'
        (tmp_path / "devenv.toml").write_text(text)
        with pytest.raises(Problems) as caught:
            workspace.load(tmp_path, Machine())
        (found,) = caught.value.problems
        assert found.message == f"`password` of service `postgres` {wrong}"
        assert found.where is not None
        assert (found.where.line, found.where.text) == (2, "[services.postgres]")
