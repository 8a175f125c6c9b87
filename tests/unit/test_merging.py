"""A lockfile changed on two branches, merged by the real git."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from devenv import lockfile, merging
from devenv.errors import LockfileConflict, LockfileError
from devenv.model.pins import LayerRequest, Lockfile, Pins, SeedPin
from devenv.model.project import StackRequest
from tests import projects


def git(folder: Path, *arguments: str, check: bool = True) -> None:
    settings = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "init.defaultBranch=main"]
    subprocess.run(["git", *settings, *arguments], cwd=folder, check=check, capture_output=True)


def locked(folder: Path, *services: str) -> Lockfile:
    return projects.lock(projects.project(folder, services=tuple(projects.service(one) for one in services)))


def committed(folder: Path, lock: Lockfile) -> None:
    (folder / lockfile.NAME).write_text(lockfile.text(lock))
    git(folder, "add", lockfile.NAME)
    git(folder, "commit", "-m", "lock")


def conflicting(folder: Path, ours: Lockfile, theirs: Lockfile) -> Path:
    """Leave a merge of two branches to people, as git does."""
    git(folder, "init")
    committed(folder, Lockfile("0" * 64, {}))
    git(folder, "switch", "-c", "theirs")
    committed(folder, theirs)
    git(folder, "switch", "main")
    committed(folder, ours)
    git(folder, "merge", "theirs", check=False)
    return folder


def merged(folder: Path, ours: Pins, theirs: Pins) -> Pins:
    """What becomes of one architecture's pins on two sides."""
    conflicting(folder, *(Lockfile("1" * 64, {"amd64": one}) for one in (ours, theirs)))
    return merging.merged(folder).platforms["amd64"]


@pytest.fixture
def conflict(tmp_path: Path) -> Path:
    """A merge of two branches, one with postgres and one with redis."""
    return conflicting(tmp_path, locked(tmp_path, "postgres"), locked(tmp_path, "redis"))


def test_a_conflict_is_told_as_such_with_the_remedy(conflict: Path) -> None:
    with pytest.raises(LockfileConflict) as caught:
        lockfile.read(conflict)
    assert caught.value.message == "`devenv.lock` holds both sides of a merge"
    assert caught.value.hint == "run `devenv lock`: it puts them together, then `git add` it"


def test_both_sides_pins_are_kept(conflict: Path) -> None:
    layers = projects.layers(merging.merged(conflict))
    assert set(layers) == {"base", "service/postgres@17", "service/redis@8"}


def test_what_stands_on_another_base_is_left_to_be_chosen_anew(tmp_path: Path) -> None:
    theirs = locked(tmp_path, "redis")
    base = replace(projects.layers(theirs)["base"], epoch=7)
    other = projects.with_layers(theirs, dict(projects.layers(theirs)) | {"base": base})
    conflicting(tmp_path, locked(tmp_path, "postgres"), other)
    assert set(projects.layers(merging.merged(tmp_path))) == {"base", "service/postgres@17"}


def test_where_both_have_a_layer_ours_stays(tmp_path: Path) -> None:
    ours = locked(tmp_path, "redis")
    moved = replace(projects.layers(ours)["service/redis@8"], runs=((projects.package("redis-server", "9"),),))
    theirs = projects.with_layers(ours, dict(projects.layers(ours)) | {moved.name: moved})
    conflicting(tmp_path, ours, theirs)
    assert projects.layers(merging.merged(tmp_path)) == projects.layers(ours)


def test_their_layers_on_layers_that_only_they_have_are_kept(tmp_path: Path) -> None:
    app = projects.app(stacks=(StackRequest("python"),), packages=("git",))
    theirs = projects.lock(projects.project(tmp_path, apps=(app,)))
    conflicting(tmp_path, locked(tmp_path, "redis"), theirs)
    found = projects.layers(merging.merged(tmp_path))
    assert set(found) == {"base", "service/redis@8", "stack/python@3.13", "packages/web"}


