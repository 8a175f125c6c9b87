from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import pytest

from devenv import lockfile
from devenv.errors import DevenvError, LockfileConflict, LockfileError
from devenv.lockfile import wanted
from devenv.model.project import Project, Service
from tests import projects


def test_an_extension_that_does_not_come_with_the_server_brings_its_packages(tmp_path: Path) -> None:
    plain = projects.service(options={"extensions": ("pg_trgm",)})
    more = projects.service("vectors", use="postgres", options={"extensions": ("postgis", "pg_trgm", "pgvector")})
    layers = {one.name: one.request for one in wanted.of(project_of(tmp_path, plain, more), projects.CATALOG).layers}
    server = ("postgresql-17", "postgresql-client-17")
    assert layers["service/postgres@17"] == server
    with_both = (*server, "postgresql-17-pgvector", "postgresql-17-postgis-3")
    assert layers["service/postgres@17+pgvector+postgis"] == tuple(sorted(with_both))


def test_an_extension_of_a_registrys_origin_has_an_image_of_its_own(tmp_path: Path) -> None:
    def images(*extensions: str, version: str | None = None) -> tuple[str, ...]:
        service = projects.service(origin="registry", version=version, options={"extensions": extensions})
        return wanted.of(project_of(tmp_path, service), projects.CATALOG).images

    assert images("pg_trgm") == ("docker.io/library/postgres:17",)
    assert images("pg_trgm", "pgvector", version="16") == ("docker.io/pgvector/pgvector:pg16",)
    assert images("postgis", "postgis_topology") == ("docker.io/postgis/postgis:17-3.5",)
    with pytest.raises(DevenvError, match="no image of `postgres` has both `pgvector` and `postgis`") as caught:
        images("postgis", "pgvector")
    assert caught.value.hint == 'set `images = "debian"` for it'


def project_of(folder: Path, *services: Service) -> Project:
    return projects.project(folder, services=services)


def test_a_lockfile_reads_back_as_it_was_written(tmp_path: Path) -> None:
    project = projects.project(tmp_path, apps=(projects.app(packages=("git",)),), services=(projects.service(),))
    lock = projects.lock(project)
    lockfile.write(tmp_path, lock)
    assert lockfile.read(tmp_path) == lock


def test_each_package_has_a_line_of_its_own(tmp_path: Path) -> None:
    project = projects.project(tmp_path, services=(projects.service("redis"),))
    text = lockfile.text(projects.lock(project))
    one = projects.package("redis-server")
    assert f"\nredis-server 1.0-1 amd64 {one.sha256} 1234 {one.path}\n" in text


def test_the_order_does_not_depend_on_how_the_lockfile_came_about(tmp_path: Path) -> None:
    project = projects.project(tmp_path, services=(projects.service("redis"), projects.service("postgres")))
    lock = projects.lock(project)
    turned = projects.with_layers(lock, dict(reversed(tuple(projects.layers(lock).items()))))
    assert lockfile.text(turned) == lockfile.text(lock)


def test_a_project_without_a_lockfile_has_none(tmp_path: Path) -> None:
    assert lockfile.read(tmp_path) is None


FOREIGN = '{\n  "nodes": {\n    "nixpkgs": {}\n  },\n  "version": 7\n}\n'


def test_another_tools_lockfile_is_named_and_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / lockfile.NAME
    path.write_text(FOREIGN)
    lock = projects.lock(projects.project(tmp_path, services=(projects.service(),)))
    with pytest.raises(LockfileError) as caught:
        lockfile.write(tmp_path, lock)
    assert caught.value.message == "`devenv.lock` is not a lockfile of this devenv, so it stays as it is"
    assert caught.value.hint == (
        "another tool of that name writes one too; move it away, then run `devenv lock` (it looks like JSON)"
    )
    assert path.read_text() == FOREIGN


def test_a_changed_line_is_found(tmp_path: Path) -> None:
    project = projects.project(tmp_path, services=(projects.service("redis"),))
    lockfile.write(tmp_path, projects.lock(project))
    path = tmp_path / lockfile.NAME
    path.write_text(path.read_text().replace("redis-server 1.0-1 ", "redis-server 1.0-2 "))
    with pytest.raises(LockfileError) as caught:
        lockfile.read(tmp_path)
    assert caught.value.message == "`devenv.lock` was changed by hand: its checksum does not fit"
    assert caught.value.hint == "restore it from version control, or remove `devenv.lock` and run `devenv lock`"


@pytest.mark.parametrize(
    "line",
    [
        "redis-server 1.0-1 amd64 " + "0" * 63 + " 1 pool/a.deb",
        "redis-server 1.0-1 amd64 " + "0" * 64 + " 1 pool/../../etc/passwd.deb",
        "redis-server 1.0-1 amd64 " + "0" * 64 + " 1 http://evil/pool/a.deb",
        "redis-server;rm 1.0-1 amd64 " + "0" * 64 + " 1 pool/a.deb",
        "redis-server 1.0-1 amd64 " + "0" * 64 + " -1 pool/a.deb",
    ],
)
def test_a_line_that_is_no_package_is_refused(tmp_path: Path, line: str) -> None:
    project = projects.project(tmp_path, services=(projects.service("redis"),))
    lockfile.write(tmp_path, projects.lock(project))
    path = tmp_path / lockfile.NAME
    lines = [line if one.startswith("redis-server ") else one for one in path.read_text().splitlines()]
    path.write_text("\n".join(lines) + "\n")
    with pytest.raises(LockfileError, match="is damaged: no package"):
        lockfile.read(tmp_path)


