from __future__ import annotations

import pytest

from devenv.errors import ImageError
from devenv.images import resolve, stanza
from devenv.images.resolve import Universe
from devenv.images.stanza import Stanza
from tests.unit.images import archives


def one(name: str, version: str = "1", **fields: str) -> Stanza:
    return stanza.stanza(archives.package(name, version, **fields))


def names(*stanzas: Stanza, ask: str, installed: tuple[Stanza, ...] = ()) -> list[str]:
    there = {one.name: one for one in installed}
    return sorted(resolve.resolve(Universe(stanzas), ask.split(), there, "trixie"))


def test_what_is_needed_comes_along_with_what_that_needs() -> None:
    assert names(one("a", depends="b"), one("b", pre_depends="c"), one("c"), one("d"), ask="a") == ["a", "b", "c"]


def test_what_is_installed_is_not_chosen_again() -> None:
    base = one("libc6")
    assert names(one("a", depends="libc6"), base, ask="a libc6", installed=(base,)) == ["a"]


def test_the_first_alternative_is_taken() -> None:
    assert names(one("a", depends="x | c | b"), one("b"), one("c"), ask="a") == ["a", "c"]


def test_an_alternative_chosen_already_is_taken_first() -> None:
    assert names(one("a", depends="c | b"), one("b"), one("c"), ask="b a") == ["a", "b"]


def test_an_alternative_that_conflicts_with_a_chosen_package_is_passed_over() -> None:
    packages = (one("a", depends="c | b"), one("b"), one("c", conflicts="d"), one("d"))
    assert names(*packages, ask="d a") == ["a", "b", "d"]


def test_a_provider_is_found_by_priority_then_name() -> None:
    packages = (
        one("a", depends="agent"),
        one("m", provides="agent", priority="extra"),
        one("n", provides="agent"),
        one("o", provides="agent"),
    )
    assert names(*packages, ask="a") == ["a", "n"]


def test_a_provided_version_must_meet_the_bound() -> None:
    packages = (one("a", depends="api (>= 2)"), one("b", provides="api (= 1)"), one("c", provides="api (= 2)"))
    assert names(*packages, ask="a") == ["a", "c"]


def test_a_package_may_conflict_with_the_name_it_provides() -> None:
    assert names(one("a", provides="agent", conflicts="agent"), ask="a") == ["a"]


def test_the_highest_version_is_taken() -> None:
    universe = Universe([one("a", "1.9"), one("a", "1.10"), one("a", "1.2")])
    assert resolve.resolve(universe, ["a"], {}, "trixie")["a"].version == "1.10"


def test_an_older_version_is_taken_when_only_that_fits_what_is_installed() -> None:
    universe = Universe([one("libx-dev", "2", depends="libx (= 2)"), one("libx-dev", "1", depends="libx (= 1)")])
    installed = {"libx": one("libx", "1")}
    assert resolve.resolve(universe, ["libx-dev"], installed, "trixie")["libx-dev"].version == "1"


def test_a_circle_of_needs_is_resolved() -> None:
    assert names(one("a", depends="b"), one("b", depends="a"), ask="a") == ["a", "b"]


def test_usrmerge_is_a_last_resort() -> None:
    packages = (one("a", depends="usrmerge | usr-is-merged"), one("usrmerge"), one("usr-is-merged"))
    assert names(*packages, ask="a") == ["a", "usr-is-merged"]


def test_the_sole_provider_of_a_requested_name_is_taken() -> None:
    assert names(one("a", provides="agent"), ask="agent") == ["a"]


def error(*stanzas: Stanza, ask: str, installed: tuple[Stanza, ...] = ()) -> ImageError:
    with pytest.raises(ImageError) as caught:
        names(*stanzas, ask=ask, installed=installed)
    return caught.value


def test_an_unknown_package_is_named_with_the_suite_and_close_names() -> None:
    caught = error(one("postgresql-17"), one("git"), ask="postgresql-71")
    assert caught.message == "no package `postgresql-71` in Debian `trixie`"
    assert caught.hint == "did you mean `postgresql-17`?"


def test_a_name_with_several_providers_must_be_decided_by_the_user() -> None:
    caught = error(one("b", provides="agent"), one("a", provides="agent"), ask="agent")
    assert caught.message == "package `agent` of `trixie` is only a name that others provide"
    assert caught.hint == "choose one of `a`, `b`"


def test_a_need_that_a_pin_does_not_meet_names_both_and_the_way_out() -> None:
    pinned = one("libssl", "3.5.1")
    caught = error(one("libssl", "3.5.2"), one("dev", depends="libssl (= 3.5.2)"), ask="dev", installed=(pinned,))
    assert caught.message == "package `dev` 1 needs `libssl (= 3.5.2)`; `libssl` is pinned to 3.5.1"
    assert caught.hint == "move the pins with `devenv lock --upgrade`"


def test_a_need_that_nothing_meets_is_named() -> None:
    assert error(one("a", depends="b | c (>= 2)"), one("c", "1"), ask="a").message == (
        "package `a` 1 needs `b` or `c (>= 2)`"
    )


def test_two_requested_packages_that_conflict_are_named() -> None:
    caught = error(one("a"), one("b", conflicts="a"), ask="a b")
    assert caught.message == "package `b` cannot be together with `a`"


def test_a_package_that_breaks_a_pinned_one_is_named() -> None:
    caught = error(one("b", breaks="a (<< 2)"), ask="b", installed=(one("a", "1"),))
    assert caught.message == "package `b` cannot be together with `a`"
