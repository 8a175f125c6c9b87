from __future__ import annotations

import random

from devenv.images import order, stanza
from tests.unit.images import archives


def runs(**fields: str) -> list[list[str]]:
    """The runs of packages given as `a="needs b"` or `a="needs-before b"`."""
    added = {}
    for name, words in fields.items():
        kind, _, needed = words.partition(" ")
        relation = {"needs": "depends", "before": "pre_depends"}.get(kind)
        added[name] = stanza.stanza(archives.package(name, **({relation: needed} if relation else {})))
    return [[package.name for package in run] for run in order.runs(added)]


def test_what_is_needed_stands_first() -> None:
    assert runs(a="needs b", b="needs c", c="") == [["c", "b", "a"]]


def test_what_is_needed_before_unpacking_stands_in_an_earlier_run_with_all_it_needs() -> None:
    assert runs(a="before b", b="needs c", c="") == [["c", "b"], ["a"]]


def test_what_needs_a_package_of_a_later_run_moves_into_it_too() -> None:
    assert runs(a="needs b", b="before c", c="") == [["c"], ["b", "a"]]


def test_a_circle_stays_together() -> None:
    assert runs(a="needs b", b="needs a", c="needs a") == [["a", "b", "c"]]


def test_a_circle_through_a_need_before_unpacking_has_an_order_all_the_same() -> None:
    assert runs(a="before b", b="needs a") == [["a", "b"]]


def test_a_need_that_is_met_below_orders_nothing() -> None:
    assert runs(a="before libc6") == [["a"]]


def test_the_order_does_not_depend_on_the_order_of_the_question() -> None:
    names = [f"p{number:02}" for number in range(40)]
    generator = random.Random(7)
    needs = {name: f"needs {', '.join(generator.sample(names, 2))}" for name in names}
    shuffled = dict(generator.sample(list(needs.items()), len(needs)))
    assert runs(**needs) == runs(**shuffled)
