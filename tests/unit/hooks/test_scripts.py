"""git's scripts together with the real pre-commit: both are kept, both run, and the project's hooks run once."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from devenv.commands import hooks as command
from devenv.hooks import repository, scripts
from devenv.hooks.repository import EMPTY
from devenv.model.project import Hook, HookStage
from tests.repositories import Shop

# In the place of devenv: it writes down how it was called, and says that it ran as devenv does.
STAND_IN = """\
#!/bin/sh
echo "$*" >> "$CALLS"
if [ "${PRE_COMMIT-}" = 1 ] && [ -n "${DEVENV_HOOKS_RAN-}" ]; then : > "$DEVENV_HOOKS_RAN"; fi
exit "${CODE:-0}"
"""
OTHER = "- {id: other, name: other, language: system, entry: sh -c 'echo other >> $CALLS', pass_filenames: false"
OURS = "- {id: devenv-run, name: ours, language: system, entry: devenv hooks run, pass_filenames: false"
ALWAYS = ", always_run: true, stages: [pre-commit, pre-push]}"


class Both:
    """A repository with pre-commit's configuration and devenv's hooks."""

    def __init__(self, folder: Path, *hooks: str, stages: tuple[HookStage, ...] = ("pre-commit", "pre-push")) -> None:
        self.shop = Shop(folder / "shop")
        self.calls = folder / "calls"
        program = folder / "bin" / "devenv"
        program.parent.mkdir()
        program.write_text(STAND_IN)
        program.chmod(0o755)
        self.environ = {key: value for key, value in os.environ.items() if not key.startswith(("GIT_", "PRE_COMMIT"))}
        self.environ |= {"PATH": f"{program.parent}:{self.environ['PATH']}", "CALLS": str(self.calls)}
        self.environ |= {"PRE_COMMIT_HOME": str(folder / "home"), "HOME": str(folder)}
        self.program = program
        lines = ["repos:", "- repo: local", "  hooks:", *(f"  {one}{ALWAYS}" for one in hooks)]
        self.config = "\n".join(["default_install_hook_types: [pre-commit, pre-push]", *lines, ""])
        (self.shop.folder / ".pre-commit-config.yaml").write_text(self.config)
        own = tuple(Hook(stage, "x", "web", stages=(stage,)) for stage in stages)
        self.project = replace(self.shop.project, project=replace(self.shop.project.project, hooks=own))
        self.place = self.shop.folder / ".git" / "hooks"

    def install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        with monkeypatch.context() as changed:
            changed.setattr(sys, "executable", str(self.program.with_name("python")))
            command.install(self.project)

    def pre_commit(self, verb: str) -> None:
        self.git(sys.executable, "-m", "pre_commit", verb)

    def commit(self, **variables: str) -> list[str]:
        """Commit; the calls that it led to."""
        self.calls.write_text("")
        self.git("git", "add", "-A")
        own = ("-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false")
        self.code = self.git("git", *own, "commit", "--allow-empty", "-qm", "x", variables=variables, check=False)
        return self.calls.read_text().splitlines()

    def push(self) -> list[str]:
        """Push to a new repository; the calls that it led to."""
        self.calls.write_text("")
        there = self.calls.with_name("there.git")
        self.git("git", "init", "-q", "--bare", str(there))
        self.git("git", "push", "-q", str(there), "main")
        return self.calls.read_text().splitlines()

    def git(self, *argv: str, variables: Mapping[str, str] | None = None, check: bool = True) -> int:
        environ = self.environ | dict(variables or {})
        done = subprocess.run(argv, cwd=self.shop.folder, env=environ, capture_output=True, text=True)
        assert not check or done.returncode == 0, done.stdout + done.stderr
        return done.returncode


RUN, PUSH = "hooks run --stage pre-commit", "hooks run --stage pre-push"


def test_a_script_of_pre_commit_is_kept_and_both_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    both = Both(tmp_path, OTHER)
    both.pre_commit("install")
    kept = (both.place / "pre-commit").read_text()
    both.install(monkeypatch)
    assert both.commit() == ["other", RUN]
    assert both.push() == ["other", PUSH]
    command.uninstall(both.project)
    assert (both.place / "pre-commit").read_text() == kept
    assert both.commit() == ["other"]
    assert (both.shop.folder / ".pre-commit-config.yaml").read_text() == both.config


def test_pre_commit_that_is_installed_later_keeps_ours_and_both_run_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    both = Both(tmp_path, OTHER)
    both.install(monkeypatch)
    both.pre_commit("install")
    assert both.commit() == [RUN, "other"]
    both.install(monkeypatch)
    assert both.commit() == [RUN, "other"]
    assert both.push() == [PUSH, "other"]
    command.uninstall(both.project)
    assert both.commit() == ["other"]


def test_both_installed_one_after_another_and_again_run_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    both = Both(tmp_path, OTHER)
    for _ in range(2):
        both.pre_commit("install")
        both.install(monkeypatch)
    both.pre_commit("install")
    assert sorted(both.commit()) == [RUN, "other"]
    command.uninstall(both.project)
    assert both.commit() == ["other"]


@pytest.mark.parametrize("first", ["devenv", "pre-commit"])
def test_hooks_that_pre_commit_runs_are_not_run_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, first: str
) -> None:
    both = Both(tmp_path, OTHER, OURS)
    steps: list[Callable[[], None]] = [lambda: both.install(monkeypatch), lambda: both.pre_commit("install")]
    for step in steps if first == "devenv" else reversed(steps):
        step()
    assert both.commit() == ["other", "hooks run"]
    assert both.push() == ["other", "hooks run"]
    assert both.commit(SKIP="devenv-run") == (["other"] if first == "devenv" else ["other", RUN])
    assert list((both.shop.folder / ".git").glob("devenv-ran*")) == []


def test_a_configuration_that_names_devenv_run_without_pre_commit_s_script_leaves_it_to_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    both = Both(tmp_path, OURS)
    both.install(monkeypatch)
    assert both.commit() == [RUN]


def test_either_one_that_fails_stops_the_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    both = Both(tmp_path, OTHER)
    both.pre_commit("install")
    both.install(monkeypatch)
    assert (both.commit(CODE="1"), both.code) == (["other", RUN], 1)
    bad = both.config.replace("echo other >> $CALLS", "exit 1")
    (both.shop.folder / ".pre-commit-config.yaml").write_text(bad)
    assert (both.commit(), both.code) == ([], 1)


def test_a_stage_that_has_no_hooks_gets_no_script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    both = Both(tmp_path, OTHER, stages=("pre-commit",))
    both.install(monkeypatch)
    assert not (both.place / "pre-push").exists()


# --- begun by pre-commit ---


@pytest.mark.parametrize(
    ("environ", "line"),
    [
        ({}, None),
        ({"PRE_COMMIT": "1"}, None),
        ({"PRE_COMMIT_REMOTE_NAME": "origin", "PRE_COMMIT_TO_REF": "b"}, None),
        (
            {
                "PRE_COMMIT": "1",
                "PRE_COMMIT_REMOTE_NAME": "origin",
                "PRE_COMMIT_LOCAL_BRANCH": "refs/heads/x",
                "PRE_COMMIT_FROM_REF": "a",
                "PRE_COMMIT_TO_REF": "b",
            },
            "refs/heads/x b refs/heads/x a",
        ),
        (
            {"PRE_COMMIT": "1", "PRE_COMMIT_REMOTE_NAME": "origin", "PRE_COMMIT_LOCAL_BRANCH": "refs/heads/x"},
            f"refs/heads/x refs/heads/x refs/heads/x {EMPTY}",
        ),
    ],
)
def test_what_pre_commit_pushes_is_read_from_its_variables(environ: Mapping[str, str], line: str | None) -> None:
    assert command.begun_by_pre_commit(environ) == line


def test_that_the_hooks_ran_is_told_in_a_new_file_alone(tmp_path: Path) -> None:
    file = tmp_path / "ran"
    command.told({"DEVENV_HOOKS_RAN": str(file)})
    assert not file.exists()
    command.told({"PRE_COMMIT": "1", "DEVENV_HOOKS_RAN": str(file)})
    assert file.read_text() == ""
    file.write_text("mine")
    command.told({"PRE_COMMIT": "1", "DEVENV_HOOKS_RAN": str(file)})
    assert file.read_text() == "mine"


def test_a_push_over_commits_that_are_not_here_looks_at_every_file(tmp_path: Path) -> None:
    shop = Shop(tmp_path / "shop")
    shop.put("a.py", "1")
    shop.git("commit", "-qm", "1")
    after = shop.git("rev-parse", "HEAD").strip()
    choose = command.scope(everything=False, pushed=[f"refs/heads/main {after} refs/heads/main {'ab' * 20}"])
    assert choose is not None
    assert shop.run(Hook("cat", "cat {files}", "web"), choose=choose).checked[0].files == 1


def test_the_script_is_one_that_sh_understands(tmp_path: Path) -> None:
    shop = Shop(tmp_path / "shop")
    stages: tuple[HookStage, ...] = ("pre-commit", "pre-push")
    for stage in stages:
        subprocess.run(["sh", "-n", scripts.install(repository.of(shop.folder), stage)], check=True)
