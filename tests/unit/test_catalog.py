from __future__ import annotations

from pathlib import Path

import pytest

from devenv import catalog
from devenv.catalog import Catalog
from devenv.errors import DevenvError, Problems
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
