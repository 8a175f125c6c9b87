from __future__ import annotations

import base64
import os
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from devenv.errors import DevenvError, UsageError
from devenv.model.progress import Progress, silence
from devenv.onboarding import repositories

CANARY = "canary-9f2c"
HERE = Path("/somewhere")


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """A repository with one commit."""
    folder = tmp_path / "shop"
    folder.mkdir()
    (folder / "devenv.toml").write_text('name = "shop"\n')
    git(folder, "init", "-q", "-b", "main")
    commit(folder)
    return folder


def git(folder: Path, *arguments: str) -> str:
    own = ("-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false")
    done = subprocess.run(["git", *own, *arguments], cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout


def commit(folder: Path) -> None:
    git(folder, "add", ".")
    git(folder, "commit", "-q", "-m", "1")


def clone(source: object, folder: Path) -> None:
    repositories.clone(repositories.parse(str(source), folder.parent), folder, silence, asks=False)


# --- addresses ---


@pytest.mark.parametrize(
    ("text", "shown", "name"),
    [
        ("https://example.org/team/shop.git", "https://example.org/team/shop.git", "shop"),
        ("https://ada:secret@example.org/shop/", "https://example.org/shop/", "shop"),
        ("https://token@example.org/shop", "https://example.org/shop", "shop"),
        ("https://example.org/shop.git?private_token=secret#x", "https://example.org/shop.git", "shop"),
        ("ssh://git:secret@example.org:2222/shop.git", "ssh://git@example.org:2222/shop.git", "shop"),
        ("git@example.org:team/shop.git", "git@example.org:team/shop.git", "shop"),
        ("example.org:shop", "example.org:shop", "shop"),
        ("git@[::1]:team/shop", "git@[::1]:team/shop", "shop"),
        ("file:///srv/git/shop.git", "file:///srv/git/shop.git", "shop"),
        ("../shop", "/shop", "shop"),
        ("/srv/shop/.git", "/srv/shop/.git", "shop"),
        ("/srv/my shop.git", "/srv/my shop.git", "my shop"),
    ],
)
def test_an_address_is_shown_without_what_is_secret(text: str, shown: str, name: str) -> None:
    found = repositories.parse(text, HERE)
    assert (found.text, found.name) == (shown, name)
    assert "secret" not in repr(found)
    assert "token" not in repr(found)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("--upload-pack=touch x", "it begins like an option"),
        ("-oProxyCommand=x", "it begins like an option"),
        ("ext::sh -c touch% x", "`ext::sh -c touch% x` would run a program on this machine"),
        ("fd::17", "would run a program"),
        ("ftp://example.org/shop", "there is no way `ftp` to a repository"),
        ("ssh://-oProxyCommand=x/shop", "its host begins like an option"),
        ("git@-oProxyCommand=x:shop", "its host begins like an option"),
        ("https://example.org/", "is no address of a repository"),
        ("http://[::1/shop", "is no address of a repository"),
        ("https://example.org:port/shop", "is no address of a repository"),
        ("", "is no address of a repository"),
        ("shop\nmore", r"`shop\nmore` is no address of a repository"),
        ("a" * 3000, "is no address of a repository"),
    ],
)
def test_what_git_would_take_for_something_else_is_refused(text: str, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        repositories.parse(text, HERE)
    assert said in caught.value.message


def test_a_refusal_shows_no_password() -> None:
    with pytest.raises(UsageError) as caught:
        repositories.parse(f"https://ada:{CANARY}@example.org:port/shop", HERE)
    assert CANARY not in str(caught.value)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("https://example.org/shop", "https://ada:secret@EXAMPLE.org/shop.git/"),
        ("git@example.org:team/shop", "ada@example.org:team/shop.git"),
        ("file:///srv/shop", "/srv/shop"),
    ],
)
def test_two_ways_to_write_an_address_are_the_same(one: str, other: str) -> None:
    assert repositories.parse(one, HERE).key == repositories.parse(other, HERE).key


def test_two_repositories_of_a_host_are_not_the_same() -> None:
    assert (
        repositories.parse("https://example.org/a", HERE).key != repositories.parse("https://example.org/b", HERE).key
    )


@pytest.mark.parametrize("text", ["https://example.org/..", "https://example.org/shop%2f..", "example.org:.."])
def test_an_address_that_tells_no_name_needs_a_folder(text: str, tmp_path: Path) -> None:
    address = repositories.parse(text, HERE)
    with pytest.raises(UsageError, match="does not tell what to call the folder"):
        repositories.destination(address, tmp_path, None)
    assert repositories.destination(address, tmp_path, "shop") == tmp_path / "shop"


