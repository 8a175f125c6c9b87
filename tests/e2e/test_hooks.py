"""The project's own checks before a commit, inside a real container, in a repository that git commits to."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import engines
from tests.e2e import checkouts
from tests.e2e.checkouts import Checkout, until

pytestmark = [pytest.mark.docker, pytest.mark.network]

TEXT = (
    checkouts.PAGE
    + """
[hooks.tabs]
run = "sed -i 's/\\t/  /g' {{files}}"
files = ["*.py"]

[hooks.slow]
run = "if grep -q slow {{files}}; then touch /work/began; sleep 20; fi"
files = ["*.py"]

[sync]
mode = "{mode}"
"""
)


@pytest.fixture(scope="module", params=["bind", "copy"])
def shop(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Checkout]:
    """A project in a repository, up, whose hooks git runs."""
    engines.require()
    folder = tmp_path_factory.mktemp("hooks") / "shop"
    text = TEXT.replace("{mode}", request.param)
    with checkouts.small(folder, text=text) as checkout:
        git(checkout, "init", "-b", "main")
        checkout.run("up", "-d")
        checkout.run("hooks", "install")
        yield checkout


def git(checkout: Checkout, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    own = ("-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false")
    done = subprocess.run(
        ["git", *own, *arguments], cwd=checkout.folder, env=checkout.environ, capture_output=True, text=True
    )
    assert not check or done.returncode == 0, done.stdout + done.stderr
    return done


def put(checkout: Checkout, text: str) -> Path:
    file = checkout.folder / "a.py"
    file.write_text(text)
    return file


def test_a_commit_waits_for_the_hooks_and_keeps_what_is_not_staged(shop: Checkout) -> None:
    word = uuid.uuid4().hex  # what is run once more after a failure has something to commit again
    file = put(shop, f"\t{word}\n2\n3\n4\n")
    git(shop, "add", ".")
    put(shop, f"\t{word}\n2\n3\n4\nnot staged\n")
    stopped = git(shop, "commit", "-m", "1", check=False)
    assert stopped.returncode == 1
    assert file.read_text() == f"  {word}\n2\n3\n4\nnot staged\n"
    assert "changed: a.py" in stopped.stderr
    git(shop, "add", ".")
    git(shop, "commit", "-m", "1")
    assert git(shop, "show", "HEAD:a.py").stdout == f"  {word}\n2\n3\n4\nnot staged\n"


def test_a_run_that_is_killed_leaves_everything_as_it_was(shop: Checkout) -> None:
    (shop.folder / "began").unlink(missing_ok=True)
    file = put(shop, "\tslow\n")
    git(shop, "add", "a.py")
    put(shop, "\tslow\nnot staged\n")
    under_way = subprocess.Popen(
        shop.command("hooks", "run"), cwd=shop.folder, env=shop.environ, stderr=subprocess.DEVNULL
    )
    began = f"{shop.name}-web-1", "test", "-e", "/work/began"
    until(lambda: subprocess.run(["docker", "exec", *began], capture_output=True).returncode == 0)
    os.kill(under_way.pid, signal.SIGKILL)
    under_way.wait()
    assert file.read_text() == "\tslow\nnot staged\n"
    assert git(shop, "show", ":a.py").stdout == "\tslow\n"
    put(shop, "\tquick\n")
    git(shop, "add", "a.py")
    assert shop.run("hooks", "run", "tabs", check=False).code == 1
    assert file.read_text() == "  quick\n"


def test_killed_at_random_moments_no_file_is_lost_or_half(shop: Checkout) -> None:
    before = {"a.py": "\tone\n2\n3\nmine, later\n", "b.py": "\ttwo\n"}
    after = {"a.py": "  one\n2\n3\nmine, later\n", "b.py": "  two\n"}
    for path, text in before.items():
        (shop.folder / path).write_text(text.replace("mine, later\n", ""))
    git(shop, "add", *before)
    staged = git(shop, "ls-files", "--stage").stdout
    for _ in range(4):
        for path, text in before.items():
            (shop.folder / path).write_text(text)
        command = shop.command("hooks", "run", "tabs")
        under_way = subprocess.Popen(
            command, cwd=shop.folder, env=shop.environ, stderr=subprocess.DEVNULL, start_new_session=True
        )
        time.sleep(random.uniform(0.2, 0.9))  # not a wait: the moment is what is tried
        os.killpg(under_way.pid, signal.SIGKILL)
        under_way.wait()
        left = {path: (shop.folder / path).read_text() for path in before}
        assert all(left[path] in (before[path], after[path]) for path in before), left
        assert git(shop, "ls-files", "--stage").stdout == staged
    shop.run("hooks", "run", "tabs", check=False)
    assert {path: (shop.folder / path).read_text() for path in before} == after
    git(shop, "rm", "-q", "--force", "b.py")


def test_an_environment_that_is_not_up_is_started_for_the_run(shop: Checkout) -> None:
    put(shop, "a\n")
    git(shop, "add", "a.py")
    shop.run("down")
    assert shop.run("hooks", "run", "--json").data["passed"]
    until(lambda: shop.docker("ps", "-q", "--filter", f"label=dev.devenv.instance={shop.name}") == "")
    shop.run("up", "-d")


def test_the_time_that_hooks_take_is_told(shop: Checkout) -> None:
    put(shop, f"{time.time()}\n")
    git(shop, "add", "a.py")
    told = shop.run("hooks", "run", "--json").data
    assert [one["outcome"] for one in told["checked"]] == ["passed", "passed"]
    assert all(one["seconds"] > 0 for one in told["checked"])
