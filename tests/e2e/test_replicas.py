"""Several containers of an app behind the balancer: no request is lost while they come, go and die."""

from __future__ import annotations

import http.client
import json
import os
import signal
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import pytest

from tests import engines, ports
from tests.e2e import checkouts, load
from tests.e2e.checkouts import Checkout, until

pytestmark = [pytest.mark.docker, pytest.mark.network]

TEXT = """\
name = "{name}"
images = "debian"

[apps.web]
run = "exec perl many.pl {port}"
ports = [{port}]
replicas = 1
ready = {{ http = "/" }}

[apps.api]
like = "web"
run = "exec perl many.pl API"
ports = [API]
route = "/api"
replicas = 2
sticky = true
"""
SERVER = """\
use IO::Socket::INET; $| = 1; $SIG{PIPE} = "IGNORE";
my $server = IO::Socket::INET->new(LocalPort => $ARGV[0], Listen => 128, ReuseAddr => 1) or die $!;
open(my $file, "<", "/etc/hostname"); chomp(my $name = <$file>);
for (1 .. 7) { last unless fork }
while (1) {
    my $client = $server->accept or next;
    my $request = <$client> or next;
    while (my $line = <$client>) { last if $line =~ /^\\s*$/ }
    sleep 2 if $request =~ m{ /slow};
    my $text = "$ARGV[0] $name";
    print $client "HTTP/1.0 200 OK\\r\\nContent-Length: " . length($text) . "\\r\\n\\r\\n$text";
    close $client;
}
"""


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Checkout]:
    engines.require()
    folder = tmp_path_factory.mktemp("replicas") / "project"
    with checkouts.small(folder, text=TEXT.replace("API", str(ports.free()))) as checkout:
        (folder / "many.pl").write_text(SERVER)
        checkout.run("up", "-d")
        yield checkout


def names(checkout: Checkout, unit: str) -> list[str]:
    filters = [f"label=dev.devenv.instance={checkout.name}", f"label=dev.devenv.unit={unit}"]
    listed = checkout.docker("ps", "--filter", filters[0], "--filter", filters[1], "--format", "{{.Names}}")
    return sorted(listed.split())


def rows(checkout: Checkout, unit: str) -> list[dict[str, Any]]:
    return [row for row in checkout.run("status", "--json").data["rows"] if row["unit"] == unit]


def asked(checkout: Checkout, path: str = "/", cookie: str = "") -> tuple[str, str]:
    """The answer, and the cookie that came with it."""
    connection = http.client.HTTPConnection("127.0.0.1", checkout.port, timeout=10)
    try:
        connection.request("GET", path, headers={"Cookie": cookie} if cookie else {})
        answer = connection.getresponse()
        assert answer.status == 200
        return answer.read().decode(), (answer.getheader("Set-Cookie") or "").partition(";")[0]
    finally:
        connection.close()


def answering(checkout: Checkout, number: int, path: str = "/") -> Callable[[], bool]:
    """Whether so many replicas have answered, asked once more each time."""
    seen: set[str] = set()

    def answered() -> bool:
        with suppress(OSError, AssertionError, http.client.HTTPException):
            seen.add(asked(checkout, path)[0])
        return len(seen) == number

    return answered


def test_scaling_under_load_loses_no_request_and_shares_them_evenly(up: Checkout) -> None:
    up.run("scale", "web=1")
    with load.on(up.port) as requests:
        up.run("scale", "web=5")
        growing = requests.phase()
        time.sleep(2)
        five = requests.phase()
        shares = [row["share"] for row in rows(up, "web")]
        up.run("scale", "web=2")
        shrinking = requests.phase()
        time.sleep(2)
        two = requests.phase()
    assert [one.failures for one in (growing, five, shrinking, two)] == [[], [], [], []]
    assert len(five.bodies) == 5
    assert len(two.bodies) == 2
    assert five.spread <= 0.1
    assert two.spread <= 0.1
    assert max(shares) - min(shares) <= 0.02
    assert names(up, "web") == [f"{up.name}-web-1", f"{up.name}-web-2"]