def test_a_folder_of_no_possible_name_is_refused(tmp_path: Path) -> None:
    address = repositories.parse("https://example.org/shop", HERE)
    with pytest.raises(UsageError, match="cannot be a folder"):
        repositories.destination(address, tmp_path, "a\0b")


# --- clones ---


@pytest.mark.parametrize("start", ["", "file://"])
def test_a_clone_is_known_by_its_address(shop: Path, tmp_path: Path, start: str) -> None:
    there = tmp_path / "deep" / "clone"
    clone(f"{start}{shop}", there)
    assert (there / "devenv.toml").read_text() == 'name = "shop"\n'
    address = repositories.parse(str(shop), tmp_path)
    assert repositories.is_of(there, address)
    assert repositories.around(there / ".git", address) == there
    assert not repositories.is_of(there, repositories.parse(str(tmp_path / "other"), tmp_path))
    assert not repositories.is_of(there / ".git", address)
    assert sorted(one.name for one in there.iterdir()) == [".git", "devenv.toml"]


def test_a_bare_repository_is_cloned(shop: Path, tmp_path: Path) -> None:
    git(tmp_path, "clone", "-q", "--bare", str(shop), "shop.git")
    clone(tmp_path / "shop.git", tmp_path / "clone")
    clone(f"file://{tmp_path}/shop.git", tmp_path / "other")
    assert (tmp_path / "clone" / "devenv.toml").is_file()


def test_a_clone_shares_no_files_with_its_source(shop: Path, tmp_path: Path) -> None:
    clone(shop, tmp_path / "clone")
    objects = [one for one in (tmp_path / "clone/.git/objects").rglob("*") if one.is_file()]
    assert objects
    assert all(one.stat().st_nlink == 1 for one in objects)


def test_a_folder_that_is_empty_is_cloned_into(shop: Path, tmp_path: Path) -> None:
    (tmp_path / "clone").mkdir()
    clone(shop, tmp_path / "clone")
    assert (tmp_path / "clone/devenv.toml").is_file()


@pytest.mark.parametrize("make", [lambda one: one.write_text("mine"), lambda one: (one / "mine").mkdir(parents=True)])
def test_what_is_there_already_is_left_alone(shop: Path, tmp_path: Path, make: object) -> None:
    there = tmp_path / "clone"
    assert callable(make)
    make(there)
    with pytest.raises(DevenvError, match="is there already, and is no clone of"):
        clone(shop, there)
    assert there.is_file() or [one.name for one in there.iterdir()] == ["mine"]


def test_a_clone_that_fails_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(DevenvError) as caught:
        clone(tmp_path / "nowhere", tmp_path / "new" / "clone")
    assert f"cannot clone `{tmp_path}/nowhere`" in caught.value.message
    assert list((tmp_path / "new").iterdir()) == []


def test_what_a_killed_clone_has_left_is_swept(shop: Path, tmp_path: Path) -> None:
    (tmp_path / "clone" / ".devenv-clone-x1" / "clone" / ".git").mkdir(parents=True)
    clone(shop, tmp_path / "clone")
    assert sorted(one.name for one in (tmp_path / "clone").iterdir()) == [".git", "devenv.toml"]


@pytest.mark.parametrize("moved", [(), ("devenv.toml",), ("devenv.toml", "more")])
def test_a_clone_killed_after_git_was_done_is_gone_on_with(shop: Path, tmp_path: Path, moved: tuple[str, ...]) -> None:
    (shop / "more").mkdir()
    (shop / "more" / "file").write_text("")
    commit(shop)
    whole = tmp_path / "clone" / ".devenv-clone-whole"
    clone(shop, whole)
    for name in moved:
        (whole / name).rename(tmp_path / "clone" / name)
    assert not repositories.is_of(tmp_path / "clone", repositories.parse(str(shop), tmp_path))
    (shop / "new").write_text("")
    commit(shop)
    clone(shop, tmp_path / "clone")
    assert sorted(one.name for one in (tmp_path / "clone").iterdir()) == [".git", "devenv.toml", "more"]
    assert git(tmp_path / "clone", "status", "--porcelain") == ""


