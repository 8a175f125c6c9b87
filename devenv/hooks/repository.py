"""Asks git for what is to be committed or pushed, and lays that out in a folder."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from devenv.errors import DevenvError
from devenv.git import SAFE
from devenv.values import dataclass

EMPTY = "0" * 40
"""What git calls a commit that is not there."""


@dataclass(frozen=True, slots=True)
class Repository:
    """The repository that a folder lies in.

    Args:
        folder: Absolute.
        prefix: Of the folder in the repository: `shop/api/`, or empty.
        env: For git: where its own files are, wherever it is started.
    """

    folder: Path
    prefix: str
    env: Mapping[str, str]

    def git(self, *arguments: str, env: Mapping[str, str] | None = None, stdin: bytes | None = None) -> bytes:
        """Run git in the folder; return what it prints.

        Raises:
            DevenvError: Git's own words.
        """
        return _run(self.folder, arguments, {**self.env, **(env or {})}, stdin)

    def staged(self, spare: Path) -> str:
        """The id of the tree with what is staged under the folder.

        Args:
            spare: A folder for a copy of the index: git locks the one it works on, and killed, leaves it locked.

        Raises:
            DevenvError: A merge is not resolved.
        """
        copy = spare / "index"
        with suppress(FileNotFoundError):  # nothing was ever staged
            shutil.copyfile(self.env.get("GIT_INDEX_FILE") or Path(self.env["GIT_DIR"]) / "index", copy)
        place = (f"--prefix={self.prefix}",) if self.prefix else ()
        return self.git("write-tree", *place, env={"GIT_INDEX_FILE": str(copy)}).decode().strip()

    def has(self, commit: str) -> bool:
        """Whether a commit is known here."""
        try:
            self.git("cat-file", "-e", f"{commit}^{{commit}}")
        except DevenvError:
            return False
        return True

    def tree(self, commit: str) -> str:
        """The id of a commit's tree under the folder."""
        return self.git("rev-parse", "--verify", f"{commit}:{self.prefix}").decode().strip()

    def changed(self, *, before: str | None = None, after: str | None = None) -> tuple[str, ...]:
        """Files under the folder that are new or differ, relative to it.

        Args:
            before: A commit, or the last one for None.
            after: A commit, or what is staged for None.
        """
        what = ("--cached", *((before,) if before else ())) if after is None else (before or _empty_tree(self), after)
        return _names(self.git("diff", *what, "--name-only", "--diff-filter=ACMRT", "--relative", "-z"))

    def tracked(self) -> tuple[str, ...]:
        """Every file under the folder that is staged or committed."""
        return _names(self.git("ls-files", "--cached", "-z"))

    def content(self, tree: str, path: str) -> bytes:
        """A file of a tree."""
        return self.git("cat-file", "blob", f"{tree}:{path}")

    def lay_out(self, tree: str, place: Path, index: Path) -> None:
        """Make a folder equal to a tree: what was laid out there before is changed, what git does not know stays."""
        place.mkdir(parents=True, exist_ok=True)
        own = {"GIT_INDEX_FILE": str(index), "GIT_WORK_TREE": str(place)}
        self.git("read-tree", "--reset", "-u", tree, env=own)

    def altered(self, place: Path, index: Path) -> tuple[str, ...]:
        """Files that are not as they were laid out, nor gone."""
        own = {"GIT_INDEX_FILE": str(index), "GIT_WORK_TREE": str(place)}
        # Without it, what only has another time would be among them.
        self.git("update-index", "-q", "--refresh", env=own)
        return _names(self.git("diff-files", "--name-only", "--diff-filter=MT", "-z", env=own))

    def between(self, one: str, other: str) -> set[str] | None:
        """Files that differ between two trees; None when the first is not known."""
        try:
            return set(_names(self.git("diff-tree", "-r", "--name-only", "--no-renames", "-z", one, other)))
        except DevenvError:
            return None

    def known(self, index: Path) -> frozenset[str]:
        """The files that were laid out."""
        return frozenset(_names(self.git("ls-files", "--cached", "-z", env={"GIT_INDEX_FILE": str(index)})))

    def merged(self, ours: Path, base: Path, theirs: Path) -> bytes | None:
        """Three versions of a file put together; None where they do not go together."""
        try:
            return self.git("merge-file", "-p", "--quiet", str(ours), str(base), str(theirs))
        except DevenvError:
            return None


def of(folder: Path) -> Repository:
    """The repository that a folder lies in.

    Raises:
        DevenvError: It lies in none, or git is not installed.
    """
    env = {name: value for name, value in os.environ.items() if name not in _OF_GIT}
    env["GIT_OPTIONAL_LOCKS"] = "0"
    if (index := os.environ.get("GIT_INDEX_FILE")) is not None:
        # Git names the files of the commit under way so, relative to where it starts a hook.
        env["GIT_INDEX_FILE"] = str(Path(index).absolute())
    try:
        told = _run(folder, ("rev-parse", "--absolute-git-dir", "--show-prefix", "--show-toplevel"), env, None)
    except DevenvError as error:
        raise DevenvError(f"`{folder}` is in no git repository: {error.message}", hint="run `git init`") from error
    place, prefix, top = os.fsdecode(told).split("\n")[:3]
    return Repository(folder, prefix, env | {"GIT_DIR": place, "GIT_WORK_TREE": top})


_OF_GIT = frozenset({"GIT_DIR", "GIT_WORK_TREE", "GIT_PREFIX", "GIT_INDEX_FILE"})


def _empty_tree(repository: Repository) -> str:
    return repository.git("hash-object", "-t", "tree", "--stdin", stdin=b"").decode().strip()


def _names(output: bytes) -> tuple[str, ...]:
    return tuple(os.fsdecode(name) for name in output.split(b"\0") if name)


def _run(folder: Path, arguments: Sequence[str], env: Mapping[str, str], stdin: bytes | None) -> bytes:
    command = ["git", *SAFE, *arguments]
    try:
        done = subprocess.run(command, cwd=folder, env=dict(env), input=stdin or b"", capture_output=True, check=False)
    except OSError as error:
        raise DevenvError(f"git cannot be started: {error.strerror}", hint="install git") from error
    if done.returncode != 0:
        words = done.stderr.decode("utf-8", "replace").strip().removeprefix("fatal: ")
        raise DevenvError(f"git {arguments[0]}: {words or f'exit code {done.returncode}'}")
    return done.stdout
