"""Images of registries: locked to digests, pulled by them, believed in nothing."""

from __future__ import annotations

import base64
import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from devenv import lockfile
from devenv.model.pins import RegistryPin
from tests import engines, registries
from tests.e2e import checkouts
from tests.e2e.checkouts import Checkout
from tests.e2e.hub import Hub
from tests.registries import Proxy

pytestmark = [pytest.mark.docker, pytest.mark.network]

# A service by image: nothing is built, and it is up in a second.
PLAIN = """\
name = "{{name}}"
[services.web]
image = "{image}"
ports = [80]
port = {{port}}
ready = {{{{ http = "/", port = 80 }}}}
"""
TWO = """\
name = "{name}"
[services.redis]
[services.postgres]
"""


def plain(folder: Path, image: str, *, engine: str | None = None) -> Iterator[Checkout]:
    with checkouts.small(folder, text=PLAIN.format(image=image), engine=engine) as checkout:
        checkout.env["DEVENV_CACHE"] = str(folder / ".cache")
        yield checkout
        forget(checkout)


def forget(checkout: Checkout) -> None:
    """Remove the test's own image from the engine, with all of its names."""
    checkout.run("down", "--volumes")
    compose = checkout.folder / ".devenv" / "compose.yaml"
    for name in set(re.findall("localhost/devenv/web:[0-9a-f]+", compose.read_text() if compose.exists() else "")):
        if ids := checkout.docker("images", "--quiet", "--no-trunc", name).split():
            checkout.docker("rmi", "--force", *ids)


@pytest.fixture
def shop(tmp_path: Path, hub: Hub) -> Iterator[Checkout]:
    """A project of one tiny image, not locked yet."""
    hub.web("1", "one")
    yield from plain(tmp_path / "shop", f"{hub.registry.address}/acme/web:1")


def pin(checkout: Checkout, name: str = "web") -> RegistryPin:
    lock = lockfile.read(checkout.folder)
    assert lock is not None
    return next(one for key, one in lock.platforms["amd64"].registry.items() if f"/{name}:" in key)


def test_a_project_gets_the_bytes_it_locked_though_the_tag_has_moved(shop: Checkout, hub: Hub) -> None:
    shop.run("lock")
    hub.web("1", "two")
    shop.run("up", "-d", "--frozen")
    assert shop.get() == "one"
    shop.run("lock")
    assert shop.run("up", "-d", "--json").data["kept"] == [f"{shop.name}-web-1"]


def test_an_upgrade_moves_the_named_image_alone_and_outdated_foretells_it(tmp_path: Path, hub: Hub) -> None:
    for name in ("redis", "postgres"):
        hub.registry.image(f"library/{name}", {"redis": "8", "postgres": "17"}[name], labels={"which": "old"})
    with checkouts.small(tmp_path / "shop", text=TWO) as shop:
        shop.env |= hub.environ
        shop.run("lock")
        old = pin(shop, "redis"), pin(shop, "postgres")
        env = {"Env": ["REDIS_VERSION=8.0.3"]}
        moved = hub.registry.image("library/redis", "8", labels={"which": "new"}, config=env)
        hub.registry.image("library/postgres", "17", labels={"which": "new"})
        told = shop.run("lock", "--outdated", "--json").data["moves"]
        assert {one["name"] for one in told if one["what"] == "digest"} == {"redis", "postgres"}
        assert (pin(shop, "redis"), pin(shop, "postgres")) == old
        table = shop.run("lock", "--upgrade", "redis").out
        assert f"redis  {old[0].digest[:19]} → {moved.digest[:19]}" in table
        assert "redis  8.0.3 added" in table
        assert pin(shop, "redis").config == moved.config
        assert pin(shop, "postgres") == old[1]


