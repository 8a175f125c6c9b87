"""Six projects that know nothing of devenv: `init --yes`, `up`, a page; nobody edits a file."""

from __future__ import annotations

import tomllib
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests import engines, newcomers
from tests.e2e.checkouts import Checkout, until

pytestmark = [pytest.mark.docker, pytest.mark.network]

PAGES = {
    "django": "hello, 0 users",
    "flask": "hello, visitor ",
    "express": "hello from express",
    "next": "hello from next",
    "go": "hello from go",
    "monorepo": "site: hello from the api",
}
FRONT = "site"
"""The app of the repository with two that people look at."""


@contextmanager
def begun(folder: Path, name: str) -> Iterator[Checkout]:
    """A project of somebody who ran `init` and `up`, on whatever ports are free."""
    for path, text in newcomers.ALL[name].items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    checkout = Checkout(folder, folder.name, 0)
    checkout.run("init", "--yes", "--images", "debian")
    try:
        checkout.run("up", "-d")
        yield checkout
    finally:
        checkout.run("down", "--volumes", check=False)


def page(checkout: Checkout) -> str:
    """What it shows; a busy machine may take its time for the first one."""
    try:
        return checkout.get()
    except OSError:
        return ""


@pytest.mark.parametrize("name", PAGES)
def test_a_project_that_is_taken_as_it_is_gives_a_page(tmp_path: Path, name: str) -> None:
    engines.require()
    with begun(tmp_path / f"{name}-{uuid.uuid4().hex[:6]}", name) as checkout:
        written = (checkout.folder / "devenv.toml").read_text()
        apps = tomllib.loads(written)["apps"]
        address = checkout.run("url", FRONT if FRONT in apps else "web").out.strip()
        checkout.port = int(address.rpartition(":")[2])
        until(lambda: PAGES[name] in page(checkout))
        assert (checkout.folder / "devenv.toml").read_text() == written
