from __future__ import annotations

import pytest

from devenv import patterns


def matches(pattern: str, path: str) -> bool:
    """A path that ends in `/` is a folder's."""
    plain = patterns.encoded(path.removesuffix("/"))
    table = patterns.Table(patterns.read(pattern))
    return table.last(plain, plain.rpartition("/")[2], path.endswith("/")) == 0


@pytest.mark.parametrize(
    ("pattern", "yes", "no"),
    [
        ("a", ["a", "a/", "b/a"], ["ab", "a/b", "A"]),
        ("a/", ["a/", "b/a/"], ["a", "a/b/"]),
        ("/a", ["a", "a/"], ["b/a"]),
        ("a/b", ["a/b"], ["c/a/b"]),
        ("*.log", [".log", "a.log", "b/a.log", "a\n.log"], ["a.log\n", "a.logs"]),
        ("a/*", ["a/b", "a/b/"], ["a", "a/b/c"]),
        ("a/**", ["a/b", "a/b/c"], ["a/", "b/a/c"]),
        ("a/**/", ["a/b/"], ["a/", "a/b"]),
        ("**/a/b", ["a/b", "c/a/b", "d/c/a/b"], ["ca/b"]),
        ("a/**/b", ["a/b", "a/c/b", "a/c/d/b"], ["ab", "a/cb"]),
        ("a/***/b", ["a/b", "a/c/d/b"], []),
        ("a**b/c", ["ab/c", "axb/c"], ["a/b/c"]),
        ("lib**/x", ["libx", "lib/x", "liba/b/x"], ["li/x"]),
        ("*a*b*c", ["abc", "abcabc", "xaxbxc"], ["abca", "acb"]),
        ("?", ["a"], ["é", "ab"]),
        ("??", ["é"], ["a"]),
        ("[a-c]x", ["ax", "cx"], ["dx"]),
        ("[!a-c]", ["d", "-"], ["a"]),
        ("[^a]", ["b"], ["a"]),
        ("[]a]", ["]", "a"], ["b"]),
        ("[a\\]b]", ["]", "a", "b"], ["\\"]),
        ("[c-a]", ["c"], ["a", "b"]),
        ("[[:digit:]-z]", ["0", "-", "z"], ["a"]),
        ("a[/]b", [], ["a/b"]),
        ("\\*", ["*"], ["a"]),
        ("\\#a", ["#a"], ["a"]),
        ("\\!a", ["!a"], ["a"]),
        ("a \\ ", ["a  "], ["a", "a "]),
        ("a  ", ["a"], ["a "]),
        ("a\t", ["a\t"], ["a"]),
        ("a\r", ["a"], ["a\r"]),
        ("\ufeffa", ["a"], []),
        ("ä*", ["ä", "äb"], ["a"]),
    ],
)
def test_a_pattern_matches_as_in_git(pattern: str, yes: list[str], no: list[str]) -> None:
    assert {path: matches(pattern, path) for path in (*yes, *no)} == {
        **dict.fromkeys(yes, True),
        **dict.fromkeys(no, False),
    }


@pytest.mark.parametrize("line", ["", "  ", "# a", "#"])
def test_an_empty_line_and_a_comment_are_no_patterns(line: str) -> None:
    assert patterns.parse(line) is None


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("!", "it names nothing"),
        ("/", "it names nothing"),
        ("!//", "it names nothing"),
        ("a\\", "it ends in a single backslash"),
        ("a[b", "`[` is not closed"),
        ("[]", "`[` is not closed"),
        ("[a\\", "`[` is not closed"),
        ("[[:word:]]", "there is no class `[:word:]`"),
        ("a\nb", "it is more than one line"),
    ],
)
def test_a_pattern_that_can_match_nothing_is_refused_and_passed_over_in_a_file(line: str, reason: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 -- the reason is compared
        patterns.parse(line)
    assert str(caught.value) == reason
    assert "\n" in line or patterns.read(f"{line}\nz") == [patterns.parse("z")]


def test_the_last_pattern_that_matches_counts() -> None:
    table = patterns.Table(patterns.read("*.log\n!keep.log\n/logs/*.log\nother"))
    paths = ["a.log", "keep.log", "logs/keep.log", "b"]
    assert [table.last(path, path.rpartition("/")[2], False) for path in paths] == [0, 1, 2, -1]


@pytest.mark.parametrize("pattern", ["*a" * 30 + "b", "**/a/" * 20 + "b", "/".join(["*a*a*a*"] * 20) + "/b"])
def test_no_pattern_takes_more_time_than_the_length_of_a_path_does(pattern: str) -> None:
    """It would not end: this is quick, or it hangs."""
    for path in ("a" * 255, "a/" * 1000 + "c", "/".join(["a" * 60] * 60)):
        assert not matches(pattern, path)
