from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from devenv.errors import DevenvError
from devenv.live import place
from devenv.live.place import Place, Told
from devenv.model.machine import Machine

TOLD = Told(4711, "copy", "abc", "/run/x")


def test_instances_and_engines_have_places_of_their_own(tmp_path: Path) -> None:
    machine = Machine(state=tmp_path)
    places = {place.of(machine, address, name).folder for address in ("unix:///a", "unix:///b") for name in "xy"}
    assert len(places) == 4
    assert {one.parent for one in places} == {tmp_path / "sync"}


def test_where_nothing_ever_ran_nothing_lives_and_nothing_is_made(tmp_path: Path) -> None:
    here = Place(tmp_path / "none")
    assert (here.lives(), here.told(), here.why()) == (False, None, None)
    assert not here.folder.exists()


def test_who_holds_the_place_lives_and_says_so_when_it_is_ready(tmp_path: Path) -> None:
    here = Place(tmp_path / "place")
    with here.hold() as held:
        assert held is not None
        assert (here.lives(), here.told()) == (True, None)
        here.say(held, TOLD)
        assert here.told() == TOLD
    assert (here.lives(), here.told()) == (False, None)
    assert stat.S_IMODE(here.folder.stat().st_mode) == 0o700


def test_a_second_one_does_not_get_the_place(tmp_path: Path) -> None:
    here = Place(tmp_path)
    with here.hold() as first:
        assert first is not None
        here.say(first, TOLD)
        with here.hold() as second:
            assert second is None


def test_what_a_dead_process_has_left_does_not_count(tmp_path: Path) -> None:
    here = Place(tmp_path)
    here.process.write_text('{"pid": 1, "mode": "copy", "assignment": "abc", "socket": "/run/x"}')
    assert here.told() is None
    with here.hold() as held:
        assert held is not None


@pytest.mark.parametrize("text", ["", "{", "[]", '{"pid": "x"}', '{"pid": 1}'])
def test_damaged_words_are_none(tmp_path: Path, text: str) -> None:
    here = Place(tmp_path)
    with here.hold() as held:
        assert held is not None
        os.pwrite(held, text.encode(), 0)
        assert here.told() is None


def test_a_socket_whose_path_is_too_long_for_the_kernel_goes_to_a_folder_for_this_user_alone(tmp_path: Path) -> None:
    here, short = Place(tmp_path / ("y" * 100)), tmp_path / "short"
    here.make()
    short.mkdir()
    found = here.socket(short)
    assert found == short / f"devenv-{here.folder.name}" / "socket"
    assert place.is_own(found.parent)
    found.parent.chmod(0o777)
    with pytest.raises(DevenvError, match="belongs to somebody else"):
        here.socket(short)


def test_a_link_is_nobodys_own_folder(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path)
    assert not place.is_own(tmp_path / "link")
