from __future__ import annotations

import json

import pytest

from devenv.commands.names import EntryState, Name, NamesResult, OffResult
from devenv.commands.trust_ca import TrustResult
from devenv.ui import names

ENTRY = EntryState("devenv-entry-1", 8080, 8443, running=True)
WEB = Name(
    "web.shop.localhost",
    "http://web.shop.localhost:8080",
    "https://web.shop.localhost:8443",
    "shop",
    "web",
    8000,
)

Capture = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def _plain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")


def test_names_are_listed_with_where_they_lead(capsys: Capture) -> None:
    names.listed(NamesResult(ENTRY, (WEB,)), as_json=False)
    head, row = capsys.readouterr().out.splitlines()
    assert head.split("  ")[0] == "NAME"
    assert row.split() == [WEB.url, WEB.https, "127.0.0.1:8000"]


def test_as_json_off_is_no_entry(capsys: Capture) -> None:
    names.listed(NamesResult(None, ()), as_json=True)
    assert json.loads(capsys.readouterr().out) == {"entry": None, "names": []}


def test_off_says_how_to_turn_them_on(capsys: Capture) -> None:
    names.listed(NamesResult(None, ()), as_json=False)
    assert capsys.readouterr().err == "names are off; `devenv names on` gives every app one\n"


def test_on_says_why_a_port_is_not_the_usual_one(capsys: Capture) -> None:
    entry = EntryState("devenv-entry-1", 8080, 8443, True, ("HTTP has port 8080, for `nginx` listens on 80",))
    names.on(NamesResult(entry, ()), as_json=False)
    assert capsys.readouterr().err.splitlines() == [
        "✓ names are on: ports 8080 and 8443 (HTTPS: see `devenv trust-ca`)",
        "! HTTP has port 8080, for `nginx` listens on 80",
        "no app that publishes a port is up",
    ]


def test_an_entry_that_does_not_run_is_told(capsys: Capture) -> None:
    names.listed(NamesResult(EntryState("devenv-entry-1", 80, 443, running=False), (WEB,)), as_json=False)
    assert "the entry does not run" in capsys.readouterr().err


def test_off_tells_what_stays(capsys: Capture) -> None:
    names.off(OffResult("devenv-entry-1", (), ("devenv-entry-1_caddy-data",)), as_json=False)
    assert capsys.readouterr().err.splitlines() == [
        "names were off already",
        "kept the certificate authority (`--volumes` removes it)",
    ]


def test_commands_that_need_root_are_data_and_notes_are_talk(capsys: Capture) -> None:
    names.trusted(TrustResult((), ("sudo true",), ("Node.js",)), as_json=False)
    told = capsys.readouterr()
    assert (told.out, told.err) == ("  sudo true\n", "this needs root; run:\nnote: Node.js\n")
