"""Projects with compose files and Dev Containers: imported, brought up, and held against the original."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests import engines, importable, node, ports, registries
from tests.e2e import checkouts
from tests.e2e.checkouts import Checkout
from tests.importable import Importable

pytestmark = [pytest.mark.docker, pytest.mark.network]

PROGRAMS = (
    *("cat", "chmod", "echo", "env", "false", "grep", "head", "httpd", "id", "ls", "mkdir", "nc", "printf"),
    *("md5sum", "rm", "sed", "sh", "sleep", "tail", "test", "touch", "true", "uname", "wget"),
)
REDIS = "{{.Repository}}:{{.Tag}}"
GIVEN = frozenset({"PATH", "HOME", "HOSTNAME"})
"""Variables of containers that no file names."""


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An image with a shell and a web server, in a registry on loopback that engines pull from."""
    engines.require()
    if subprocess.run(["docker", "compose", "version"], capture_output=True).returncode != 0:
        if os.environ.get("DEVENV_REQUIRE_PEERS"):
            pytest.fail("docker compose is not installed")
        pytest.skip("docker compose is not installed")
    with registries.running(tmp_path_factory.mktemp("registry")) as registry:
        files: dict[str, bytes | str] = {"bin/busybox": engines.busybox().read_bytes()}
        files |= {f"bin/{program}": "busybox" for program in PROGRAMS}
        files |= {"etc/passwd": b"root:x:0:0::/root:/bin/sh\n", "etc/registry": registry.address.encode()}
        files |= {"root/.keep": b"", "tmp/.keep": b""}
        made = registry.image("acme/base", "1", files=files, config={"Cmd": ["sleep", "1000"]}).reference
        yield made
        subprocess.run(["docker", "rmi", "--force", made], capture_output=True)


@contextmanager
def project(folder: Path, which: Importable, image: str) -> Iterator[Checkout]:
    """Its files, and nothing left at the end but images."""
    name, port = f"port-{uuid.uuid4().hex[:6]}", ports.free()
    root = folder / name
    for path, text in which.files.items():
        file = root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text if "cgi-bin/" in path else text.format(image=image, port=port))
        file.chmod(0o755 if "cgi-bin/" in path else 0o644)
    checkout = Checkout(root, name, port)
    try:
        yield checkout
    finally:
        if (root / "devenv.toml").is_file():
            checkout.run("down", "--volumes", check=False)


def seen(checkout: Checkout, label: str) -> dict[str, dict[str, Any]]:
    """What the engine knows of each service."""
    names = checkout.docker("ps", "-aq", "--filter", f"label={label}").split()
    listed = json.loads(checkout.docker("inspect", *names))
    return {one["Config"]["Labels"]["com.docker.compose.service"]: facts(one) for one in listed}


def facts(one: dict[str, Any]) -> dict[str, Any]:
    config, host = one["Config"], one["HostConfig"]
    env = dict(pair.split("=", 1) for pair in config["Env"])
    return {
        "env": {key: value for key, value in env.items() if key not in GIVEN and not key.lower().endswith(GENERATED)},
        "mounts": {
            mount["Destination"]: (mount["Type"], mount["RW"])
            for mount in one["Mounts"]
            if not mount["Destination"].startswith("/etc/devenv") and mount["Type"] != "tmpfs"
        },
        "command": (config["Entrypoint"], config["Cmd"]),
        "where": (config["User"], config["WorkingDir"]),
        "limits": (host["NanoCpus"], host["Memory"]),
        "ports": sorted(port["HostPort"] for bound in (host["PortBindings"] or {}).values() for port in bound),
    }


GENERATED = ("proxy", "ca_bundle", "cert_file", "pip_cert", "node_extra_ca_certs", "git_ssl_cainfo")


def answers(checkout: Checkout, which: Importable) -> dict[str, str]:
    checkouts.until(lambda: all(_answers(checkout, path) for path in which.pages))
    return {path: checkout.get(path) for path in which.pages}


def _answers(checkout: Checkout, path: str) -> bool:
    try:
        return bool(checkout.get(path))
    except OSError:
        return False


def expected(checkout: Checkout, which: Importable, found: dict[str, str]) -> bool:
    return all(text.format(port=checkout.port) in found[path] for path, text in which.pages.items())


@pytest.mark.parametrize("name", sorted(set(importable.COMPOSE) - {"flask"}))
def test_an_imported_compose_file_is_what_compose_makes_of_it(tmp_path: Path, image: str, name: str) -> None:
    which = importable.COMPOSE[name]
    with project(tmp_path, which, image) as checkout:
        theirs, told = _under_compose(checkout, which)
        imported = checkout.run("import", which.file, "--json").data
        chosen = ("--profile", which.profile) if which.profile else ()
        checkout.run(*chosen, "up", "-d")
        ours = seen(checkout, f"com.docker.compose.project={checkout.name}")
        assert answers(checkout, which) == told
        assert expected(checkout, which, told)
        assert {one.replace("_", "-") for one in theirs} == set(ours)
        for service, fact in theirs.items():
            assert ours[service.replace("_", "-")] == fact, service
        assert all(loss["place"] and loss["why"] for loss in imported["losses"])


