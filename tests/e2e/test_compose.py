"""The rendered compose file and the engine calls are two readings of one blueprint: both give the same environment."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests import engines
from tests.e2e import checkouts
from tests.e2e.checkouts import Checkout

pytestmark = [pytest.mark.docker, pytest.mark.network]


@pytest.fixture(autouse=True)
def _compose() -> None:
    engines.require()
    found = subprocess.run(["docker", "compose", "version"], capture_output=True, text=True)
    if found.returncode != 0:
        if os.environ.get("DEVENV_REQUIRE_PEERS"):
            pytest.fail("docker compose is not installed")
        pytest.skip("docker compose is not installed")


def compose(checkout: Checkout, *arguments: str) -> str:
    return checkout.docker("compose", "-f", ".devenv/compose.yaml", *arguments)


def inspected(checkout: Checkout) -> dict[str, Any]:
    """What the engine was told of each container, without names of moments and of makers."""
    names = checkout.docker(
        "ps", "-a", "--filter", f"label=dev.devenv.instance={checkout.name}", "--format", "{{.Names}}"
    )
    listed = json.loads(checkout.docker("inspect", *sorted(names.split())))
    return {one["Name"]: seen(one) for one in listed}


def seen(one: Mapping[str, Any]) -> dict[str, Any]:
    config, host = one["Config"], one["HostConfig"]
    return {
        "image": one["Image"],
        "env": sorted(config["Env"]),
        "entrypoint": config["Entrypoint"] or [],
        "command": config["Cmd"] or [],
        "user": config["User"],
        "working_dir": config["WorkingDir"],
        "health": config.get("Healthcheck"),
        "stop": (config.get("StopSignal"), config.get("StopTimeout")),
        "mounts": sorted(
            (mount["Type"], mount.get("Name") or mount["Source"], mount["Destination"], mount["RW"])
            for mount in one["Mounts"]
        ),
        "in memory": host.get("Tmpfs") or {},
        "ports": host["PortBindings"],
        "init": host["Init"],
        "limits": (host["NanoCpus"], host["Memory"], host["PidsLimit"] or 0),
        "privileged": host["Privileged"],
        "capabilities": (host["CapAdd"], host["CapDrop"]),
        "networks": {name: aliases(one, name) for name in one["NetworkSettings"]["Networks"]},
        "labels": {key: value for key, value in config["Labels"].items() if key.startswith("dev.devenv.")},
    }


def aliases(one: Mapping[str, Any], network: str) -> list[str]:
    """A container's names in a network; compose adds the bare one to a shared network as well."""
    found = one["NetworkSettings"]["Networks"][network]["Aliases"] or ()
    own = {one["Name"].lstrip("/"), one["Config"]["Labels"]["dev.devenv.unit"] if "_shared_" in network else ""}
    return sorted(alias for alias in found if alias not in one["Id"] and alias not in own)


SECRET = """
[services.postgres]
password = "p@ss $word 🦊"
"""
JOINED = """
[networks]
join = ["{name}"]
"""
REACHING = """capabilities = ["NET_ADMIN", "KILL"]
address = "0.0.0.0"
mounts = {{ "/etc/greeting" = "greeting.txt", "/host $HOME" = {{ source = "../given", read_only = false }} }}
needs ="""
LIMITED = checkouts.SMALL.replace('["redis"]', '["redis", "postgres"]').replace(
    "needs =", 'limits = {{ cpus = 0.5, memory = "256M", pids = 200 }}\nenv = {{ HARD = "$a \\"🦊\\"\\n$$b" }}\nneeds ='
)


def test_compose_and_devenv_start_the_same_environment_and_devenv_takes_over(tmp_path: Path) -> None:
    (tmp_path / "given").mkdir()
    text = LIMITED.replace("needs =", REACHING) + SECRET + JOINED
    with checkouts.small(tmp_path / "my project", text=text) as checkout:
        checkout.run("trust", "--yes")
        checkout.run("up", "-d")
        ours = inspected(checkout)
        network = json.loads(checkout.docker("network", "inspect", f"{checkout.name}_default"))[0]
        checkout.run("down", "--volumes")
        compose(checkout, "up", "-d", "--wait")
        assert checkout.get() == "hello"
        assert inspected(checkout) == ours
        assert checkout.docker("exec", f"{checkout.name}-web-1", "cat", "/run/secrets/PGPASSWORD") == "p@ss $word 🦊"
        theirs = json.loads(checkout.docker("network", "inspect", f"{checkout.name}_default"))[0]
        assert theirs["Options"] == network["Options"]
        shared = json.loads(checkout.docker("network", "inspect", f"devenv_shared_{checkout.name}"))[0]
        assert (shared["Options"], shared["Labels"]["dev.devenv.shared"]) == (network["Options"], checkout.name)
        taken_over = checkout.run("up", "-d", "--json").data
        assert [step for step in taken_over["steps"] if step["verb"] != "wait"] == []
        checkout.run("down", "--volumes")
        assert checkout.left() == []
        assert checkout.docker("network", "ls", "-q", "--filter", f"name={checkout.name}") == ""


