from __future__ import annotations

import json
import threading

import pytest

from devenv.live import news
from devenv.live.news import SHOWN, WAITING, Followers, News
from devenv.sync import events
from devenv.ui import news as shown


def test_a_burst_is_told_by_its_first_names_its_number_and_what_of_it_is_gone() -> None:
    paths = tuple(str(number) for number in range(1000))
    found = news.of(events.Synced(paths, "in", 0.25, 999), "web", "app")
    assert (found.count, found.removed, len(found.paths), found.paths[0]) == (1000, 999, SHOWN, "app/0")


def test_names_that_are_no_text_or_commands_for_a_terminal_can_be_told_and_printed() -> None:
    found = news.of(events.Trouble("a\x1b[2J\udcff\nb", "no\x07"), "web", ".")
    assert found.paths == ("a\ufffd[2J\ufffd\ufffdb",)
    assert shown.line(found).encode() == "! a\ufffd[2J\ufffd\ufffdb: no\ufffd".encode()


def test_what_is_told_comes_through_json_and_unknown_keys_do_no_harm() -> None:
    one = News("synced", "web", ("a", "b"), 2, 0, "out", 0.5)
    assert news.parsed(json.loads(json.dumps(news.data(one))) | {"novel": 1}) == one


def test_a_follower_that_does_not_keep_up_loses_what_came_last_and_still_hears_the_end() -> None:
    followers = Followers()
    heard = followers.listen()
    followers.tell(News("stage", text="before"))
    one = News("line", text="x")
    got: list[News] = []
    begun = threading.Event()

    def listen() -> None:
        for news_ in heard:
            got.append(news_)
            begun.set()

    thread = threading.Thread(target=listen)
    thread.start()
    while not followers:
        pass
    for _ in range(WAITING * 2):
        followers.tell(one)
    followers.tell(None)
    thread.join(10)
    assert not thread.is_alive()
    assert not followers
    assert set(got) <= {one}
    assert list(followers.listen()) == []


@pytest.mark.parametrize(
    ("told", "line"),
    [
        (News("synced", "web", ("app/views.py",), 1, 0, "in", 0.009), "synced app/views.py  9 ms"),
        (News("synced", "web", ("a", "b"), 1000, 0, "in", 0.21), "synced 1,000 paths  0.21 s"),
        (News("synced", "web", ("a",), 1, 1, "in", 0.002), "removed a  2 ms"),
        (News("synced", "web", ("app/models.py",), 1, 0, "out", 0.004), "← app/models.py  4 ms"),
        (News("synced", "web", ("a",), 1, 1, "out", 0.004), "← removed a  4 ms"),
        (
            News("conflict", "web", ("a.py",), 1, text="a.py.inside"),
            "! a.py was changed on both sides; the one from inside is at a.py.inside",
        ),
        (News("stage", "web", text="halted: the folder is empty"), "! files of web: halted: the folder is empty"),
        (News("stage", "web", text="live"), "files of web: live"),
        (
            News("began", paths=("requirements.txt",), count=1, text="devenv up -d"),
            "requirements.txt changed: devenv up -d",
        ),
        (News("line", text="✓ ready"), "  ✓ ready"),
        (News("done", text="devenv up -d", seconds=2.0), "✓ devenv up -d  2.00 s"),
        (News("failed", text="`devenv up -d` failed"), "✗ `devenv up -d` failed"),
    ],
)
def test_an_event_is_a_line(told: News, line: str) -> None:
    assert shown.line(told) == line
