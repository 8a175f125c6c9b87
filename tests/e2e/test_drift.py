"""What runs is held against what was asked for, and images against their pins: each difference is found and named."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from devenv import lockfile
from devenv.config import machine
from tests.e2e import checkouts
from tests.e2e.checkouts import Checkout
from tests.e2e.hub import Hub

pytestmark = [pytest.mark.docker, pytest.mark.network]

# By image, so that it is up in a second.
PLAIN = """\
name = "{{name}}"
[services.web]
image = "{address}/acme/web:1"
ports = [80]
port = {{port}}
env = {{{{ LEVEL = "info", API_TOKEN = "c4n4ry" }}}}
ready = {{{{ http = "/", port = 80 }}}}
"""
ALONE = """\
name = "{name}"
images = "debian"

[apps.web]
run = "sleep infinity"
"""
# Built here, of two layers: fast to make once more.
BUILT = """\
name = "{name}"
images = "debian"
[services.redis]
"""


@pytest.fixture
def up(tmp_path: Path, hub: Hub) -> Iterator[Checkout]:
    hub.web("1", "one")
    with checkouts.small(tmp_path / "shop", text=PLAIN.format(address=hub.registry.address)) as checkout:
        checkout.run("up", "-d")
        yield checkout
        checkout.run("down", "--volumes")
        reference = checkout.run("render", "--stdout").out.split('image: "')[1].split('"')[0]
        checkout.docker("rmi", "--force", *checkout.docker("images", "--quiet", "--no-trunc", reference).split())


@pytest.fixture
def container(up: Checkout) -> str:
    return f"{up.name}-web-1"


def differences(checkout: Checkout) -> list[dict[str, Any]]:
    ran = checkout.run("diff", "--json", check=False)
    found: list[dict[str, Any]] = json.loads(ran.out)["differences"]
    assert ran.code == (1 if found else 0), ran.err
    return found


def changed(checkout: Checkout, old: str, new: str) -> None:
    path = checkout.folder / "devenv.toml"
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))


def test_what_was_just_brought_up_does_not_differ(up: Checkout) -> None:
    assert differences(up) == []
    assert "is as asked for: environment " in up.run("diff").err


def test_a_byte_in_the_systems_files_of_a_running_container_is_found_and_named(up: Checkout, container: str) -> None:
    up.docker("exec", container, "sh", "-c", "echo changed >/usr/share/motto; echo data >/data; mkdir /usr/new")
    found = {one["name"]: one["found"] for one in differences(up) if one["what"] == "file"}
    assert found == {"/usr/share/motto": "changed", "/usr/new": "added"}
    shown = up.run("diff", check=False).out
    assert "  file /usr/share/motto: changed\n    written inside; altered by hand after it was created" in shown


def test_a_changed_variable_is_shown_with_both_values_and_a_secret_one_without(up: Checkout) -> None:
    changed(up, 'LEVEL = "info", API_TOKEN = "c4n4ry"', 'LEVEL = "debug", API_TOKEN = "other"')
    found = {one["name"]: one for one in differences(up) if one["what"] == "env"}
    assert (found["LEVEL"]["wanted"], found["LEVEL"]["found"]) == ("debug", "info")
    assert found["LEVEL"]["explanation"] == "devenv.toml has changed; `devenv up` makes it anew"
    assert (found["API_TOKEN"]["wanted"], found["API_TOKEN"]["found"]) == ("(hidden)", "(hidden)")
    up.run("up", "-d")
    assert differences(up) == []


def test_limits_set_by_hand_are_found_as_such(up: Checkout, container: str) -> None:
    up.docker("update", "--memory", "64m", "--memory-swap", "64m", container)
    (found,) = differences(up)
    assert (found["name"], found["wanted"], found["found"]) == ("limit of memory", "None", str(64 << 20))
    assert found["explanation"].startswith("altered by hand after it was created")


def test_a_container_taken_off_the_network_and_one_stopped_are_found(up: Checkout, container: str) -> None:
    up.docker("network", "disconnect", f"{up.name}_default", container)
    assert [one["what"] for one in differences(up)] == ["network"]
    up.docker("stop", "-t", "0", container)
    assert [(one["what"], one["wanted"], one["found"]) for one in differences(up)] == [("state", "running", "exited")]


def test_a_container_that_is_gone_and_one_too_many_are_found(up: Checkout, container: str) -> None:
    up.docker("rm", "-f", container)
    label = f"dev.devenv.instance={up.name}"
    reference = up.run("render", "--stdout").out.split('image: "')[1].split('"')[0]
    settings = ("--network", "none", "--label", label, "--label", "dev.devenv.grace=0")
    up.docker("run", "-d", *settings, "--name", f"{up.name}-stray-1", reference)
    found = {one["name"]: one["explanation"] for one in differences(up)}
    assert found == {
        container: "`devenv up` creates it",
        f"{up.name}-stray-1": "no longer in `devenv.toml`; `devenv up` removes it",
    }


def test_an_image_put_in_the_place_of_ours_is_found_and_replaced(up: Checkout, hub: Hub) -> None:
    other = hub.web("other", "a stranger")
    reference = up.run("render", "--stdout").out.split('image: "')[1].split('"')[0]
    up.docker("pull", "-q", f"{hub.registry.address}/acme/web:other")
    up.docker("tag", f"{hub.registry.address}/acme/web:other", reference)
    (found,) = differences(up)
    assert (found["what"], found["found"]) == ("image", other.config)
    assert found["explanation"] == "another image has its name; `devenv up` brings the right one"
    up.run("down")
    up.run("up", "-d")
    assert up.get() == "one"
    assert differences(up) == []


# --- images against their pins ---


@pytest.fixture
def built(tmp_path: Path) -> Iterator[Checkout]:
    with checkouts.small(tmp_path / "built", text=BUILT) as checkout:
        checkout.run("up", "-d")
        yield checkout


def test_an_image_built_here_is_proved_and_a_bit_changed_in_its_cached_package_is_found(built: Checkout) -> None:
    lock = lockfile.read(built.folder)
    assert lock is not None
    debian = lock.platforms["amd64"].debian
    assert debian is not None
    package = next(one for run in debian.layers["service/redis@8"].runs for one in run if one.name == "redis-server")
    cached = machine.load(built.environ, Path.home()).cache / "packages" / package.sha256
    content = cached.read_bytes()
    cached.unlink()  # not written over: a proof that runs beside may have linked it
    cached.write_bytes(content[:-9] + bytes([content[-9] ^ 1]) + content[-8:])
    try:
        found = built.run("verify", "redis", "--json", check=False)
    finally:
        cached.unlink()
        cached.write_bytes(content)
    assert found.code == 1
    (image,) = found.data["images"]
    assert image["digest"] == image["found"] == image["pinned"]
    (damage,) = image["damages"]
    assert damage.startswith(f"the cached package `redis-server` {package.version} is damaged: its hash is ")


@pytest.fixture
def alone(tmp_path: Path) -> Iterator[Checkout]:
    """A project with an app, whose image no other project has: a service's is everybody's, and used by tests beside."""
    with checkouts.small(tmp_path / "alone", text=ALONE) as checkout:
        checkout.run("up", "-d")
        yield checkout


def test_an_image_with_one_more_byte_in_one_file_is_found_and_the_path_named(alone: Checkout, tmp_path: Path) -> None:
    reference = alone.run("render", "--stdout").out.split('image: "')[1].split('"')[0]
    assert alone.name in reference
    (tmp_path / "Dockerfile").write_text(f"FROM {reference}\nUSER 0:0\nRUN echo >>/etc/issue\n")
    original = alone.docker("image", "inspect", "-f", "{{.Id}}", reference).strip()
    alone.docker("build", "-q", "--network", "none", "-t", reference, str(tmp_path))
    try:
        ran = alone.run("verify", check=False)
    finally:
        alone.docker("tag", original, reference)
    assert ran.code == 1
    assert "not what its pin says" in ran.out
    assert "    /etc/issue: content" in ran.out
    assert "/usr/bin/perl" not in ran.out


def test_an_image_of_a_registry_is_proved_by_its_registry(up: Checkout) -> None:
    assert "the same to the byte" in up.run("verify").out
