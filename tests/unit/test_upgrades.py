from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from devenv import upgrades
from devenv.errors import UsageError
from devenv.lockfile import wanted
from devenv.model.pins import Lockfile, Pins
from devenv.model.project import Project, StackRequest
from devenv.upgrades import Move
from tests import projects

POSTGRES = "docker.io/library/postgres:17"
REDIS = "docker.io/library/redis:8"
PYTHON = "docker.io/library/python:3.13-slim"


def debian(tmp_path: Path) -> Project:
    web = projects.app(stacks=(StackRequest("python"), StackRequest("node")), packages=("git",))
    return projects.project(tmp_path, apps=(web,), services=(projects.service(),))


def registry(tmp_path: Path) -> Project:
    web = projects.app(origin="registry", packages=("git",))
    services = (projects.service(origin="registry"), projects.service("cache", use="redis", origin="registry"))
    return projects.project(tmp_path, apps=(web,), services=services)


def kept(project: Project, *upgrade: str) -> Pins:
    lock = projects.lock(project)
    return upgrades.forgetting(project, projects.CATALOG, lock, upgrade)(lock.platforms["amd64"])


def layers(project: Project, *upgrade: str) -> set[str]:
    pins = kept(project, *upgrade).debian
    return set(pins.layers) if pins else set()


def test_upgrading_everything_forgets_every_pin(tmp_path: Path) -> None:
    assert kept(debian(tmp_path)) == Pins("amd64")


def test_upgrading_a_service_keeps_the_rest(tmp_path: Path) -> None:
    everything = set(projects.layers(projects.lock(debian(tmp_path))))
    assert everything - layers(debian(tmp_path), "postgres") == {"service/postgres@17"}


def test_upgrading_a_stack_takes_what_stands_on_it_along(tmp_path: Path) -> None:
    assert layers(debian(tmp_path), "python") == {"base", "service/postgres@17"}


def test_upgrading_an_app_means_its_packages(tmp_path: Path) -> None:
    everything = set(projects.layers(projects.lock(debian(tmp_path))))
    assert everything - layers(debian(tmp_path), "web") == {"packages/web"}


@pytest.mark.parametrize("name", ["cache", "redis", REDIS])
def test_upgrading_an_image_by_any_of_its_names_keeps_the_rest(tmp_path: Path, name: str) -> None:
    pins = kept(registry(tmp_path), name)
    assert set(pins.registry) == {POSTGRES, PYTHON}
    assert set(pins.added) == {"web"}


def test_upgrading_an_app_of_a_registry_means_its_image_and_packages(tmp_path: Path) -> None:
    pins = kept(registry(tmp_path), "web")
    assert set(pins.registry) == {POSTGRES, REDIS}
    assert pins.added == {}


@pytest.mark.parametrize("name", ["stack/python@3.13+node@20", "node"])
def test_upgrading_a_stack_on_top_keeps_the_one_below(tmp_path: Path, name: str) -> None:
    assert layers(debian(tmp_path), name) == {"base", "service/postgres@17", "stack/python@3.13"}


@pytest.mark.parametrize("name", ["service/postgres@17", "service/postgres", "postgres"])
def test_a_layer_has_its_full_name_and_shorter_ones(tmp_path: Path, name: str) -> None:
    everything = set(projects.layers(projects.lock(debian(tmp_path))))
    assert everything - layers(debian(tmp_path), name) == {"service/postgres@17"}


def test_a_name_that_only_begins_like_a_layers_does_not_mean_it(tmp_path: Path) -> None:
    for name in ("post", "postgres@16", "service/post"):
        with pytest.raises(UsageError):
            kept(debian(tmp_path), name)


def test_upgrading_the_base_takes_all_that_stands_on_it(tmp_path: Path) -> None:
    assert layers(debian(tmp_path), "base") == set()


def test_several_names_are_upgraded_together(tmp_path: Path) -> None:
    assert layers(debian(tmp_path), "postgres", "python") == {"base"}


def test_of_several_names_only_the_unknown_ones_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        kept(debian(tmp_path), "mysql", "postgres", "ruby")
    assert caught.value.message == "no pin is called `mysql`, `ruby`"


