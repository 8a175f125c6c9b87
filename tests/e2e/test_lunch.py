"""The example of two apps with folders of their own, as its README tells it."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests import engines, ports
from tests.e2e import checkouts
from tests.e2e.checkouts import Checkout, until

pytestmark = [pytest.mark.docker, pytest.mark.network]

LOCAL = """\
[apps.api]
ports = [{api}]
run = "flask --app votes run --host 0.0.0.0 --port {api}"
[apps.web]
ports = [{{port}}]
env = {{{{ PORT = {{port}}, API_URL = "http://api:{api}" }}}}
"""


def vote(lunch: Checkout, place: str) -> Mapping[str, int]:
    """What the API answers through the front end."""
    sent = json.dumps({"place": place}).encode()
    head = {"Content-Type": "application/json"}
    request = urllib.request.Request(f"http://127.0.0.1:{lunch.port}/api/votes", sent, head)
    with urllib.request.urlopen(request, timeout=10) as answer:
        found: Mapping[str, int] = json.load(answer)
        return found


def places(lunch: Checkout) -> str:
    """The places through the front end; empty while one of the two starts anew."""
    try:
        return lunch.get("/api/places")
    except OSError:
        return ""


def starts(lunch: Checkout) -> dict[str, str]:
    names = ("api", "web", "redis")
    told = lunch.docker("inspect", "-f", "{{.State.StartedAt}}", *(f"{lunch.name}-{name}-1" for name in names))
    return dict(zip(names, told.split(), strict=True))


def edit(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


def test_votes_pass_the_front_end_and_an_edit_restarts_the_app_whose_folder_it_is_in(tmp_path: Path) -> None:
    engines.require()
    with checkouts.example(tmp_path / "lunch", "lunch", LOCAL.format(api=ports.free())) as lunch:
        lunch.watches()
        lunch.run("up", "-d")
        assert "<title>Lunch</title>" in lunch.get()
        assert vote(lunch, "noodles")["noodles"] == 1
        with pytest.raises(urllib.error.HTTPError, match="400"):
            vote(lunch, "nothing")
        assert "noodles" in lunch.run("connect", "redis", "--", "hgetall", "votes").out

        before = starts(lunch)
        edit(lunch.folder / "api" / "votes.py", '"salad"', '"salad", "soup"')
        until(lambda: "soup" in places(lunch))
        after_api = starts(lunch)
        assert {name for name in before if before[name] != after_api[name]} == {"api"}
        assert vote(lunch, "noodles") == {"noodles": 2, "pizza": 0, "salad": 0, "soup": 0}

        edit(lunch.folder / "web" / "server.js", "response.writeHead(404)", "response.writeHead(410)")
        until(lambda: starts(lunch)["web"] != before["web"])
        after_web = starts(lunch)
        assert {name for name in before if after_api[name] != after_web[name]} == {"web"}

        edit(lunch.folder / "web" / "index.html", "<title>Lunch", "<title>Dinner")
        until(lambda: places(lunch))
        assert "<title>Dinner</title>" in lunch.get()
