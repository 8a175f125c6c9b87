from __future__ import annotations

import itertools
import shutil
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from devenv.images import version

ASCENDING = (
    ("1~~", "1~~a", "1~", "1", "1a", "1+", "1.0~rc1", "1.0", "1.0-1", "1.0-1+b1", "1.1", "1.2", "1.10", "2", "1:0.1"),
    ("1-1~bpo12+1", "1-1", "1-1.1", "1-2"),
    ("0", "00.1", "0.10"),
    ("17.6-0+deb13u1", "17.6-1", "17.10-0+deb13u1"),
)
EQUAL = (("1", "0:1"), ("1", "1-0"), ("1.0", "1.00"), ("1.", "1.0"), ("1a", "1a0"))


@pytest.mark.parametrize("versions", ASCENDING)
def test_versions_sort_as_policy_says(versions: tuple[str, ...]) -> None:
    keys = [version.key(one) for one in versions]
    assert all(lower < higher for lower, higher in itertools.pairwise(keys))


@pytest.mark.parametrize(("left", "right"), EQUAL)
def test_versions_that_policy_calls_equal_are_equal(left: str, right: str) -> None:
    assert version.holds(left, "=", right)


@pytest.mark.parametrize(
    ("operator", "expected"),
    [
        ("<<", (True, False, False)),
        ("<=", (True, True, False)),
        ("=", (False, True, False)),
        (">=", (False, True, True)),
        (">>", (False, False, True)),
    ],
)
def test_operators_mean_what_they_say(operator: str, expected: tuple[bool, bool, bool]) -> None:
    assert tuple(version.holds(one, operator, "2") for one in ("1", "2", "3")) == expected


@pytest.mark.skipif(shutil.which("dpkg") is None, reason="no dpkg to compare with")
@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.from_regex(r"([0-9]:)?[0-9][0-9a-c.+~]{0,5}(-[0-9a-c+.~]{1,4})?", fullmatch=True), min_size=2, max_size=2
    )
)
def test_dpkg_compares_versions_the_same_way(pair: list[str]) -> None:
    left, right = pair
    for operator, name in (("<<", "lt"), ("=", "eq")):
        result = subprocess.run(["dpkg", "--compare-versions", left, name, right], check=False)
        assert version.holds(left, operator, right) == (result.returncode == 0), (left, operator, right)