def test_where_nothing_is_pinned_the_refusal_has_nothing_to_propose(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        upgrades.forgetting(projects.project(tmp_path), projects.CATALOG, Lockfile("", {}), ("mysql",))
    assert caught.value.hint is None


def test_a_name_pinned_for_one_architecture_alone_is_known(tmp_path: Path) -> None:
    project = debian(tmp_path)
    both = replace(projects.lock(project), platforms={"arm64": Pins("arm64"), "amd64": projects.pins(project)})
    forget = upgrades.forgetting(project, projects.CATALOG, both, ("postgres",))
    assert forget(both.platforms["arm64"]) == Pins("arm64")
    debian_pins = forget(both.platforms["amd64"]).debian
    assert debian_pins is not None
    assert "service/postgres@17" not in debian_pins.layers


def test_an_upgrade_leaves_what_builds_came_out_as_alone(tmp_path: Path) -> None:
    project = debian(tmp_path)
    built = projects.pins(project, images={"key": "sha256:1"})
    lock = replace(projects.lock(project), platforms={"amd64": built})
    assert upgrades.forgetting(project, projects.CATALOG, lock, ("postgres",))(built).images == {"key": "sha256:1"}


def test_upgrading_a_further_stack_of_a_registry_means_its_image_and_not_the_base(tmp_path: Path) -> None:
    web = projects.app(origin="registry", stacks=(StackRequest("python"), StackRequest("node")))
    pins = kept(projects.project(tmp_path, apps=(web,)), "node")
    assert [name.rpartition("/")[2].partition(":")[0] for name in pins.registry] == ["python"]


def test_an_image_that_a_project_names_itself_is_called_by_its_app(tmp_path: Path) -> None:
    web = projects.app(origin="registry", stacks=(), image="ghcr.io/acme/base:3")
    assert kept(projects.project(tmp_path, apps=(web,)), "web").registry == {}
    assert kept(projects.project(tmp_path, apps=(web,)), "ghcr.io/acme/base:3").registry == {}


@pytest.mark.parametrize(
    ("project", "known"), [(debian, "`service/postgres@17`"), (registry, f"`{REDIS}`")], ids=["debian", "registry"]
)
def test_upgrading_what_is_not_pinned_is_refused(tmp_path: Path, project: object, known: str) -> None:
    assert callable(project)
    with pytest.raises(UsageError) as caught:
        kept(project(tmp_path), "mysql")
    assert caught.value.message == "no pin is called `mysql`"
    assert caught.value.hint is not None
    assert known in caught.value.hint


def test_a_move_tells_both_versions_of_the_software_and_of_each_package(tmp_path: Path) -> None:
    before = projects.lock(debian(tmp_path))
    layer = projects.layers(before)["service/postgres@17"]
    moved = replace(layer, runs=((projects.package("postgresql-17", "17.7-0+deb13u1"),),))
    after = projects.with_layers(before, dict(projects.layers(before)) | {layer.name: moved})
    assert upgrades.moves(before, after, {}) == (
        Move("amd64", layer.name, "version", "postgres", "1.0", "17.7"),
        Move("amd64", layer.name, "package", "postgresql-17", "1.0-1", "17.7-0+deb13u1"),
        Move("amd64", layer.name, "package", "postgresql-client-17", "1.0-1", None),
    )


def test_a_move_of_an_image_tells_its_version_and_its_digest(tmp_path: Path) -> None:
    before = projects.lock(registry(tmp_path))
    pins = before.platforms["amd64"]
    moved = projects.image(REDIS, "8.0.3")
    after = Lockfile("", {"amd64": replace(pins, registry={**pins.registry, REDIS: moved})})
    assert upgrades.moves(before, after, {}) == (
        Move("amd64", REDIS, "version", "redis", "1.0", "8.0.3"),
        Move("amd64", REDIS, "digest", "redis", pins.registry[REDIS].digest, moved.digest),
    )


def test_a_further_stacks_move_is_told_under_its_own_name(tmp_path: Path) -> None:
    before = projects.lock(debian(tmp_path))
    layer = projects.layers(before)["stack/python@3.13+node@20"]
    moved = replace(layer, runs=((projects.package(layer.request[0], "20.19.2-1"),),))
    after = projects.with_layers(before, dict(projects.layers(before)) | {layer.name: moved})
    assert upgrades.moves(before, after, {})[0] == Move("amd64", layer.name, "version", "node", "1.0", "20.19.2")


@pytest.mark.parametrize(
    ("stack", "package", "version"),
    [
        ("go", "golang-1.24-go", "1.24.4-1"),
        ("php", "php8.4-cli", "8.4.11-1"),
        ("ruby", "ruby3.3", "3.3.8-2"),
        ("java", "openjdk-21-jdk-headless", "21.0.8+9-1"),
        ("c", "gcc", "4:14.2.0-1"),
    ],
)
def test_a_stacks_version_is_that_of_the_package_it_is_called_after(
    tmp_path: Path, stack: str, package: str, version: str
) -> None:
    project = projects.project(tmp_path, apps=(projects.app(stacks=(StackRequest(stack),)),))
    before = projects.lock(project)
    (name,) = (one for one in projects.layers(before) if one.startswith(f"stack/{stack}@"))
    layer = projects.layers(before)[name]
    (run,) = layer.runs
    others = tuple(one for one in run if one.name != package)
    after = projects.with_layers(before, {name: replace(layer, runs=((*others, projects.package(package, version)),))})
    named = wanted.named_packages(project, projects.CATALOG)
    (move,) = (one for one in upgrades.moves(before, after, named) if (one.subject, one.what) == (name, "version"))
    assert move.after == version.partition("-")[0].removeprefix("4:")


@pytest.mark.parametrize("name", ["base", "packages/web"])
def test_a_layer_that_is_about_no_software_moves_by_its_packages_alone(tmp_path: Path, name: str) -> None:
    before = projects.lock(debian(tmp_path))
    layer = projects.layers(before)[name]
    moved = replace(layer, runs=((projects.package(layer.request[0], "2.0-1"),),))
    after = projects.with_layers(before, dict(projects.layers(before)) | {name: moved})
    assert {one.what for one in upgrades.moves(before, after, {})} == {"package"}


def test_packages_on_top_of_an_image_move_like_those_of_a_layer(tmp_path: Path) -> None:
    before = projects.lock(registry(tmp_path))
    pins = before.platforms["amd64"]
    moved = replace(pins.added["web"], runs=((projects.package("git", "2.0-1"),),))
    after = Lockfile("", {"amd64": replace(pins, added={"web": moved})})
    assert upgrades.moves(before, after, {}) == (Move("amd64", "packages/web", "package", "git", "1.0-1", "2.0-1"),)


def test_the_first_lockfile_moves_everything_from_nothing(tmp_path: Path) -> None:
    after = projects.lock(registry(tmp_path))
    moves = upgrades.moves(None, after, {})
    assert {one.before for one in moves} == {None}
    assert {one.subject for one in moves} == {POSTGRES, REDIS, PYTHON, "packages/web"}
    assert [one.what for one in moves if one.subject == REDIS] == ["version", "digest"]


def test_what_is_no_longer_locked_moves_to_nothing(tmp_path: Path) -> None:
    before = projects.lock(registry(tmp_path))
    moves = upgrades.moves(before, Lockfile("", {}), {})
    assert {one.after for one in moves} == {None}
    assert {one.architecture for one in moves} == {"amd64"}


def test_an_image_built_anew_under_its_version_moves_by_its_digest_alone(tmp_path: Path) -> None:
    before = projects.lock(registry(tmp_path))
    pins = before.platforms["amd64"]
    anew = replace(pins.registry[REDIS], digest="sha256:2")
    unversioned = replace(pins.registry[POSTGRES], version="")
    after = Lockfile("", {"amd64": replace(pins, registry={**pins.registry, REDIS: anew, POSTGRES: unversioned})})
    assert [(one.name, one.what, one.after) for one in upgrades.moves(before, after, {})] == [
        ("postgres", "version", None),
        ("redis", "digest", "sha256:2"),
    ]


def test_moves_are_told_architecture_by_architecture(tmp_path: Path) -> None:
    pins = projects.lock(registry(tmp_path)).platforms["amd64"]
    both = Lockfile("", {"arm64": replace(pins, architecture="arm64"), "amd64": pins})
    architectures = [one.architecture for one in upgrades.moves(None, both, {})]
    assert architectures == sorted(architectures)
    assert set(architectures) == {"amd64", "arm64"}


def test_nothing_moved_between_equal_lockfiles(tmp_path: Path) -> None:
    lock = projects.lock(debian(tmp_path))
    assert upgrades.moves(lock, lock, {}) == ()


@pytest.mark.parametrize(
    ("debian", "own"),
    [
        ("17.6-0+deb13u1", "17.6"),
        ("5:8.0.2-3", "8.0.2"),
        ("3.13.5", "3.13.5"),
        ("20.19.2+dfsg-1", "20.19.2"),
        ("1:11.8.3-0+deb13u1", "11.8.3"),
        ("2.0+ds1-3", "2.0"),
        ("1.2-rc1-1", "1.2-rc1"),
        ("17+278", "17+278"),
    ],
)
def test_the_version_of_the_software_is_the_one_its_authors_gave(tmp_path: Path, debian: str, own: str) -> None:
    project = projects.project(tmp_path, services=(projects.service("redis"),))
    before = projects.lock(project)
    layer = projects.layers(before)["service/redis@8"]
    moved = replace(layer, runs=((projects.package("redis-server", debian),),))
    after = projects.with_layers(before, dict(projects.layers(before)) | {layer.name: moved})
    assert upgrades.moves(before, after, {})[0].after == own
