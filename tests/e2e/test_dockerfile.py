"""Services by a Dockerfile of the project, on a base of a registry and on none."""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path

import pytest

from devenv import lockfile
from devenv.engine.docker import DockerEngine
from devenv.engine.wire import Endpoint
from tests import engines
from tests.e2e import checkouts
from tests.e2e.checkouts import Checkout
from tests.e2e.hub import Hub

pytestmark = [pytest.mark.docker, pytest.mark.network]

SHOP = """\
name = "{name}"
[services.page]
dockerfile = "page/Dockerfile"
ports = [80]
port = {port}
ready = {{ http = "/", port = 80 }}
"""
DOCKERFILE = """\
ARG TAG=1
FROM {address}/acme/web:${{TAG}} AS base

FROM --platform=$BUILDPLATFORM base
COPY . /www/
COPY --from={address}/acme/web:2 /www/index.html /www/second.html
"""
NOTHING = """\
FROM scratch
COPY bin/ /bin/
COPY index.html /www/
CMD ["/bin/httpd", "-f", "-p", "80", "-h", "/www"]
"""


def laid(shop: Checkout, dockerfile: str) -> Path:
    folder = shop.folder / "page"
    folder.mkdir()
    (folder / "Dockerfile").write_text(dockerfile)
    (folder / ".dockerignore").write_text("Dockerfile\n*.secret\n")
    (folder / "index.html").write_text("one")
    (folder / "key.secret").write_text("not for images")
    return folder


def programs(folder: Path) -> None:
    """What an image from nothing needs."""
    (folder / "bin").mkdir()
    shutil.copy(engines.busybox(), folder / "bin" / "httpd")
    (folder / "bin" / "httpd").chmod(0o755)
    for name in ("sh", "cat"):
        (folder / "bin" / name).symlink_to("httpd")


def running(shop: Checkout) -> str:
    return shop.docker("inspect", "-f", "{{.Config.Image}}", f"{shop.name}-page-1").strip()


def forget(shop: Checkout, *names: str) -> None:
    shop.run("down", "--volumes")
    for name in names:
        shop.docker("rmi", "--force", name)


@pytest.mark.parametrize("builder", ["buildx", "classic"])
def test_a_dockerfile_is_built_on_pinned_bases_and_again_when_its_context_changes(
    tmp_path: Path, hub: Hub, builder: str
) -> None:
    old = hub.web("1", "the base"), hub.web("2", "the second")
    with checkouts.small(tmp_path / "shop", text=SHOP) as shop:
        if builder == "classic":  # without the docker command there is no Buildx
            shop.env["PATH"] = str(Path(sys.executable).parent)
        folder = laid(shop, DOCKERFILE.format(address=hub.registry.address))
        shop.run("lock")
        lock = lockfile.read(shop.folder)
        assert lock is not None
        locked = lock.platforms["amd64"].registry
        assert {one.config for one in locked.values()} == {one.config for one in old}
        hub.web("1", "moved"), hub.web("2", "moved")

        shop.run("up", "-d", "--frozen")
        first = running(shop)
        assert (shop.get(), shop.get("/second.html")) == ("one", "the second")
        listed = shop.docker("exec", f"{shop.name}-page-1", "/bin/busybox", "ls", "-a", "/www").split()
        assert {"index.html", "second.html"} <= set(listed)
        assert {"key.secret", "Dockerfile"}.isdisjoint(listed)

        (folder / "key.secret").write_text("changed, and no matter")
        assert shop.run("up", "-d", "--json").data["kept"] == [f"{shop.name}-page-1"]
        (folder / "index.html").write_text("two")
        shop.run("up", "-d")
        assert (shop.get(), shop.get("/second.html")) == ("two", "the second")
        assert running(shop) != first

        assert first in shop.docker("images", "--format", "{{.Repository}}:{{.Tag}}")
        assert "[images" not in (shop.folder / "devenv.lock").read_text()
        told = shop.run("verify").out
        assert "not locked: what the commands of `page/Dockerfile` fetch" in told
        rendered = (shop.folder / ".devenv" / "page" / "Dockerfile").read_text()
        assert all(f"@{pin.digest}" in rendered for pin in old)
        forget(shop, first, running(shop))


def test_a_mistake_is_told_with_its_place_and_a_failed_build_with_its_end(tmp_path: Path, hub: Hub) -> None:
    hub.web("1")
    with checkouts.small(tmp_path / "shop", text=SHOP) as shop:
        folder = laid(shop, "FROM ${BASE}\n")
        told = shop.run("up", "-d", check=False)
        assert told.code == 1
        assert "error: `BASE` has no value here\n  --> page/Dockerfile:1:6\n" in told.err
        (folder / "Dockerfile").write_text(f"FROM {hub.registry.address}/acme/web:1\nCOPY nowhere /\n")
        failed = shop.run("up", "-d", check=False)
        assert failed.code == 4
        assert "`page/Dockerfile` could not be built" in failed.err
        assert "nowhere" in failed.err


def test_commands_of_a_dockerfile_run_when_it_is_built_and_not_again(tmp_path: Path) -> None:
    engines.require()
    recent = (one for one in engines.addresses() if _major(one) >= 23)
    engine = next(recent, None)
    if engine is None:
        pytest.skip("no engine has a builder that knows `RUN --network=none`")
    with checkouts.small(tmp_path / "shop", text=SHOP, engine=engine) as shop:
        command = ["/bin/sh", "-c", "cat /www/index.html >/www/made.html"]
        folder = laid(shop, f"{NOTHING}RUN --network=none {json.dumps(command)}\n")
        programs(folder)
        shop.run("up", "-d")
        assert shop.get("/made.html") == "one"
        made = running(shop)
        shop.run("down")
        assert "building" not in shop.run("up", "-d").err
        assert running(shop) == made
        forget(shop, made)


def _major(engine: str) -> int:
    opened = DockerEngine(Endpoint(engine))
    try:
        return int(opened.info.version.partition(".")[0])
    finally:
        opened.close()


def test_a_context_reaches_an_engine_that_shares_no_files(tmp_path: Path) -> None:
    engine = os.environ.get("DEVENV_TEST_REMOTE")
    if not engine:
        assert not os.environ.get("DEVENV_REQUIRE_PEERS")
        pytest.skip("`DEVENV_TEST_REMOTE` names no engine that shares nothing with this machine")
    with checkouts.small(tmp_path / "shop", text=SHOP, engine=engine) as shop:
        folder = laid(shop, NOTHING)
        programs(folder)
        shop.run("up", "-d")
        assert shop.get() == "one"
        assert not (shop.folder / "devenv.lock").exists()
        forget(shop, running(shop))
