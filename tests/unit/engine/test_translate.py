"""Our types as the engine's JSON, and back."""

from __future__ import annotations

import base64
import json
import platform
from typing import Any

import pytest

from devenv.engine import translate
from devenv.engine.protocol import Change, EngineInfo, Settings, Use
from devenv.model.blueprint import Container, Health, Mount, Port
from devenv.model.machine import Login
from devenv.model.project import Limits


def test_everything_a_container_asks_for_is_in_its_body() -> None:
    wanted = Container(
        name="shop-web-1",
        unit="web",
        kind="app",
        image="web:1",
        entrypoint=("/start",),
        command=("serve", "a b"),
        env={"A": "1", "EMPTY": "", "ODD": "x=$y\n"},
        user="1000:1000",
        working_dir="/app",
        mounts=(
            Mount("bind", "/home/me", "/app"),
            Mount("volume", "data", "/d", read_only=True),
            Mount("tmpfs", "", "/t"),
        ),
        ports=(Port(8000, 8001), Port(8000, 9001, "::1")),
        health=Health(("check",), 1.5, 2.0, 3, start_period=10.0),
        limits=Limits(cpus=1.5, memory=512, pids=100),
        stop_signal="SIGINT",
        stop_grace=7,
        labels={"l": "v"},
    )
    assert translate.container(wanted, "shop") == {
        "Image": "web:1",
        "Entrypoint": ["/start"],
        "Cmd": ["serve", "a b"],
        "Env": ["A=1", "EMPTY=", "ODD=x=$y\n"],
        "User": "1000:1000",
        "WorkingDir": "/app",
        "Labels": {"l": "v"},
        "ExposedPorts": {"8000/tcp": {}},
        "StopSignal": "SIGINT",
        "StopTimeout": 7,
        "Healthcheck": {
            "Test": ["CMD", "check"],
            "Interval": 1_500_000_000,
            "Timeout": 2_000_000_000,
            "Retries": 3,
            "StartPeriod": 10_000_000_000,
        },
        "HostConfig": {
            "NetworkMode": "shop",
            "Mounts": [
                {"Type": "bind", "Source": "/home/me", "Target": "/app", "ReadOnly": False},
                {"Type": "volume", "Source": "data", "Target": "/d", "ReadOnly": True},
                {"Type": "tmpfs", "Target": "/t", "ReadOnly": False},
            ],
            "PortBindings": {
                "8000/tcp": [{"HostIp": "127.0.0.1", "HostPort": "8001"}, {"HostIp": "::1", "HostPort": "9001"}]
            },
            "RestartPolicy": {"Name": "no"},
            "Init": True,
            "NanoCpus": 1_500_000_000,
            "Memory": 512,
            "PidsLimit": 100,
        },
        "NetworkingConfig": {"EndpointsConfig": {"shop": {"Aliases": ["web"]}}},
    }


def test_what_the_image_decides_is_not_in_the_body() -> None:
    body = translate.container(Container(name="c", unit="c", kind="app", image="i"), None)
    assert not {"Entrypoint", "Cmd", "User", "WorkingDir", "StopSignal", "Healthcheck"} & body.keys()
    assert body["HostConfig"]["NetworkMode"] == "none"
    assert "Tmpfs" not in body["HostConfig"]
    assert "NetworkingConfig" not in body


def test_a_folder_in_memory_is_its_owners() -> None:
    mount = Mount("tmpfs", "", "/run/secrets", owner="7:8")
    host = translate.container(Container(name="c", unit="c", kind="app", image="i", mounts=(mount,)), None)[
        "HostConfig"
    ]
    assert (host["Mounts"], host["Tmpfs"]) == ([], {"/run/secrets": "mode=0755,uid=7,gid=8"})
    assert translate.mounts({"HostConfig": host}) == (mount,)
    assert translate.mounts({"HostConfig": {"Tmpfs": {"/t": ""}}}) == (Mount("tmpfs", "", "/t"),)