def test_all_architectures_are_locked_on_one_machine_from_one_index(tmp_path: Path, hub: Hub) -> None:
    images = {one: hub.web(f"1-{one}", "many", one) for one in ("amd64", "arm64")}
    index = hub.registry.index("acme/web", "1", images)
    for checkout in plain(tmp_path / "shop", f"{hub.registry.address}/acme/web:1"):
        text = (checkout.folder / "devenv.toml").read_text()
        (checkout.folder / "devenv.toml").write_text('platforms = ["amd64", "arm64"]\n' + text)
        checkout.run("lock")
        lock = lockfile.read(checkout.folder)
        assert lock is not None
        for name, image in images.items():
            (found,) = lock.platforms[name].registry.values()
            assert (found.digest, found.manifest, found.config) == (index, image.manifest, image.config)
        checkout.run("up", "-d")
        assert checkout.get() == "many"
        missing = (checkout.folder / "devenv.toml").read_text().replace('"arm64"', '"arm64", "s390x"')
        (checkout.folder / "devenv.toml").write_text(missing)
        refused = checkout.run("lock", check=False)
        assert refused.code == 4
        assert "has no image for s390x" in refused.err
        assert "it has: amd64, arm64" in refused.err


def test_a_missing_tag_and_a_missing_registry_are_named(tmp_path: Path, hub: Hub) -> None:
    for image, words in (
        (f"{hub.registry.address}/acme/web:none", "does not exist"),
        ("127.0.0.1:9/acme/web:1", "`127.0.0.1:9` cannot be reached"),
    ):
        for checkout in plain(tmp_path / image.replace("/", "-"), image):
            refused = checkout.run("lock", check=False)
            assert refused.code == 4
            assert words in refused.err
            assert not (checkout.folder / "devenv.lock").exists()


OWN = """\
name = "{{name}}"
[apps.web]
image = "{address}/acme/web:1"
run = "exec httpd -f -p {{port}}"
ports = [{{port}}]
ready = {{{{ http = "/greeting.txt" }}}}
[apps.worker]
like = "web"
run = "exec sleep 1000"
"""


def test_apps_run_on_an_image_of_the_projects_own_choice_as_the_hosts_user(tmp_path: Path, hub: Hub) -> None:
    hub.web("1")
    with checkouts.small(tmp_path / "shop", text=OWN.format(address=hub.registry.address)) as shop:
        shop.env["DEVENV_USER"] = "1234:1234"
        shop.run("up", "-d")
        assert shop.get("/greeting.txt") == "hello"
        written = shop.run("exec", "worker", "--", "sh", "-c", "id && touch $HOME/file").out
        assert "uid=1234(dev) gid=1234" in written
        before = shop.run("status", "--json").data["environment"]
        shop.env["DEVENV_USER"] = "0:0"
        assert shop.run("status", "--json").data["environment"] == before


def test_packages_are_locked_for_a_base_of_another_architecture(tmp_path: Path, hub: Hub) -> None:
    release = b"ID=debian\nVERSION_CODENAME=trixie\n"
    libc = "Package: libc6\nStatus: install ok installed\nVersion: 2.41-12\nArchitecture: {}\n"
    images = {}
    for one in ("amd64", "arm64"):
        files = {"etc/os-release": release, "var/lib/dpkg/status": libc.format(one).encode()}
        images[one] = hub.registry.image("library/debian", one, one, files)
    hub.registry.index("library/debian", "trixie-slim", images)
    text = 'name = "{name}"\nplatforms = ["amd64", "arm64"]\n[apps.web]\npackages = ["tree"]\n'
    with checkouts.small(tmp_path / "shop", text=text) as shop:
        shop.env |= hub.environ
        shop.run("lock")
        lock = lockfile.read(shop.folder)
        assert lock is not None
        for one, image in images.items():
            layer = lock.platforms[one].added["web"]
            (package,) = [package for run in layer.runs for package in run if package.name == "tree"]
            assert (package.architecture, layer.parent) == (one, image.manifest)


# --- credentials ---


