from __future__ import annotations

import os
import random
import subprocess
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import pytest

from devenv.sync import rules
from devenv.sync.rules import Ignore, Rules

# --- ignored ---


def ignored(files: dict[str, str], paths: str, *own: str, above: tuple[tuple[str, str], ...] = ()) -> str:
    """Those of some paths that are ignored; one that ends in `/` is a folder's."""
    ignore = Ignore(own, files.get, above)
    return " ".join(path for path in paths.split() if ignore(path.removesuffix("/"), path.endswith("/")))


def test_what_is_in_an_ignored_folder_is_ignored_and_cannot_be_taken_back() -> None:
    files = {".gitignore": "out/\n!out/keep", "out/.gitignore": "!*"}
    assert ignored(files, "out out/ out/keep out/a/b in") == "out/ out/keep out/a/b"


def test_the_nearest_gitignore_decides() -> None:
    files = {".gitignore": "*.log\n/a/b/c", "a/.gitignore": "!b.log\n/d", "a/b/.gitignore": "b.log"}
    assert ignored(files, "b.log a/a.log a/b.log a/b/b.log a/d d a/b/c c") == "b.log a/a.log a/b/b.log a/d a/b/c"


def test_the_projects_own_patterns_come_last() -> None:
    files = {".gitignore": "*.log", "a/.gitignore": "!*.log\n*.tmp"}
    assert ignored(files, "x.log a/x.log a/x.tmp b", "!/x.log", "a/x.log", "b") == "a/x.log a/x.tmp b"


def test_patterns_above_the_synced_folder_count_from_where_they_are() -> None:
    above = (("apps/web", "*.swp\n/apps/*/dist\n"), ("web", "!b.swp\nweb/out/"))
    files = {".gitignore": "!c.swp"}
    assert ignored(files, "a.swp b.swp c.swp dist a/dist out/ out", above=above) == "a.swp dist out/"


def test_the_synced_folder_itself_is_never_ignored() -> None:
    assert ignored({".gitignore": "*.a"}, "x y.a", above=(("build", "build/\n"),)) == "y.a"
    assert not Ignore(["*"], lambda _: None)("", True)


def test_a_path_that_is_no_unicode_is_matched_by_its_bytes() -> None:
    name = os.fsdecode(b"\xff.log")
    assert ignored({".gitignore": "?.log", f"{name}/.gitignore": "/x"}, f"{name} {name}/x a.txt") == f"{name} {name}/x"


def test_a_gitignore_is_read_once_until_it_changes() -> None:
    files = {"a/.gitignore": "x"}
    asked_for: list[str] = []

    def read(path: str) -> str | None:
        asked_for.append(path)
        return files.get(path)

    ignore = Ignore([], read)
    assert [ignore("a/x", False), ignore("a/y", False), ignore("ab/x", False)] == [True, False, False]
    assert asked_for == [".gitignore", "a/.gitignore", "ab/.gitignore"]
    files["a/.gitignore"] = "y"
    ignore.forget("b.gitignore")
    for changed in ("a/.gitignore", "a", "", ".gitignore"):
        asked_for.clear()
        ignore.forget(changed)
        assert [ignore("a/x", False), ignore("a/y", False), ignore("ab/x", False)] == [False, True, False]
        assert ("a/.gitignore" in asked_for, "ab/.gitignore" in asked_for) == (True, changed in ("", ".gitignore"))


def test_folders_may_be_nested_deeper_than_calls_of_python() -> None:
    assert Ignore([], {".gitignore": "/a/b"}.get)("a/" * 1900 + "a", False) is False


# --- compared with git ---

NAMES = ["a", "b", "ab", "foo", "foobar", "a.b", "x y", "é", "-", "]", "#a", "!a", "a b ", "[", "\\", "*"]
PIECES = [
    *("a", "b", "foo", "*", "**", "?", "***", "/", "/", "/", "/**", "**/", " ", "bar", ".b", "é", "-", "]", "\t"),
    *("[ab]", "[!a]", "[^-a]", "[]-a]", "[[:alpha:]]", "[a\\]]", "\\*", "\\", "[b-a]", "[", "[[:foo:]]", "[/]", "\\/"),
    *("[a-]", "[[:upper:]-z]"),
]


