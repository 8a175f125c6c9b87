from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from devenv.addresses import Address
from devenv.commands.onboard import OnboardResult, Passed
from devenv.errors import DevenvError
from devenv.model.progress import Progress
from devenv.onboarding.suggesting import Suggestion
from devenv.ui import onboarding

DONE = OnboardResult(
    folder=Path("/home/ada/shop"),
    instance="shop",
    environment="0123456789ab",
    stages=(Passed("clone", "done", "it", 1.0), Passed("up", "done", "shop is up", 70.9, {"seed": 1.5})),
    ahead=(),
    seconds=72.0,
    addresses=(Address("web", "http://127.0.0.1:8000", 8000, "app"),),
    next=(Suggestion("devenv run test", "run that task inside"), Suggestion("devenv logs -f", "follow")),
)


@pytest.fixture(autouse=True)
def _plain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")


def test_a_stage_is_a_line_with_its_time_and_those_of_its_parts() -> None:
    up = Passed("up", "done", "shop is up", 72.4, {"seed": 1.5, "setup of web": 61.0})
    assert onboarding.line(up) == "✓ up        1 min 12 s  shop is up; seed 1.50 s; setup of web 1 min 1 s"
    assert onboarding.line(Passed("hooks", "none", "it has none", 0.1)) == "- hooks                 it has none"


def test_words_of_a_stage_have_no_control_characters() -> None:
    assert "\x1b" not in onboarding.line(Passed("clone", "failed", "a\x1b[2Jb", 0.1))


def test_at_the_end_stands_how_long_it_took_and_what_comes_next(capsys: pytest.CaptureFixture[str]) -> None:
    onboarding.result(DONE, again="devenv onboard", place="my shop", as_json=False)
    told = capsys.readouterr()
    assert told.out == "web  http://127.0.0.1:8000\n"
    assert told.err.splitlines() == [
        "",
        "ready in 1 min 12 s",
        "",
        "next:",
        "  cd 'my shop'",
        "  devenv run test  run that task inside",
        "  devenv logs -f   follow",
    ]


def test_where_nothing_was_left_to_do_that_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    stages = Passed("clone", "already", "it", 0.1), Passed("hooks", "none", "", 0.0)
    idle = replace(DONE, stages=stages, seconds=0.4)
    onboarding.result(idle, again="devenv onboard", place=None, as_json=False)
    assert "ready in 0.40 s; nothing was left to do\n" in capsys.readouterr().err


def test_programs_hear_of_a_problem_with_its_hint(capsys: pytest.CaptureFixture[str]) -> None:
    failed = OnboardResult(None, None, None, DONE.stages, ("open",), 1.0, (), (), DevenvError("no", hint="yes"))
    onboarding.result(failed, again="devenv onboard", place=None, as_json=True)
    told = json.loads(capsys.readouterr().out)
    assert told["problems"] == [{"message": "no", "hint": "yes", "file": None, "line": None, "column": None}]
    assert (told["ready"], told["folder"], told["ahead"]) == (False, None, ["open"])


def test_a_problem_that_cannot_be_copied_is_told_too(capsys: pytest.CaptureFixture[str]) -> None:
    class Particular(DevenvError):
        def __init__(self, one: str, other: str) -> None:
            super().__init__(f"{one} and {other}")

    onboarding.result(replace(DONE, problem=Particular("a", "b")), again="devenv onboard", place=None, as_json=True)
    assert json.loads(capsys.readouterr().out)["problems"][0]["message"] == "a and b"


def test_lines_leave_out_what_git_counts(capsys: pytest.CaptureFixture[str]) -> None:
    drawing = onboarding.Drawing(as_json=False)
    drawing.began("clone")
    drawing.tell(Progress("shop", "receiving", 1, 9, "objects"))
    drawing.tell(Progress("redis", "downloading", 1, 9, "packages"))
    drawing.pause()
    assert capsys.readouterr().err == "  redis: downloading (1 / 9 packages)\n"
