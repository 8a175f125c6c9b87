"""The hook, run by the real pre-commit in a fresh repository: it installs devenv from a clone, as people's does."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests import engines
from tests.e2e import checkouts
from tests.e2e.checkouts import ROOT

pytestmark = pytest.mark.network

REDIS = 'name = "shop"\nimages = "debian"\n\n[services.redis]\n'
WEB = REDIS + '\n[apps.web]\npackages = ["tree"]\n'
HOOKED = (
    checkouts.PAGE
    + """
[hooks.tabs]
run = "echo commit >> /tmp/ran; sed -i 's/\t/  /g' {{files}}"
files = ["*.py"]

[hooks.all]
run = "cat *.py >> /tmp/ran"
stages = ["pre-push"]
"""
)
IDENTITY = {
    f"GIT_{who}_{what}": value
    for who in ("AUTHOR", "COMMITTER")
    for what, value in (("NAME", "test"), ("EMAIL", "test@example.org"))
}


class Repository:
    """A git repository whose commits pass through the hook."""

    def __init__(self, folder: Path, home: Path, hook: Path, *, engine: bool = False) -> None:
        self.folder = folder
        self._hook = hook
        self._environ = {key: value for key, value in os.environ.items() if not key.startswith(("GIT_", "GITHUB_"))}
        self._environ |= IDENTITY | {
            "PRE_COMMIT_HOME": str(home / "pre-commit"),
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        }
        if engine:
            return
        self._environ |= {
            "DEVENV_CACHE": str(home / "cache"),
            "DEVENV_STATE": str(home / "state"),
            "DOCKER_HOST": "unix:///nowhere/docker.sock",
        }

    def run(self, *command: str, **variables: str) -> subprocess.CompletedProcess[str]:
        environ = self._environ | variables
        return subprocess.run(command, cwd=self.folder, env=environ, capture_output=True, text=True)

    def must(self, *command: str) -> str:
        done = self.run(*command)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout.strip()

    def configure(self, *lines: str, hook: str = "devenv-check") -> None:
        """Write `.pre-commit-config.yaml` with further lines for the hook."""
        revision = subprocess.run(
            ["git", "rev-parse", "HEAD"], cwd=self._hook, capture_output=True, text=True, check=True
        ).stdout.strip()
        head = ["repos:", f"- repo: {self._hook}", f"  rev: {revision}", "  hooks:", f"  - id: {hook}"]
        text = "\n".join([*head, *(f"    {line}" for line in lines), ""])
        (self.folder / ".pre-commit-config.yaml").write_text(text)

    def commit(self, **variables: str) -> subprocess.CompletedProcess[str]:
        """Stage everything and commit it, which runs the hook."""
        self.must("git", "add", "--all")
        return self.run("git", "commit", "-m", "change", **variables)


@pytest.fixture(scope="module")
def hook(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository that holds what stands in this checkout now."""
    folder = tmp_path_factory.mktemp("hook")
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split("\0")
    for name in filter(None, listed):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes((ROOT / name).read_bytes())
    for command in (["init"], ["add", "--all", "--force"], ["commit", "--no-verify", "-m", "now"]):
        subprocess.run(["git", *command], cwd=folder, env=os.environ | IDENTITY, check=True, capture_output=True)
    return folder


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where pre-commit keeps what it installs, and devenv what it downloads."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture
def repository(tmp_path: Path, hook: Path, home: Path) -> Repository:
    made = Repository(tmp_path, home, hook)
    made.must("git", "init")
    made.configure()
    made.must(sys.executable, "-m", "pre_commit", "install")
    return made


def locked(repository: Repository, folder: Path) -> Path:
    """A project with the lockfile that `devenv lock` writes for it."""
    folder.mkdir(exist_ok=True)
    (folder / "devenv.toml").write_text(REDIS)
    repository.must(sys.executable, "-m", "devenv", "-C", str(folder), "lock", "--arch", "amd64")
    return folder / "devenv.lock"


def test_the_hook_passes_then_fails_on_a_stale_lockfile_and_fixes_it_when_told_to(repository: Repository) -> None:
    lock = locked(repository, repository.folder)
    done = repository.commit()
    assert (done.returncode, "Passed" in done.stderr) == (0, True), done.stderr
    first = repository.must("git", "rev-parse", "HEAD")

    (repository.folder / "devenv.toml").write_text(WEB)
    before = lock.read_bytes()
    stale = repository.commit()
    assert (stale.returncode, lock.read_bytes()) == (1, before)
    assert "error: `devenv.lock` is stale: `packages/web` has no pin" in stale.stderr
    assert repository.must("git", "rev-parse", "HEAD") == first

    repository.configure("args: [--fix]")
    mended = repository.commit()
    assert mended.returncode == 1
    assert "files were modified by this hook" in mended.stderr
    assert "fixed: `devenv.lock` is stale: `packages/web` has no pin" in mended.stderr
    assert '[debian.amd64.layers."packages/web"]' in lock.read_text()
    assert repository.commit().returncode == 0
    assert repository.must("git", "status", "--porcelain") == ""


def test_a_lockfile_that_was_missing_is_not_left_out_of_the_commit(repository: Repository) -> None:
    (repository.folder / "devenv.toml").write_text(REDIS)
    repository.configure("args: [--fix]")
    done = repository.commit()
    assert (done.returncode, "fixed: there is no `devenv.lock`" in done.stderr) == (1, True), done.stderr
    assert repository.commit().returncode == 0
    assert "devenv.lock" in repository.must("git", "ls-files").splitlines()


def test_a_project_in_a_subfolder_is_checked_with_an_entry_of_its_own(repository: Repository) -> None:
    locked(repository, repository.folder / "backend")
    repository.configure("entry: devenv -C backend check")
    assert repository.commit().returncode == 0
    (repository.folder / "backend" / "devenv.toml").write_text(REDIS + "colour = 1\n")
    done = repository.commit()
    assert done.returncode == 1
    assert "error: service `redis` has no option `colour`" in done.stderr


def test_a_commit_that_touches_nothing_of_devenv_does_not_wait_for_it(repository: Repository) -> None:
    (repository.folder / "notes.txt").write_text("x\n")
    done = repository.commit()
    assert done.returncode == 0
    assert "(no files to check)Skipped" in done.stderr


@pytest.mark.docker
def test_devenv_run_runs_the_project_s_hooks_and_git_s_scripts_of_both_run_them_once(
    tmp_path: Path, hook: Path, home: Path
) -> None:
    engines.require()
    with checkouts.small(tmp_path / "shop", text=HOOKED) as shop:
        repository = Repository(shop.folder, home, hook, engine=True)
        repository.must("git", "init", "-b", "main")
        repository.configure(hook="devenv-run")
        stages = ("--hook-type", "pre-commit", "--hook-type", "pre-push")
        repository.must(sys.executable, "-m", "pre_commit", "install", *stages)
        shop.run("up", "-d")
        shop.run("hooks", "install")

        (shop.folder / "a.py").write_text("\tone\n")
        stopped = repository.commit()
        assert (stopped.returncode, (shop.folder / "a.py").read_text()) == (1, "  one\n"), stopped.stderr
        assert "files were modified by this hook" in stopped.stderr
        assert repository.commit().returncode == 0
        ran = "cat", "/tmp/ran"
        assert shop.run("exec", "web", *ran).out == "commit\ncommit\n"

        repository.must("git", "init", "-q", "--bare", str(tmp_path / "there"))
        repository.must("git", "push", str(tmp_path / "there"), "main")
        assert shop.run("exec", "web", *ran).out == "commit\ncommit\n  one\n"