def told(**state: Any) -> dict[str, Any]:
    base = {"Status": "running", "Running": True, "ExitCode": 0, "StartedAt": "2026-01-01T00:00:10.5Z"}
    return {"Id": "1", "State": base | {"FinishedAt": "0001-01-01T00:00:00Z"} | state, "NetworkSettings": {}}


def test_between_two_attempts_a_container_has_ended() -> None:
    state = translate.state(told(Status="restarting", Running=True, ExitCode=3))
    assert (state.running, state.exit_code) == (False, 3)


def test_the_engine_starts_again_what_is_behind_the_balancer() -> None:
    body = translate.container(Container(name="c", unit="c", kind="app", image="i", behind=(8000,)), None)
    assert body["HostConfig"]["RestartPolicy"] == {"Name": "on-failure"}


def test_a_container_that_runs_has_no_exit_code() -> None:
    assert translate.state(told()).exit_code is None
    assert translate.state(told(Status="exited", Running=False, ExitCode=3)).exit_code == 3


def test_the_log_of_a_first_run_has_no_beginning() -> None:
    assert translate.state(told()).log_start == 0.0


def test_the_log_of_a_restarted_container_begins_between_the_end_and_the_start() -> None:
    state = translate.state(told(FinishedAt="2026-01-01T00:00:07.500000789Z"))
    assert state.log_start == pytest.approx(1767225608.5, abs=0.001)


def test_the_moments_of_an_engine_in_another_time_zone_are_read() -> None:
    state = translate.state(told(StartedAt="2026-01-01T02:00:10+02:00", FinishedAt="2026-01-01T02:00:08.5+02:00"))
    assert state.log_start == pytest.approx(1767225609.0, abs=0.001)


def test_the_last_lines_of_a_container_that_ended_are_found_from_the_log_s_beginning() -> None:
    assert translate.state(told(Status="exited", Running=False, FinishedAt="2026-01-01T00:00:11Z")).log_start == 0.0


def test_rights_are_read_whether_the_engine_writes_their_prefix_or_not() -> None:
    host = {"Privileged": True, "CapAdd": ["CAP_NET_RAW", "KILL"]}
    settings = translate.settings({"Image": "sha256:1", "Config": {}, "HostConfig": host})
    assert (settings.privileged, settings.capabilities) == (True, ("KILL", "NET_RAW"))


def test_settings_are_read_whatever_the_engine_leaves_out() -> None:
    settings = translate.settings({"Image": "sha256:1", "Config": {}, "HostConfig": {}})
    assert settings == Settings("sha256:1", {}, (), (), "", "", (), (), Limits(), (), {})


def test_a_container_s_settings_are_those_the_engine_tells() -> None:
    settings = translate.settings(
        {
            "Image": "sha256:1",
            "Config": {"Env": ["A=b=c", "EMPTY="], "Entrypoint": ["/start"], "Cmd": None, "User": "1:2"},
            "HostConfig": {
                "PortBindings": {
                    "80/tcp": [{"HostIp": "::1", "HostPort": "8081"}, {"HostIp": "127.0.0.1", "HostPort": "8080"}],
                    "53/udp": [{"HostIp": "", "HostPort": "53"}],
                    "81/tcp": None,
                },
                "NanoCpus": 1_500_000_000,
                "Memory": 0,
                "PidsLimit": -1,
            },
            "Mounts": [
                {"Type": "volume", "Name": "data", "Source": "/var/lib/x", "Destination": "/d", "RW": False},
                {"Type": "bind", "Source": "/home/me", "Destination": "/app", "RW": True},
                {"Type": "tmpfs", "Source": "", "Destination": "/t", "RW": True},
            ],
            "NetworkSettings": {"Networks": {"none": {}}},
        }
    )
    assert settings.env == {"A": "b=c", "EMPTY": ""}
    assert (settings.entrypoint, settings.command, settings.user) == (("/start",), (), "1:2")
    assert settings.mounts == (
        Mount("bind", "/home/me", "/app"),
        Mount("volume", "data", "/d", read_only=True),
        Mount("tmpfs", "", "/t"),
    )
    assert settings.ports == (Port(80, 8080), Port(80, 8081, "::1"))
    assert (settings.limits, settings.networks) == (Limits(cpus=1.5), ())