def test_a_layer_above_one_that_we_have_otherwise_is_not_taken(tmp_path: Path) -> None:
    def shop(*packages: str) -> Lockfile:
        app = projects.app(stacks=(StackRequest("python"),), packages=packages)
        return projects.lock(projects.project(tmp_path, apps=(app,)))

    theirs = shop("git")
    stack = replace(projects.layers(theirs)["stack/python@3.13"], epoch=7)
    conflicting(tmp_path, shop(), projects.with_layers(theirs, dict(projects.layers(theirs)) | {stack.name: stack}))
    assert set(projects.layers(merging.merged(tmp_path))) == {"base", "stack/python@3.13"}


def test_layers_of_another_suite_are_not_mixed_in(tmp_path: Path) -> None:
    theirs = projects.pins(projects.project(tmp_path, services=(projects.service("redis"),)))
    assert theirs.debian is not None
    ours = projects.pins(projects.project(tmp_path, services=(projects.service(),)))
    old = replace(theirs, debian=replace(theirs.debian, suite="bookworm"))
    assert merged(tmp_path, ours, old).debian == ours.debian


@pytest.mark.parametrize("ours_first", [True, False])
def test_where_one_side_has_no_debian_packages_the_others_are_taken(tmp_path: Path, ours_first: bool) -> None:
    some = projects.pins(projects.project(tmp_path, services=(projects.service(),)))
    none = Pins("amd64", registry={"docker.io/library/redis:8": projects.image("docker.io/library/redis:8")})
    found = merged(tmp_path, *((some, none) if ours_first else (none, some)))
    assert found.debian == some.debian
    assert found.registry == none.registry


def test_of_images_packages_and_builds_ours_stay_and_theirs_are_added(tmp_path: Path) -> None:
    def side(version: str, own: str) -> Pins:
        names = ("docker.io/library/redis:8", f"docker.io/library/{own}:1")
        registry = {name: projects.image(name, version) for name in names}
        added = {
            name: replace(projects.layer(LayerRequest(f"packages/{name}", ("git",), version)), epoch=int(version))
            for name in ("web", own)
        }
        builds = {"a" * 64: f"sha256:{version * 64}", version * 64: f"sha256:{'b' * 64}"}
        return Pins("amd64", registry=registry, added=added, images=builds)

    ours, theirs = side("1", "ours"), side("2", "theirs")
    found = merged(tmp_path, ours, theirs)
    assert found.registry == {**theirs.registry, **ours.registry}
    assert found.added == {**theirs.added, **ours.added}
    assert found.images == {**theirs.images, **ours.images}


def test_an_image_that_we_have_for_any_architecture_is_not_taken_from_them(tmp_path: Path) -> None:
    name = "docker.io/library/redis:8"
    ours = Lockfile("1" * 64, {"arm64": Pins("arm64", registry={name: projects.image(name, "1")})})
    theirs = Lockfile("2" * 64, {"amd64": Pins("amd64", registry={name: projects.image(name, "2")})})
    found = merging.merged(conflicting(tmp_path, ours, theirs))
    assert found.platforms == {"amd64": Pins("amd64"), "arm64": ours.platforms["arm64"]}
    assert found.meaning == ours.meaning


def test_the_merged_lockfile_may_be_written_over_the_conflict(conflict: Path) -> None:
    merged = merging.merged(conflict)
    lockfile.write(conflict, merged)
    assert lockfile.read(conflict) == merged


def test_without_gits_two_sides_there_is_a_named_error(conflict: Path) -> None:
    git(conflict, "add", lockfile.NAME)
    with pytest.raises(LockfileError, match="git does not have them any more"):
        merging.merged(conflict)


def test_the_hash_of_a_seed_that_one_side_has_stays(tmp_path: Path) -> None:
    plain, sown = Lockfile("1" * 64, {}), Lockfile("1" * 64, {}, SeedPin("db/seed", "2" * 64))
    for number, sides in enumerate(((plain, sown), (sown, replace(plain, meaning="3" * 64)))):
        folder = tmp_path / str(number)
        folder.mkdir()
        assert merging.merged(conflicting(folder, *sides)).seed == sown.seed
