"""What a project asks for beyond its own containers, on a real engine: nothing before consent, then what is allowed."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from tests import engines
from tests.cli import command_line
from tests.e2e import checkouts
from tests.e2e.checkouts import Checkout

pytestmark = [pytest.mark.docker, pytest.mark.network]

TEXT = """\
name = "{name}"
images = "debian"

[apps.web]
run = "perl server.pl {port}"
ports = [{port}]
address = "0.0.0.0"
capabilities = ["NET_ADMIN"]
mounts = {{ "/given" = "../given/a", "/etc/greeting" = "greeting.txt", "/engine.sock" = "/var/run/docker.sock" }}
"""


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Checkout]:
    engines.require()
    folder = tmp_path_factory.mktemp("trust")
    (folder / "given").mkdir()
    (folder / "given/a").write_text("from outside")
    with checkouts.small(folder / "project", text=TEXT) as made:
        made.env["DEVENV_STATE"] = str(folder / "state")
        yield made


@pytest.fixture(autouse=True)
def _anew(checkout: Checkout, request: pytest.FixtureRequest) -> None:
    if checkouts.is_second_run(request):
        checkout.run("down", "--volumes", "--force")
        checkout.run("trust", "--withdraw")
        (checkout.folder / "devenv.toml").write_text(TEXT.format(name=checkout.name, port=checkout.port))


def inspected(checkout: Checkout) -> Any:
    return json.loads(checkout.docker("inspect", f"{checkout.name}-web-1"))[0]


def test_nothing_before_consent_then_what_was_allowed_and_a_changed_byte_asks_again(checkout: Checkout) -> None:
    refused = checkout.run("up", "-d", check=False)
    assert (refused.code, refused.out) == (5, "")
    for words in ("reads `../given/a`", "the whole engine, and with it this machine", "0.0.0.0", "`NET_ADMIN`"):
        assert words in refused.err
    assert checkout.left() == []
    assert not (checkout.folder / "devenv.lock").exists()

    command = checkout.command("up", "-d")
    code, written = command_line.on_terminal(command, checkout.folder, checkout.environ, "y")
    assert (code, "Allow this? [y/N]" in written, "is up" in written) == (0, True, True), written
    seen = inspected(checkout)
    assert [one.removeprefix("CAP_") for one in seen["HostConfig"]["CapAdd"]] == ["NET_ADMIN"]
    assert seen["HostConfig"]["PortBindings"][f"{checkout.port}/tcp"][0]["HostIp"] == "0.0.0.0"
    read = checkout.run(
        "exec", "web", "sh", "-c", "cat /given /etc/greeting; test -S /engine.sock && echo ' socket'"
    ).out
    assert read == "from outsidehello socket\n"
    assert checkout.run("exec", "web", "sh", "-c", "echo no > /given", check=False).code != 0
    assert _answers(socket.gethostbyname(socket.gethostname()), checkout.port)

    text = (checkout.folder / "devenv.toml").read_text()
    (checkout.folder / "devenv.toml").write_text(
        text.replace('"../given/a"', '{ source = "../given/a", read_only = false }')
    )
    for command in (["up", "-d"], ["restart"], ["scale", "web=1"]):
        again = checkout.run(*command, check=False)
        assert again.code == 5
        assert "reads and changes `../given/a`" in again.err
        assert "socket" not in again.err
    assert inspected(checkout)["Id"] == seen["Id"]
    assert inspected(checkout)["State"]["StartedAt"] == seen["State"]["StartedAt"]
    assert checkout.run("exec", "web", "true").code == 0
    assert checkout.run("diff", check=False).code == 1
    checkout.run("down", "--volumes")
    assert checkout.left() == []


def _answers(address: str, port: int) -> bool:
    with socket.socket() as caller:
        caller.settimeout(5)
        return caller.connect_ex((address, port)) == 0
