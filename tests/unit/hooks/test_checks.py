"""Hooks on what is staged, in real git repositories; an engine in memory runs their commands on this machine."""

from __future__ import annotations

import os
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from devenv import workspace
from devenv.commands import hooks as command
from devenv.engine.memory import Ran
from devenv.engine.protocol import Command
from devenv.errors import DevenvError, NotReady, UsageError
from devenv.hooks import checks, repository, scripts
from devenv.hooks.checks import Checked, Result
from devenv.model.machine import Machine
from devenv.model.project import Hook
from devenv.workspace import Workspace
from tests import projects
from tests.repositories import Shop

TABS = Hook("tabs", "sed -i 's/\\t/  /g' {files}", "web", ("*.py",))
FAILS = Hook("fails", "cat {files}; exit 3", "web")


@pytest.fixture(params=["mounted", "copied"])
def shop(request: pytest.FixtureRequest, tmp_path: Path) -> Shop:
    return Shop(tmp_path / "shop", copy=tmp_path / "inside" if request.param == "copied" else None)


def outcomes(result: Result) -> list[str]:
    return [one.outcome for one in result.checked]


# --- what is looked at ---


def test_a_hook_sees_what_is_staged_and_not_what_lies_in_the_folder(shop: Shop) -> None:
    shop.put("a.py", "staged")
    shop.put("a.py", "not staged", staged=False)
    shop.put("b.py", "unknown to git", staged=False)
    (checked,) = shop.run(FAILS).checked
    assert (checked.outcome, checked.files, checked.output) == ("failed", 1, "staged")
    assert shop.has("a.py") == "not staged"


def test_only_files_that_the_commit_changes_are_passed_on(shop: Shop) -> None:
    shop.put("old.py", "")
    shop.put("gone.py", "")
    shop.git("commit", "-qm", "1")
    shop.put("new.py", "")
    shop.git("rm", "-q", "gone.py")
    shop.run(Hook("list", "echo {files}; ls *", "web"))
    assert shop.commands[-1] == "echo new.py; ls *"
    (checked,) = shop.run(FAILS, choose=checks.everything).checked
    assert checked.files == 2


def test_patterns_choose_files_as_gitignore_does(shop: Shop) -> None:
    for name in ("a.py", "b.txt", "src/c.py", "vendor/d.py"):
        shop.put(name, "")
    result = shop.run(
        Hook("python", "echo {files}", "web", ("*.py", "!vendor/")), Hook("none", "exit 1", "web", ("*.rb",))
    )
    assert outcomes(result) == ["passed", "skipped"]
    assert [one for one in shop.commands if one.startswith("echo")] == ["echo a.py src/c.py"]


def test_names_that_a_shell_would_take_apart_are_passed_on_whole(shop: Shop) -> None:
    names = ["-rf", "a b.py", "a'b.py", "$(touch evil).py", "a\nb.py", "é.py"]
    for name in names:
        shop.put(f"./{name}", name)
    (checked,) = shop.run(Hook("count", 'for f in {files}; do test -f "$f" || exit 9; done', "web")).checked
    assert (checked.outcome, checked.files) == ("passed", len(names))
    assert not (shop.folder / "evil").exists()


def test_many_files_are_passed_on_in_batches_and_their_output_comes_in_order(shop: Shop) -> None:
    for number in range(120):
        shop.put(f"file{number:03}", f"{number:03}\n")
    (checked,) = shop.run(Hook("cat", "cat {files}; exit 1", "web")).checked
    assert checked.output.split() == [f"{number:03}" for number in range(120)]
    assert sum("cat file" in one for one in shop.commands) == 4
    shop.commands.clear()
    shop.run(Hook("cat", "cat {files}", "web", parallel=False))
    assert sum("cat file" in one for one in shop.commands) == 1


def test_a_command_without_files_runs_once(shop: Shop) -> None:
    shop.put("a.py", "1")
    shop.put("b.py", "2")
    assert outcomes(shop.run(Hook("all", "cat a.py b.py", "web"))) == ["passed"]


