"""What runs, held against what is asked for: every kind of difference, and what is none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from devenv import blueprint, drift
from devenv.drift import ANEW, BY_HAND, Difference
from devenv.engine.memory import MemoryEngine
from devenv.engine.protocol import Change, ContainerState, SeenImage
from devenv.errors import NotFound
from devenv.model import labels
from devenv.model.blueprint import Blueprint, Container, Mount, Port
from devenv.model.project import Limits, Project
from tests import projects

WEB, REDIS = "shop-web-1", "shop-redis-1"
CHANGED = f"devenv.toml has changed; {ANEW}"
ENV = {"PATH": "/image/bin", "GIT_VERSION": "2.47"}


def shop(root: Path, **changes: Any) -> Project:
    app = projects.app(env={"LEVEL": "info", "API_TOKEN": "c4n4ry"}, ports=(8000,), **changes)
    return projects.project(root, apps=(app,), services=(projects.service("redis", origin="registry"),))


def wanted(project: Project) -> Blueprint:
    placement = projects.placement(project.root, ports={"redis/6379": 20001})
    return blueprint.make(project, projects.CATALOG, projects.pins(project), placement)


def held(engine: MemoryEngine, asked: Blueprint) -> list[Difference]:
    return list(drift.of(engine, asked, engine.observe("shop")))


@dataclass
class World:
    """An environment as it was brought up, and how it is held against what is asked for."""

    root: Path
    engine: MemoryEngine = field(default_factory=MemoryEngine)
    asked: Blueprint = field(init=False)

    def __post_init__(self) -> None:
        self.asked = wanted(shop(self.root))
        for image in self.asked.images:
            seen = SeenImage(f"id of {image.key}", image.digest or image.key, {}, ENV, ("/enter",), volumes=("/data",))
            self.engine.images[image.reference] = seen
        for container in self.asked.containers:
            self.engine.create(container, self.asked.network.name)
            self.engine.start(container.name)

    def differences(self, asked: Blueprint | None = None) -> list[Difference]:
        return held(self.engine, asked or self.asked)

    def short(self, asked: Blueprint | None = None) -> list[tuple[str, str | None, str | None]]:
        return [(one.name or one.what, one.wanted, one.found) for one in self.differences(asked)]

    def changed(self, **changes: Any) -> Blueprint:
        """What another `devenv.toml` asks for, which differs only in the container of the app."""
        containers = tuple(
            replace(one, config_hash="other", **changes) if one.name == WEB else one for one in self.asked.containers
        )
        return replace(self.asked, containers=containers)

    def by_hand(self, name: str = WEB, **changes: Any) -> None:
        """Change a container behind our back, its labels as they were."""
        kept = self.engine.containers[name]
        kept.wanted = replace(kept.wanted, **changes)

    def container(self, name: str = WEB) -> Container:
        return self.engine.containers[name].wanted

    def image(self, name: str = WEB) -> str:
        return self.container(name).image


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_what_was_just_brought_up_does_not_differ(world: World) -> None:
    assert world.differences() == []


# --- containers ---


def test_a_container_that_is_gone_is_missing(world: World) -> None:
    world.engine.remove("container", WEB)
    assert world.differences() == [Difference("web", "container", WEB, "running", None, "`devenv up` creates it")]


def test_a_container_that_goes_away_this_moment_is_missing_too(world: World) -> None:
    world.engine.fail_on = lambda call, target: NotFound("gone") if (call, target) == ("changes", WEB) else None
    assert world.differences() == [Difference("web", "container", WEB, "running", None, "`devenv up` creates it")]


def test_a_container_that_does_not_run_is_told_as_it_is_and_its_network_is_no_matter(world: World) -> None:
    world.engine.stop(WEB, 1)
    world.engine.containers[WEB].network = None
    assert world.differences() == [Difference("web", "state", "", "running", "exited", "`devenv up` starts it")]


@pytest.mark.parametrize(("unit", "expected"), [({labels.UNIT: "old"}, "old"), ({}, "shop-old-1")])
def test_a_container_that_nobody_asks_for_is_one_too_many(world: World, unit: Mapping[str, str], expected: str) -> None:
    owned = {labels.INSTANCE: "shop"} | dict(unit)
    world.engine.create(Container("shop-old-1", "old", "app", world.image(), labels=owned))
    why = "no longer in `devenv.toml`; `devenv up` removes it"
    assert world.differences() == [Difference(expected, "container", "shop-old-1", None, "created", why)]


def test_every_container_is_looked_at(world: World) -> None:
    for name in (WEB, REDIS):
        world.by_hand(name, user="7:7")
    world.by_hand(REDIS, env={**world.container(REDIS).env, "MORE": "1"})
    assert [one.unit for one in world.differences()] == ["redis", "web"]


# --- variables ---


def test_a_variable_changed_added_or_removed_by_hand_is_told_with_both_values(world: World) -> None:
    env = dict(world.container().env)
    del env["HOME"]
    world.by_hand(env=env | {"LEVEL": "debug", "MORE": ""})
    assert world.differences() == [
        Difference("web", "env", "HOME", "/home/dev", None, BY_HAND),
        Difference("web", "env", "LEVEL", "info", "debug", BY_HAND),
        Difference("web", "env", "MORE", None, "", BY_HAND),
    ]


def test_a_variable_changed_in_devenv_toml_is_explained_so(world: World) -> None:
    asked = world.changed(env={**world.container().env, "LEVEL": "debug"})
    assert world.differences(asked) == [Difference("web", "env", "LEVEL", "debug", "info", CHANGED)]


def test_the_images_own_variables_are_no_difference_until_they_are_changed(world: World) -> None:
    world.by_hand(env={**world.container().env, "GIT_VERSION": "3"})
    assert world.short() == [("GIT_VERSION", None, "3")]


def test_a_variable_taken_out_of_devenv_toml_that_the_image_sets_too_differs_only_by_its_value(world: World) -> None:
    env = {name: value for name, value in world.container().env.items() if name != "PATH"}
    path = world.container().env["PATH"]
    assert world.short(world.changed(env=env)) == [("PATH", None, path)]
    world.by_hand(env=env | {"PATH": ENV["PATH"]})
    assert world.short(world.changed(env=env)) == []


def test_values_of_secret_names_are_hidden_on_both_sides(world: World) -> None:
    asked = world.changed(env={**world.container().env, "API_TOKEN": "other", "DB_PASSWORD": "h1dden"})
    assert world.short(asked) == [("API_TOKEN", "(hidden)", "(hidden)"), ("DB_PASSWORD", "(hidden)", None)]


@pytest.mark.parametrize(
    "name", ["PASSWORD", "PGPASSWORD", "DB_PASS", "client_secret", "Token", "AWS_ACCESS_KEY_ID", "GOOGLE_CREDENTIALS"]
)
def test_what_looks_like_a_secret_is_not_shown(name: str) -> None:
    assert drift.shown(name, "c4n4ry") == "(hidden)"
    assert drift.shown(name, None) is None


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("postgresql://shop:c4n4ry@postgres:5432/shop", "postgresql://…@postgres:5432/shop"),
        ("redis://:c4n4ry@redis", "redis://…@redis"),
        ("amqp://a:c4n4ry@one,amqp://b:c4n4ry@two", "amqp://…@one,amqp://…@two"),
        ("postgresql://shop:c4n@4ry@postgres/shop", "postgresql://…@postgres/shop"),
        ("http://proxy:3128", "http://proxy:3128"),
        ("http://page/of/me@example.org", "http://page/of/me@example.org"),
        ("anna@example.org", "anna@example.org"),
        ("", ""),
    ],
)
def test_of_an_address_with_a_login_only_the_login_is_hidden(value: str, expected: str) -> None:
    assert drift.shown("DATABASE_URL", value) == expected


# --- settings ---


@pytest.mark.parametrize(
    ("change", "name", "found"),
    [
        ({"entrypoint": ("/bin/other", "-x")}, "entrypoint", "/bin/other -x"),
        ({"user": "1:1"}, "user", "1:1"),
        ({"working_dir": "/tmp"}, "working dir", "/tmp"),
        ({"ports": ()}, "ports", "none"),
        ({"ports": (Port(8000, 8000, "0.0.0.0"),)}, "ports", "0.0.0.0:8000 to 8000"),
        ({"limits": Limits(cpus=0.5)}, "limit of cpus", "0.5"),
        ({"limits": Limits(memory=64 << 20)}, "limit of memory", "67108864"),
        ({"limits": Limits(pids=100)}, "limit of pids", "100"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_setting_changed_by_hand_is_told_with_both_values(
    world: World, change: Mapping[str, Any], name: str, found: str
) -> None:
    world.by_hand(**change)
    (one,) = world.differences()
    assert (one.unit, one.what, one.name, one.found, one.explanation) == ("web", "setting", name, found, BY_HAND)
    assert one.wanted not in (None, found)


def test_a_setting_changed_in_devenv_toml_is_explained_so(world: World) -> None:
    assert world.differences(world.changed(limits=Limits(pids=100))) == [
        Difference("web", "setting", "limit of pids", "100", "4096", CHANGED)
    ]


def test_what_is_left_to_the_image_is_not_compared(world: World) -> None:
    assert (world.container(REDIS).entrypoint, world.container(REDIS).user) == (None, None)
    world.by_hand(REDIS, entrypoint=("/other",), user="7:7", working_dir="/other")
    assert world.short() == []


def test_a_command_of_our_own_is_compared(world: World) -> None:
    found = " ".join(world.container().command or ())
    assert world.short(world.changed(command=("serve", "--all"))) == [("command", "serve --all", found)]


def test_a_mount_too_many_one_missing_and_one_elsewhere_are_told(world: World) -> None:
    first, *others = world.container().mounts
    world.by_hand(mounts=(replace(first, read_only=True), Mount("tmpfs", "", "/scratch"), *others[1:]))
    (one,) = world.differences()
    assert (one.name, one.explanation) == ("mounts", BY_HAND)
    assert one.wanted == f"bind of {world.root} at /work, volume of shop_web-home at /home/dev"
    assert one.found == f"bind of {world.root} at /work (read only), tmpfs at /scratch"


def test_volumes_that_the_image_asks_for_are_no_difference_but_others_are(world: World) -> None:
    mounts = world.container().mounts
    world.by_hand(mounts=(*mounts, Mount("volume", "0123456789abcdef", "/data")))
    assert world.differences() == []
    world.by_hand(mounts=(*mounts, Mount("volume", "0123456789abcdef", "/other")))
    assert [one.name for one in world.differences()] == ["mounts"]


def test_another_volume_where_ours_belongs_is_a_difference_though_the_image_declares_it(world: World) -> None:
    ours = next(mount for mount in world.container(REDIS).mounts if mount.kind == "volume")
    assert ours.target == "/data"
    world.by_hand(REDIS, mounts=(replace(ours, source="strange"),))
    assert world.short() == [("mounts", f"volume of {ours.source} at /data", "volume of strange at /data")]


def test_the_order_of_mounts_and_ports_is_no_difference(world: World) -> None:
    ports = (Port(8000, 8000), Port(9000, 9000))
    asked = world.changed(ports=ports, mounts=tuple(reversed(world.container().mounts)))
    world.by_hand(ports=tuple(reversed(ports)))
    assert world.differences(asked) == []


def test_a_container_off_its_network_is_told_with_what_it_is_on(world: World) -> None:
    world.engine.containers[WEB].network = None
    assert world.differences() == [Difference("web", "network", "", "shop_default", None, BY_HAND)]
    world.engine.containers[WEB].network = "bridge"
    assert world.short() == [("network", "shop_default", "bridge")]


def test_an_engine_that_tells_no_settings_is_asked_for_the_rest(world: World) -> None:
    class Silent(MemoryEngine):
        def look(self, container: str) -> ContainerState:
            return replace(super().look(container), settings=None)

    silent = Silent(images=world.engine.images)
    silent.containers = world.engine.containers
    world.by_hand(env={}, user="7:7")
    world.engine.containers[WEB].changes = [Change("added", "/usr/new")]
    assert [one.what for one in held(silent, world.asked)] == ["file"]


# --- images ---


class Former(MemoryEngine):
    """An engine whose container of redis was made from another image than now bears the name."""

    def __init__(self, world: World, former: SeenImage) -> None:
        super().__init__(images=world.engine.images | {"kept without a name": former})
        self.containers = {REDIS: world.engine.containers[REDIS]}
        self.former = former

    def look(self, container: str) -> ContainerState:
        state = super().look(container)
        assert state.settings is not None
        env = {**self.former.env, **self.containers[container].wanted.env}
        anonymous = tuple(Mount("volume", "0123456789abcdef", path) for path in self.former.volumes)
        mounts = (*self.containers[container].wanted.mounts, *anonymous)
        return replace(state, settings=replace(state.settings, image=self.former.id, env=env, mounts=mounts))

    def differences(self, asked: Blueprint) -> list[Difference]:
        return [one for one in held(self, asked) if one.unit == "redis"]


FORMER = SeenImage("sha256:former", "sha256:former", {}, {"FORMER": "1"}, volumes=("/former",))


def test_a_container_of_a_former_image_is_told_with_both_images_alone(world: World) -> None:
    now = world.engine.images[world.image(REDIS)]
    why = f"the container runs another image than the one pinned; {ANEW}"
    assert Former(world, FORMER).differences(world.asked) == [
        Difference("redis", "image", world.image(REDIS), now.id, FORMER.id, why)
    ]


def test_another_image_under_the_name_of_ours_is_told_alone(world: World) -> None:
    ours = next(one.digest for one in world.asked.images if one.reference == world.image(REDIS))
    former = replace(FORMER, config_digest=ours or "")
    world.engine.images[world.image(REDIS)] = SeenImage("sha256:id", "sha256:other", {}, {"STRANGE": "1"})
    why = "another image has its name; `devenv up` brings the right one"
    assert Former(world, former).differences(world.asked) == [
        Difference("redis", "image", world.image(REDIS), ours, "sha256:other", why)
    ]


def test_an_image_that_has_lost_its_name_is_told_alone(world: World) -> None:
    ours = next(one.digest for one in world.asked.images if one.reference == world.image(REDIS))
    del world.engine.images[world.image(REDIS)]
    why = "removed from the engine; `devenv up` brings it"
    assert Former(world, FORMER).differences(world.asked) == [
        Difference("redis", "image", world.image(REDIS), ours, None, why)
    ]


def test_an_image_whose_digest_no_build_has_told_yet_may_be_any(world: World) -> None:
    assert next(one for one in world.asked.images if one.reference == world.image()).digest is None
    world.engine.images[world.image()] = SeenImage("id", "sha256:any", {}, ENV)
    assert world.differences() == []


# --- files ---


def test_a_file_written_where_the_images_files_are_is_told(world: World) -> None:
    world.engine.containers[WEB].changes = [
        Change("changed", "/usr"),
        Change("changed", "/usr/bin"),
        Change("deleted", "/usr/bin/git"),
        Change("added", "/etc/new"),
    ]
    why = f"written inside; {BY_HAND}"
    assert world.differences() == [
        Difference("web", "file", "/etc/new", "as in the image", "added", why),
        Difference("web", "file", "/usr/bin/git", "as in the image", "deleted", why),
    ]


def kept(*changes: Change) -> list[str]:
    return [f"{one.kind} {one.path}" for one in drift.system_changes(changes)]


@pytest.mark.parametrize(
    "path", ["/usr/a", "/etc/a", "/opt/a", "/bin", "/sbin/a", "/lib/a", "/lib64", "/libx32/a", "/boot/a"]
)
def test_paths_of_the_system_count(path: str) -> None:
    assert kept(Change("added", path)) == [f"added {path}"]


def test_the_state_of_the_package_manager_counts_and_the_rest_of_var_does_not() -> None:
    paths = ("/var/lib/dpkg/status", "/var/lib/dpkg-other", "/var/log/x", "/var/lib/postgresql/x")
    assert kept(*(Change("changed", path) for path in paths)) == ["changed /var/lib/dpkg/status"]


@pytest.mark.parametrize(
    "path", ["/usrx", "/tmp/usr/a", "/root/.bashrc", "/home/dev/a", "/work/usr/a", "/run/lock", "/data", "/optional"]
)
def test_paths_that_programs_write_to_do_not_count(path: str) -> None:
    assert kept(Change("added", path)) == []


@pytest.mark.parametrize(
    "path",
    [
        "/etc/hosts",
        "/etc/hostname",
        "/etc/resolv.conf",
        "/etc/mtab",
        "/etc/.pwd.lock",
        "/usr/lib/python3/__pycache__",
        "/usr/lib/python3/__pycache__/a.cpython-313.pyc",
        "/usr/lib/python3/a.pyc",
    ],
)
def test_what_engines_and_programs_write_by_themselves_does_not_count(path: str) -> None:
    assert kept(Change("added", path)) == []


@pytest.mark.parametrize("path", ["/etc/hosts.allow", "/usr/share/etc/hosts", "/usr/a.pyc.txt", "/usr/x__pycache__"])
def test_what_only_looks_like_it_counts(path: str) -> None:
    assert kept(Change("added", path)) == [f"added {path}"]


def test_folders_above_a_change_are_not_told_but_new_ones_and_changed_ones_of_their_own_are() -> None:
    changes = (
        Change("changed", "/usr/new/file"),
        Change("added", "/usr/new"),
        Change("changed", "/usr"),
        Change("changed", "/etc"),
    )
    assert kept(*changes) == ["changed /etc", "added /usr/new", "changed /usr/new/file"]


# --- files that are copied ---


def test_copied_folders_and_files_are_no_difference(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("certificate")
    project = shop(tmp_path)
    place = projects.placement(tmp_path, copies=True, certificates=str(tmp_path / "ca.pem"))
    asked = blueprint.make(project, projects.CATALOG, projects.pins(project), place)
    engine = MemoryEngine(images={one.reference: SeenImage(one.key, one.digest or "", {}) for one in asked.images})
    for container in asked.containers:
        engine.create(container, asked.network.name if container.is_attached else None)
        engine.start(container.name)
    assert held(engine, asked) == []


# --- rights ---


@pytest.mark.parametrize(
    ("rights", "expected"),
    [
        ({"privileged": True}, ("privileged", "false", "true")),
        ({"capabilities": ("NET_ADMIN", "KILL")}, ("capabilities", "none", "KILL, NET_ADMIN")),
    ],
)
def test_rights_that_nobody_asked_for_are_told(world: World, rights: Any, expected: tuple[str, str, str]) -> None:
    world.by_hand(**rights)
    assert world.short() == [expected]
    assert world.short(world.changed(**rights)) == []