def test_a_lockfile_cut_in_half_is_a_named_error(tmp_path: Path) -> None:
    project = projects.project(tmp_path, services=(projects.service("redis"),))
    text = lockfile.text(projects.lock(project))
    for size in range(len(lockfile.HEADER), len(text) - 1, 37):
        (tmp_path / lockfile.NAME).write_text(text[:size])
        with pytest.raises(LockfileError):
            lockfile.read(tmp_path)


def test_the_meaning_does_not_change_with_settings_that_pin_nothing(tmp_path: Path) -> None:
    plain = projects.project(tmp_path, apps=(projects.app(),))
    dressed = projects.project(tmp_path, apps=(projects.app(run="flask run", ports=(8000,), env={"A": "1"}),))
    assert lockfile.meaning(plain, projects.CATALOG) == lockfile.meaning(dressed, projects.CATALOG)


def test_the_meaning_changes_with_packages_suite_and_services(tmp_path: Path) -> None:
    variants = [
        projects.project(tmp_path, apps=(projects.app(),)),
        projects.project(tmp_path, apps=(projects.app(packages=("git",)),)),
        projects.project(tmp_path, apps=(projects.app(),), services=(projects.service("redis"),)),
        projects.project(tmp_path, apps=(projects.app(stacks=()),), suite="bookworm"),
    ]
    assert len({lockfile.meaning(one, projects.CATALOG) for one in variants}) == len(variants)


def test_a_lockfile_is_stale_when_a_package_was_added(tmp_path: Path) -> None:
    before = projects.project(tmp_path, apps=(projects.app(packages=("git",)),))
    after = projects.project(tmp_path, apps=(projects.app(packages=("git", "libpq-dev")),))
    assert lockfile.stale(projects.lock(before), before, projects.CATALOG, "amd64") == ()
    assert lockfile.stale(projects.lock(before), after, projects.CATALOG, "amd64") == (
        "`packages/web`: `libpq-dev` was added",
    )


def test_a_lockfile_for_another_architecture_does_not_cover_this_one(tmp_path: Path) -> None:
    project = projects.project(tmp_path, apps=(projects.app(),))
    assert lockfile.stale(projects.lock(project), project, projects.CATALOG, "arm64") == ("it has no pins for arm64",)


def test_two_apps_of_one_stack_share_its_layer(tmp_path: Path) -> None:
    web, worker = projects.app("web"), projects.app("worker", packages=("git",))
    names = [one.name for one in wanted.of(projects.project(tmp_path, apps=(web, worker)), projects.CATALOG).layers]
    assert names == ["base", "stack/python@3.13", "packages/worker"]


def whole(tmp_path: Path) -> Project:
    """A project with something of every kind in its lockfile."""
    web = projects.app(origin="registry", packages=("git",))
    services = (projects.service("redis"), projects.service(origin="registry"))
    return projects.project(tmp_path, apps=(web,), services=services)


def test_a_lockfile_of_both_origins_reads_back_as_it_was_written(tmp_path: Path) -> None:
    lock = projects.lock(whole(tmp_path))
    pins = replace(lock.platforms["amd64"], images={"0" * 64: f"sha256:{'1' * 64}"})
    arm = replace(pins, architecture="arm64", debian=None, images={})
    both = replace(lock, platforms={"amd64": pins, "arm64": arm})
    lockfile.write(tmp_path, both)
    assert lockfile.read(tmp_path) == both


def test_any_single_bit_that_is_changed_is_found(tmp_path: Path) -> None:
    content = lockfile.text(projects.lock(whole(tmp_path))).encode()
    chosen = random.Random(1)
    for position in sorted(chosen.sample(range(len(content) - 1), 700)):
        flipped = bytearray(content)
        flipped[position] ^= 1 << chosen.randrange(8)
        (tmp_path / lockfile.NAME).write_bytes(flipped)
        with pytest.raises(LockfileError):
            lockfile.read(tmp_path)


def test_what_an_image_says_of_itself_cannot_add_a_line(tmp_path: Path) -> None:
    lock = projects.lock(whole(tmp_path))
    pins = lock.platforms["amd64"]
    name = "docker.io/library/postgres:17"
    evil = replace(pins.registry[name], version="17\n'''\n[images.amd64]\nx = \"y\"")
    lockfile.write(tmp_path, replace(lock, platforms={"amd64": replace(pins, registry={**pins.registry, name: evil})}))
    read = lockfile.read(tmp_path)
    assert read is not None
    assert read.platforms["amd64"].images == {}
    assert read.platforms["amd64"].registry[name].version == "17______images.amd64__x____y_"


@pytest.mark.parametrize("conflict", ["<<<<<<< HEAD\n", "\n<<<<<<< ours\n"])
def test_marks_of_a_merge_are_told_as_such(tmp_path: Path, conflict: str) -> None:
    text = lockfile.text(projects.lock(whole(tmp_path)))
    (tmp_path / lockfile.NAME).write_text(
        text[:400] + conflict + text[400:] if conflict[0] == "\n" else conflict + text
    )
    with pytest.raises(LockfileConflict):
        lockfile.read(tmp_path)
