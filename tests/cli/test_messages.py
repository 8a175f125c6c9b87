"""What a user reads when something is wrong: the whole message, word by word."""

from __future__ import annotations

import http.server
import json
import os
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from devenv import lockfile
from devenv.engine.wire import Endpoint, Wire
from devenv.errors import DevenvError, EngineError
from devenv.ui import errors
from tests import projects
from tests.cli import command_line


def write(folder: Path, text: str) -> None:
    (folder / "devenv.toml").write_text(text)


def check(folder: Path, text: str) -> str:
    write(folder, text)
    ran = command_line.run(folder, "check")
    assert (ran.code, ran.out) == (1, "")
    return ran.err


def test_an_unknown_service(tmp_path: Path) -> None:
    assert (
        check(tmp_path, 'images = "debian"\n[services.postgress]\n')
        == """\
error: unknown service `postgress`
  --> devenv.toml:2:11
   |
 2 | [services.postgress]
   |           ^^^^^^^^^

hint: did you mean `postgres`?

"""
    )


def test_an_unknown_stack(tmp_path: Path) -> None:
    assert (
        check(tmp_path, 'images = "debian"\n[apps.web]\nstack = ["node", "pyton@3.13"]\n')
        == """\
error: unknown stack `pyton`
  --> devenv.toml:3:18
   |
 3 | stack = ["node", "pyton@3.13"]
   |                  ^^^^^^^^^^^^

hint: did you mean `python`?

"""
    )


def test_an_unknown_key(tmp_path: Path) -> None:
    assert (
        check(tmp_path, '[apps.web]\nimagge = "x"\nport = [8000]\n')
        == """\
error: unknown key `imagge` in `apps.web`
  --> devenv.toml:2:1
   |
 2 | imagge = "x"
   | ^^^^^^

hint: did you mean `image`?

error: unknown key `port` in `apps.web`
  --> devenv.toml:3:1
   |
 3 | port = [8000]
   | ^^^^

hint: did you mean `ports`?

2 mistakes
"""
    )


def test_a_version_the_suite_does_not_have(tmp_path: Path) -> None:
    assert (
        check(tmp_path, 'images = "debian"\n[services.postgres]\nversion = "99"\n')
        == """\
error: Debian trixie does not have service `postgres` in version `99`
  --> devenv.toml:3:11
   |
 3 | version = "99"
   |           ^^^^

hint: it has: `17`

"""
    )


def test_an_option_the_service_does_not_have(tmp_path: Path) -> None:
    assert (
        check(tmp_path, 'images = "debian"\n[services.redis]\ndatabases = ["a"]\n')
        == """\
error: service `redis` has no option `databases`
  --> devenv.toml:3:1
   |
 3 | databases = ["a"]
   | ^^^^^^^^^

hint: there are: `settings`

"""
    )


def test_needs_that_go_in_a_circle(tmp_path: Path) -> None:
    text = '[apps.web]\nneeds = ["worker"]\n[apps.worker]\nneeds = ["web"]\n'
    assert (
        check(tmp_path, text)
        == """\
error: `needs` goes in a circle: `web` → `worker` → `web`
  --> devenv.toml:2:10
   |
 2 | needs = ["worker"]
   |          ^^^^^^^^

hint: remove one of these needs

"""
    )


def test_a_name_that_is_no_dns_label(tmp_path: Path) -> None:
    assert (
        check(tmp_path, 'name = "Book_Shop!"\n')
        == """\
error: `Book_Shop!` is no DNS label: lower-case letters, digits and hyphens, at most 40
  --> devenv.toml:1:8
   |
 1 | name = "Book_Shop!"
   |        ^^^^^^^^^^^^

hint: `book-shop` is one

"""
    )


def test_the_same_for_programs(tmp_path: Path) -> None:
    write(tmp_path, 'images = "debian"\n[services.postgress]\n')
    ran = command_line.run(tmp_path, "check", "--json")
    assert (ran.code, ran.err) == (1, "")
    assert json.loads(ran.out) == {
        "problems": [
            {
                "message": "unknown service `postgress`",
                "hint": "did you mean `postgres`?",
                "file": "devenv.toml",
                "line": 2,
                "column": 11,
            }
        ],
        "fixed": [],
    }


def test_broken_toml(tmp_path: Path) -> None:
    assert check(tmp_path, 'name = "shop\n').startswith("error: a string has no closing quote\n  --> devenv.toml:1:8\n")