def test_what_is_left_of_another_repositorys_clone_is_not_taken(shop: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    clone(shop, other)
    clone(other, tmp_path / "clone" / ".devenv-clone-whole")
    clone(shop, tmp_path / "clone")
    assert repositories.is_of(tmp_path / "clone", repositories.parse(str(shop), tmp_path))


def test_the_current_folder_stays_the_same_one(shop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "clone").mkdir()
    monkeypatch.chdir(tmp_path / "clone")
    clone(shop, tmp_path / "clone")
    assert Path("devenv.toml").is_file()


def test_progress_is_told_in_numbers(shop: Path, tmp_path: Path) -> None:
    told: list[Progress] = []
    address = repositories.parse(f"file://{shop}", tmp_path)
    repositories.clone(address, tmp_path / "clone", told.append, asks=False)
    assert Progress("shop", "receiving", 3, 3, "objects") in told


def test_a_folder_that_cannot_be_made_is_named(shop: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DevenvError, match=f"cannot make `{tmp_path}/file/clone`: "):
        clone(shop, tmp_path / "file" / "clone")


# --- nothing is run ---


def test_no_hook_runs_neither_the_sources_nor_a_templates(
    shop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran = tmp_path / "ran"
    template = tmp_path / "template"
    for folder in (shop / ".git" / "hooks", template / "hooks"):
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("post-checkout", "reference-transaction"):
            (folder / name).write_text(f"#!/bin/sh\ntouch {ran}\n")
            (folder / name).chmod(0o755)
    monkeypatch.setenv("GIT_TEMPLATE_DIR", str(template))
    clone(shop, tmp_path / "clone")
    assert not ran.exists()


def test_submodules_are_not_fetched(shop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    git(shop, "-c", "protocol.file.allow=always", "submodule", "add", str(shop), "part")
    commit(shop)
    for name, value in {"COUNT": "1", "KEY_0": "submodule.recurse", "VALUE_0": "true"}.items():
        monkeypatch.setenv(f"GIT_CONFIG_{name}", value)
    clone(shop, tmp_path / "clone")
    assert list((tmp_path / "clone" / "part").iterdir()) == []
    assert repositories.has_submodules(tmp_path / "clone")


def test_the_settings_of_the_folder_that_one_stands_in_do_not_count(
    shop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran, trap = tmp_path / "ran", tmp_path / "trap"
    trap.mkdir()
    git(trap, "init", "-q")
    git(trap, "config", "uploadpack.packObjectsHook", f"touch {ran};")
    git(trap, "config", "core.sshCommand", f"touch {ran};")
    git(trap, "config", f"url.ext::touch {ran}.insteadOf", str(shop))
    monkeypatch.chdir(trap)
    monkeypatch.setenv("GIT_DIR", str(trap / ".git"))
    clone(shop, trap / "clone")
    with pytest.raises(DevenvError):
        clone("ssh://127.0.0.1:9/shop", trap / "other")
    assert not ran.exists()


# --- passwords ---


class _Guarded(SimpleHTTPRequestHandler):
    """Serves files to who knows the password."""

    def do_GET(self) -> None:
        wanted = base64.b64encode(f"ada:{CANARY}".encode()).decode()
        if self.headers.get("Authorization") == f"Basic {wanted}":
            super().do_GET()
            return
        self.send_response(401)
        self.send_header("WWW-Authenticate", 'Basic realm="shop"')
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@contextmanager
def served(folder: Path) -> Iterator[int]:
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Guarded, directory=str(folder))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


@pytest.fixture
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.usefixtures("no_proxy")
def test_a_password_leads_in_and_is_kept_nowhere(shop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    git(shop, "update-server-info")
    wrapper = tmp_path / "bin" / "git"
    wrapper.parent.mkdir()
    wrapper.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/arguments\nPATH=${{PATH#*:}} exec git "$@"\n')
    wrapper.chmod(0o755)
    monkeypatch.setenv("PATH", f"{wrapper.parent}:{os.environ['PATH']}")
    with served(tmp_path) as port:
        clone(f"http://ada:{CANARY}@127.0.0.1:{port}/shop/.git", tmp_path / "clone")
        with pytest.raises(DevenvError) as caught:
            clone(f"http://ada:{CANARY}x@127.0.0.1:{port}/shop/.git", tmp_path / "other")
    assert (tmp_path / "clone" / "devenv.toml").is_file()
    assert CANARY not in (tmp_path / "arguments").read_text()
    assert CANARY not in (tmp_path / "clone/.git/config").read_text()
    assert CANARY not in f"{caught.value.message} {caught.value.hint}"
    assert caught.value.hint is not None
    assert "with your key or a credential helper" in caught.value.hint


@pytest.mark.usefixtures("no_proxy")
def test_without_a_terminal_nobody_is_asked_for_a_password(shop: Path, tmp_path: Path) -> None:
    git(shop, "update-server-info")
    with served(tmp_path) as port, pytest.raises(DevenvError, match="terminal prompts disabled"):
        clone(f"http://127.0.0.1:{port}/shop/.git", tmp_path / "clone")
