"""`devenv connect` on a real engine: a service's own client, in the service's own container."""

from __future__ import annotations

import os
import pty
import subprocess
import termios
from pathlib import Path

import pytest

from tests import engines
from tests.e2e import checkouts

pytestmark = [pytest.mark.docker, pytest.mark.network]

REDIS = 'name = "{name}"\nimages = "debian"\n[services.redis]\n'
VECTORS = 'name = "{name}"\nimages = "debian"\n[services.postgres]\nextensions = ["pgvector", "pg_trgm"]\n'
# A client that starts before it is told the terminal's size asks where the cursor is.
WHERE = b"\x1b[6n"


def test_a_client_talks_to_its_service_and_its_exit_code_is_passed_on(tmp_path: Path) -> None:
    engines.require()
    with checkouts.small(tmp_path / "cache", text=REDIS) as checkout:
        down = checkout.run("connect", "redis", check=False)
        assert (down.code, "is not up" in down.err) == (4, True)
        checkout.run("up", "-d")
        assert checkout.run("connect", "redis", "--", "set", "a", "b c").out == "OK\n"
        assert checkout.run("connect", "redis", "get", "a").out == "b c\n"
        assert checkout.run("connect", "--", "get", "a").out == "b c\n"
        failed = checkout.run("connect", "redis", "--", "-e", "no-such-command", check=False)
        assert failed.code == 1
        assert "unknown command" in failed.out + failed.err
        assert '"b c"' in typed(checkout, "get a\rquit\r")
        assert checkout.run("connect", stdin="set piped in\nget piped\n").out == "OK\nin\n"
        assert checkout.run("exec", "redis", "--", "cat", stdin="piped\n" * 50_000).out == "piped\n" * 50_000


def test_extensions_that_do_not_come_with_the_server_are_there(tmp_path: Path) -> None:
    engines.require()
    with checkouts.small(tmp_path / "vectors", text=VECTORS) as checkout:
        checkout.run("up", "-d")
        distance = "select '[1,2]'::vector <-> '[4,6]'::vector, similarity('word', 'words') > 0.5"
        assert checkout.run("connect", "--", "-Atc", distance).out == "5|t\n"


def test_a_service_that_is_reset_has_lost_its_data_and_is_ready(tmp_path: Path) -> None:
    engines.require()
    with checkouts.small(tmp_path / "cache", text=REDIS) as checkout:
        assert "there is no data of `redis`" in checkout.run("reset", "-y").err
        checkout.run("up", "-d")
        checkout.run("connect", "--", "set", "a", "b")
        refused = checkout.run("reset", check=False)
        assert (refused.code, "this removes the data of `redis`" in refused.err) == (2, True)
        assert checkout.run("connect", "--", "get", "a").out == "b\n"
        assert "`redis` began anew" in checkout.run("reset", "redis", "--yes").err
        assert checkout.run("connect", "--", "get", "a").out == "\n"
        checkout.run("down")
        assert "removed the data of `redis`" in checkout.run("reset", "-y").err


def typed(checkout: checkouts.Checkout, keys: str) -> str:
    """What a person sees who types into the client in a terminal, once it has asked for something."""
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(ours, (24, 80))
    with subprocess.Popen(
        checkout.command("connect"), cwd=checkout.folder, env=checkout.environ | {"TERM": "xterm"},
        stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True,
    ) as process:  # fmt: skip
        os.close(theirs)
        seen, waiting = b"", True
        try:
            while chunk := os.read(ours, 4096):
                seen += chunk
                if WHERE in chunk:
                    os.write(ours, b"\x1b[1;80R")
                if waiting and b"> " in seen:
                    os.write(ours, keys.encode())
                    waiting = False
        except OSError:
            pass  # the other side of the terminal is closed: the client has ended
    os.close(ours)
    assert process.returncode == 0, seen
    return seen.decode()
