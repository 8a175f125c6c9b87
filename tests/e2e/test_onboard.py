"""From a repository's address to an answer over HTTP, on a real engine; killed anywhere, it goes on there."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests import engines, ports
from tests.e2e import checkouts
from tests.e2e.checkouts import Checkout, Ran

pytestmark = [pytest.mark.docker, pytest.mark.network]

HOOK = """
[hooks.tabs]
run = "sed -i 's/\\\\t/  /g' {{files}}"
"""
STAGES = ("clone", "machine", "consent", "secrets", "lock", "images", "up", "hooks", "open")


@dataclass
class Newcomer:
    """Somebody with the address of a repository, and a machine."""

    source: Path
    checkout: Checkout

    def command(self, *arguments: str) -> list[str]:
        return self.checkout.command("onboard", *arguments)

    def onboard(self, *arguments: str, check: bool = True) -> Ran:
        """Give the command that a newcomer gives, where the clone is to be beside."""
        done = subprocess.run(
            self.command(f"file://{self.source}", self.checkout.folder.name, *arguments),
            cwd=self.checkout.folder.parent, env=self.checkout.environ, stdin=subprocess.DEVNULL,
            capture_output=True, text=True,
        )  # fmt: skip
        assert not check or done.returncode == 0, done.stdout + done.stderr
        return Ran(done.returncode, done.stdout, done.stderr)

    def killed(self, point: str) -> dict[str, str]:
        """The same in a process that kills itself as soon as a function, `module:name`, has done its work.

        Returns:
            The states of the stages that had ended.
        """
        module, _, name = point.partition(":")
        program = f"""
import functools, importlib, os, signal, sys
owner = importlib.import_module({module!r})
*path, last = {name!r}.split(".")
owner = functools.reduce(getattr, path, owner)
method = getattr(owner, last)
def deadly(*arguments, **options):
    method(*arguments, **options)
    os.kill(os.getpid(), signal.SIGKILL)
setattr(owner, last, deadly)
from devenv.cli import main
from devenv.ui import onboarding
onboarding.line = lambda stage: f"stage {{stage.stage}} {{stage.state}}"
sys.argv[1:] = {self.command(f"file://{self.source}", self.checkout.folder.name, "--trust")[3:]!r}
main()
"""
        done = subprocess.run(
            [sys.executable, "-c", program], cwd=self.checkout.folder.parent, env=self.checkout.environ,
            stdin=subprocess.DEVNULL, capture_output=True, text=True,
        )  # fmt: skip
        assert done.returncode == -signal.SIGKILL, f"{point}\n{done.stdout}{done.stderr}"
        lines = [line.split() for line in done.stderr.splitlines() if line.startswith("stage ")]
        return {stage: state for _, stage, state in lines}

    def forget(self) -> None:
        """Let nothing be there any more but the repository."""
        self.checkout.folder.exists() and self.checkout.run("down", "--volumes", "--force", check=False)
        shutil.rmtree(self.checkout.folder, ignore_errors=True)


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Newcomer]:
    """A repository of the small project, with a hook."""
    engines.require()
    folder, name, port = tmp_path_factory.mktemp("onboard"), f"onboard-{uuid.uuid4().hex[:6]}", ports.free()
    source = folder / "source"
    checkouts.write_small(source, name, port, text=checkouts.SMALL + HOOK)
    git(source, "init", "-q", "-b", "main")
    newcomer = Newcomer(source, Checkout(folder / "clone", name, port))
    commit(newcomer)
    yield newcomer
    newcomer.forget()


def git(folder: Path, *arguments: str) -> str:
    own = ("-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false")
    return subprocess.run(["git", *own, *arguments], cwd=folder, check=True, capture_output=True, text=True).stdout


def commit(newcomer: Newcomer) -> None:
    git(newcomer.source, "add", ".")
    git(newcomer.source, "commit", "-q", "-m", "1")


def states(ran: Ran) -> dict[str, str]:
    return {one["stage"]: one["state"] for one in ran.data["stages"]}


# Each stage is killed when a function of it has done its work, and before anything is told of it.
KILLS = (
    ("clone", "devenv.onboarding.repositories:_fetch"),
    ("clone", "devenv.onboarding.repositories:_bring"),
    ("machine", "devenv.engine.address:connect"),
    ("lock", "devenv.workspace:claim"),
    ("images", "devenv.environment:bring"),
    ("up", "devenv.engine.docker:DockerEngine.create"),
    ("up", "devenv.engine.docker:DockerEngine.start"),
    ("hooks", "devenv.hooks.scripts:install"),
    ("open", "devenv.onboarding.bringing:open_"),
)


def test_killed_in_every_stage_it_goes_on_there(repository: Newcomer) -> None:
    repository.forget()
    last = STAGES[0]
    for stage, point in KILLS:
        ended = repository.killed(point)
        assert list(ended) == list(STAGES[: STAGES.index(stage)]), point
        again = {ended[one] for one in STAGES[: STAGES.index(last)]}
        assert again <= {"already", "none"}, (point, ended)
        last = stage
    whole = repository.onboard("--trust", "--json")
    assert set(states(whole).values()) <= {"already", "none"}, whole.out
    assert repository.checkout.get() == "hello"
    assert git(repository.checkout.folder, "status", "--porcelain") in ("", "?? devenv.lock\n")