class Wood:
    """A folder for the text above it, and in it the synced one, with folders, files and `.gitignore`s."""

    def __init__(self, dice: random.Random) -> None:
        self.folders, self.files = [""], list[str]()
        for _ in range(16):
            path = str(PurePosixPath(dice.choice(self.folders), dice.choice(NAMES)))
            if path not in self.folders and path not in self.files:
                (self.folders if dice.random() < 0.4 else self.files).append(path)
        places = {"", *dice.sample(self.folders, min(len(self.folders), 2))}
        self.texts = {str(PurePosixPath(one, ".gitignore")): text(dice, 6) for one in sorted(places)}
        self.above = text(dice, 2)

    @property
    def paths(self) -> list[str]:
        return [*self.files, *self.folders[1:]]

    def plant(self, place: Path) -> None:
        for folder in self.folders:
            (place / "app" / folder).mkdir(parents=True)
        for file in self.files:
            (place / "app" / file).touch()
        for path, content in {**self.texts, "../.gitignore": self.above}.items():
            (place / "app" / path).write_bytes(content.encode())

    def ignored(self) -> set[str]:
        ignore = Ignore([], self.texts.get, [("app", self.above)])
        return {path for path in self.paths if ignore(path, path in self.folders)}


def text(dice: random.Random, most: int) -> str:
    lines = []
    for _ in range(dice.randint(0, most)):
        line = "".join(dice.choices(PIECES, k=dice.randint(1, 5)))
        lines.append(dice.choice(["", "", "", "!", "/", "#"]) + line + dice.choice(["", "", "/"]))
    return dice.choice(["\n", "\r\n"]).join(lines)


def asked(folder: Path, paths: list[str]) -> set[str]:
    """Which of some paths git ignores."""
    command = ["git", "-C", str(folder), "check-ignore", "--no-index", "--stdin", "-z"]
    answer = subprocess.run(command, input=b"\0".join(map(os.fsencode, paths)), stdout=subprocess.PIPE)
    assert answer.returncode in (0, 1)
    return {os.fsdecode(path) for path in answer.stdout.split(b"\0") if path}


def test_ignores_what_git_ignores(tmp_path: Path) -> None:
    dice = random.Random(4)
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    woods = {f"wood{number}": Wood(dice) for number in range(150)}
    for name, wood in woods.items():
        wood.plant(tmp_path / name)
    theirs = asked(
        tmp_path, [f"{name}/app{path and '/'}{path}" for name, wood in woods.items() for path in ["", *wood.paths]]
    )
    compared = {name: wood for name, wood in woods.items() if f"{name}/app" not in theirs}
    for name, wood in compared.items():
        expected = {path for path in wood.paths if f"{name}/app/{path}" in theirs}
        assert wood.ignored() == expected, (wood.texts, wood.above, wood.folders)
    assert len(compared) > 100
    assert len(theirs) > 100


# --- one way, or not at all ---


@pytest.mark.parametrize(
    ("path", "private"),
    [
        (".devenv", True),
        (".devenv/state.toml", True),
        ("api/.devenv/x", True),
        (".DevEnv/x", True),
        ("a/.devenv-sync.1234", True),
        (".devenv-sync.x/a", True),
        (".devenvx", False),
        ("devenv", False),
        ("a/x.devenv-sync.1", False),
        ("", False),
    ],
)
def test_what_devenv_writes_is_private(path: str, private: bool) -> None:
    assert rules.is_private(path) is private


@pytest.mark.parametrize(
    "path",
    [
        *(".git", ".git/config", "a/b/.git", ".vscode/tasks.json", ".idea/x", ".envrc", "api/.envrc", ".devenv/x"),
        *("devenv.toml", "devenv.lock", "devenv.local.toml", "api/devenv.toml"),
        *(".GIT/hooks/x", ".Git", "DEVENV.TOML", ".VSCode/x", ".EnvRc"),
        *(
            ".g\u200cit",
            "\ufeff.git",
            ".git\u200f",
            ".gi\u202et",
            ".\u206bgit/config",
            "\u200d.vscode",
            ".envrc\ufeff",
        ),
        *(".v\u017fcode", ".\u0131dea", ".\uff47it", "devenv.loc\u212a"),
        *(".git.", ".git ", ".git . .", ".git::$INDEX_ALLOCATION", ".git:x", ".vscode. ", "devenv.toml."),
        *("git~1", "GIT~1/config", "a/git~2", "VSCODE~1", "DEVENV~1.TOM", "envrc~1", "idea~1"),
        *("a\\.git\\config", ".git\\config", ".git/\udcff"),
    ],
)
def test_what_runs_something_on_the_host_is_protected_under_every_spelling(path: str) -> None:
    assert rules.is_protected(path)


