"""The example with a queue, a worker and a mailbox of the project's own, as its README tells it."""

from __future__ import annotations

import json
import subprocess
import urllib.parse
import urllib.request
from pathlib import Path

import pytest

from tests import engines
from tests.e2e import checkouts
from tests.e2e.checkouts import Checkout, until

pytestmark = [pytest.mark.docker, pytest.mark.network]

LOCAL = "[apps.web]\nports = [{port}]\nenv = {{ PORT = {port} }}\n"


def order(shop: Checkout, to: str, text: str) -> str:
    """Send the form, and follow to the page."""
    form = urllib.parse.urlencode({"to": to, "text": text}).encode()
    with urllib.request.urlopen(f"http://127.0.0.1:{shop.port}/orders", form, timeout=10) as answer:
        return str(answer.read().decode())


def page(shop: Checkout) -> str:
    """The page; empty while its program starts anew."""
    try:
        return shop.get()
    except OSError:
        return ""


def test_an_order_goes_through_queue_and_worker_into_the_mailbox_and_an_edit_into_the_page(tmp_path: Path) -> None:
    engines.require()
    with checkouts.example(tmp_path / "postcards", "postcards", LOCAL) as shop:
        shop.run("up", "-d")
        assert "<title>Postcards</title>" in order(shop, "ada@example.org", "Ahoy <from> Malmö")
        until(lambda: "ada@example.org: Ahoy &#60;from&#62; Malmö" in page(shop))

        mailbox = shop.run("env", "--format", "json").data["MAILBOX_URL"]
        with urllib.request.urlopen(f"{mailbox}/messages", timeout=10) as answer:
            (mail,) = json.load(answer)
        assert (mail["to"], mail["subject"]) == (["ada@example.org"], "A postcard for you")

        shop.docker("stop", f"{shop.name}-worker-1")
        order(shop, "grace@example.org", "kept in the queue")
        assert "grace" not in shop.get()
        shop.run("up", "-d")
        until(lambda: "grace@example.org: kept in the queue" in page(shop))

        source = shop.folder / "shop" / "web.js"
        source.write_text(source.read_text().replace('"Postcards"', '"Greetings"'))
        until(lambda: "<title>Greetings</title>" in page(shop))


def test_git_keeps_the_examples_own_entry_of_the_catalog() -> None:
    entries = [path for path in checkouts.EXAMPLES.glob("*/.devenv/services/**/*") if path.is_file()]
    assert len(entries) > 1
    asked = subprocess.run(["git", "check-ignore", "--no-index", *entries], cwd=checkouts.ROOT, capture_output=True)
    assert (asked.returncode, asked.stdout) == (1, b"")