def _under_compose(checkout: Checkout, which: Importable) -> tuple[dict[str, dict[str, Any]], dict[str, str]]:
    """What the original is and answers; it is gone then."""
    profile = ("--profile", which.profile) if which.profile else ()
    given = ("compose", "-p", checkout.name, "-f", which.file, *profile)
    try:
        checkout.docker(*given, "up", "-d", "--build", "--quiet-pull")
        told = answers(checkout, which)
        return seen(checkout, f"com.docker.compose.project={checkout.name}"), told
    finally:
        checkout.docker(*given, "down", "--volumes", "--timeout", "0", "--rmi", "local")


def test_an_imported_project_on_debian_packages_answers_as_it_did_on_a_registrys_images(
    tmp_path: Path, image: str
) -> None:
    which = importable.FLASK
    with project(tmp_path, which, image) as checkout:
        losses = checkout.run("import", which.file, "--images", "debian", "--json").data["losses"]
        assert [one["what"] for one in losses if one["weight"] == "lost"] == []
        checkout.run("up", "-d")
        ours, told = seen(checkout, f"com.docker.compose.project={checkout.name}"), answers(checkout, which)
        assert expected(checkout, which, told)
        (checkout.folder / "index.html").write_text("changed")
        assert checkout.get() == "changed"
        listing = checkout.docker("exec", f"{checkout.name}-web-1", "ls", "-a", "/code/.devenv")
        assert listing.split() == [".", ".."]
        checkout.run("down", "--volumes")
        (checkout.folder / "index.html").write_text(told["/"])
        with _redis(checkout):
            theirs, before = _under_compose(checkout, which)
        assert (before, theirs.keys(), theirs["web"]) == (told, ours.keys(), ours["web"])


@contextmanager
def _redis(checkout: Checkout) -> Iterator[None]:
    """An image in the place of the one that the compose file names: no registry has it here."""
    made, *_ = [one for one in checkout.docker("images", "--format", REDIS).split() if "/devenv/redis:" in one]
    folder = checkout.folder.parent / "redis"
    folder.mkdir()
    command = '["redis-server", "--bind", "0.0.0.0", "--protected-mode", "no"]'
    (folder / "Dockerfile").write_text(f"FROM {made}\nWORKDIR /data\nCMD {command}\n")
    checkout.docker("build", "--quiet", "--tag", "redis:8-alpine", str(folder))
    try:
        yield
    finally:
        checkout.docker("rmi", "redis:8-alpine")


@pytest.mark.parametrize("name", sorted(importable.DEVCONTAINERS))
def test_an_imported_dev_container_is_what_its_own_tool_makes_of_it(tmp_path: Path, image: str, name: str) -> None:
    which = importable.DEVCONTAINERS[name]
    with project(tmp_path, which, image) as checkout:
        theirs = _under_devcontainers(checkout, which)
        losses = checkout.run("import", which.file, "--json").data["losses"]
        checkout.run("up", "-d")
        ours = seen(checkout, f"com.docker.compose.project={checkout.name}")[which.main]
        for key, value in theirs["env"].items():
            assert ours["env"][key].replace("/work", "") == value.replace(f"/workspaces/{checkout.name}", ""), key
        if name == "image":
            script = "cat greeting.txt /tmp/made && ls /tmp/two*"
            assert "good morning" in checkout.run("exec", "dev", "--", "sh", "-c", script).out
            assert [one["what"] for one in losses if one["weight"] == "lost"] == ["runArgs", "HOST_TOKEN"]
        else:
            assert (ours["command"][1], ours["mounts"].keys()) == (theirs["command"][1], theirs["mounts"].keys())
            assert expected(checkout, which, answers(checkout, which))