@pytest.fixture
def closed(tmp_path: Path) -> Iterator[Checkout]:
    """A project whose image only users may pull."""
    engines.require()
    (tmp_path / "closed").mkdir()
    with registries.running(tmp_path / "closed", users={"ada": "s3cret"}) as registry:
        Hub(registry).web("1", "for members")
        for checkout in plain(tmp_path / "shop", f"{registry.address}/acme/web:1"):
            (tmp_path / "docker").mkdir()
            checkout.env |= {"DOCKER_CONFIG": str(tmp_path / "docker"), "ADDRESS": registry.address}
            yield checkout


def signed_in(checkout: Checkout, **settings: object) -> None:
    login = base64.b64encode(b"ada:s3cret").decode()
    content = {"auths": {checkout.env["ADDRESS"]: {"auth": login}}} | settings
    Path(checkout.env["DOCKER_CONFIG"], "config.json").write_text(json.dumps(content))


def test_dockers_own_login_opens_a_closed_registry(closed: Checkout) -> None:
    refused = closed.run("lock", check=False)
    assert refused.code == 4
    assert f"hint: check the name, or sign in: `docker login {closed.env['ADDRESS']}`" in refused.err
    signed_in(closed)
    closed.run("up", "-d")
    assert closed.get() == "for members"
    seen = "".join(path.read_text() for path in closed.folder.rglob("*") if path.is_file() and path.suffix != ".pl")
    assert "s3cret" not in seen


def test_a_helper_that_is_not_installed_leaves_us_nobody_in_particular(shop: Checkout, tmp_path: Path) -> None:
    shop.env |= {"DOCKER_CONFIG": str(tmp_path), "ADDRESS": "127.0.0.1"}
    (tmp_path / "config.json").write_text(json.dumps({"credsStore": "absent"}))
    said = shop.run("up", "-d").err
    assert "the credential helper `docker-credential-absent` is not installed" in said
    assert shop.get() == "one"


# --- a bad network ---


@pytest.fixture
def proxied(tmp_path: Path, hub: Hub) -> Iterator[tuple[Checkout, Proxy]]:
    hub.web("1", "one")
    with Proxy(hub.registry.address) as proxy:
        for checkout in plain(tmp_path / "shop", f"{proxy.address}/acme/web:1"):
            yield checkout, proxy


def test_a_rate_limit_that_ends_soon_is_waited_for(proxied: tuple[Checkout, Proxy]) -> None:
    checkout, proxy = proxied
    proxy.answer_429(times=1, retry_after=1)
    checkout.run("lock")
    assert proxy.count("/manifests/") >= 2


def test_a_rate_limit_that_does_not_end_soon_tells_when_it_ends(proxied: tuple[Checkout, Proxy]) -> None:
    checkout, proxy = proxied
    proxy.answer_429(times=float("inf"), retry_after=3600)
    refused = checkout.run("lock", check=False)
    assert refused.code == 4
    assert f"`{proxy.address}` lets no more pulls through: its rate limit ends at " in refused.err
    assert "(in 60 min)" in refused.err


def test_a_rate_limit_during_the_pull_tells_when_it_ends(proxied: tuple[Checkout, Proxy]) -> None:
    checkout, proxy = proxied
    checkout.run("lock")
    proxy.answer_429(times=float("inf"), retry_after=3600)
    refused = checkout.run("up", "-d", check=False)
    assert refused.code == 4
    assert f"`{proxy.address}` lets no more pulls through: its rate limit ends at " in refused.err


def test_a_pull_survives_a_broken_connection_and_an_overloaded_registry(proxied: tuple[Checkout, Proxy]) -> None:
    checkout, proxy = proxied
    checkout.run("lock")
    proxy.cut(after_bytes=100_000, times=1)
    proxy.answer(503, times=2, part=f"/manifests/{pin(checkout).manifest}")
    checkout.run("up", "-d")
    assert checkout.get() == "one"
    assert proxy.count("/blobs/", "GET") > 2


