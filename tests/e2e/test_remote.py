"""The example on an engine that is reached over the network and has none of this machine's files."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.e2e import checkouts
from tests.e2e.checkouts import Checkout, until

pytestmark = [pytest.mark.docker, pytest.mark.network]

REMOTE = "DEVENV_TEST_REMOTE"
ASK = """\
from urllib.request import urlopen
try:
    print(urlopen("http://127.0.0.1:8111").read().decode(), end="")
except OSError:
    pass
"""
HELLO = """\
async def app(scope, receive, send):
    if scope["type"] == "http":
        await send({{"type": "http.response.start", "status": 200, "headers": []}})
        await send({{"type": "http.response.body", "body": b"{word}"}})
"""


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Checkout]:
    """The bookshop, up there, with the reloader of its README."""
    engine = os.environ.get(REMOTE)
    if not engine:
        assert not os.environ.get("DEVENV_REQUIRE_PEERS"), f"`{REMOTE}` must name an engine that shares nothing"
        pytest.skip(f"`{REMOTE}` names no engine that shares nothing with this machine")
    with checkouts.bookshop(tmp_path_factory.mktemp("remote") / "bookshop", engine=engine) as checkout:
        change(checkout, "devenv.local.toml", lambda text: text.replace(" run ", " run --debug "))
        checkout.run("up", "-d")
        yield checkout


def test_files_are_copied_there_and_the_shop_has_its_books(shop: Checkout) -> None:
    kinds = shop.docker("inspect", "-f", "{{range .Mounts}}{{.Type}} {{end}}", *names(shop, "web", "postgres"))
    assert set(kinds.split()) == {"volume"}
    assert "Middlemarch" in shop.get("/api/books?q=midlemarch")
    assert shop.run("sync", "status", "--json").data["report"]["sessions"][0]["stage"] == "live"


def test_the_page_follows_what_is_edited_here(shop: Checkout) -> None:
    change(shop, "shop/templates/index.html", lambda text: text.replace("Corner Bookshop", "Kiosk"))
    until(lambda: "Kiosk" in page(shop))
    change(shop, "shop/app.py", lambda text: text.replace('{"status": "ok"}', '{"status": "very well"}'))
    until(lambda: "very well" in page(shop, "/health"))


def test_what_tools_make_there_is_here_when_they_end(shop: Checkout) -> None:
    (shop.folder / "tests" / "test_new.py").write_text("def test_new() -> None:\n    assert True\n")
    assert "1 passed" in shop.run("exec", "web", "--", "pytest", "-q", "tests/test_new.py").out
    (shop.folder / "package").mkdir()
    settings = '[project]\nname = "shelf"\nversion = "1"\n[tool.setuptools]\npy-modules = ["shelf"]\n'
    (shop.folder / "package" / "pyproject.toml").write_text(settings)
    (shop.folder / "package" / "shelf.py").write_text("WORDS = 'from here'\n")
    shop.run("exec", "web", "--", "pip", "install", "-q", "-e", "package")
    assert (shop.folder / "package" / "shelf.egg-info" / "PKG-INFO").is_file()
    change(shop, "package/shelf.py", lambda text: text.replace("from here", "edited"))
    assert shop.run("exec", "web", "--", "python", "-c", "import shelf; print(shelf.WORDS)").out == "edited\n"


def test_a_server_that_waits_for_the_kernel_s_word_hears_of_a_save(shop: Checkout) -> None:
    hello = shop.folder / "hello" / "hello.py"
    hello.parent.mkdir()
    hello.write_text(HELLO.format(word="one"))
    shop.run("exec", "web", "--", "pip", "install", "-q", "uvicorn==0.54.0", "watchfiles==1.3.0")
    serve = ["uvicorn", "hello:app", "--reload", "--port", "8111"]
    shop.docker("exec", "-d", "-w", "/work/hello", *names(shop, "web"), *serve)
    # It answers before it watches.
    until(lambda: said(shop) == "one" and watches(shop))
    hello.write_text(HELLO.format(word="two"))
    until(lambda: said(shop) == "two")


def names(checkout: Checkout, *units: str) -> list[str]:
    return [f"{checkout.name}-{unit}-1" for unit in units]


def change(checkout: Checkout, path: str, edit: Callable[[str], str]) -> None:
    target: Path = checkout.folder / path
    before = target.read_text()
    assert edit(before) != before
    target.write_text(edit(before))


def watches(checkout: Checkout) -> bool:
    """Whether a process of the app waits for changes of files."""
    command = "grep -hs '^inotify wd' /proc/[0-9]*/fdinfo/* || true"
    return bool(checkout.docker("exec", *names(checkout, "web"), "sh", "-c", command))


def said(checkout: Checkout) -> str:
    """What the further server says; empty while it starts."""
    return checkout.docker("exec", *names(checkout, "web"), "python", "-c", ASK)


def page(checkout: Checkout, path: str = "/") -> str:
    """Empty while the app starts again."""
    try:
        return checkout.get(path)
    except OSError:
        return ""
