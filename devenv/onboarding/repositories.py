"""Clones a git repository, whole or not at all; nothing that the repository holds is run."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import tempfile
from collections import deque
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import field
from pathlib import Path
from urllib.parse import unquote, urlsplit

from devenv import git, toml, worktree
from devenv.errors import DevenvError, UsageError
from devenv.model.progress import Progress, Report
from devenv.values import dataclass

SCHEMES = ("https", "ssh", "git", "http", "file")

_PART = ".devenv-clone-"
_WHOLE = f"{_PART}whole"
_LONGEST = 2000
_TOLD = 20
_HELPER = re.compile(r"[A-Za-z0-9][A-Za-z0-9+.-]*::")
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_SHELL_LIKE = re.compile(r"(?:(?P<user>[^@/:]+)@)?(?P<host>\[[^\]/]+\]|[^@/:\[]+):(?P<path>.+)")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
# "Receiving objects:  45% (450/1000), 1.20 MiB | 2.00 MiB/s", "Resolving deltas: …", "Updating files: …"
_COUNTED = re.compile(r"(?:remote: )?(\w+) (?:objects|deltas|files): +\d+% \((\d+)/(\d+)\)")
_REFUSED = re.compile(
    r"could not read (Username|Password)|Authentication failed|Permission denied|terminal prompts disabled"
    r"|Host key verification failed|returned error: 40[13]",
)
# What git itself takes from the variables of whoever started it would lead it to another repository.
_OF_GIT = ("GIT_DIR", "GIT_WORK_TREE", "GIT_PREFIX", "GIT_INDEX_FILE", "GIT_COMMON_DIR", "GIT_OBJECT_DIRECTORY")
_CALM = (*git.SAFE, "-c", "submodule.recurse=false")


@dataclass(frozen=True, slots=True)
class Address:
    """Where a repository is.

    Args:
        text: For people and for the clone's own settings: without password, token or query.
        name: What a folder with it is called; empty where the address does not tell.
        key: Equal for two ways to write the same.
        whole: For git alone.
    """

    text: str
    name: str
    key: str
    whole: str = field(repr=False)

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must not be shown, longest first."""
        if self.whole == self.text:
            return ()
        parts = urlsplit(self.whole)
        given = parts.netloc.rpartition("@")[0]
        user, _, password = given.partition(":")
        found = {given if _hides_user(parts.scheme) else "", password or user, parts.query, parts.fragment} - {""}
        return tuple(sorted(found | {unquote(one) for one in found}, key=len, reverse=True))


def parse(text: str, cwd: Path) -> Address:
    """Understand an address as git does.

    Args:
        cwd: What a path is relative to.

    Raises:
        UsageError: Git would take it for an option, run a program for it, or make nothing of it.
    """
    shown = toml.printable(_without_secrets(text), 200)
    if not text or len(text) > _LONGEST or _CONTROL.search(text):
        raise UsageError(f"`{shown}` is no address of a repository", hint=_EXAMPLES)
    if text.startswith("-"):
        raise UsageError(f"`{shown}` is no address of a repository: it begins like an option", hint=_EXAMPLES)
    if _HELPER.match(text):
        raise UsageError(f"`{shown}` would run a program on this machine", hint=_EXAMPLES)
    if (match := _SCHEME.match(text)) is not None:
        return _with_scheme(text, match[1].lower(), shown)
    if (shell := _SHELL_LIKE.fullmatch(text)) is not None and not (cwd / text).exists():
        return _over_ssh(text, shell, shown)
    path = Path(os.path.abspath(cwd / text))  # noqa: PTH100  # `resolve` would lose the name of a link
    return Address(str(path), _name(str(path)), _key_of_path(path), str(path))


_EXAMPLES = "such as `https://example.org/team/shop.git`, `git@example.org:team/shop.git` or a path"


def _with_scheme(text: str, scheme: str, shown: str) -> Address:
    if scheme not in SCHEMES:
        listed = ", ".join(f"`{one}`" for one in SCHEMES)
        raise UsageError(f"`{shown}`: there is no way `{scheme}` to a repository", hint=f"there are: {listed}")
    try:
        parts = urlsplit(text)
        host, _ = parts.hostname or "", parts.port
    except ValueError as error:
        raise UsageError(f"`{shown}` is no address of a repository: {error}", hint=_EXAMPLES) from error
    _check_host(host, shown)
    if scheme == "file":
        path = Path(os.path.normpath(unquote(parts.path)))
        return Address(text, _name(str(path)), _key_of_path(path), text)
    if not host or not parts.path.strip("/"):
        raise UsageError(f"`{shown}` is no address of a repository", hint=_EXAMPLES)
    plain = _without_secrets(text)
    return Address(plain, _name(unquote(parts.path)), _key(plain), text)