def test_control_characters_are_not_sent_to_the_terminal(tmp_path: Path) -> None:
    shown = check(tmp_path, 'images = "debian"\n[services."\\u001b]0;owned\\u0007"]\n"\\u001b[2J" = 1\n')
    assert "\x1b" not in shown
    assert "\x07" not in shown


def test_no_project(tmp_path: Path) -> None:
    ran = command_line.run(tmp_path, "check")
    assert ran.code == 1
    assert ran.err.startswith("error: no `devenv.toml` in `")


def test_an_unknown_command(tmp_path: Path) -> None:
    ran = command_line.run(tmp_path, "frobnicate")
    assert (ran.code, ran.err) == (
        2,
        "error: no such command `frobnicate`\n\nhint: `devenv --help` lists the commands\n",
    )


REDIS = 'name = "shop"\nimages = "debian"\n[services.redis]\n'


def locked(folder: Path, text: str = REDIS) -> Path:
    write(folder, text)
    project = projects.project(folder, services=(projects.service("redis"),))
    lockfile.write(folder, projects.lock(project))
    return folder / lockfile.NAME


def test_no_lockfile(tmp_path: Path) -> None:
    assert check(tmp_path, REDIS) == "error: there is no `devenv.lock`\n\nhint: run `devenv lock`\n\n"


def test_a_stale_lockfile(tmp_path: Path) -> None:
    locked(tmp_path)
    assert check(tmp_path, REDIS + '[apps.web]\npackages = ["git"]\n') == (
        "error: `devenv.lock` is stale: `packages/web` has no pin\n\nhint: run `devenv lock`\n\n"
    )


def test_a_lockfile_that_pins_more_than_is_asked_for(tmp_path: Path) -> None:
    locked(tmp_path)
    assert check(tmp_path, 'images = "debian"\n[apps.web]\n') == (
        "error: `devenv.lock` pins more than `devenv.toml` asks for\n\nhint: run `devenv lock`\n\n"
    )


def test_a_tampered_lockfile(tmp_path: Path) -> None:
    path = locked(tmp_path)
    path.write_text(path.read_text().replace("redis-server 1.0-1 ", "redis-server 1.0-2 "))
    assert check(tmp_path, REDIS) == (
        "error: `devenv.lock` was changed by hand: its checksum does not fit\n\n"
        "hint: restore it from version control, or remove `devenv.lock` and run `devenv lock`\n\n"
    )


@pytest.mark.parametrize("command", ["check", "lock"])
def test_another_tools_lockfile_is_never_overwritten(tmp_path: Path, command: str) -> None:
    write(tmp_path, REDIS)
    path = tmp_path / lockfile.NAME
    path.write_text('{\n  "nodes": {}\n}\n')
    ran = command_line.run(tmp_path, command)
    assert (ran.code, ran.err.rstrip("\n")) == (
        1,
        "error: `devenv.lock` is not a lockfile of this devenv, so it stays as it is\n\n"
        "hint: another tool of that name writes one too; move it away, then run `devenv lock` (it looks like JSON)",
    )
    assert path.read_text() == '{\n  "nodes": {}\n}\n'


def test_frozen_without_a_lockfile(tmp_path: Path) -> None:
    write(tmp_path, REDIS)
    with engine({"/version": b'{"Version": "28.0", "ApiVersion": "1.48", "Os": "linux", "Arch": "amd64"}'}) as address:
        ran = command_line.run(tmp_path, "--engine", address, "up", "-d", "--frozen")
    assert (ran.code, ran.err) == (
        1,
        "error: there is no `devenv.lock`, and `--frozen` forbids writing one\n\nhint: commit it\n",
    )
    assert not (tmp_path / lockfile.NAME).exists()


def test_no_engine(tmp_path: Path) -> None:
    locked(tmp_path)
    ran = command_line.run(tmp_path, "--engine", "unix:///nowhere/docker.sock", "up")
    assert (ran.code, ran.err) == (
        4,
        "error: no engine answers at `unix:///nowhere/docker.sock`\n\n"
        "hint: `devenv doctor` tells what is wrong with the engine\n",
    )


