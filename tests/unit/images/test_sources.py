from __future__ import annotations

from pathlib import Path

import pytest

from devenv.errors import ImageError
from devenv.images import mirror, sources
from devenv.model.machine import Machine
from devenv.model.pins import Package

STANZAS = """\
# comment
Types: deb deb-src
URIs: http://mirror.test/debian/
Suites: bookworm bookworm-updates
Components: main contrib
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb
URIs: http://mirror.test/debian-security
Suites: bookworm-security
Components:
 main

Types: deb
Enabled: no
URIs: http://off.test/debian
Suites: bookworm
Components: main
"""
LINES = """\
deb [arch=amd64 signed-by=/etc/apt/x.gpg] https://vendor.test/linux bookworm main # theirs
deb http://mirror.test/debian bookworm main
deb-src http://sources.test/debian bookworm main
deb http://contrib.test/debian bookworm contrib
deb cdrom:[Debian]/ bookworm main
deb http://mirror.test/debian-security bookworm-security main
"""


def host(root: Path, *, system: str = "debian", stanzas: str = "", lines: str = "") -> Path:
    (root / "apt" / "sources.list.d").mkdir(parents=True)
    (root / "os-release").write_text(f'NAME="x"\nID={system}\n')
    (root / "apt" / "sources.list.d" / "debian.sources").write_text(stanzas)
    (root / "apt" / "sources.list").write_text(lines)
    return root


def test_addresses_are_read_from_stanzas(tmp_path: Path) -> None:
    assert sources.read(host(tmp_path, stanzas=STANZAS)) == {
        "debian": ("http://mirror.test/debian",),
        "debian-security": ("http://mirror.test/debian-security",),
    }


def test_addresses_are_read_from_lines_with_debians_own_first(tmp_path: Path) -> None:
    assert sources.read(host(tmp_path, lines=LINES)) == {
        "debian": ("http://mirror.test/debian", "https://vendor.test/linux"),
        "debian-security": ("http://mirror.test/debian-security",),
    }


def test_another_system_has_no_addresses_of_debian(tmp_path: Path) -> None:
    assert sources.read(host(tmp_path, system="ubuntu", lines=LINES)) == {}


def test_a_host_without_apt_has_none(tmp_path: Path) -> None:
    assert sources.read(tmp_path) == {}


PACKAGE = Package("git", "1", "amd64", "a" * 64, 1, "pool/main/g/git/git_1_amd64.deb")
SECURE = Package("git", "1", "amd64", "a" * 64, 1, "pool/updates/main/g/git/git_1_amd64.deb")


def test_the_users_mirror_comes_before_the_hosts() -> None:
    found = mirror.find(Machine(mirror="http://own.test/debian/"))
    assert list(found.addresses(PACKAGE, 0)) == ["http://own.test/debian/pool/main/g/git/git_1_amd64.deb"]
    assert list(found.addresses(SECURE, 0)) == [
        "http://own.test/debian-security/pool/updates/main/g/git/git_1_amd64.deb"
    ]


def test_a_security_mirror_can_be_named() -> None:
    found = mirror.find(Machine(mirror="http://own.test/debian", security_mirror="http://sec.test/updates/"))
    assert found.roots("debian-security") == ("http://sec.test/updates",)


def test_a_snapshot_is_tried_after_the_mirror_around_the_time_of_the_pins() -> None:
    found = mirror.find(Machine(mirror="http://own.test/debian", snapshot="http://old.test/"))
    first, *later = found.addresses(PACKAGE, 1_700_000_000)
    assert first.startswith("http://own.test/debian/pool/")
    assert later[-1] == "http://old.test/archive/debian/20231114T221320Z/pool/main/g/git/git_1_amd64.deb"
    assert all(one.startswith("http://old.test/archive/debian/2023111") for one in later)


def test_without_any_mirror_the_error_says_where_to_name_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "ETC", tmp_path)
    with pytest.raises(ImageError) as caught:
        mirror.find(Machine())
    assert caught.value.message == "no Debian mirror is known on this machine"
    assert caught.value.hint == mirror.HINT
    assert "`debian.mirror`" in mirror.HINT


def test_a_snapshot_alone_stands_in_for_a_mirror(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "ETC", tmp_path)
    (root,) = mirror.find(Machine(snapshot="http://old.test")).roots("debian")
    assert root.startswith("http://old.test/archive/debian/2")