def _over_ssh(text: str, match: re.Match[str], shown: str) -> Address:
    _check_host(match["host"], shown)
    path = match["path"].rstrip("/")
    return Address(text, _name(path), _key(f"{match['host']}:{path}"), text)


def _check_host(host: str, shown: str) -> None:
    if host.startswith("-"):
        raise UsageError(f"`{shown}` is no address of a repository: its host begins like an option", hint=_EXAMPLES)


def _name(path: str) -> str:
    name = path.rstrip("/").removesuffix("/.git").rpartition("/")[2].removesuffix(".git")
    return "" if name in (".", "..") or _CONTROL.search(name) else name


def _without_secrets(text: str) -> str:
    """An address without password, token and query; of SSH the user stays, who is no secret."""
    match = _SCHEME.match(text)
    if match is None or match[1].lower() == "file":
        return text
    rest = text[match.end() :]
    netloc, slash, path = rest.partition("/")
    user, at, host = netloc.rpartition("@")
    kept = "" if _hides_user(match[1]) else f"{user.partition(':')[0]}{at}"
    return f"{match[0]}{kept}{host}{slash}{re.split('[?#]', path, maxsplit=1)[0]}"


def _hides_user(scheme: str) -> bool:
    """Whether the user of an address may be a token."""
    return scheme.lower() in ("http", "https")


def _key(text: str) -> str:
    head, colon, path = text.rpartition("://")
    host, slash, rest = path.partition("/") if colon else path.partition(":")
    host = host.rpartition("@")[2].lower()
    return f"{head.lower()}{colon}{host}{slash}{rest.strip('/').removesuffix('.git')}"


def _key_of_path(path: Path) -> str:
    return os.path.realpath(path).removesuffix("/.git")


def destination(address: Address, start: Path, folder: str | None) -> Path:
    """Where a clone is to be.

    Args:
        folder: As given, relative to `start`; None is the repository's name.

    Raises:
        UsageError: Neither tells.
    """
    if folder is None and not address.name:
        raise UsageError(f"`{address.text}` does not tell what to call the folder", hint="name a folder after it")
    try:
        return (start / (folder or address.name)).resolve()
    except (OSError, ValueError, RuntimeError) as error:
        raise UsageError(f"`{toml.printable(str(folder))}` cannot be a folder: {error}") from error


# --- what is there ---


def origin(folder: Path) -> str | None:
    """Where a folder was cloned from, as its own settings say; None when it is no checkout's top."""
    if not os.path.lexists(folder / ".git"):
        return None
    done = _run(("-C", str(folder), "config", "--local", "--get", "remote.origin.url"), _environ(asks=False))
    return os.fsdecode(done.stdout).rstrip("\n") or None if done.returncode == 0 else None


def is_of(folder: Path, address: Address) -> bool:
    """Whether a folder is a clone of that repository."""
    found = origin(folder)
    if found is None:
        return False
    try:
        return parse(found, folder).key == address.key
    except UsageError:
        return False


def around(folder: Path, address: Address) -> Path | None:
    """The clone of that repository that a folder lies in, if any."""
    top = worktree.top(folder)
    return top if top is not None and is_of(top, address) else None


# --- bringing it ---


def clone(address: Address, folder: Path, report: Report, *, asks: bool) -> None:
    """Clone into a folder that is not there, or empty; it is no checkout before it is whole.

    Who calls this is alone with the folder. What a kill has left of it is swept, or gone on with where git was done.

    Args:
        asks: Whether git may ask for a password on the terminal.

    Raises:
        DevenvError: Something else is there, or git cannot, in its own words.
    """
    try:
        _check_free(folder, address)
        is_new = not folder.exists()
        folder.mkdir(parents=True, exist_ok=True)
        try:
            if not is_of(folder / _WHOLE, address):
                _bring(address, folder, report, asks=asks)
            _lay_out(folder)
        except BaseException:
            if is_new:
                with suppress(OSError):  # there is something in it
                    folder.rmdir()
            raise
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        hint = "name a folder in a place where you may write"
        raise DevenvError(f"cannot make `{folder}`: {why}", hint=hint) from error


def _check_free(folder: Path, address: Address) -> None:
    if not os.path.lexists(folder) or (folder.is_dir() and (_parts(folder) or not any(folder.iterdir()))):
        return
    raise DevenvError(
        f"`{folder}` is there already, and is no clone of `{address.text}`",
        hint=f"name another folder: `devenv onboard {shlex.quote(address.text)} FOLDER`",
    )


def _parts(folder: Path) -> list[Path]:
    """What a clone that is under way, or was killed, has there besides what it brings."""
    return [one for one in folder.iterdir() if one.name.startswith(_PART)]


