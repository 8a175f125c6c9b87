"""Where the value of a secret may come from, but for what devenv keeps itself."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from dataclasses import field
from pathlib import Path
from typing import Any

from devenv import git, toml
from devenv.errors import DevenvError
from devenv.values import dataclass
from devenv.vault import disk, dotenv, store

FILE = ".devenv/secrets.env"
LONGEST = 64 * 1024
"""Bytes of a value: the kernel gives no program a variable of more than twice that."""
PATIENCE = 60.0
"""Seconds for the user's command: it may ask for a finger."""
_AT_ONCE = 4
_LEAST_PRIORITY = 1
"""Of a keyring that is one: those below keep nothing, or in the clear."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a source says.

    Args:
        value: None when it has none.
        why: The reason, when it should have had one.
    """

    value: str | None = field(default=None, repr=False)
    why: str = ""


def check(name: str, value: str | bytes) -> str:
    """The value as it can be given to a program; a single line loses its line end.

    Raises:
        DevenvError: It is empty, binary or too long; it is never shown.
    """
    try:
        encoded = value.encode() if isinstance(value, str) else value
        text = encoded.decode()
    except UnicodeError:
        encoded, text = b"", "\0"
    if "\0" in text:
        hint = "a variable takes text alone; encode it, such as by `base64`"
        raise DevenvError(f"the value of `{name}` is binary", hint=hint)
    if len(encoded) > LONGEST:
        hint = "put it into a file that the app reads"
        raise DevenvError(f"the value of `{name}` has {len(encoded)} bytes, {LONGEST} are the most", hint=hint)
    if text.count("\n") == 1:
        text = text.removesuffix("\n").removesuffix("\r")
    if not text:
        raise DevenvError(f"the value of `{name}` is empty", hint=f"`devenv secrets unset {name}` takes one away")
    return text


def from_file(root: Path) -> dict[str, str]:
    """The variables of the checkout's own file, else of that of the checkout which it is a worktree of.

    Raises:
        DevenvError: Git tracks it, it is a link, or it cannot be read.
    """
    for folder in dict.fromkeys((root, store.whose(root))):
        text = disk.read(folder, FILE)
        if text is not None:
            if git.tracked(folder, FILE):
                hint = f"run `git rm --cached {FILE}`, and change what stands in it: it is in the history"
                raise DevenvError(f"git tracks `{FILE}`, which is to hold secrets", hint=hint)
            return dotenv.parse(text, FILE)
    return {}


# --- the system's keyring ---


def has_keyring() -> bool:
    """Whether the system has a keyring that keeps things; whatever is wrong with it, it has none."""
    try:
        import keyring

        return bool(keyring.get_keyring().priority >= _LEAST_PRIORITY)
    except Exception:  # a backend is a plugin: it may raise anything
        return False


def from_keyring(root: Path, name: str) -> Answer:
    """What the keyring has; only asked for what was put there."""
    try:
        import keyring

        value = keyring.get_password(_entry(root), name)
    except Exception as error:  # as above
        return Answer(why=f"the system's keyring does not give it: {_words(error)}")
    return Answer(value) if value else Answer(why="the system's keyring has it no more")


def to_keyring(root: Path, name: str, value: str) -> None:
    """Put a value there.

    Raises:
        DevenvError: It is not taken.
    """
    try:
        import keyring

        keyring.set_password(_entry(root), name, value)
    except Exception as error:  # as above
        hint = "without `--keyring`, devenv keeps it in a file that only you can read"
        raise DevenvError(f"the system's keyring does not take `{name}`: {_words(error)}", hint=hint) from None


def out_of_keyring(root: Path, name: str) -> None:
    """Remove a value there, if there is one."""
    try:
        import keyring

        keyring.delete_password(_entry(root), name)
    except Exception:  # noqa: S110  # as above; it is not asked for any more
        pass


def _entry(root: Path) -> str:
    return f"devenv {store.whose(root)}"


def _words(error: Any) -> str:
    return toml.printable(type(error).__name__, 60)


# --- the user's own command ---


def from_command(command: Sequence[str], project: str, names: Sequence[str]) -> dict[str, Answer]:
    """What the user's command prints for each name; the first alone, for it may have to be unlocked."""
    if not command or not names:
        return {}
    from concurrent.futures import ThreadPoolExecutor

    def ask(name: str) -> Answer:
        return _run([one.replace("{name}", name).replace("{project}", project) for one in command], name)

    found = {names[0]: ask(names[0])}
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return found | dict(zip(names[1:], pool.map(ask, names[1:]), strict=True))


def _run(argv: Sequence[str], name: str) -> Answer:
    """Run it outside the project, whose files are nothing that it should find."""
    try:
        done = subprocess.run(
            argv, cwd=Path.home(), stdin=subprocess.DEVNULL, capture_output=True, timeout=PATIENCE, check=False
        )
    except subprocess.TimeoutExpired:
        return Answer(why=f"your command for secrets took more than {PATIENCE:.0f} s")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "no such command"
        return Answer(why=f"your command for secrets cannot be run: {reason}")
    if done.returncode != 0:
        said = done.stderr.decode(errors="replace").strip().rpartition("\n")[2]
        return Answer(
            why=f"your command for secrets ended with {done.returncode}: {toml.printable(said, 200)}".rstrip(": ")
        )
    try:
        return Answer(check(name, done.stdout))
    except DevenvError as error:
        return Answer(why=f"your command for secrets: {error.message}")
