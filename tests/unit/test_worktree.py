from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from devenv import config, worktree
from devenv.worktree import Worktree


def git(folder: Path, *arguments: str) -> None:
    own = ("-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "protocol.file.allow=always")
    subprocess.run(["git", *own, *arguments], cwd=folder, check=True, capture_output=True)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    made = tmp_path / "bookshop"
    (made / "shop").mkdir(parents=True)
    (made / "devenv.toml").touch()
    (made / "shop" / "devenv.toml").touch()
    git(made, "init", "-q")
    git(made, "add", ".")
    git(made, "commit", "-qm", "first")
    return made


def test_a_repository_of_its_own_and_a_plain_folder_are_none(repository: Path, tmp_path: Path) -> None:
    assert worktree.linked(repository) is None
    assert worktree.linked(repository / "shop") is None
    assert worktree.linked(tmp_path) is None
    assert worktree.top(repository / "shop") == repository


def test_a_worktree_and_a_folder_in_it_know_the_main_checkout(repository: Path, tmp_path: Path) -> None:
    git(repository, "worktree", "add", "-q", str(tmp_path / "review"))
    known = Worktree(tmp_path / "review", repository)
    assert worktree.linked(tmp_path / "review") == known
    assert worktree.linked(tmp_path / "review" / "shop") == known


def test_a_path_relative_to_the_worktree_is_followed(repository: Path, tmp_path: Path) -> None:
    git(repository, "worktree", "add", "-q", str(tmp_path / "review"))
    (tmp_path / "review" / ".git").write_text("gitdir: ../bookshop/.git/worktrees/review\n")
    assert worktree.linked(tmp_path / "review") == Worktree(tmp_path / "review", repository)


def test_a_worktree_of_a_bare_repository_knows_where_that_is(repository: Path, tmp_path: Path) -> None:
    git(tmp_path, "clone", "-q", "--bare", str(repository), "store.git")
    git(tmp_path / "store.git", "worktree", "add", "-q", str(tmp_path / "review"))
    assert worktree.linked(tmp_path / "review") == Worktree(tmp_path / "review", tmp_path / "store.git")


def test_a_submodule_is_none_even_if_it_is_called_like_one(repository: Path, tmp_path: Path) -> None:
    whole = tmp_path / "whole"
    whole.mkdir()
    git(whole, "init", "-q")
    git(whole, "submodule", "add", "-q", "--name", "worktrees/shop", str(repository), "shop")
    assert (whole / "shop" / ".git").is_file()
    assert worktree.linked(whole / "shop") is None


@pytest.mark.parametrize("content", [b"", b"gitdir: nowhere", b"gitdir: /x/worktrees/y", b"\xff\xfe", b"nonsense"])
def test_what_only_looks_like_one_is_none(tmp_path: Path, content: bytes) -> None:
    (tmp_path / ".git").write_bytes(content)
    assert worktree.linked(tmp_path) is None


def test_a_project_without_a_name_is_called_alike_in_every_worktree(repository: Path, tmp_path: Path) -> None:
    git(repository, "worktree", "add", "-q", str(tmp_path / "review"))
    assert config.load(tmp_path / "review").name == config.load(repository).name == "bookshop"
    assert config.load(tmp_path / "review" / "shop").name == "shop"
