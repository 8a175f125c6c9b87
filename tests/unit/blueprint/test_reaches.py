"""How a blueprint has what apps and services reach beyond their own containers."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from devenv import blueprint, render
from devenv.engine import hostfiles, translate
from devenv.errors import DevenvError
from devenv.model import labels
from devenv.model.blueprint import Container, Mount, Port
from devenv.model.project import HostPath, Reach, StackRequest
from tests import projects

HOME = "/home/me"


def web(root: Path, *mounts: HostPath, copies: bool = False, **reach: Any) -> Container:
    app = projects.app(ports=(8000,), stacks=(StackRequest("python", "3.13"),), reach=Reach(mounts, **reach))
    project = projects.project(root, apps=(app,))
    place = projects.placement(root, copies=copies, home=HOME)
    made = blueprint.make(project, projects.CATALOG, projects.pins(project), place)
    return next(one for one in made.containers if one.unit == "web")


def added(root: Path, *mounts: HostPath, copies: bool = False) -> tuple[Mount, ...]:
    plain = web(root, copies=copies).mounts
    return web(root, *mounts, copies=copies).mounts[len(plain) :]


def parts(container: Container) -> set[str]:
    return set(json.loads(container.labels[labels.PARTS]))


def test_a_unit_that_asks_for_nothing_is_what_it_was(tmp_path: Path) -> None:
    container = web(tmp_path)
    assert not parts(container) & {"privileged", "capabilities"}
    assert not {"Privileged", "CapAdd"} & translate.container(container, None)["HostConfig"].keys()


def test_sources_are_of_the_checkout_of_the_home_or_as_they_are(tmp_path: Path) -> None:
    asked = [
        HostPath("/a", "conf/a"),
        HostPath("/b", "~/b", read_only=False),
        HostPath("/c", "/c"),
        HostPath("/d", "../d"),
    ]
    assert added(tmp_path, *asked) == (
        Mount("bind", f"{tmp_path}/conf/a", "/a", read_only=True),
        Mount("bind", f"{HOME}/b", "/b"),
        Mount("bind", "/c", "/c", read_only=True),
        Mount("bind", f"{tmp_path.parent}/d", "/d", read_only=True),
    )


def test_rights_are_told_to_the_engine_and_are_parts_of_the_configuration(tmp_path: Path) -> None:
    privileged, capable = web(tmp_path, privileged=True), web(tmp_path, capabilities=("NET_ADMIN",))
    assert "privileged" in parts(privileged)
    assert "capabilities" in parts(capable)
    assert len({one.config_hash for one in (privileged, capable, web(tmp_path))}) == 3
    assert translate.container(privileged, None)["HostConfig"]["Privileged"] is True
    assert translate.container(capable, None)["HostConfig"]["CapAdd"] == ["CAP_NET_ADMIN"]


def test_ports_are_published_on_the_address_asked_for_also_by_a_balancer(tmp_path: Path) -> None:
    assert web(tmp_path, address="0.0.0.0").ports == (Port(8000, 8000, "0.0.0.0"),)
    app = projects.app(ports=(8000,), replicas=2, reach=Reach(address="0.0.0.0"))
    project = projects.project(tmp_path, apps=(app,), balancer=projects.service("balancer", use="haproxy"))
    made = blueprint.make(project, projects.CATALOG, projects.pins(project), projects.placement(tmp_path))
    ports = {one.unit: one.ports for one in made.containers}
    assert ports == {"balancer": (Port(8000, 8000, "0.0.0.0"),), "web": ()}


def test_a_published_port_is_reached_from_the_host_itself_by_loopback(tmp_path: Path) -> None:
    assert Port(1, 2, "0.0.0.0").reached == "127.0.0.1"
    assert Port(1, 2, "192.0.2.7").reached == "192.0.2.7"
    database = projects.service(reach=Reach(address="192.0.2.7"))
    project = projects.project(tmp_path, services=(database,))
    values = blueprint.variables(project, projects.CATALOG, project.services, {"postgres/5432": 25432})
    assert values["PGHOST"] == "192.0.2.7"


@pytest.mark.parametrize("target", ["/work", "/work/etc", "/home/dev"])
def test_a_mount_cannot_be_where_an_app_has_something(tmp_path: Path, target: str) -> None:
    with pytest.raises(DevenvError, match=f"`web` cannot have a mount at `{target}`"):
        web(tmp_path, HostPath(target, "/a"))


def test_a_service_s_data_cannot_be_mounted_over(tmp_path: Path) -> None:
    target = projects.CATALOG.service("redis").volumes["data"]
    project = projects.project(tmp_path, services=(projects.service("redis", reach=Reach((HostPath(target, "/a"),))),))
    with pytest.raises(DevenvError, match="it has something there already"):
        blueprint.make(project, projects.CATALOG, projects.pins(project), projects.placement(tmp_path))


# --- where files are copied ---


def test_files_of_the_project_are_copied_in_where_the_engine_has_none(tmp_path: Path) -> None:
    (tmp_path / "conf/sub").mkdir(parents=True)
    for name in ("conf/a", "conf/sub/b", "run.sh"):
        (tmp_path / name).write_text(name)
    (tmp_path / "run.sh").chmod(0o755)
    (tmp_path / "conf/away").symlink_to("/etc/hostname")
    mounts = added(tmp_path, HostPath("/etc/conf", "conf"), HostPath("/run.sh", "run.sh"), copies=True)
    assert [(one.kind, Path(one.source).relative_to(tmp_path).as_posix(), one.target) for one in mounts] == [
        ("copy", "conf/a", "/etc/conf/a"),
        ("copy", "conf/sub/b", "/etc/conf/sub/b"),
        ("copy", "run.sh", "/run.sh"),
    ]
    assert [one.copied_mode for one in mounts] == [0o444, 0o444, 0o555]
    assert b"conf/sub/b" in hostfiles.archive(mounts)


def test_a_changed_file_is_a_changed_container_where_it_is_copied(tmp_path: Path) -> None:
    hashes = set()
    for text in ("one", "two"):
        (tmp_path / "a").write_text(text)
        hashes.add(web(tmp_path, HostPath("/a", "a"), copies=True).config_hash)
    assert len(hashes) == 2


@pytest.mark.parametrize(
    ("mount", "message"),
    [
        (HostPath("/a", "~/a"), "`web` cannot have `~/a`: it is no file of the project"),
        (HostPath("/a", "/etc/hostname"), "`web` cannot have `/etc/hostname`: it is no file of the project"),
        (HostPath("/a", "away"), "`web` cannot have `away`: it is no file of the project"),
        (HostPath("/a", "a", read_only=False), "`web` cannot change `a`: files are copied to this engine"),
        (HostPath("/home/dev/a", "a"), "`web` cannot have `a` at `/home/dev/a`: a volume is mounted above it"),
    ],
)
def test_what_a_copy_cannot_be_is_refused_where_files_are_copied(tmp_path: Path, mount: HostPath, message: str) -> None:
    (tmp_path / "a").touch()
    (tmp_path / "away").symlink_to("/etc/hostname")
    with pytest.raises(DevenvError) as caught:
        web(tmp_path, mount, copies=True)
    assert caught.value.message.startswith(message)
    assert caught.value.hint


def test_a_folder_of_many_files_is_not_copied(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    for number in range(501):
        (tmp_path / "data" / str(number)).touch()
    with pytest.raises(DevenvError, match="`data` has 501 files"):
        web(tmp_path, HostPath("/a", "data"), copies=True)


def test_the_engine_s_own_socket_is_on_the_engine_s_machine(tmp_path: Path) -> None:
    socket = "/var/run/docker.sock"
    assert added(tmp_path, HostPath(socket, socket), copies=True) == (Mount("bind", socket, socket, read_only=True),)


def test_hashes_of_before_stay(tmp_path: Path) -> None:
    container = web(tmp_path)
    assert replace(container, privileged=False, capabilities=()) == container
    assert "privileged" not in blueprint.hashing.contents(container)


# --- values are data ---

HOSTILE = (
    *(
        'a"b',
        "a'b",
        "a: b",
        "a #b",
        "- a",
        "$HOME",
        "${HOME}",
        "{{ a }}",
        "{% a %}",
        "&a *b",
        "!!python",
        "a,ro",
    ),
    *("a\\n", "type=bind", "a;b", "`a`", "$(a)", "|", ">", "? a", "@a", "%a", "ä🦊", "a b", "null", "true", "0777"),
)


@pytest.mark.parametrize("value", HOSTILE)
@pytest.mark.parametrize("copies", [False, True])
def test_no_path_adds_a_key_or_another_mount(tmp_path: Path, value: str, copies: bool) -> None:
    (tmp_path / value).write_text(value)
    app = projects.app(reach=Reach((HostPath(f"/{value}", value),), capabilities=("KILL",)))
    project = projects.project(tmp_path, apps=(app,))
    place = projects.placement(tmp_path, copies=copies)
    made = blueprint.make(project, projects.CATALOG, projects.pins(project), place)
    found = yaml.safe_load(render.files(made, "id")[blueprint.COMPOSE_FILE].replace("$$", "$"))
    web = found["services"]["web"]
    assert web["cap_add"] == ["KILL"]
    assert not {"privileged", "devices", "security_opt", "pid", "ipc", "network_mode", "userns_mode"} & web.keys()
    if copies:
        ((name, content),) = found["configs"].items()
        assert content == {"content": value}
        assert web["configs"] == [{"source": name, "target": f"/{value}", "mode": 0o444}]
    else:
        assert web["volumes"][-1] == {
            "type": "bind",
            "source": f"{tmp_path}/{value}",
            "target": f"/{value}",
            "read_only": True,
            "bind": {"create_host_path": False},
        }
        assert len(web["volumes"]) == 3