def changes(*told: tuple[int, str], mounts: tuple[str, ...] = ()) -> list[str]:
    entries = [{"Kind": kind, "Path": path} for kind, path in told]
    return [one.path for one in translate.changes(entries, [Mount("tmpfs", "", target) for target in mounts])]


def test_no_changes_are_none() -> None:
    assert translate.changes(None, []) == ()


def test_changes_have_their_kind() -> None:
    entries = [{"Kind": 2, "Path": "/c"}, {"Kind": 0, "Path": "/a"}, {"Kind": 1, "Path": "/b"}]
    assert translate.changes(entries, []) == (Change("changed", "/a"), Change("added", "/b"), Change("deleted", "/c"))


def test_a_mount_s_place_is_no_change_nor_are_the_folders_that_lead_there() -> None:
    told = ((0, "/srv"), (1, "/srv/deep"), (1, "/srv/deep/data"), (1, "/sbin"), (1, "/sbin/docker-init"))
    assert changes(*told, mounts=("/srv/deep/data/",)) == []


def test_a_folder_with_a_change_beside_a_mount_s_place_stays() -> None:
    told = ((0, "/etc"), (1, "/etc/mine"), (1, "/etc/app"), (1, "/etc/app/file"))
    assert changes(*told, mounts=("/etc/app/file",)) == ["/etc", "/etc/mine"]


def test_mounts_below_one_another_are_no_changes() -> None:
    told = ((1, "/app"), (1, "/app/cache"))
    assert changes(*told, mounts=("/app", "/app/cache")) == []


def test_what_is_only_named_like_a_mount_is_a_change() -> None:
    assert changes((1, "/data-of-mine"), (1, "/data"), mounts=("/data", "/absent")) == ["/data-of-mine"]


@pytest.mark.parametrize(
    ("login", "told"),
    [
        (None, {}),
        (Login("ghcr.io", "me", "s?c>ret"), {"username": "me", "password": "s?c>ret", "serveraddress": "ghcr.io"}),
        (Login("ghcr.io", "me", token="t"), {"identitytoken": "t", "serveraddress": "ghcr.io"}),
    ],
)
def test_a_login_is_a_header(login: Login | None, told: dict[str, str]) -> None:
    header = translate.authorization(login)["X-Registry-Auth"]
    assert json.loads(base64.urlsafe_b64decode(header)) == told


def test_a_name_with_a_port_is_taken_apart_at_its_tag() -> None:
    assert translate.tag("127.0.0.1:5000/a/b:1") == {"repo": "127.0.0.1:5000/a/b", "tag": "1"}


def test_a_pull_is_asked_for_by_digest() -> None:
    assert translate.pull("host:5000/a@sha256:1") == {"fromImage": "host:5000/a", "tag": "sha256:1"}


def version(**fields: Any) -> dict[str, Any]:
    engine = {"Version": "28.5.2", "Arch": "arm", "KernelVersion": platform.release(), "Platform": {"Name": ""}}
    return engine | {"Components": [{"Name": "Engine"}]} | fields


def test_an_engine_on_this_kernel_is_local() -> None:
    info = translate.info("unix:///var/run/docker.sock", version())
    assert (info.name, info.version, info.architecture) == ("Docker Engine", "28.5.2", "armhf")
    assert info.kernel == platform.release()
    assert info.local
    assert info.routable


def test_an_engine_in_a_virtual_machine_or_far_away_is_not_local() -> None:
    assert not translate.info("unix:///var/run/docker.sock", version(KernelVersion="6.6.12-linuxkit")).local
    assert not translate.info("ssh://me@far", version()).local
    assert not translate.info("tcp://far:2375", version()).local


def test_a_rootless_engine_shares_files_but_not_its_network() -> None:
    rootless = translate.info("unix:///home/me/docker.sock", version(Components=[{"Name": "rootlesskit"}]))
    podman = translate.info("unix:///run/user/1000/podman/podman.sock", version(Components=[{"Name": "Podman Engine"}]))
    assert rootless.local
    assert not rootless.routable
    assert (podman.name, podman.local, podman.routable) == ("Podman", True, False)