def test_a_killed_replica_costs_no_request_and_comes_back(up: Checkout) -> None:
    up.run("scale", "web=2")
    victim = f"{up.name}-web-2"
    with load.on(up.port) as requests:
        os.kill(int(up.docker("inspect", "-f", "{{.State.Pid}}", victim)), signal.SIGKILL)
        until(lambda: [row["balanced"] for row in rows(up, "web")] == ["up", "up"])
        told = requests.phase()
        time.sleep(0.5)
        after = requests.phase()
    assert told.failures == after.failures == []
    assert len(after.bodies) == 2


def test_a_leaving_replica_answers_what_it_was_asked(up: Checkout) -> None:
    up.run("scale", "web=2")
    with ThreadPoolExecutor(8) as pool:
        under_way = [pool.submit(asked, up, "/slow") for _ in range(8)]
        time.sleep(0.3)
        up.run("scale", "web=1")
        answers = Counter(one.result()[0] for one in under_way)
    assert sorted(answers.values()) == [4, 4]
    assert names(up, "web") == [f"{up.name}-web-1"]


def test_a_changed_app_is_replaced_one_replica_after_the_other(up: Checkout) -> None:
    up.run("scale", "web=2")
    # A run after a failed one has to find something changed, too.
    (up.folder / "devenv.local.toml").write_text(f'[apps.web.env]\nCHANGED = "{uuid.uuid4()}"\n')
    with load.on(up.port) as requests:
        steps = [f"{step['verb']} {step['target']}" for step in up.run("up", "-d", "--json").data["steps"]]
    assert requests.told.failures == []
    assert steps.index(f"wait {up.name}-web-1") < steps.index(f"drain {up.name}-web-2")
    assert f"drain {up.name}-web-2" in steps


def test_a_route_leads_to_another_app_and_a_cookie_back_to_the_same_replica(up: Checkout) -> None:
    assert asked(up, "/apish")[0].startswith(f"{up.port} ")
    body, cookie = asked(up, "/api/books")
    assert not body.startswith(f"{up.port} ")
    assert cookie.startswith(f"devenv-{up.name}-api=")
    assert {asked(up, "/api", cookie)[0] for _ in range(6)} == {body}
    # One that has just come gets few requests at first.
    until(answering(up, 2, "/api"))


def test_an_app_that_cannot_start_is_told_although_the_engine_tries_again(up: Checkout) -> None:
    (up.folder / "devenv.local.toml").write_text('[apps.api]\nrun = "echo no such luck; exit 3"\n')
    try:
        ran = up.run("up", "-d", check=False)
    finally:
        (up.folder / "devenv.local.toml").unlink()
        up.run("up", "-d")
    assert ran.code == 4
    assert "exited with code 3 before it was ready" in ran.err
    assert "no such luck" in ran.err


def test_compose_scales_the_same_environment_behind_the_same_port(up: Checkout) -> None:
    up.run("scale", "web=2")
    up.run("down")
    assert "web" not in (up.folder / ".devenv" / "state.toml").read_text()
    up.run("render")
    compose = ("compose", "-f", ".devenv/compose.yaml")
    up.docker(*compose, "up", "-d", "--scale", "web=5")
    until(answering(up, 5))
    told = [json.loads(line) for line in up.docker(*compose, "ps", "--format", "json").splitlines()]
    assert Counter(one["Service"] for one in told) == {"web": 5, "api": 2, "balancer": 1}
    steps = up.run("up", "-d", "--json").data["steps"]
    assert {step["target"] for step in steps if step["verb"] == "remove"} == {
        f"{up.name}-web-{k}" for k in (2, 3, 4, 5)
    }
    assert not [step for step in steps if step["verb"] == "create"]
