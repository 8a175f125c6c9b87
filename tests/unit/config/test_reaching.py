"""What an app or service may ask for beyond its own container, and how it is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from devenv import config, toml
from devenv.errors import DevenvError, Problems
from devenv.model.project import HostPath, Project, Reach


def read(folder: Path, text: str) -> Project:
    (folder / "devenv.toml").write_text(f'name = "shop"\nimages = "debian"\n{text}')
    return config.read(folder).project


def wrong(folder: Path, text: str) -> list[str]:
    with pytest.raises(DevenvError) as caught:
        read(folder, text)
    problems = caught.value.problems if isinstance(caught.value, Problems) else (caught.value,)
    assert all(one.where is not None and one.where.file == "devenv.toml" for one in problems)
    return [one.message for one in problems]


def test_a_unit_asks_for_nothing_by_default(tmp_path: Path) -> None:
    project = read(tmp_path, "[apps.web]\n[services.redis]\n")
    assert [project.apps[0].reach, project.services[0].reach] == [Reach(), Reach()]


@pytest.mark.parametrize("table", ["apps.web", "services.redis"])
def test_apps_and_services_ask_alike(tmp_path: Path, table: str) -> None:
    (tmp_path / "nginx.conf").touch()
    text = (
        f"[{table}]\nprivileged = false\ncapabilities = ['NET_ADMIN', 'SYS_PTRACE', 'NET_ADMIN']\n"
        "mounts = { '/etc/nginx.conf' = 'nginx.conf', '/data/' = { source = '~/data', read_only = false } }\n"
    )
    project = read(tmp_path, text)
    reach = project.apps[0].reach if project.apps else project.services[0].reach
    assert reach == Reach(
        (HostPath("/etc/nginx.conf", "nginx.conf"), HostPath("/data", "~/data", read_only=False)),
        capabilities=("NET_ADMIN", "SYS_PTRACE"),
    )


def test_an_app_like_another_shares_its_files_and_says_itself_what_else_it_may(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    text = (
        "[apps.web]\nprivileged = true\nports = [80]\naddress = '0.0.0.0'\nmounts = { '/a' = 'a', '/b' = 'a' }\n"
        "[apps.work]\nlike = 'web'\ncapabilities = ['NET_RAW']\nmounts = { '/b' = '~/b' }\n"
    )
    work = read(tmp_path, text).apps[1]
    assert work.reach == Reach((HostPath("/a", "a"), HostPath("/b", "~/b")), capabilities=("NET_RAW",))


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("mounts = { 'etc' = 'a' }", "`etc` is no absolute path"),
        ("mounts = { '/' = 'a' }", "`/` is no absolute path"),
        ("mounts = { '/a/../b' = 'a' }", "`/a/../b` is no absolute path"),
        ("mounts = { '/a:ro' = 'a' }", "`/a:ro` is no absolute path"),
        ('mounts = { "/a\\u202e" = "a" }', "`/a\\u202e` cannot be a path inside"),
        ('mounts = { "/a" = "a\\u001b[2J" }', "`a\\x1b[2J` cannot be a path"),
        ("mounts = { '/a' = '~root/a' }", "`~root/a` cannot be a path"),
        ("mounts = { '/a' = 'C:\\a' }", "`C:\\a` cannot be a path"),
        ("mounts = { '/a' = '' }", "`apps.web.mounts./a` is empty"),
        ("mounts = { '/a' = 3 }", "`apps.web.mounts./a`: expected a path or a table with `source`, got a number"),
        ("mounts = { '/a' = { read_only = true } }", "`apps.web.mounts./a` has no `source`"),
        ("mounts = { '/a' = { source = 'a', ro = true } }", "unknown key `ro` in `apps.web.mounts./a`"),
        ("mounts = ['a']", "`apps.web.mounts`: expected a table of paths, got a list"),
        ("mounts = { '/a' = 'no' }", "the project has no file or folder `no`"),
        ("mounts = { '/a' = 'a', '/a/' = 'a' }", "two mounts are at `/a`"),
        ("mounts = { '/a' = '.devenv' }", "`.devenv` is in `.devenv`, where devenv keeps secrets"),
        ("mounts = { '/a' = './.devenv/x' }", "`./.devenv/x` is in `.devenv`, where devenv keeps secrets"),
        ("mounts = { '/a' = 'hidden' }", "`hidden` is in `.devenv`, where devenv keeps secrets"),
        ("privileged = 1", "`apps.web.privileged`: expected true or false, got a number"),
        ("privileged = true\ncapabilities = ['KILL']", "`capabilities` add nothing to `privileged`"),
        (
            "capabilities = ['net_admin']",
            "`apps.web.capabilities[0]`: expected a capability of Linux such as `NET_ADMIN`, got `net_admin`",
        ),
        ("capabilities = 'KILL'", "`apps.web.capabilities`: expected a list of strings, got a string"),
        ("address = '0.0.0.0'", "`address` is where ports are published"),
        (
            "ports = [80]\naddress = 'localhost'",
            "`apps.web.address`: expected an IPv4 address such as `0.0.0.0`, got `localhost`",
        ),
        (
            "ports = [80]\naddress = '256.1.1.1'",
            "`apps.web.address`: expected an IPv4 address such as `0.0.0.0`, got `256.1.1.1`",
        ),
    ],
)
def test_a_mistake_is_told_with_its_place(tmp_path: Path, line: str, message: str) -> None:
    (tmp_path / "a").touch()
    (tmp_path / ".devenv/secrets").mkdir(parents=True)
    (tmp_path / "hidden").symlink_to(".devenv/secrets")
    assert wrong(tmp_path, f"[apps.web]\n{line}\n") == [message]


def test_a_mount_from_outside_into_the_projects_own_folder_of_secrets_is_refused(tmp_path: Path) -> None:
    (tmp_path / ".devenv/secrets").mkdir(parents=True)
    for source in (f"{tmp_path}/.devenv/secrets", f"../{tmp_path.name}/.devenv/secrets"):
        assert wrong(tmp_path, f"[apps.web]\nmounts = {{ '/a' = '{source}' }}\n") == [
            f"`{toml.printable(source)}` is in `.devenv`, where devenv keeps secrets"
        ]


def test_what_is_outside_need_not_be_there_for_the_file_to_be_right(tmp_path: Path) -> None:
    (tmp_path / "away").symlink_to("/nowhere/at/all")
    text = "[apps.web]\nmounts = { '/a' = '~/nowhere', '/b' = '/nowhere', '/c' = '../nowhere', '/d' = 'away' }\n"
    assert len(read(tmp_path, text).apps[0].reach.mounts) == 4
