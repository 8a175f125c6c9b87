"""Which client `devenv connect` runs, and where."""

from __future__ import annotations

from pathlib import Path

import pytest

from devenv import workspace
from devenv.commands import inside
from devenv.errors import UsageError
from devenv.model.machine import Machine
from devenv.workspace import Workspace

BOTH = 'name = "shop"\nimages = "debian"\n[apps.web]\n[services.redis]\n[services.db]\nuse = "postgres"\n'


def opened(folder: Path, text: str) -> Workspace:
    (folder / "devenv.toml").write_text(text)
    return workspace.load(folder, Machine())


def refused(folder: Path, text: str, name: str | None = None) -> tuple[str, str | None]:
    with pytest.raises(UsageError) as caught:
        inside.client(opened(folder, text), name)
    return caught.value.message, caught.value.hint


def test_a_client_has_the_services_own_values(tmp_path: Path) -> None:
    text = BOTH + 'user = "me"\ndatabases = ["books", "test"]\n'
    assert inside.client(opened(tmp_path, text), "db") == ("db", ("psql", "-U", "me", "books"))
    assert inside.client(opened(tmp_path, BOTH), "db") == ("db", ("psql", "-U", "devenv", "shop"))


def test_without_a_name_the_only_service_with_a_client_is_meant(tmp_path: Path) -> None:
    text = 'images = "debian"\n[services.redis]\n[services.search]\nimage = "acme/search"\n'
    assert inside.client(opened(tmp_path, text)) == ("redis", ("redis-cli",))
    several = ("several services have a client: `redis` and `db`", "run `devenv connect redis`")
    assert refused(tmp_path, BOTH) == several
    none = ("no service of the project has a client", "`devenv shell NAME` opens a shell in one")
    assert refused(tmp_path, 'images = "debian"\n[apps.web]\n') == none


@pytest.mark.parametrize(
    ("name", "message", "hint"),
    [
        ("rediss", "unknown app or service `rediss`", "did you mean `redis`?"),
        ("web", "`web` is an app, not a service", "run `devenv shell web`"),
        ("mail", "`mail` has no client: the catalog's entry `mail` names none", "run `devenv shell mail`"),
        ("s", "`s` has no client: it is made from an image, not from the catalog", "run `devenv shell s`"),
    ],
)
def test_a_service_without_a_client_is_told_with_the_remedy(tmp_path: Path, name: str, message: str, hint: str) -> None:
    (tmp_path / ".devenv/services").mkdir(parents=True)
    entry = 'summary = "Mail"\ndocs = "https://example.org"\n[registry]\nimage = "acme/mail"\ndefault = "1"\n'
    (tmp_path / ".devenv/services/mail.toml").write_text(entry + 'versions = ["1"]\n')
    text = BOTH + '[services.s]\nimage = "acme/search"\n[services.mail]\nimages = "registry"\n'
    assert refused(tmp_path, text, name) == (message, hint)
