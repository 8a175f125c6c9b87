from __future__ import annotations

from pathlib import Path

import pytest

from devenv.blueprint import context
from devenv.errors import DevenvError


def laid(root: Path, *paths: str) -> None:
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(path)


def names(root: Path, folder: str = "search") -> list[str]:
    return [file.path for file in context.files(root, folder, "search/Dockerfile") if file.kind != "folder"]


@pytest.mark.parametrize(
    ("lines", "left"),
    [
        ("", {"a.log", "b/a.log", "b/c/d.txt", "b/e.md"}),
        ("# *\n\n*.log", {"b/a.log", "b/c/d.txt", "b/e.md"}),
        ("**/*.log", {"b/c/d.txt", "b/e.md"}),
        ("/b/", {"a.log"}),
        ("b/*\n!b/c", {"a.log", "b/c/d.txt"}),
        ("**\n!**/*.md", {"b/e.md"}),
        ("b/?.md\n[a-z].log", {"b/a.log", "b/c/d.txt"}),
        ("./b/../b/c/**", {"a.log", "b/a.log", "b/e.md"}),
        ("!b\nb/a\\.log", {"a.log", "b/c/d.txt", "b/e.md"}),
        ("**/**/" * 20 + "d.txt", {"a.log", "b/a.log", "b/e.md"}),
    ],
)
def test_dockerignore_leaves_out_what_it_leaves_out_elsewhere(tmp_path: Path, lines: str, left: set[str]) -> None:
    laid(tmp_path / "search", "a.log", "b/a.log", "b/c/d.txt", "b/e.md")
    (tmp_path / "search" / ".dockerignore").write_text(lines)
    assert set(names(tmp_path)) - {".dockerignore"} == left


def test_an_ignore_file_of_the_dockerfiles_own_goes_before_the_contexts(tmp_path: Path) -> None:
    laid(tmp_path / "search", "a", "b")
    (tmp_path / "search" / ".dockerignore").write_text("a")
    (tmp_path / "search" / "Dockerfile.dockerignore").write_text("b\n*ignore")
    assert names(tmp_path) == ["a"]


def test_links_are_kept_as_links_and_lead_nowhere(tmp_path: Path) -> None:
    laid(tmp_path, "secret/key", "search/a")
    (tmp_path / "search" / "out").symlink_to("../secret")
    out = context.files(tmp_path, "search", "search/Dockerfile")[-1]
    assert (out.path, out.kind, out.content) == ("out", "symlink", "../secret")
    assert names(tmp_path) == ["a", "out"]


def test_content_and_the_right_to_run_count_and_the_rest_of_a_mode_does_not(tmp_path: Path) -> None:
    laid(tmp_path, "search/a")
    file = tmp_path / "search" / "a"
    file.chmod(0o644)
    before = context.files(tmp_path, "search", "search/Dockerfile")
    file.chmod(0o664)
    assert context.files(tmp_path, "search", "search/Dockerfile") == before
    file.chmod(0o755)
    runs = context.files(tmp_path, "search", "search/Dockerfile")
    file.write_text("other")
    assert len({before, runs, context.files(tmp_path, "search", "search/Dockerfile")}) == 3


def test_the_whole_project_as_context_has_nothing_that_every_run_changes(tmp_path: Path) -> None:
    laid(tmp_path, ".git/HEAD", ".devenv/compose.yaml", "devenv.lock", "devenv.local.toml", "app.py", "sub/.git/HEAD")
    assert names(tmp_path, ".") == ["app.py", "sub/.git/HEAD"]
    (tmp_path / "sub" / "up").symlink_to("..")
    assert names(tmp_path, "sub/up") == ["app.py", "sub/.git/HEAD", "sub/up"]


def test_a_wrong_pattern_is_told_with_its_line(tmp_path: Path) -> None:
    laid(tmp_path, "search/a")
    (tmp_path / "search" / ".dockerignore").write_text("b\n[a\n")
    with pytest.raises(DevenvError, match=r"`\[a` is no pattern: `\[` is not closed") as caught:
        names(tmp_path)
    assert caught.value.where is not None
    assert (caught.value.where.file, caught.value.where.line) == ("search/.dockerignore", 2)
