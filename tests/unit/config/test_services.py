"""What services by an image or a Dockerfile can say of how they are started, and what any service needs."""

from __future__ import annotations

from pathlib import Path

import pytest

from devenv import config
from devenv.errors import Problems
from devenv.model.project import Service


def read(root: Path, text: str) -> tuple[Service, ...]:
    (root / "devenv.toml").write_text(text)
    return config.load(root).services


def wrong(root: Path, text: str) -> list[str]:
    with pytest.raises(Problems) as caught:
        read(root, text)
    assert all(one.where is not None for one in caught.value.problems)
    return [one.message for one in caught.value.problems]


def test_a_service_by_an_image_is_told_everything_that_compose_can(tmp_path: Path) -> None:
    text = """\
[services.web]
image = "acme/web:1"
entrypoint = ["/entry", ""]
command = ["serve", "--save", ""]
working_dir = "/srv/app"
run_as = "node:1000"
needs = ["db", "db"]
[services.db]
use = "redis"
"""
    web, _ = read(tmp_path, text)
    assert (web.entrypoint, web.command) == (("/entry", ""), ("serve", "--save", ""))
    assert (web.working_dir, web.run_as, web.needs) == ("/srv/app", "node:1000", ("db",))


def test_a_dockerfile_is_given_arguments_and_a_stage(tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("ARG BASE\nFROM ${BASE} AS one\nFROM alpine\n")
    text = "[services.web]\ndockerfile = 'Dockerfile'\ntarget = 'one'\nargs = { BASE = 'debian', N = 1 }\n"
    assert (read(tmp_path, text)[0].target, read(tmp_path, text)[0].args) == ("one", {"BASE": "debian", "N": "1"})
    assert wrong(tmp_path, text.replace("'one'", "'two'")) == ["`Dockerfile` has no stage `two`"]
    assert wrong(tmp_path, text.replace("BASE =", "OTHER =")) == ["`BASE` has no value here"]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("entrypoint = ['x']", "`entrypoint` is for services by `image` or `dockerfile`"),
        ("working_dir = '/x'", "`working_dir` is for services by `image` or `dockerfile`"),
        ("run_as = '1'", "`run_as` is for services by `image` or `dockerfile`"),
        ("target = 'x'", "`target` has an effect with `dockerfile` only"),
        ("args = { A = 'x' }", "`args` has an effect with `dockerfile` only"),
        ("needs = ['nobody']", "unknown app or service `nobody`"),
        ("needs = ['redis']", "`needs` goes in a circle: `redis` → `redis`"),
        ("image = 'a'\nworking_dir = 'x'", "`services.redis.working_dir`: expected an absolute path, got `x`"),
        ("image = 'a'\nrun_as = 'a b'", "`services.redis.run_as`: expected a user such as `1000:1000`, got `a b`"),
        ("image = 'a'\nentrypoint = 'x'", "`services.redis.entrypoint`: expected a list of strings, got a string"),
        ("image = 'a'\ncommand = ''", "`services.redis.command`: expected a string or a list of strings, got a string"),
        ("dockerfile = 'Dockerfile'\nargs = { 'a b' = 'x' }", "`a b` cannot name a variable"),
    ],
)
def test_a_mistake_is_told_with_its_place(tmp_path: Path, line: str, message: str) -> None:
    (tmp_path / "Dockerfile").write_text("FROM debian\n")
    assert wrong(tmp_path, f"[services.redis]\n{line}\n") == [message]


def test_apps_wait_by_default_for_services_that_need_none_of_them(tmp_path: Path) -> None:
    text = """\
[apps.web]
[services.db]
use = "redis"
[services.proxy]
image = "a"
needs = ["web"]
[services.tunnel]
image = "a"
needs = ["proxy"]
"""
    (tmp_path / "devenv.toml").write_text(text)
    assert config.load(tmp_path).apps[0].needs == ("db",)


def test_a_circle_through_apps_and_services_is_told(tmp_path: Path) -> None:
    text = "[apps.web]\nneeds = ['proxy']\n[services.proxy]\nimage = 'a'\nneeds = ['web']\n"
    assert wrong(tmp_path, text) == ["`needs` goes in a circle: `proxy` → `web` → `proxy`"]