def test_a_connection_that_always_breaks_is_an_error_that_names_the_registry(
    proxied: tuple[Checkout, Proxy],
) -> None:
    checkout, proxy = proxied
    checkout.run("lock")
    proxy.answer(503, times=float("inf"), part="/v2/acme")
    refused = checkout.run("up", "-d", check=False)
    assert refused.code == 4
    assert "could not be pulled" in refused.err
    assert proxy.address in refused.err
    proxy.obey()
    checkout.run("up", "-d")
    assert checkout.get() == "one"


# --- lies ---


def test_a_manifest_that_is_another_is_refused(proxied: tuple[Checkout, Proxy], hub: Hub) -> None:
    checkout, proxy = proxied
    checkout.run("lock")
    locked = pin(checkout)
    other = registries.image(labels={"who": "a stranger"}).manifest
    proxy.lie(f"/manifests/{locked.manifest}", other)
    refused = checkout.run("up", "-d", check=False)
    assert refused.code == 4
    assert "could not be pulled" in refused.err
    assert checkout.docker("ps", "-aq", "--filter", f"label=dev.devenv.instance={checkout.name}") == ""


def test_one_bit_changed_in_a_blob_of_the_registry_is_found_and_named(shop: Checkout, hub: Hub) -> None:
    shop.run("lock")
    manifest = hub.registry.folder / "docker/registry/v2/blobs/sha256"
    digest = pin(shop).manifest.removeprefix("sha256:")
    layer = json.loads((manifest / digest[:2] / digest / "data").read_text())["layers"][0]["digest"]
    hub.registry.corrupt(layer)
    refused = shop.run("up", "-d", check=False)
    assert refused.code == 4
    assert "could not be pulled" in refused.err
    assert layer in refused.err or "verification failed" in refused.err
    hub.registry.corrupt(layer)
    shop.run("up", "-d")
    hub.registry.corrupt(layer)
    refused = shop.run("verify", check=False)
    assert refused.code == 4
    assert layer in refused.err


def test_one_bit_changed_in_the_image_configuration_is_found(shop: Checkout, hub: Hub) -> None:
    hub.registry.corrupt(hub.web("1", "one").config)
    refused = shop.run("lock", check=False)
    assert refused.code == 4
    assert "sent something else than" in refused.err


# --- the team's registry ---


@pytest.fixture
def team(tmp_path: Path, hub: Hub) -> Iterator[tuple[Checkout, str]]:
    """A project whose app's image is built here, and a repository for it."""
    hub.web("1")
    with checkouts.small(tmp_path / "shop", text=OWN.format(address=hub.registry.address)) as shop:
        shop.env["DEVENV_CACHE"] = str(tmp_path / "cache")
        yield shop, f"{hub.registry.address}/team/devenv"


def built_name(checkout: Checkout) -> str:
    rendered = checkout.run("render", "--stdout").out
    names: set[str] = set(re.findall(rf"localhost/devenv/{checkout.name}-web:[0-9a-f]+", rendered))
    return names.pop()


def test_another_image_under_a_pins_name_is_refused_by_pull_and_up_builds_instead(
    team: tuple[Checkout, str], hub: Hub
) -> None:
    shop, repository = team
    shop.run("up", "-d")
    (pushed,) = shop.run("push", "--to", repository, "--json").data["images"]
    assert pushed["name"] == f"{repository}:{built_name(shop).rpartition('/')[2].replace(':', '-')}"
    tag = pushed["name"].rpartition(":")[2]
    other = hub.registry.image("team/devenv", tag, files={"bin/sh": b"#!evil"})
    shop.run("down")
    shop.docker("rmi", "-f", built_name(shop))
    refused = shop.run("pull", "--from", repository, check=False)
    assert refused.code == 4
    assert (
        f"`{pushed['name']}` is another image: its configuration is {other.config}, `devenv.lock` says " in refused.err
    )
    shop.env["DEVENV_REGISTRY_IMAGES"] = repository
    said = shop.run("up", "-d").err
    assert f"! built here: `{pushed['name']}` is another image" in said
    assert shop.get("/greeting.txt") == "hello"
    again = shop.run("push", check=False)
    assert again.code == 4
    assert "somebody has pushed something else under that name" in again.err


