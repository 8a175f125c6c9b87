"""Projects beside each other: who reaches whom, and what one that wants too much does to the others."""

from __future__ import annotations

import json
import os
import subprocess
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from urllib.parse import urlsplit

import pytest

from tests import engines
from tests.e2e import checkouts
from tests.e2e.checkouts import Checkout, Ran, until

pytestmark = [pytest.mark.docker, pytest.mark.network]

MANY = """\
name = "{name}"
images = "debian"

[apps.web]
run = "echo hello > $HOME/greeting; perl server.pl {port}"
ports = [{port}]

[apps.hog]
like = "web"
run = "until [ -e $HOME/go ]; do sleep 0.1; done; exec perl -e '$x = q(x) x 3e8'"
limits = {{ memory = "32M", cpus = 0.5 }}

[apps.bomb]
like = "web"
run = "sleep infinity"
limits = {{ memory = "64M", pids = 40 }}
"""
JOINED = '\n[networks]\njoin = ["{network}"]\n'
CONNECT = "use IO::Socket::INET; exit(IO::Socket::INET->new(PeerAddr => $ARGV[0], Timeout => 2) ? 0 : 1)"
HOG = "$x = q(x) x 3e8"


@dataclass
class Neighbours:
    """Three projects on one engine: two of them name the same network, and the third does not.

    Args:
        many: Its app `web` serves, `hog` and `bomb` have limits.
        other: A database that is shared.
        alone: The same, not shared.
    """

    many: Checkout
    other: Checkout
    alone: Checkout
    network: str

    def reaches(self, address: str) -> bool:
        """Whether the app of the first gets a connection to `host:port`."""
        return self.many.run("exec", "web", "--", "perl", "-e", CONNECT, address, check=False).code == 0


@pytest.fixture(scope="module")
def neighbours(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Neighbours]:
    engine, network = engines.require(), f"team-{uuid.uuid4().hex[:6]}"
    joined, redis = JOINED.format(network=network), 'name = "{name}"\nimages = "debian"\n\n[services.redis]\n'
    with ExitStack() as stack:
        many, other, alone = [
            stack.enter_context(
                checkouts.small(tmp_path_factory.mktemp("projects") / "project", engine=engine, text=text)
            )
            for text in (MANY + joined, redis + joined, redis)
        ]
        for one in (many, other, alone):
            one.run("up", "-d")
        yield Neighbours(many, other, alone, network)


def address(checkout: Checkout, unit: str) -> str:
    found = json.loads(checkout.docker("inspect", f"{checkout.name}-{unit}-1"))[0]["NetworkSettings"]["Networks"]
    return str(found[f"{checkout.name}_default"]["IPAddress"])


def test_no_project_reaches_another_by_name_or_address(neighbours: Neighbours) -> None:
    alone = neighbours.alone
    assert neighbours.reaches("127.0.0.1:" + str(neighbours.many.port))
    for host in (f"{alone.name}-redis-1", f"redis.{alone.name}", "redis", address(alone, "redis")):
        assert not neighbours.reaches(f"{host}:6379"), host


def test_projects_that_name_the_same_network_reach_each_other_by_unit_and_project(neighbours: Neighbours) -> None:
    assert neighbours.reaches(f"redis.{neighbours.other.name}:6379")
    # The bare name stays the project's own, as does its address in its own network.
    assert not neighbours.reaches("redis:6379")
    assert not neighbours.reaches(f"{address(neighbours.other, 'redis')}:6379")


def test_an_app_has_no_way_to_the_engine(neighbours: Neighbours) -> None:
    many = neighbours.many
    assert many.run("exec", "web", "--", "sh", "-c", "test -e /var/run/docker.sock", check=False).code == 1
    inspected = json.loads(many.docker("inspect", f"{many.name}-web-1"))[0]
    assert not [one for one in inspected["Mounts"] if "sock" in one["Source"]]
    assert not inspected["HostConfig"]["Privileged"]
    remote = urlsplit(os.environ.get("DEVENV_TEST_REMOTE", "")).port
    for network in inspected["NetworkSettings"]["Networks"].values():
        for port in filter(None, (2375, 2376, remote)):
            assert not neighbours.reaches(f"{network['Gateway']}:{port}")


def test_a_shared_network_stays_until_the_last_project_leaves_it(neighbours: Neighbours) -> None:
    many, other, name = neighbours.many, neighbours.other, f"devenv_shared_{neighbours.network}"
    other.run("down")
    assert neighbours.network in many.docker("network", "ls", "--format", "{{.Name}}")
    other.run("up", "-d")
    assert neighbours.reaches(f"redis.{other.name}:6379")
    file = other.folder / "devenv.toml"
    text = file.read_text()
    file.write_text(text.replace(JOINED.format(network=neighbours.network), ""))
    left = other.run("up", "-d", "--json").data
    assert {step["cause"] for step in left["steps"] if step["verb"] == "create"} == {"networks changed"}
    file.write_text(text)
    other.run("up", "-d")
    assert name in json.loads(other.docker("inspect", f"{other.name}-redis-1"))[0]["NetworkSettings"]["Networks"]


# --- limits ---


def row(checkout: Checkout, unit: str) -> dict[str, object]:
    return next(one for one in checkout.run("status", "--json").data["rows"] if one["unit"] == unit)


def bombed(checkout: Checkout) -> subprocess.Popen[bytes]:
    """A fork bomb under way in the app that may have few processes."""
    return subprocess.Popen(
        checkout.command("exec", "bomb", "--", "perl", "-e", "while (1) { fork }"),
        cwd=checkout.folder,
        env=checkout.environ,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def test_what_wants_too_much_memory_ends_alone_and_is_named(neighbours: Neighbours) -> None:
    many = neighbours.many
    many.run("exec", "web", "--", "sh", "-c", "rm -f $HOME/go")
    many.run("up", "-d")
    assert "32 MB, 0.5 CPUs" in many.run("status").out
    killed: Ran = many.run("exec", "bomb", "--", "perl", "-e", HOG, check=False)
    assert killed.code == 137
    assert "`bomb` ran out of memory at its limit of 64 MB" in killed.err
    many.run("exec", "hog", "--", "sh", "-c", "touch $HOME/go")
    until(lambda: row(many, "hog")["state"] == "exited")
    # A daemon that has run for long misses the kernel's event now and then, and tells of a mere SIGKILL.
    noticed = json.loads(many.docker("inspect", f"{many.name}-hog-1"))[0]["State"]["OOMKilled"]
    assert ("out of memory at its limit of 32 MB" if noticed else "(137)") in str(row(many, "hog")["detail"])
    assert many.get() == "hello\n"
    until(lambda: row(many, "web")["state"] == "healthy")


def test_a_fork_bomb_takes_nothing_from_others_and_goes_with_down(neighbours: Neighbours) -> None:
    many = neighbours.many
    many.run("up", "-d")
    with bombed(many) as bomb:
        until(lambda: len(many.docker("top", f"{many.name}-bomb-1").splitlines()) > 35)
        began = time.monotonic()
        assert {many.get() for _ in range(20)} == {"hello\n"}
        assert time.monotonic() - began < 20, "an app waits a second for each page while another runs a fork bomb"
        assert len(many.docker("top", f"{many.name}-bomb-1").splitlines()) <= 41
        many.run("down")
        assert bomb.wait(timeout=30) != 0
    assert many.docker("ps", "-q", "--filter", f"label=dev.devenv.instance={many.name}") == ""
    many.run("up", "-d")