def _under_devcontainers(checkout: Checkout, which: Importable) -> dict[str, Any]:
    tool = node.command("@devcontainers/cli", "devcontainer")
    given = [*tool, "up", "--workspace-folder", str(checkout.folder)]
    done = subprocess.run(given, env=node.environ(), capture_output=True, text=True, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, done.stderr
    container = json.loads(done.stdout.splitlines()[-1])["containerId"]
    try:
        assert expected(checkout, which, answers(checkout, which))
        return facts(json.loads(checkout.docker("inspect", container))[0])
    finally:
        checkout.docker("rm", "--force", "--volumes", container)
        network = f"{checkout.name}_devcontainer_default"
        subprocess.run(["docker", "network", "rm", network], capture_output=True)


TESTED = (
    checkouts.SMALL.replace('needs = ["redis"]', 'env = {{ MODE = "dev" }}').replace("[services.redis]", "")
    + """
[tasks.test]
run = "test -s greeting.txt"
app = "web"

[hooks.greets]
run = "grep -q hello {{files}}"
app = "web"
files = ["greeting.txt"]
"""
)


def test_the_steps_of_the_workflow_pass_and_the_dev_containers_tool_works_in_the_container(tmp_path: Path) -> None:
    engines.require()
    with checkouts.small(tmp_path / "small", text=TESTED) as checkout:
        checkout.run("lock")
        for what in ("devcontainer", "github"):
            checkout.run("render", what)
        environ = _on_path(checkout)
        for words in (
            "git init -q",
            "git add greeting.txt server.pl",
            "git -c user.name=a -c user.email=b commit -qm a",
        ):
            _passes(words.split(), checkout, environ)
        *steps, last = _steps(checkout)
        for step in steps:
            _passes(["bash", "-ec", step], checkout, environ)
        tool = node.command("@devcontainers/cli", "devcontainer")
        here = ["--workspace-folder", str(checkout.folder)]
        _passes([*tool, "up", *here], checkout, environ)
        told = _passes([*tool, "exec", *here, "sh", "-c", "cat greeting.txt; echo; echo $MODE"], checkout, environ)
        assert told.split() == ["hello", "dev"]
        # The engine may not have looked after the container's health yet.
        verbs = {step["verb"] for step in checkout.run("up", "-d", "--json").data["steps"]}
        assert verbs <= {"wait"}
        _passes(["bash", "-ec", last], checkout, environ)
        assert checkout.left() == []


def _on_path(checkout: Checkout) -> dict[str, str]:
    """Variables with which `devenv` is this one."""
    program = checkout.folder.parent / "bin" / "devenv"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec {" ".join(checkout.command())} "$@"\n')
    program.chmod(0o755)
    environ = node.environ() | checkout.environ
    return environ | {"PATH": f"{program.parent}{os.pathsep}{node.environ()['PATH']}"}


def _steps(checkout: Checkout) -> list[str]:
    """What the workflow runs, but for what prepares a machine of GitHub's."""
    (job,) = yaml.safe_load((checkout.folder / ".github/workflows/devenv.yml").read_text())["jobs"].values()
    commands = [step["run"] for step in job["steps"] if "run" in step]
    return [one for one in commands if not one.startswith(("pip ", "devenv doctor"))]


def _passes(argv: list[str], checkout: Checkout, environ: dict[str, str]) -> str:
    done = subprocess.run(
        argv, cwd=checkout.folder, env=environ, capture_output=True, text=True, stdin=subprocess.DEVNULL
    )
    assert done.returncode == 0, f"{argv}\n{done.stdout}{done.stderr}"
    return done.stdout


EJECTED = """\
name = "{name}"

[apps.web]
image = "{image}"
setup = ["cat greeting.txt >$HOME/greeting"]
run = "exec httpd -f -p {port} -h $HOME"
ports = [{port}]
env = {{ HARD = "$a \\"🦊\\" $$b" }}

[services.cache]
image = "{image}"
command = ["httpd", "-f", "-p", "80", "-h", "/etc"]
ports = [80]
volumes = {{ data = "/data" }}
"""


def test_an_ejected_project_runs_on_another_machine_without_devenv(tmp_path: Path, image: str) -> None:
    name, port = f"port-{uuid.uuid4().hex[:6]}", ports.free()
    folder = tmp_path / "original"
    folder.mkdir()
    (folder / "devenv.toml").write_text(EJECTED.format(name=name, port=port, image=image))
    (folder / "greeting.txt").write_text("good evening")
    checkout = Checkout(folder, name, port)
    checkout.run("lock")
    checkout.run("eject")
    elsewhere = Checkout(tmp_path / "elsewhere", name, port)
    shutil.copytree(folder, elsewhere.folder, ignore=shutil.ignore_patterns(".devenv", "devenv.*"))
    text = (elsewhere.folder / "compose.yaml").read_text()
    assert str(tmp_path) not in text
    assert "dev.devenv" not in text
    try:
        elsewhere.docker("compose", "up", "-d", "--build", "--quiet-pull")
        checkouts.until(lambda: _answers(elsewhere, "/greeting"))
        assert elsewhere.get("/greeting") == "good evening"
        env = elsewhere.docker("compose", "exec", "web", "sh", "-c", 'printf %s "$HARD"')
        assert env == '$a "🦊" $$b'
    finally:
        elsewhere.docker("compose", "down", "--volumes", "--timeout", "0", "--rmi", "local")