def test_what_is_pushed_is_the_commit_and_not_what_is_staged(shop: Shop) -> None:
    shop.put("a.py", "1")
    shop.git("commit", "-qm", "1")
    first = shop.git("rev-parse", "HEAD").strip()
    shop.put("b.py", "2")
    shop.git("commit", "-qm", "2")
    second = shop.git("rev-parse", "HEAD").strip()
    shop.put("b.py", "staged")
    choose = command.scope(everything=False, pushed=[f"refs/heads/main {second} refs/heads/main {first}"])
    assert choose is not None
    (checked,) = shop.run(FAILS, choose=choose).checked
    assert (checked.files, checked.output) == (1, "2")
    new = command.scope(everything=False, pushed=[f"refs/heads/main {second} refs/heads/main {'0' * 40}"])
    assert new is not None
    assert shop.run(FAILS, choose=new).checked[0].files == 2
    assert command.scope(everything=False, pushed=[f"(delete) {'0' * 40} refs/heads/x {first}"]) is None


@pytest.mark.parametrize(("below", "app"), [("shop", "."), ("", "api"), ("shop", "api")])
def test_folders_below_the_repository_s_see_their_own_files(tmp_path: Path, below: str, app: str) -> None:
    shop = Shop(tmp_path / "repository", below=below, app=app)
    shop.put(f"{app}/a.py", "\tmine")
    (shop.top / "other.py").write_text("not mine")
    shop.git("add", "other.py")
    result = shop.run(TABS)
    assert result.checked[0].changed == ("a.py",)
    assert shop.has(f"{app}/a.py") == "  mine"
    assert shop.git("status", "--porcelain", "--untracked-files=all").split("\n").count("") == 1


# --- what comes back ---


def test_what_a_formatter_changes_comes_back_and_is_not_staged(shop: Shop) -> None:
    shop.put("a.py", "\ta\n")
    shop.put("b.py", "b\n")
    result = shop.run(TABS, replace(TABS, name="again"))
    assert outcomes(result) == ["changed", "passed"]
    assert not result.passed
    assert result.returned["."].changed == ("a.py",)
    assert shop.has("a.py") == "  a\n"
    assert shop.git("show", ":a.py") == "\ta\n"
    shop.git("add", "a.py")
    assert outcomes(shop.run(TABS)) == ["passed"]


def test_the_changes_of_many_files_come_back_with_as_few_commands_as_that_of_one(tmp_path: Path) -> None:
    class Counting(Shop):
        calls = 0

        def _execute(self, container: str, given: Command) -> Ran:
            self.calls += "devenv-hooks" in given.argv
            return super()._execute(container, given)

    counts = set()
    for number in (1, 30):
        shop = Counting(tmp_path / f"{number}" / "shop", copy=tmp_path / f"{number}" / "inside")
        for name in range(number):
            shop.put(f"{name}.py", "\ta\n")
        assert len(shop.run(TABS).returned["."].changed) == number
        assert shop.has(f"{number - 1}.py") == "  a\n"
        counts.add(shop.calls)
    assert len(counts) == 1


def test_what_is_not_staged_stays_beside_the_change(shop: Shop) -> None:
    shop.put("a.py", "\tone\n2\n3\n4\n")
    shop.put("a.py", "\tone\n2\n3\n4\nmine, later\n", staged=False)
    shop.run(TABS)
    assert shop.has("a.py") == "  one\n2\n3\n4\nmine, later\n"


def test_what_does_not_go_together_is_left_alone_and_told(shop: Shop) -> None:
    shop.put("a.py", "\tone\n")
    shop.put("a.py", "\tone more\n", staged=False)
    shop.put("b.py", "\ttwo\n")
    (shop.folder / "b.py").unlink()
    result = shop.run(TABS)
    assert result.returned["."].left == ("a.py", "b.py")
    assert shop.has("a.py") == "\tone more\n"
    assert not (shop.folder / "b.py").exists()


def test_the_mode_of_a_file_stays(shop: Shop) -> None:
    shop.put("a.py", "\ta\n")
    (shop.folder / "a.py").chmod(0o755)
    shop.git("add", "a.py")
    shop.run(TABS)
    assert (shop.folder / "a.py").stat().st_mode & 0o777 == 0o755


