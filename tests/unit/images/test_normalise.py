from __future__ import annotations

import pytest

from devenv.images import normalise


@pytest.mark.parametrize(
    "path",
    [
        *("etc/machine-id", "etc/resolv.conf", "etc/ssh/ssh_host_rsa_key", "var/lib/dpkg/status-old", "run/lock/x"),
        *("etc/ssl/private/ssl-cert-snakeoil.key", "var/lib/mysql/ibdata1", "var/lib/postgresql/17/main/PG_VERSION"),
        *("var/log/apt/history.log", "var/cache/ldconfig/aux-cache", "devenv-build", "devenv-build/runs/000/0000.deb"),
    ],
)
def test_what_differs_or_is_secret_is_dropped(path: str) -> None:
    assert normalise.is_dropped(path)


@pytest.mark.parametrize(
    "path", ["etc/ssl/private", "etc/passwd", "run", "tmp", "var/lib/dpkg/status", "etc/ssh/ssh_config", "usr/run/x"]
)
def test_what_belongs_to_the_system_stays(path: str) -> None:
    assert not normalise.is_dropped(path)


@pytest.mark.parametrize(
    ("path", "excluded"),
    [
        ("usr/share/doc/git/README", True),
        ("usr/share/doc/git/copyright", False),
        ("usr/share/man/man1/git.1.gz", True),
        ("usr/share/locale/de/LC_MESSAGES/git.mo", True),
        ("usr/share/locale/en/LC_MESSAGES/git.mo", False),
        ("usr/lib/locale/C.utf8/LC_CTYPE", False),
        ("usr/bin/git", False),
    ],
)
def test_documentation_stays_out_but_not_licences(path: str, excluded: bool) -> None:
    assert normalise.is_excluded(path, folder=False) == excluded


def test_a_folder_that_will_hold_a_licence_stays() -> None:
    assert not normalise.is_excluded("usr/share/doc/git", folder=True)
    assert normalise.is_excluded("usr/share/man/man1", folder=True)


def test_dpkg_is_told_the_same() -> None:
    lines = normalise.dpkg_settings().decode().splitlines()
    assert "path-exclude /usr/share/man/*" in lines
    assert lines.index("path-include /usr/share/doc/*/copyright") > lines.index("path-exclude /usr/share/doc/*")


@pytest.mark.parametrize(
    ("path", "leads_to"),
    [("bin/sh", "usr/bin/sh"), ("lib64/ld.so", "usr/lib64/ld.so"), ("library/x", "library/x"), ("usr/bin", "usr/bin")],
)
def test_paths_lead_into_usr(path: str, leads_to: str) -> None:
    assert normalise.merged(path) == leads_to