@pytest.mark.parametrize(
    "path",
    [
        *("", ".gitignore", ".gitattributes", ".github/x", "git", "a.git", ".git2", "vscode", "devenv.toml.md"),
        *("my.devenv.toml", "x~1", "digit~1", ".envrc.example", "é.git", "\udcff", "idea", "src/.gitkeep"),
    ],
)
def test_other_names_are_not_protected(path: str) -> None:
    assert not rules.is_protected(path)


# --- links ---


@pytest.mark.parametrize(
    ("path", "target"),
    [
        *(("l", "a"), ("l", "./a"), ("l", "a/b"), ("a/l", "../b"), ("a/b/l", "../../c"), ("a/b/l", "../..")),
        *(("a/l", ".."), ("l", "."), ("a/l", "./.././b"), ("l", "a/"), ("l", "..."), ("l", "a..b"), ("l", "a//b")),
    ],
)
def test_a_link_that_stays_is_allowed(path: str, target: str) -> None:
    assert rules.allows_link(path, target)


@pytest.mark.parametrize(
    ("path", "target"),
    [
        *(("l", ""), ("l", "/"), ("l", "/etc/passwd"), ("l", "//x"), ("l", ".."), ("l", "../x"), ("a/l", "../../x")),
        *(
            ("l", "a/.."),
            ("l", "a/../b"),
            ("a/l", "b/../../c"),
            ("a/l", "../b/.."),
            ("a/l", "./../../x"),
            ("l", "a\0b"),
        ),
        *(("a/l", "..//../x"), ("l", "..\\x"), ("l", ".git/hooks"), ("a/l", "../.GIT"), ("", "a")),
    ],
)
def test_a_link_that_may_lead_out_is_refused(path: str, target: str) -> None:
    assert not rules.allows_link(path, target)


def links(dice: random.Random, folders: list[str]) -> Iterator[tuple[str, str]]:
    for number in range(4):
        path = str(PurePosixPath(dice.choice(folders), f"l{number}"))
        climbs = [".."] * dice.randint(0, 3)
        names = dice.choices(["..", ".", "a", "b", *(f"l{one}" for one in range(4))], [2, 1, 2, 2, 3, 3, 3, 3], k=3)
        yield path, "/".join([*climbs, *names[: dice.randint(0, 3)]])


def test_links_that_are_allowed_never_lead_out_whatever_they_are_combined_with(tmp_path: Path) -> None:
    dice = random.Random(4)
    root = os.path.realpath(tmp_path)
    folders = ["", "a", "a/b", "a/b/a", "b"]
    for folder in folders:
        Path(root, folder).mkdir(exist_ok=True)
    total = 0
    for _ in range(4000):
        made = {path: target for path, target in links(dice, folders) if rules.allows_link(path, target)}
        for path, target in made.items():
            os.symlink(target, f"{root}/{path}")  # noqa: PTH211 -- thousands of them
        for path in made:
            for below in ("", f"/a/l{dice.randint(0, 3)}/l{dice.randint(0, 3)}"):
                assert f"{os.path.realpath(f'{root}/{path}{below}')}/".startswith(f"{root}/"), made
        for path in made:
            os.unlink(f"{root}/{path}")  # noqa: PTH108
        total += len(made)
    assert total > 6000


# --- actions ---


def test_the_last_rule_that_matches_a_path_or_its_folder_says_what_follows() -> None:
    found = Rules(
        (
            ("/package.json", "setup"),
            ("/requirements*.txt", "setup"),
            ("config/", "restart"),
            ("*.md", "sync"),
            ("Dockerfile", "rebuild"),
            ("/ü/a", "setup"),
        )
    )
    assert {path: found.action(path) for path in ("package.json", "requirements-dev.txt", "ü/a/b")} == {
        "package.json": "setup",
        "requirements-dev.txt": "setup",
        "ü/a/b": "setup",
    }
    assert [found.action(path) for path in ("sub/package.json", "a.py", "config", "config/a.md")] == ["sync"] * 4
    assert [found.action(path) for path in ("config/a.py", "a/config/b/c")] == ["restart"] * 2
    assert found.action("config", is_folder=True) == "restart"
    assert found.action("a/Dockerfile") == "rebuild"
    assert Rules().action("a") == "sync"