def test_without_a_background_process(tmp_path: Path) -> None:
    locked(tmp_path)
    at = ("--engine", "unix:///nowhere/docker.sock", "sync")
    ran = command_line.run(tmp_path, *at, "status")
    assert (ran.code, ran.out) == (0, "bind: the engine shares this folder; nothing is followed\n")
    assert command_line.run(tmp_path, *at, "status", "--json").out == (
        '{\n  "instance": "shop",\n  "copies": false,\n  "report": null,\n  "ended": null\n}\n'
    )
    ran = command_line.run(tmp_path, *at, "flush")
    assert (ran.code, ran.err) == (4, "error: no background process runs\n\nhint: `devenv up -d` starts it\n")
    ran = command_line.run(tmp_path, *at, "log")
    assert (ran.code, ran.err) == (
        4,
        "error: there is no log: no background process has run here\n\nhint: `devenv up` starts one where needed\n",
    )


@pytest.mark.skipif(os.getuid() != 0, reason="needs root to become somebody else")
def test_an_engine_that_does_not_permit_it(tmp_path: Path) -> None:
    path = tmp_path / "docker.sock"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen()
        path.chmod(0o600)
        for folder in (tmp_path, *tmp_path.parents[:-1]):
            folder.chmod(folder.stat().st_mode | 0o055)
        os.seteuid(65534)
        try:
            with pytest.raises(EngineError) as caught:
                Wire(Endpoint(f"unix://{path}")).ask("GET", "/_ping")
        finally:
            os.seteuid(0)
    assert errors.text(caught.value) == (
        f"error: this user may not use the engine at `unix://{path}`: permission denied\n\n"
        "hint: join the group that owns the socket (`sudo usermod -aG docker $USER`, then log in again), "
        "run with sudo, or use a rootless engine"
    )


def test_an_engine_that_goes_away(tmp_path: Path) -> None:
    locked(tmp_path)
    with engine({"/_ping": b"OK"}) as address:
        ran = command_line.run(tmp_path, "--engine", address, "status")
    assert ran.code == 4
    assert ran.err.startswith(f"error: the engine at `{address}` ")
    assert "hint: `devenv doctor` tells what is wrong with the engine" in ran.err


def test_a_mirror_that_does_not_answer(tmp_path: Path) -> None:
    write(tmp_path, REDIS)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    ran = command_line.run(tmp_path, "lock", "--arch", "amd64", DEVENV_DEBIAN_MIRROR=f"http://127.0.0.1:{port}/debian")
    assert (ran.code, ran.err.splitlines()[-3:]) == (
        4,
        [
            f"error: the mirror `127.0.0.1:{port}` cannot be used: connection refused",
            "",
            "hint: set `debian.mirror` in devenv's `config.toml` to a Debian mirror that this machine reaches",
        ],
    )
    assert not (tmp_path / lockfile.NAME).exists()


def test_a_full_disk_leaves_the_old_lockfile(tmp_path: Path) -> None:
    locked(tmp_path)
    with small_disk(tmp_path / "disk") as disk:
        for name in ("devenv.toml", lockfile.NAME):
            (disk / name).write_bytes((tmp_path / name).read_bytes())
        before = (disk / lockfile.NAME).read_bytes()
        with pytest.raises(OSError, match="No space left"):
            (disk / "filler").write_bytes(bytes(1 << 20))
        with pytest.raises(DevenvError) as caught:
            lockfile.write(disk, lockfile.read(disk))  # type: ignore[arg-type]  # it is there
        assert (disk / lockfile.NAME).read_bytes() == before
        assert sorted(one.name for one in disk.iterdir()) == ["devenv.lock", "devenv.toml", "filler"]
        assert errors.text(caught.value) == (
            f"error: cannot write `{disk}/devenv.lock`: No space left on device\n\n"
            "hint: free disk space or make the folder writable"
        )


@contextmanager
def small_disk(folder: Path) -> Iterator[Path]:
    """A file system of 256 KiB."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(folder)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True).returncode != 0:
        pytest.skip("may not mount a small file system here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


@contextmanager
def engine(answers: dict[str, bytes]) -> Iterator[str]:
    """Something that answers a few of an engine's calls and hangs up on the others."""

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            for end, body in ({"/_ping": b"OK"} | answers).items():
                if self.path.split("?")[0].endswith(end):
                    self.send_response(200)
                    self.send_header("Content-Length", str(len(body)))
                    self.end_headers()
                    self.wfile.write(body)
                    return
            self.close_connection = True

        do_HEAD = do_GET  # noqa: N815 -- the name http.server asks for

        def log_message(self, format: str, *arguments: object) -> None:
            """Say nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"tcp://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
