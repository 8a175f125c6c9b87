"""Which name a checkout gets, and that it keeps it."""

from __future__ import annotations

import shutil
import threading
from pathlib import Path

import pytest

from devenv import instances, toml
from devenv.errors import Conflict, DevenvError, UsageError
from devenv.instances import Checkout, Claim, ledger, naming, state
from devenv.model.machine import Machine


class Desk:
    """A machine with checkouts of a project."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.machine = Machine(state=root / "state")

    def checkout(self, folder: str, project: str = "bookshop", *, is_named: bool = False) -> Checkout:
        place = self.root / folder
        place.mkdir(parents=True, exist_ok=True)
        (place / "devenv.toml").touch()
        return Checkout(place, project, self.machine, is_named)

    def worktree(self, folder: str, project: str = "bookshop", *, is_named: bool = False) -> Checkout:
        made = self.checkout(folder, project, is_named=is_named)
        place = self.root / "main" / ".git" / "worktrees" / folder
        place.mkdir(parents=True)
        (place / "commondir").write_text("../..\n")
        (made.folder / ".git").write_text(f"gitdir: {place}\n")
        return made

    def claim(self, folder: str, project: str = "bookshop") -> str:
        return instances.claim(self.checkout(folder, project)).name


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def told(checkout: Checkout) -> object:
    return toml.read(checkout.folder / state.FILE).data["instance"]


# --- which name ---


def test_the_first_checkout_has_the_projects_name_and_others_their_folders_as_well(desk: Desk) -> None:
    assert desk.claim("first") == "bookshop"
    assert desk.claim("Second Clone!") == "bookshop-second-clone"
    assert desk.claim("bookshop-review") == "bookshop-review"
    assert desk.claim("more/bookshop") == "bookshop-2"
    assert desk.claim("again/bookshop") == "bookshop-3"
    assert desk.claim("again/bookshop-review") == "bookshop-review-2"
    assert desk.claim("third", "postcards") == "postcards"


def test_a_linked_worktree_never_has_the_plain_name_unless_it_was_named_here(desk: Desk) -> None:
    linked = desk.worktree("review")
    (linked.folder / "shop").mkdir()
    inside = Checkout(linked.folder / "shop", "shop", desk.machine)
    assert instances.read(linked).name == "bookshop-review"
    assert instances.read(inside).name == "shop-review"
    assert instances.read(desk.worktree("other", is_named=True)).name == "bookshop"


def test_a_name_that_is_too_long_is_shortened_and_stays_different(desk: Desk) -> None:
    names = {naming.joined("p" * 40, f"{'f' * 60}{end}") for end in "ab"}
    assert len(names) == 2
    assert all(naming.is_one(name) and len(name) == 63 for name in names)
    assert all(naming.is_one(naming.shortened(name, "-12")) for name in names)
    assert desk.claim("first", "p" * 40) == "p" * 40
    assert naming.is_one(desk.claim("f" * 100, "p" * 40))


def test_names_that_an_engine_has_for_others_are_taken(desk: Desk) -> None:
    checkout = desk.checkout("second")
    assert instances.claim(checkout, elsewhere=lambda: {"bookshop", "bookshop-first"}).name == "bookshop-second"
    assert instances.claim(checkout).name == "bookshop-second"


# --- that it stays ---


def test_what_was_claimed_is_read_without_writing_and_not_written_again(desk: Desk) -> None:
    checkout = desk.checkout("first")
    assert instances.read(checkout) == Claim("bookshop")
    assert not (checkout.folder / ".devenv").exists()
    assert not desk.machine.state.exists()
    instances.claim(checkout, declared=[8000])
    before = [
        path.stat().st_ino for path in (checkout.folder / state.FILE, desk.machine.state / "instances/ledger.json")
    ]
    instances.claim(checkout, declared=[8000])
    assert instances.read(checkout) == Claim("bookshop", is_recorded=True)
    after = [
        path.stat().st_ino for path in (checkout.folder / state.FILE, desk.machine.state / "instances/ledger.json")
    ]
    assert after == before


def test_a_lost_ledger_costs_no_name(desk: Desk) -> None:
    desk.claim("first")
    desk.claim("second")
    (desk.machine.state / "instances" / "ledger.json").write_text('{"broken')
    assert desk.claim("second") == "bookshop-second"
    assert desk.claim("first") == "bookshop"
    assert desk.claim("third") == "bookshop-third"


def test_a_state_that_is_lost_is_found_in_the_ledger_again(desk: Desk) -> None:
    desk.claim("first")
    desk.claim("second")
    shutil.rmtree(desk.root / "second" / ".devenv")
    shutil.rmtree(desk.root / "first")
    assert desk.claim("second") == "bookshop-second"


def test_the_plain_name_is_free_again_when_its_folder_is_gone(desk: Desk) -> None:
    desk.claim("first")
    shutil.rmtree(desk.root / "first")
    assert desk.claim("second") == "bookshop"


def test_a_copied_folder_is_a_checkout_of_its_own_without_what_was_recorded(desk: Desk) -> None:
    first = desk.checkout("first")
    instances.claim(first)
    state.record(first.folder, {"ports": {"redis/6379": 20001}, "data": {"redis": 3}})
    shutil.copytree(first.folder, desk.root / "copy")
    copy = desk.checkout("copy")
    assert instances.read(copy) == Claim("bookshop-copy")
    assert state.table(copy.folder, "ports") == {}
    assert instances.claim(copy).name == "bookshop-copy"
    assert state.table(copy.folder, "data") == {}
    assert state.table(first.folder, "data") == {"redis": 3}
    assert instances.read(first).name == "bookshop"


def test_a_moved_folder_keeps_its_name_and_its_ports(desk: Desk) -> None:
    desk.claim("first")
    second = desk.checkout("second")
    instances.claim(second)
    state.record(second.folder, {"ports": {"redis/6379": 20001}})
    second.folder.rename(desk.root / "moved")
    moved = desk.checkout("moved")
    assert instances.claim(moved).name == "bookshop-second"
    assert state.table(moved.folder, "ports") == {"redis/6379": 20001}
    assert told(moved) == {
        "name": "bookshop-second", "project": "bookshop", "folder": str(moved.folder), "remark": told(moved)["remark"]  # type: ignore[index]
    }  # fmt: skip


def test_a_renamed_project_has_its_new_name(desk: Desk) -> None:
    desk.claim("first")
    assert instances.claim(desk.checkout("first", "library")).name == "library"
    assert desk.claim("second") == "bookshop"


def test_twenty_claims_at_once_give_twenty_names(desk: Desk) -> None:
    checkouts = [desk.checkout(f"{number}/bookshop") for number in range(20)]
    names: list[str] = []
    threads = [threading.Thread(target=lambda one=one: names.append(instances.claim(one).name)) for one in checkouts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(names) == sorted({"bookshop", *(f"bookshop-{number}" for number in range(2, 21))})


def test_a_damaged_record_is_told_with_the_way_out(desk: Desk) -> None:
    checkout = desk.checkout("first")
    (checkout.folder / ".devenv").mkdir()
    (checkout.folder / state.FILE).write_text("[instance\n")
    with pytest.raises(DevenvError) as caught:
        instances.read(checkout)
    assert caught.value.where is not None
    assert caught.value.where.file == state.FILE
    assert (caught.value.hint or "").startswith(f"remove `{state.FILE}`")


@pytest.mark.parametrize(
    "content", ["instance = 1", "[instance]\nname = 1", '[instance]\nname = "A B"', "[ports]\nx = 1"]
)
def test_a_record_that_says_nothing_is_replaced(desk: Desk, content: str) -> None:
    checkout = desk.checkout("first")
    (checkout.folder / ".devenv").mkdir()
    (checkout.folder / state.FILE).write_text(content)
    assert instances.claim(checkout).name == "bookshop"
    assert instances.read(checkout) == Claim("bookshop", is_recorded=True)


# --- a name of one's own choice ---


def test_a_checkout_can_be_given_a_name_that_nobody_else_has(desk: Desk) -> None:
    desk.claim("first")
    second = desk.checkout("second")
    assert instances.claim(second, name="review").name == "review"
    assert desk.claim("second") == "review"
    with pytest.raises(Conflict, match=f"the instance `bookshop` belongs to `{desk.root / 'first'}`"):
        instances.claim(second, name="bookshop")
    assert desk.claim("second") == "review"


@pytest.mark.parametrize("name", ["", "A", "-a", "a_b", "a" * 64, "a\x1b[31m"])
def test_what_is_no_dns_label_names_no_instance(name: str) -> None:
    with pytest.raises(UsageError, match="cannot name an instance"):
        naming.check(name)


# --- what people hear ---


def test_people_hear_once_that_it_is_not_the_first(desk: Desk) -> None:
    assert instances.claim(desk.checkout("first"), tells=True).remark == ""
    second = desk.checkout("second")
    first = f"(the first is `{desk.root / 'first'}`)"
    words = f"this is a second checkout of `bookshop` {first}: its instance is `bookshop-second`"
    assert instances.claim(second).remark == words
    assert instances.claim(second).remark == words
    assert instances.claim(second, tells=True).remark == words
    assert instances.claim(second, tells=True).remark == ""
    linked = desk.worktree("review", "library")
    words = f"this is a worktree of `{desk.root / 'main'}`: its instance is `library-review`"
    assert instances.claim(linked, tells=True).remark == words


# --- the machine ---


def test_the_machine_is_told_by_what_was_recorded_first(desk: Desk) -> None:
    made = ledger.host(desk.machine)
    assert len(made) == 16
    assert not desk.machine.state.exists()
    assert ledger.host(desk.machine, records=True) == made
    (desk.machine.state / "host").write_text("0123456789abcdef\n")
    assert ledger.host(desk.machine) == "0123456789abcdef"


def test_checkouts_that_are_gone_are_forgotten(desk: Desk) -> None:
    desk.claim("first")
    desk.claim("second")
    shutil.rmtree(desk.root / "first")
    assert ledger.forget(desk.machine) == {"bookshop": str(desk.root / "first")}
    assert list(ledger.read(desk.machine)) == ["bookshop-second"]
    assert ledger.forget(desk.machine) == {}