def test_copied_files_are_no_mounts_and_the_volume_of_a_folder_starts_empty() -> None:
    mounts = (Mount("volume", "files", "/work"), Mount("copy", "/ca.pem", "/etc/ca.pem", read_only=True))
    body = translate.container(Container("c", "web.files", "files", "i", mounts=mounts, working_dir="/work"), None)
    held = {
        "Type": "volume",
        "Source": "files",
        "Target": "/work",
        "ReadOnly": False,
        "VolumeOptions": {"NoCopy": True},
    }
    assert body["HostConfig"]["Mounts"] == [held]


def test_a_service_s_volume_starts_with_what_the_image_has() -> None:
    mounts = (Mount("volume", "data", "/work"),)
    body = translate.container(Container("c", "data", "service", "i", mounts=mounts), None)
    assert "VolumeOptions" not in body["HostConfig"]["Mounts"][0]


def test_copied_files_and_folders_made_for_them_are_no_changes() -> None:
    entries = [{"Path": path, "Kind": 1} for path in ("/new", "/new/a", "/new/b", "/new/mine", "/etc", "/etc/passwd")]
    assert [one.path for one in translate.changes(entries, [], ["/new/a", "/new/b", "/etc/passwd"])] == [
        "/new",
        "/new/mine",
    ]


@pytest.mark.parametrize("idle", ["inactive_file", "total_inactive_file"])
def test_memory_in_use_does_not_count_files_at_hand(idle: str) -> None:
    told = {"memory_stats": {"usage": 100, "stats": {idle: 30}}, "pids_stats": {"current": 3}}
    assert translate.use(told) == Use(70, 3)
    assert translate.use({"memory_stats": {}, "pids_stats": {}}) is None


@pytest.mark.parametrize(
    ("name", "version", "tells"),
    [("Docker Engine", "20.10.24+dfsg1", False), ("Docker Engine", "28.5.2", True), ("Podman", "5.0", False)],
)
def test_an_engine_that_measures_for_a_second_is_not_asked(name: str, version: str, tells: bool) -> None:
    assert translate.tells_use(EngineInfo("unix:///x", name, version, "amd64", local=True)) == tells


def test_a_container_in_two_networks_has_the_address_of_its_own() -> None:
    networks = {"a_shared": {"IPAddress": "10.0.0.9", "NetworkID": "9"}, "shop_default": {"IPAddress": "10.0.0.1"}}
    entry = told() | {"HostConfig": {"NetworkMode": "shop_default"}, "NetworkSettings": {"Networks": networks}}
    assert translate.state(entry).address == "10.0.0.1"
    assert translate.networks(entry) == {"a_shared": "9", "shop_default": ""}


def test_a_listing_tells_the_tcp_ports_that_are_published() -> None:
    entry = {"Id": "1", "Names": ["/web"], "ImageID": "2", "State": "running", "Status": "Up 1 second"}
    told = [
        {"IP": "127.0.0.1", "PrivatePort": 8001, "PublicPort": 9001, "Type": "tcp"},
        {"IP": "127.0.0.1", "PrivatePort": 8000, "PublicPort": 9000, "Type": "tcp"},
        {"IP": "127.0.0.1", "PrivatePort": 53, "PublicPort": 53, "Type": "udp"},
        {"PrivatePort": 6379, "Type": "tcp"},
    ]
    assert translate.seen_container(entry | {"Ports": told}).ports == (Port(8000, 9000), Port(8001, 9001))
    assert translate.seen_container(entry | {"Ports": None}).ports == translate.seen_container(entry).ports == ()


def test_a_container_of_the_host_s_network_is_in_no_other() -> None:
    body = translate.container(Container("web", "web", "service", "image", network="host"), None)
    assert body["HostConfig"]["NetworkMode"] == "host"
    assert "NetworkingConfig" not in body
