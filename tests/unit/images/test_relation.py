from __future__ import annotations

from devenv.images import relation
from devenv.images.relation import Relation


def test_a_field_is_read_to_groups_of_alternatives() -> None:
    field = "libc6 (>= 2.38), debconf (>= 0.5) | debconf-2.0, python3:any,  perl:amd64 (<< 6)"
    assert relation.parse(field) == (
        (Relation("libc6", ">=", "2.38"),),
        (Relation("debconf", ">=", "0.5"), Relation("debconf-2.0")),
        (Relation("python3"),),
        (Relation("perl", "<<", "6"),),
    )


def test_an_empty_field_says_nothing() -> None:
    assert relation.parse("") == ()


def test_a_bound_is_not_met_by_a_name_provided_without_version() -> None:
    assert Relation("mail-agent").admits(None)
    assert not Relation("mail-agent", ">=", "1").admits(None)


def test_a_relation_is_shown_as_the_index_words_it() -> None:
    assert [str(one) for one in relation.flat("a (= 1:2-3), b")] == ["a (= 1:2-3)", "b"]
