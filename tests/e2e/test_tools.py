"""Tools that people use inside, with files that are copied: what they write comes out, what is saved they see."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import engines
from tests.e2e import checkouts
from tests.e2e.checkouts import Checkout, until

pytestmark = [pytest.mark.docker, pytest.mark.network]

TEXT = """\
name = "{name}"
images = "debian"

[apps.web]
packages = ["black", "git", "nodejs", "vim-tiny"]
run = "node --watch server.js {port}"
ports = [{port}]
ready = {{ http = "/" }}

[sync]
mode = "copy"
"""
SERVER = """\
const { answer } = require("./answer.js");
require("http").createServer((_, response) => response.end(answer)).listen(process.argv[2], "0.0.0.0");
"""
WATCHER = """\
const fs = require("fs");
fs.watch("watched", (event, name) => fs.appendFileSync("/tmp/seen", `${event} ${name}\\n`));
fs.writeFileSync("/tmp/watches", "");
"""


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Checkout]:
    engines.require()
    with checkouts.small(tmp_path_factory.mktemp("tools") / "project", text=TEXT) as checkout:
        checkout.watches()
        begin(checkout)
        yield checkout


def begin(checkout: Checkout) -> None:
    (checkout.folder / "server.js").write_text(SERVER)
    save(checkout.folder / "answer.js", 'exports.answer = "first";\n')
    checkout.run("up", "-d")


@pytest.fixture(autouse=True)
def from_the_beginning(request: pytest.FixtureRequest, up: Checkout) -> None:
    """Before a test that failed is run again: what its first run left would fail it once more."""
    if checkouts.is_second_run(request):
        checkouts.begin_anew(up, TEXT)
        begin(up)


def test_node_starts_its_server_again_after_each_save_outside(up: Checkout) -> None:
    assert up.get() == "first"
    for word in ("second", "third"):
        save(up.folder / "answer.js", f'exports.answer = "{word}";\n')
        until(lambda: answers(up, word))  # noqa: B023 -- it is called before the next turn


def test_a_watcher_in_node_hears_of_every_file_saved_outside(up: Checkout) -> None:
    (up.folder / "watched").mkdir()
    save(up.folder / "watcher.js", WATCHER)
    up.run("sync", "flush")
    up.docker("exec", "-d", f"{up.name}-web-1", "node", "watcher.js")
    until(lambda: do(up, "ls /tmp/watches 2>/dev/null || true"))
    for number in range(20):
        save(up.folder / "watched" / f"{number}.txt", "saved")
    until(lambda: {f"{number}.txt" for number in range(20)} <= set(do(up, "cat /tmp/seen").split()))


def test_a_formatter_inside_rewrites_the_files_outside(up: Checkout) -> None:
    crooked, straight = "x = {  'a':1 }\n", 'x = {"a": 1}\n'
    for number in range(50):
        save(up.folder / "package" / f"module{number}.py", crooked)
    up.run("exec", "web", "--", "black", "-q", "package")
    assert {path.read_text() for path in (up.folder / "package").iterdir()} == {straight}
    assert conflicts(up) == []


@pytest.mark.parametrize("copies", ["auto", "no", "yes"])
def test_an_editor_inside_saves_as_it_likes(up: Checkout, copies: str) -> None:
    edited = up.folder / "edited.py"
    save(edited, "print(1)\n")
    edited.chmod(0o755)
    up.run("sync", "flush")
    for number in range(2, 5):
        vim = f"vim.tiny -u NONE -es '+set backup backupcopy={copies}' '+%s/[0-9]/{number}/' +wq edited.py"
        do(up, vim)
        until(lambda: edited.read_text() == f"print({number})\n")  # noqa: B023 -- it is called before the next turn
    assert edited.stat().st_mode & 0o777 == 0o755
    assert conflicts(up) == []


def test_git_inside_changes_the_files_outside_and_nothing_of_the_repository_there(up: Checkout) -> None:
    repository = up.folder / "repository"

    def git(*arguments: str) -> str:
        own = ["-c", "user.name=a", "-c", "user.email=a@b", "-c", "init.defaultBranch=main"]
        done = subprocess.run(["git", *own, *arguments], cwd=repository, check=True, capture_output=True, text=True)
        return done.stdout

    for number in range(40):
        save(repository / f"folder{number % 4}" / f"file{number}.txt", f"{number}\n")
    git("init")
    git("add", ".")
    git("commit", "-m", "first")
    # Git writes its index when it is asked for the status, and that has to be inside before git works there.
    before = git("rev-parse", "HEAD"), git("status", "--porcelain")
    up.run("sync", "flush")

    do(up, INSIDE)
    up.run("sync", "flush")

    assert not (repository / "folder0").exists()
    assert (repository / "moved" / "file0.txt").read_text() == "0\n"
    assert (repository / "folder1" / "file1.txt").read_text() == "changed inside\n"
    assert (git("rev-parse", "HEAD"), before[1]) == (before[0], "")
    assert "folder1/file1.txt" in git("status", "--porcelain")
    assert do(up, "cd repository; git log --format=%s") == "second\nfirst\n"


INSIDE = """\
cd repository
git config --global --add safe.directory '*'
git config --global user.name b
git config --global user.email b@c
git switch -q -c other
git mv folder0 moved
echo changed inside > folder1/file1.txt
git stash -q
git stash pop -q --index
git commit -qam second
git switch -q main
git switch -q other
"""


def save(path: Path, text: str) -> None:
    """As editors do: whole at once."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.new")
    beside.write_text(text)
    beside.replace(path)


def answers(checkout: Checkout, text: str) -> bool:
    try:
        return checkout.get() == text
    except OSError:  # it is just being started again
        return False


def do(checkout: Checkout, command: str) -> str:
    return checkout.docker("exec", "-e", "HOME=/tmp", f"{checkout.name}-web-1", "sh", "-ec", command)


def conflicts(checkout: Checkout) -> object:
    return checkout.run("sync", "status", "--json").data["report"]["sessions"][0]["conflicts"]