def test_a_hook_that_replaces_files_by_links_brings_nothing_from_elsewhere(shop: Shop, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("canary")
    shop.put("a.py", "a")
    shop.put("src/b.py", "b")
    evil = f"rm -r a.py src; ln -s {tmp_path}/secret a.py; mkdir {tmp_path}/src; echo canary > {tmp_path}/src/b.py; "
    shop.run(Hook("evil", f"{evil} ln -s {tmp_path}/src src", "web"))
    assert (shop.has("a.py"), shop.has("src/b.py")) == ("a", "b")


def test_what_a_killed_run_left_does_not_matter_to_the_next(shop: Shop) -> None:
    shop.put("a.py", "a\n")
    shop.put("b.py", "b\n")

    def killed(_one: Checked) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        command.run(
            shop.project, shop.engine, [Hook("x", "echo changed > a.py; rm b.py", "web")], checks.staged, killed
        )
    shop.put("a.py", "a\n")
    (checked,) = shop.run(FAILS).checked
    assert checked.output == "a\nb\n"


def test_files_that_are_no_longer_staged_are_gone_the_next_time(shop: Shop) -> None:
    shop.put("a.py", "a")
    shop.put("b.py", "b")
    shop.run(TABS)
    shop.git("rm", "-q", "--cached", "b.py")
    (checked,) = shop.run(Hook("list", "ls; exit 1", "web")).checked
    assert checked.output == "a.py\n"


# --- refused ---


def test_a_folder_without_git_is_told(tmp_path: Path) -> None:
    with pytest.raises(DevenvError, match="is in no git repository"):
        repository.of(tmp_path)


def test_an_app_that_does_not_run_is_told(shop: Shop) -> None:
    shop.put("a.py", "")
    shop.engine.stop("shop-web-1", 0)
    with pytest.raises(NotReady):
        shop.run(TABS)


def test_hooks_are_chosen_by_stage_or_by_name(tmp_path: Path) -> None:
    push = Hook("push", "x", "web", stages=("pre-push",))
    project = projects.project(tmp_path, hooks=(TABS, push))
    opened = Workspace(tmp_path, project, projects.CATALOG, Machine())
    assert command.chosen(opened, "pre-commit", ()) == (TABS,)
    assert command.chosen(opened, "pre-push", ()) == (push,)
    assert command.chosen(opened, "pre-commit", ("push",)) == (push,)
    with pytest.raises(UsageError, match="unknown hook `tab`") as caught:
        command.chosen(opened, "pre-commit", ("tab",))
    assert caught.value.hint == "did you mean `tabs`?"


def test_a_secret_of_this_machine_s_variables_is_not_handed_in(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CANARY", "canary")
    shop.put("a.py", "")
    (checked,) = shop.run(Hook("env", "env; exit 1", "web")).checked
    assert "canary" not in checked.output
    assert "DEVENV_HOOK=env" in checked.output


# --- git's scripts ---


def test_scripts_are_written_for_stages_that_have_hooks_and_taken_out_again(tmp_path: Path) -> None:
    shop = Shop(tmp_path / "shop")
    project = replace(shop.project, project=replace(shop.project.project, hooks=(TABS,)))
    place = shop.top / ".git" / "hooks"
    assert command.install(project).scripts == (str(place / "pre-commit"),)
    assert os.access(place / "pre-commit", os.X_OK)
    assert command.uninstall(project).scripts == (str(place / "pre-commit"),)
    assert not (place / "pre-commit").exists()
    assert command.uninstall(project).scripts == ()


def test_a_script_that_was_there_is_kept_run_first_and_put_back(tmp_path: Path) -> None:
    shop = Shop(tmp_path / "shop")
    place = scripts.folder(repository.of(shop.folder))
    place.mkdir(exist_ok=True)
    (place / "pre-push").write_text("#!/bin/sh\ncat; exit 7\n")
    (place / "pre-push").chmod(0o755)
    for _ in range(2):
        scripts.install(repository.of(shop.folder), "pre-push")
    done = subprocess.run([place / "pre-push"], input="lines\n", cwd=shop.top, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (7, "lines\n")
    assert scripts.uninstall(repository.of(shop.folder), "pre-push")
    assert (place / "pre-push").read_text() == "#!/bin/sh\ncat; exit 7\n"


def test_a_worktree_and_a_folder_of_the_repository_s_own_choice_have_their_scripts(tmp_path: Path) -> None:
    shop = Shop(tmp_path / "shop")
    shop.put("a", "")
    shop.git("commit", "-qm", "1")
    shop.git("worktree", "add", "-q", str(tmp_path / "tree"))
    assert scripts.folder(repository.of(tmp_path / "tree")) == shop.top / ".git" / "hooks"
    shop.git("config", "core.hooksPath", "own")
    assert scripts.folder(repository.of(shop.folder)) == shop.top / "own"


def test_workspaces_that_copy_are_told_from_those_that_share(tmp_path: Path) -> None:
    assert workspace.has_copies(Shop(tmp_path / "a", copy=tmp_path / "b").project, "memory://")
