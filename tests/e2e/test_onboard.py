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

# What is not the project's own: a file beside it, and a secret that its people bring.
TEXT = (
    checkouts.SMALL.replace("cat greeting.txt >", "cat greeting.txt /outside >").replace(
        'run = "perl', 'mounts = {{ "/outside" = "../outside.txt" }}\nrun = "perl'
    )
    + """
[secrets.PAYMENTS_KEY]
description = "ask Ada"

[hooks.tabs]
run = "sed -i 's/\\\\t/  /g' {{files}}"
"""
)
PAGE = "hello, from outside"
CANARY = "canary-9f2c41"
STAGES = ("clone", "machine", "consent", "secrets", "lock", "images", "up", "hooks", "open")


@dataclass
class Newcomer:
    """Somebody with the address of a repository, and a machine."""

    source: Path
    checkout: Checkout

    @property
    def state(self) -> Path:
        """What this machine keeps of consent and secrets."""
        return self.source.parent / "state"

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
        """Let nothing be there any more but the repository, to which its lockfile comes: to lock takes long."""
        if (self.checkout.folder / "devenv.toml").exists():
            self.checkout.run("down", "--volumes", "--force")
        if (lock := self.checkout.folder / "devenv.lock").exists():
            shutil.copy(lock, self.source)
            commit(self)
        shutil.rmtree(self.checkout.folder, ignore_errors=True)
        shutil.rmtree(self.state, ignore_errors=True)
        self.checkout.env.pop("PAYMENTS_KEY", None)


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Newcomer]:
    """A repository of the small project, with a hook."""
    engines.require()
    folder, name, port = tmp_path_factory.mktemp("onboard"), f"onboard-{uuid.uuid4().hex[:6]}", ports.free()
    source = folder / "source"
    checkouts.write_small(source, name, port, text=TEXT)
    (folder / "outside.txt").write_text(", from outside")
    git(source, "init", "-q", "-b", "main")
    newcomer = Newcomer(source, Checkout(folder / "clone", name, port))
    newcomer.checkout.env["DEVENV_STATE"] = str(newcomer.state)
    commit(newcomer)
    yield newcomer
    newcomer.forget()


def git(folder: Path, *arguments: str) -> str:
    own = ("-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false")
    return subprocess.run(["git", *own, *arguments], cwd=folder, check=True, capture_output=True, text=True).stdout


def commit(newcomer: Newcomer) -> None:
    git(newcomer.source, "add", ".")
    git(newcomer.source, "commit", "-q", "--allow-empty", "-m", "1")


def states(ran: Ran) -> dict[str, str]:
    return {one["stage"]: one["state"] for one in ran.data["stages"]}


def test_from_an_address_to_an_answer(repository: Newcomer) -> None:
    """What is missing is told at once, nothing is begun before, and it is not asked for twice."""
    repository.forget()
    refused = repository.onboard("--yes", "--json", check=False)
    said = [one["message"].partition("\n")[0] for one in refused.data["problems"]]
    assert (refused.code, len(said)) == (1, 2), said
    assert "asks for more than its own containers" in said[0]
    assert said[1] == "the secret `PAYMENTS_KEY` has no value: ask Ada"
    assert repository.checkout.left() == []

    repository.checkout.run("secrets", "set", "PAYMENTS_KEY", stdin=CANARY)
    came = repository.onboard("--trust")
    assert repository.checkout.get() == PAGE
    assert repository.checkout.run("exec", "web", "printenv", "PAYMENTS_KEY").out == f"{CANARY}\n"
    assert repository.checkout.folder.joinpath(".git/hooks/pre-commit").is_file()
    assert "ready in " in came.err
    assert "devenv run greet" in came.err
    assert CANARY not in came.err + came.out

    again = repository.onboard("--json")
    assert set(states(again).values()) <= {"already", "none"}, again.out
    assert again.data["addresses"][0]["url"] == f"http://127.0.0.1:{repository.checkout.port}"
    assert "nothing was left to do" in repository.onboard().err


def test_after_a_failing_setup_was_mended_it_goes_on_there(repository: Newcomer) -> None:
    """With what the test before has left, or from nothing."""
    repository.checkout.env["PAYMENTS_KEY"] = CANARY
    repository.onboard("--trust")
    toml = repository.checkout.folder / "devenv.toml"
    whole = toml.read_text()
    toml.write_text(whole.replace('setup = ["', 'setup = ["false", "'))
    failed = repository.onboard("--json", check=False)
    assert failed.code == 4
    assert states(failed)["up"] == "failed"
    assert "the setup of `web` failed" in failed.data["problems"][0]["message"]
    assert failed.data["ahead"] == ["hooks", "open"]
    toml.write_text(whole)
    mended = repository.onboard("--json")
    assert [stage for stage, state in states(mended).items() if state == "done"] == ["up"]
    assert repository.checkout.get() == PAGE


# Each stage is killed when a function of it has done its work, and before anything is told of it.
KILLS = (
    ("clone", "devenv.onboarding.repositories:_fetch"),
    ("clone", "devenv.onboarding.repositories:_bring"),
    ("machine", "devenv.engine.address:connect"),
    ("consent", "devenv.trust:consent"),
    ("secrets", "devenv.vault:collect"),
    ("lock", "devenv.workspace:claim"),
    ("images", "devenv.environment:bring"),
    ("up", "devenv.engine.docker:DockerEngine.create"),
    ("up", "devenv.engine.docker:DockerEngine.start"),
    ("hooks", "devenv.hooks.scripts:install"),
    ("open", "devenv.onboarding.bringing:open_"),
)


def test_killed_in_every_stage_it_goes_on_there(repository: Newcomer) -> None:
    repository.forget()
    repository.checkout.env["PAYMENTS_KEY"] = CANARY
    last = STAGES[0]
    for stage, point in KILLS:
        ended = repository.killed(point)
        assert list(ended) == list(STAGES[: STAGES.index(stage)]), point
        again = {ended[one] for one in STAGES[: STAGES.index(last)]}
        assert again <= {"already", "none"}, (point, ended)
        last = stage
    whole = repository.onboard("--trust", "--json")
    assert set(states(whole).values()) <= {"already", "none"}, whole.out
    assert repository.checkout.get() == PAGE
    assert git(repository.checkout.folder, "status", "--porcelain") in ("", "?? devenv.lock\n")
