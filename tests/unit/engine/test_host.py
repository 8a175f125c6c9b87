from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from devenv.engine.host import Done, ThisHost


def test_run_gives_both_outputs_in_order_and_the_exit_code() -> None:
    assert ThisHost().run(("sh", "-c", "echo one; echo two >&2; exit 7")) == Done(7, "one\ntwo\n")


def test_run_gives_the_command_an_empty_input() -> None:
    assert ThisHost().run(("cat",)) == Done(0, "")


def test_run_of_a_program_that_is_not_there_gives_127() -> None:
    done = ThisHost().run(("no-such-program",))
    assert done.code == 127
    assert "no-such-program" in done.output


def test_has_finds_daemons_outside_the_users_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    assert not ThisHost().has("no-such-program")
    assert ThisHost().has("ldconfig") is (sys.platform == "linux")


def test_read_gives_none_for_what_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("text")
    host = ThisHost()
    assert [host.read(path) for path in (tmp_path / "file", tmp_path / "none", tmp_path)] == ["text", None, None]


def test_free_looks_at_the_nearest_folder_that_exists(tmp_path: Path) -> None:
    free = ThisHost().free(tmp_path / "not" / "made" / "yet")
    assert free is not None
    assert free > 0


def test_the_user_is_root_exactly_with_its_id() -> None:
    assert ThisHost().root is (os.geteuid() == 0)
