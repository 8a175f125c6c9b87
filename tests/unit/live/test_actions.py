from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

import pytest

from devenv.live import actions
from devenv.live.actions import Actions, Burst
from devenv.live.assignment import Followed, Rule
from devenv.live.news import News
from devenv.model.project import Action

RULES: tuple[Rule, ...] = (
    ("/requirements*.txt", "setup"),
    ("*.conf", "restart"),
    ("/Makefile", "rebuild"),
    ("/local.conf", "sync"),
)
WEB = Followed("web", ".", RULES)


def test_the_strongest_action_of_a_burst_counts_for_each_app() -> None:
    burst = Burst([WEB, Followed("worker", ".", (("/Makefile", "setup"),)), Followed("front", "front", RULES)])
    burst.add(".", ["requirements.txt", "a/b.conf", "shop.py"], 0)
    burst.add(".", ["Makefile"], 0.1)
    burst.add(".", ["requirements-dev.txt"], 0.2)
    assert burst.take() == ({"web": "rebuild", "worker": "setup"}, "requirements.txt")


def test_the_last_rule_that_matches_decides() -> None:
    burst = Burst([WEB])
    assert not burst.add(".", ["local.conf", "shop.py", "sub/requirements.txt"], 0)
    assert burst.left(0) is None


def test_a_burst_ends_when_it_has_been_quiet_for_a_while() -> None:
    burst = Burst([WEB], quiet=0.3)
    burst.add(".", ["a.conf"], 10.0)
    burst.add(".", ["shop.py"], 10.2)
    burst.add(".", ["a.conf"], 10.2)
    assert burst.left(10.4) == pytest.approx(0.1)
    assert burst.left(10.6) == 0
    burst.take()
    assert burst.left(11) is None


@pytest.mark.parametrize(
    ("found", "commands"),
    [
        ({"web": "setup", "worker": "setup"}, [["up", "-d"]]),
        ({"web": "restart"}, [["restart", "web"]]),
        ({"web": "rebuild", "api": "restart"}, [["up", "-d"], ["restart", "api", "web"]]),
    ],
)
def test_actions_are_carried_out_by_devenv_itself(found: dict[str, Action], commands: list[list[str]]) -> None:
    assert actions.commands(found) == commands


class Carried:
    """Actions that run, and what becomes of them."""

    def __init__(self, during: Callable[[Carried], None] = lambda _: None, code: int = 0) -> None:
        self.ran: list[list[str]] = []
        self.told: list[News] = []
        self.during = during
        self.code = code
        self.actions = Actions([WEB], self._perform, self._tell, quiet=0.01)

    def _perform(self, arguments: Sequence[str], hear: Callable[[str], None]) -> int:
        self.ran.append(list(arguments))
        hear("said")
        self.during(self)
        return self.code

    def _tell(self, news: News) -> None:
        self.told.append(news)

    def run(self, until: Callable[[], bool]) -> None:
        """Run until the condition is true when something is told."""
        ended = threading.Event()
        inner = self._tell

        def tell(news: News) -> None:
            inner(news)
            if until():
                ended.set()

        self.actions._tell = tell
        thread = threading.Thread(target=self.actions.run)
        thread.start()
        assert ended.wait(10)
        self.actions.stop()
        thread.join(10)
        assert not thread.is_alive()

    def kinds(self) -> list[str]:
        return [one.kind for one in self.told]


def test_a_change_during_an_action_makes_one_more() -> None:
    def once(carried: Carried) -> None:
        if len(carried.ran) == 1:
            carried.actions.changed(".", ["a.conf"])
            carried.actions.changed(".", ["b.conf"])

    carried = Carried(once)
    carried.actions.changed(".", ["requirements.txt"])
    carried.run(lambda: carried.kinds().count("done") == 2)
    assert carried.ran == [["up", "-d"], ["restart", "web"]]
    assert carried.told[0] == News("began", paths=("requirements.txt",), count=1, text="devenv up -d")


def test_between_two_commands_of_one_burst_something_is_under_way() -> None:
    seen: list[str] = []

    class Watched(Carried):
        def _tell(self, news: News) -> None:
            super()._tell(news)
            seen.append(self.actions.under_way)

    carried = Watched()
    carried.actions.changed(".", ["Makefile"])
    carried.run(lambda: carried.kinds().count("done") == 2)
    assert set(seen) == {"devenv up -d", "devenv restart web"}
    assert carried.actions.under_way == ""


def test_setup_that_changes_its_own_input_does_not_go_on_for_ever() -> None:
    carried = Carried(lambda it: it.actions.changed(".", ["requirements.txt"]))
    carried.actions.changed(".", ["requirements.txt"])
    carried.run(lambda: "failed" in carried.kinds())
    assert carried.ran == [["up", "-d"]] * actions.CHAINED
    assert "requirements.txt changes whenever this runs" in carried.told[-1].text


def test_a_failure_is_told_and_the_next_change_is_carried_out_all_the_same() -> None:
    def once(carried: Carried) -> None:
        if len(carried.ran) == 1:
            carried.actions.changed(".", ["a.conf"])
        else:
            carried.code = 0

    carried = Carried(once, code=4)
    carried.actions.changed(".", ["Makefile"])
    carried.run(lambda: "done" in carried.kinds())
    assert carried.ran == [["up", "-d"], ["restart", "web"]]
    assert [one.text for one in carried.told if one.kind == "failed"] == ["`devenv up -d` failed with exit code 4"]