COPIED = """\
name = "{name}"
images = "debian"

[apps.web]
mounts = {{ "/etc/conf" = "conf" }}

[sync]
mode = "copy"

[services.postgres]
password = "p@ss $word 🦊"
"""


def test_compose_and_devenv_copy_the_same_files(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("-----BEGIN CERTIFICATE-----\n$HOME 🦊\n")
    with checkouts.small(tmp_path / "project", text=COPIED) as checkout:
        (checkout.folder / "conf/sub").mkdir(parents=True)
        (checkout.folder / "conf/a $b").write_text("$HOME 🦉")
        (checkout.folder / "conf/sub/run").write_text("#!/bin/sh\necho run\n")
        (checkout.folder / "conf/sub/run").chmod(0o755)
        checkout.env |= {"DEVENV_USER": "1234:1234", "DEVENV_CA_CERTIFICATES": str(tmp_path / "ca.pem")}
        checkout.run("up", "-d")
        ours = inspected(checkout), copied(checkout)
        assert "dev:x:1234:1234:" in ours[1]
        assert "$HOME 🦊" in ours[1]
        assert "p@ss $word 🦊" in ours[1]
        assert "$HOME 🦉run" in ours[1]
        checkout.run("render")  # the list of users was made after the first files were rendered
        checkout.run("down", "--volumes")
        compose(checkout, "up", "-d", "--wait")
        assert (inspected(checkout), copied(checkout)) == ours
        compose(checkout, "down", "--volumes")
        assert checkout.left() == []


def copied(checkout: Checkout) -> str:
    """What an app finds of the files that were copied in, and who may do what with them and its folder."""
    paths = "/etc/passwd /etc/devenv/ca-certificates.pem /etc/devenv/secrets/PGPASSWORD /run/secrets/PGPASSWORD"
    script = f"cat {paths} '/etc/conf/a $b'; /etc/conf/sub/run; stat -c '%n %a %u:%g' {paths} /work; touch /work/mine"
    return checkout.docker("exec", f"{checkout.name}-web-1", "sh", "-ec", script)


def test_compose_starts_a_project_in_the_network_that_another_one_made(tmp_path: Path) -> None:
    text, network = 'name = "{name}"\nimages = "debian"\n\n[services.redis]\n', f"both-{tmp_path.parent.name}"
    text += f'[networks]\njoin = ["{network}"]\n'
    with checkouts.small(tmp_path / "a", text=text) as ours, checkouts.small(tmp_path / "b", text=text) as theirs:
        theirs.run("lock")
        theirs.run("render")
        ours.run("up", "-d")
        compose(theirs, "up", "-d")
        ping = ("exec", f"{theirs.name}-redis-1", "redis-cli", "-h", f"redis.{ours.name}", "ping")
        checkouts.until(lambda: theirs.docker(*ping) == "PONG\n")
        compose(theirs, "down", "--volumes")
        assert network in ours.docker("network", "ls", "--format", "{{.Name}}")
        ours.run("down")
        assert network not in ours.docker("network", "ls", "--format", "{{.Name}}")


def test_compose_sees_logs_and_removes_what_devenv_started(tmp_path: Path) -> None:
    with checkouts.small(tmp_path / "project") as checkout:
        checkout.run("up", "-d")
        rows = [json.loads(line) for line in compose(checkout, "ps", "--format", "json").splitlines()]
        assert {row["Service"] for row in rows} == {"web", "redis"}
        assert "listening" in compose(checkout, "logs", "web")
        compose(checkout, "down", "--volumes")
        assert checkout.left() == []


def test_the_rendered_dockerfile_builds_the_app_with_its_files(tmp_path: Path) -> None:
    with checkouts.small(tmp_path / "project") as checkout:
        checkout.run("up", "-d")
        checkout.docker("build", "-q", "-t", f"{checkout.name}:built", "-f", ".devenv/web/Dockerfile", ".")
        text = checkout.docker(
            "run", "--rm", "--network", "none", "--entrypoint", "cat", f"{checkout.name}:built", "greeting.txt"
        )
        checkout.docker("rmi", f"{checkout.name}:built")
        assert text == "hello"