def test_up_takes_what_a_colleague_has_pushed_and_nothing_it_cannot_check(team: tuple[Checkout, str]) -> None:
    shop, repository = team
    shop.env["DEVENV_REGISTRY_IMAGES"] = repository
    shop.run("lock")
    bare = (shop.folder / "devenv.lock").read_bytes()
    shop.run("up", "-d")
    shop.run("push")
    shop.run("down")
    told = (shop.folder / "devenv.lock").read_bytes()
    # Without the digest in the lockfile nothing would show that the registry's image is the right one.
    for lock, actions in ((bare, "packing"), (told, "pulling")):
        shop.docker("rmi", "-f", built_name(shop))
        shutil.rmtree(shop.env["DEVENV_CACHE"])
        (shop.folder / "devenv.lock").write_bytes(lock)
        said = shop.run("up", "-d").err
        assert f"{shop.name}-web: {actions}" in said or f"devenv: {actions}" in said
        shop.run("down")


def test_push_needs_a_repository_and_something_that_is_built(team: tuple[Checkout, str]) -> None:
    shop, repository = team
    shop.run("lock")
    unnamed = shop.run("push", check=False)
    assert (unnamed.code, "no repository is named for built images" in unnamed.err) == (2, True)
    tagged = shop.run("push", "--to", f"{repository}:1", check=False)
    assert (tagged.code, "has a tag" in tagged.err) == (2, True)
    early = shop.run("push", "--to", repository, check=False)
    assert early.code == 4
    assert "is not built yet" in early.err
    (shop.folder / "devenv.toml").write_text('push = "evil.example/x"\n' + (shop.folder / "devenv.toml").read_text())
    assert "unknown key `push`" in shop.run("push", "--to", repository, check=False).err


# --- a merge ---


def test_a_merge_of_two_locks_is_told_and_lock_resolves_it(tmp_path: Path, hub: Hub) -> None:
    for name, tag in (("redis", "8"), ("postgres", "17")):
        hub.registry.image(f"library/{name}", tag)
    with checkouts.small(tmp_path / "shop", text='name = "{name}"\n') as shop:
        shop.env |= hub.environ
        git(shop, "init", "-q")
        asked = (shop.folder / "devenv.toml").read_text()
        shop.run("lock")
        committed(shop)
        for branch, service in (("theirs", "redis"), ("ours", "postgres")):
            git(shop, "switch", "-q", "-c", branch, "main")
            (shop.folder / "devenv.toml").write_text(f"{asked}[services.{service}]\n")
            shop.run("lock")
            committed(shop)
        git(shop, "merge", "-q", "theirs", check=False)
        (shop.folder / "devenv.toml").write_text(f"{asked}[services.postgres]\n[services.redis]\n")
        told = shop.run("check", check=False)
        assert told.code == 1
        assert "error: `devenv.lock` holds both sides of a merge" in told.err
        assert "hint: run `devenv lock`: it puts them together, then `git add` it" in told.err
        kept = pins_of(git(shop, "show", "ours:devenv.lock")) | pins_of(git(shop, "show", "theirs:devenv.lock"))
        assert "put both sides of the merge together" in shop.run("lock").err
        assert pins_of((shop.folder / "devenv.lock").read_text()) == kept
        shop.run("check")


def git(checkout: Checkout, *arguments: str, check: bool = True) -> str:
    settings = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "init.defaultBranch=main"]
    ran = subprocess.run(["git", *settings, *arguments], cwd=checkout.folder, capture_output=True, text=True)
    assert not check or ran.returncode == 0, ran.stderr
    return ran.stdout


def committed(checkout: Checkout) -> None:
    git(checkout, "add", "-A")
    git(checkout, "commit", "-q", "-m", "a change")


def pins_of(text: str) -> dict[str, str]:
    lock = lockfile.parse(text)
    return {name: pin.digest for pins in lock.platforms.values() for name, pin in pins.registry.items()}
