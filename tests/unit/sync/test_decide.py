from __future__ import annotations

import itertools

import pytest

from devenv.sync.base import State
from devenv.sync.decide import decide

STATES: dict[str, State | None] = {
    "-": None,
    "A": State("file", 0o644, b"a"),
    "A+x": State("file", 0o755, b"a"),
    "B": State("file", 0o644, b"b"),
    "C": State("file", 0o644, b"c"),
    "dir": State("folder", 0o755, b""),
    "DIR": State("folder", 0o700, b""),
    "link": State("link", 0, b"a"),
    "pipe": State("other", 0, b""),
}

# What was agreed on, what the host has now, what is inside now, and what is done about it.
TABLE = """
    before  host  inner  decision
    ------  ----  -----  --------
    -       -     -      agree      nothing anywhere
    -       A     -      in         new on the host
    -       -     A      out        new inside
    -       A     A      agree      new on both sides, and the same
    -       A     A+x    in         the same content: the host's mode
    -       A     B      aside      two contents: both are kept
    -       dir   DIR    in         two folders are one
    -       A     dir    aside      a file here, a folder there
    -       dir   A      aside
    -       link  A      aside
    A       A     A      agree
    A       B     A      in         changed on the host
    A       A     B      out        changed inside
    A       A+x   A      in
    A       A     A+x    out
    A       -     A      in         removed on the host
    A       A     -      out        removed inside
    A       -     -      agree      removed on both sides
    A       B     B      agree      the same change on both sides
    A       B     C      aside      two changes: both are kept
    A       B     A+x    aside      here the content, there the mode
    A       A+x   B      aside
    A       B     -      in         a change outlives a removal
    A       -     B      out
    A       dir   A      in         became something else on the host
    A       A     dir    out        became something else inside
    A       dir   B      aside
    A       link  -      in
    dir     -     dir    in
    dir     dir   -      out
    dir     DIR   dir    in
    dir     dir   DIR    out
    dir     DIR   -      in
    dir     -     DIR    out
    dir     A     dir    in
    dir     dir   A      out
    -       pipe  -      leave      pipes, sockets and devices are no business of ours
    -       -     pipe   leave
    A       pipe  A      leave
    A       A     pipe   leave
    A       pipe  B      leave
    A       B     pipe   leave
    A       -     pipe   leave
    -       pipe  pipe   agree
"""

# Protected paths: what is inside follows the host and never leads.
PROTECTED = """
    before  host  inner  decision
    ------  ----  -----  --------
    -       A     -      in
    -       -     A      leave      made inside: it stays there
    -       A     A      agree
    -       A     A+x    in
    -       A     B      aside      made on both sides: what is inside is kept there, beside it
    A       B     A      in
    A       -     A      in
    A       A     B      leave      changed inside: it stays there
    A       A     A+x    leave
    A       A     -      leave      removed inside: it stays here
    A       A     dir    leave
    A       B     C      aside
    A       B     -      in
    A       -     B      leave
    A       -     -      agree
    A       B     B      agree
"""

# A folder that only one side keeps, for what is ignored in it: what each side had then, and what it has now.
ONE_SIDED = """
    before    host  inner  decision
    --------  ----  -----  --------
    dir/-     dir   -      leave      it stays where it is
    -/dir     -     dir    leave
    dir/-     -     -      agree      what was ignored is gone, and it too
    dir/-     DIR   -      in         changed where it is: it comes back
    -/dir     -     DIR    out
    dir/-     dir   dir    agree      made again where it was not
    -/dir     A     dir    in         something else is made in its place
    dir/-     dir   A      out
    dir/-     A     -      in
    dir/-     A     B      aside
"""


def rows(table: str) -> list[tuple[str, ...]]:
    return [tuple(line.split()[:4]) for line in table.strip().splitlines()[2:]]


def decided(path: str, before: str, host: str, inner: str, *, protected: bool = False) -> str:
    host_before, _, inner_before = before.partition("/")
    return decide(
        path,
        host=STATES[host],
        inner=STATES[inner],
        host_before=STATES[host_before],
        inner_before=STATES[inner_before or host_before],
        protected=protected,
    )


@pytest.mark.parametrize(("before", "host", "inner", "decision"), [*rows(TABLE), *rows(ONE_SIDED)])
def test_each_side_is_compared_with_what_both_agreed_on(before: str, host: str, inner: str, decision: str) -> None:
    assert decided("f", before, host, inner) == decision


@pytest.mark.parametrize(("before", "host", "inner", "decision"), rows(PROTECTED))
def test_what_is_protected_goes_in_and_never_out(before: str, host: str, inner: str, decision: str) -> None:
    assert decided(".envrc", before, host, inner, protected=True) == decision


@pytest.mark.parametrize("path", [".git/index", ".git/FETCH_HEAD", ".git/ORIG_HEAD"])
def test_what_git_writes_anew_at_any_time_is_overwritten_inside(path: str) -> None:
    assert decided(path, "A", "B", "C", protected=True) == "in"
    assert decided(path, "A", "A", "C", protected=True) == "leave"


def test_whatever_happened_nothing_that_is_in_one_place_alone_is_lost() -> None:
    """Out of all that can be: one side is overwritten only by what came after what it has."""
    for before, host, inner, protected in itertools.product(STATES, STATES, STATES, (False, True)):
        decision = decided("f", before, host, inner, protected=protected)
        if decision == "in" and inner not in ("-", before, host):
            assert {inner, host} in ({"A", "A+x"}, {"dir", "DIR"}), (before, host, inner)
        if decision == "out":
            assert host in ("-", before), (before, host, inner)
            assert not protected