def _bring(address: Address, folder: Path, report: Report, *, asks: bool) -> None:
    """Have git clone into a folder inside, which gets its name by which it is known to be whole afterwards."""
    _sweep(folder)
    place = Path(tempfile.mkdtemp(prefix=_PART, dir=folder))
    try:
        _fetch(address, place / "clone", report, asks=asks)
        (place / "clone").rename(folder / _WHOLE)
    finally:
        shutil.rmtree(place, ignore_errors=True)


def _sweep(folder: Path) -> None:
    """Remove what is left of clones; where git still writes, it ends with its next word to a devenv that is gone."""
    for one in _parts(folder):
        shutil.rmtree(one, ignore_errors=True)


def _lay_out(folder: Path) -> None:
    """Move a whole clone to where it belongs; git's own folder, by which it is known to be there, comes last."""
    for one in sorted((folder / _WHOLE).iterdir(), key=lambda one: one.name == ".git"):
        one.rename(folder / one.name)
    _sweep(folder)


def has_submodules(folder: Path) -> bool:
    """Whether the repository names others that belong into it."""
    return (folder / ".gitmodules").is_file()


def _fetch(address: Address, place: Path, report: Report, *, asks: bool) -> None:
    environ = {**_environ(asks=asks), **_told(address)}
    # `--no-local`: of a repository on this disk, too, only what git itself packs is taken, no links and no files.
    options = ("clone", "--progress", "--no-local", "--no-recurse-submodules", "--origin", "origin")
    command = ["git", *_CALM, *options, "--", address.text, str(place)]
    said: deque[str] = deque(maxlen=_TOLD)
    try:
        # Its working folder is in no repository, whose settings it would read.
        started = subprocess.Popen(
            command,
            cwd="/",
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            start_new_session=not asks,  # without a terminal of its own, ssh cannot ask there either
        )
    except OSError as error:
        raise _no_git(error) from error
    with started:
        try:
            for line in _lines(started):
                if (progress := _progress(address, line)) is not None:
                    report(progress)
                else:
                    said.append(line)
        except BaseException:
            started.terminate()
            raise
    if started.returncode != 0:
        raise _failure(address, said, started.returncode)


def _lines(started: subprocess.Popen[bytes]) -> Iterator[str]:
    """What git says, as it says it: a line that it writes over ends like any other."""
    assert started.stderr is not None
    rest = b""
    while piece := os.read(started.stderr.fileno(), 1 << 16):
        *whole, rest = re.split(rb"[\r\n]", rest[-_LONGEST:] + piece)
        yield from (line for one in whole if (line := one.decode("utf-8", "replace").rstrip()))
    if rest:
        yield rest.decode("utf-8", "replace").rstrip()


def _progress(address: Address, line: str) -> Progress | None:
    match = _COUNTED.match(line)
    if match is None:
        return None
    return Progress(address.name or "repository", match[1].lower(), int(match[2]), int(match[3]), "objects")


def _failure(address: Address, said: Collection[str], code: int) -> DevenvError:
    words = [re.sub(r"^(fatal|error|remote): ", "", line) for line in said if not line.startswith("Cloning into")]
    text = "\n  ".join(_hidden(address, line) for line in words if line) or f"exit code {code}"
    hint = "see that you reach it with `git ls-remote`"
    if _REFUSED.search("\n".join(said)):
        attempt = f"git ls-remote {shlex.quote(address.text)}"
        hint = f"git gets in where you do: `{attempt}` must work, with your key or a credential helper"
    return DevenvError(f"cannot clone `{address.text}`:\n  {text}", hint=hint)


def _hidden(address: Address, line: str) -> str:
    for secret in address.secrets:
        line = line.replace(secret, "…")
    return toml.printable(line, 400)


def _told(address: Address) -> Mapping[str, str]:
    """How git learns of passwords in an address: neither its arguments, which all may see, nor the clone has them."""
    if address.whole == address.text:
        return {}
    return {
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": f"url.{address.whole}.insteadOf",
        "GIT_CONFIG_VALUE_0": address.text,
    }


def _environ(*, asks: bool) -> dict[str, str]:
    environ = {name: value for name, value in os.environ.items() if name not in _OF_GIT}
    # Its messages are read; and it must not take an address for a program.
    environ |= {"LC_ALL": "C", "GIT_ALLOW_PROTOCOL": ":".join(SCHEMES)}
    if not asks:
        environ |= {"GIT_TERMINAL_PROMPT": "0", "GIT_ASKPASS": "false", "SSH_ASKPASS": "false"}
    return environ


def _run(arguments: tuple[str, ...], environ: Mapping[str, str]) -> subprocess.CompletedProcess[bytes]:
    try:
        return subprocess.run(
            ["git", *_CALM, *arguments], env=environ, stdin=subprocess.DEVNULL, capture_output=True, check=False
        )
    except OSError as error:
        raise _no_git(error) from error


def _no_git(error: OSError) -> DevenvError:
    return DevenvError(f"git cannot be started: {(error.strerror or str(error)).lower()}", hint="install git")
