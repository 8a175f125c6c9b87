from __future__ import annotations

from pathlib import Path

import pytest

from devenv.config import machine
from devenv.errors import DevenvError, Problems
from devenv.model.machine import Machine


def load(home: Path, text: str | None = None, **environ: str) -> Machine:
    if text is not None:
        file = home / "config.toml"
        file.write_text(text)
        environ["DEVENV_CONFIG"] = str(file)
    return read(home, environ, (1000, 100))


def read(home: Path, environ: dict[str, str], ids: tuple[int, int]) -> Machine:
    return machine.load({"XDG_CONFIG_HOME": str(home / "none")} | environ, home, ids=lambda: ids)


def mistakes(home: Path, text: str, **environ: str) -> list[DevenvError]:
    with pytest.raises(Problems) as caught:
        load(home, text, **environ)
    return list(caught.value.problems)


FULL = """\
engine = "unix:///run/docker.sock"
ca_certificates = ["/etc/ours.pem", "~/mine.pem"]
user = "1234:5678"
cache = "~/cache"
state = "/var/devenv"
[debian]
mirror = "http://mirror.test/debian/"
security_mirror = "https://mirror.test/security"
snapshot = "https://snapshot.test"
[proxy]
http = "http://proxy:3128"
no_proxy = "localhost,.test"
"""


def test_without_settings_everything_is_as_the_host_has_it(tmp_path: Path) -> None:
    found = load(tmp_path)
    assert (found.engine, found.mirror, found.security_mirror, found.snapshot) == (None, None, None, None)
    assert (found.proxy, found.certificates, found.user) == ({}, (), "1000:100")
    assert (found.cache.name, found.state.name) == ("devenv", "devenv")


def test_every_key_of_the_file_counts(tmp_path: Path) -> None:
    assert load(tmp_path, FULL, HTTPS_PROXY="http://other", SSL_CERT_FILE=__file__) == Machine(
        engine="unix:///run/docker.sock",
        mirror="http://mirror.test/debian",
        security_mirror="https://mirror.test/security",
        snapshot="https://snapshot.test",
        proxy={"HTTP_PROXY": "http://proxy:3128", "NO_PROXY": "localhost,.test"},
        certificates=(Path("/etc/ours.pem"), tmp_path / "mine.pem"),
        user="1234:5678",
        cache=tmp_path / "cache",
        state=Path("/var/devenv"),
    )


def test_variables_go_before_the_file(tmp_path: Path) -> None:
    found = load(
        tmp_path,
        FULL,
        DEVENV_ENGINE="tcp://there:2375",
        DEVENV_DEBIAN_MIRROR="http://near.test/debian",
        DEVENV_DEBIAN_SECURITY_MIRROR="http://near.test/security",
        DEVENV_DEBIAN_SNAPSHOT="http://near.test/snapshot",
        DEVENV_CA_CERTIFICATES="/a.pem:~/b.pem",
        DEVENV_USER="7",
        DEVENV_CACHE="/c",
        DEVENV_STATE="~/s",
    )
    assert (found.engine, found.mirror) == ("tcp://there:2375", "http://near.test/debian")
    assert (found.security_mirror, found.snapshot) == ("http://near.test/security", "http://near.test/snapshot")
    assert found.certificates == (Path("/a.pem"), tmp_path / "b.pem")
    assert (found.user, found.cache, found.state) == ("7:7", Path("/c"), tmp_path / "s")


def test_changes_are_followed_unless_the_file_or_the_variable_says_otherwise(tmp_path: Path) -> None:
    assert load(tmp_path).watch
    assert not load(tmp_path, "watch = false").watch
    assert load(tmp_path, "watch = false", DEVENV_WATCH="1").watch
    assert not load(tmp_path, DEVENV_WATCH="0").watch
    (mistake,) = mistakes(tmp_path, "", DEVENV_WATCH="maybe")
    assert mistake.message == "`DEVENV_WATCH`: `maybe` is neither on nor off"
    (mistake,) = mistakes(tmp_path, "watch = 0")
    assert mistake.message == "`watch`: expected `true` or `false`, got a number"


def test_an_empty_variable_is_no_setting(tmp_path: Path) -> None:
    assert load(tmp_path, FULL, DEVENV_ENGINE="", DEVENV_USER="").user == "1234:5678"


def test_the_hosts_certificates_are_followed_to_the_first_that_exists(tmp_path: Path) -> None:
    bundle, other = tmp_path / "bundle.pem", tmp_path / "other.pem"
    bundle.touch()
    other.touch()
    found = load(tmp_path, SSL_CERT_FILE="/gone.pem", NODE_EXTRA_CA_CERTS=str(other), PIP_CERT=str(bundle))
    assert found.certificates == (bundle,)


def test_the_hosts_proxy_is_followed_in_either_case(tmp_path: Path) -> None:
    found = load(tmp_path, HTTP_PROXY="http://upper", https_proxy="http://lower", no_proxy="", NO_PROXY="local")
    assert found.proxy == {"HTTP_PROXY": "http://upper", "HTTPS_PROXY": "http://lower", "NO_PROXY": "local"}


def test_under_sudo_apps_run_as_who_called_it(tmp_path: Path) -> None:
    sudo = {"SUDO_UID": "1001", "SUDO_GID": "1002"}
    assert read(tmp_path, sudo, (0, 0)).user == "1001:1002"
    assert read(tmp_path, sudo, (500, 500)).user == "500:500"
    assert read(tmp_path, {"SUDO_UID": "x", "SUDO_GID": "0"}, (0, 0)).user == "0:0"


def test_the_file_is_found_where_the_system_keeps_such_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.platform", "linux")
    file = tmp_path / "xdg" / "devenv" / "config.toml"
    file.parent.mkdir(parents=True)
    file.write_text('engine = "tcp://x"')
    environ = {"XDG_CONFIG_HOME": str(tmp_path / "xdg"), "XDG_CACHE_HOME": "relative"}
    found = machine.load(environ, tmp_path)
    assert found.engine == "tcp://x"
    assert (found.cache, found.state) == (tmp_path / ".cache/devenv", tmp_path / ".local/state/devenv")


def test_a_file_asked_for_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(DevenvError, match=r"cannot read `~/gone.toml`"):
        load(tmp_path, DEVENV_CONFIG=str(tmp_path / "gone.toml"))


def test_mistakes_are_told_at_once_with_their_places(tmp_path: Path) -> None:
    text = """\
engin = "x"
user = "me"
cache = "cache"
ca_certificates = ["ours.pem"]
[debian]
mirror = "mirror.test"
miror = 3
[proxy]
http = 3128
"""
    found = mistakes(tmp_path, text)
    assert [(one.message, one.where.line if one.where else None) for one in found] == [
        ("unknown key `engin`", 1),
        ("`me` is no user", 2),
        ("`cache` is no absolute path", 3),
        ("`ours.pem` is no absolute path", 4),
        ("`mirror.test` is no address", 6),
        ("unknown key `miror` in `debian`", 7),
        ("`proxy.http`: expected a string, got a number", 9),
    ]
    assert {one.where.file for one in found if one.where} == {"~/config.toml"}


def test_a_wrong_variable_is_named(tmp_path: Path) -> None:
    (mistake,) = mistakes(tmp_path, FULL, DEVENV_USER="m\x1be")
    assert mistake.message == "`DEVENV_USER`: `m\\x1be` is no user"
    assert mistake.where is None


def test_pydantic_stays_out_without_a_file() -> None:
    import subprocess
    import sys

    code = (
        "import sys; from pathlib import Path; from devenv.config import machine;"
        "machine.load({'XDG_CONFIG_HOME': '/none'}, Path('/none'));"
        "print([name for name in ('pydantic_core', 'pydantic', 'platformdirs') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_entrys_settings_come_from_the_file_or_its_variables(tmp_path: Path) -> None:
    text = '[entry]\nhttp = 8080\nhttps = 8443\nimages = "debian"\n'
    found = load(tmp_path, text, DEVENV_ENTRY_HTTP="80")
    assert (found.entry_http, found.entry_https, found.entry_images) == (80, 8443, "debian")
    assert load(tmp_path).entry_http is None


def test_a_wrong_setting_of_the_entry_is_named(tmp_path: Path) -> None:
    found = mistakes(tmp_path, "", DEVENV_ENTRY_HTTP="web", DEVENV_ENTRY_HTTPS="70000", DEVENV_ENTRY_IMAGES="alpine")
    assert [one.message for one in found] == [
        "`DEVENV_ENTRY_HTTP`: `web` is no port",
        "`DEVENV_ENTRY_HTTPS`: `70000` is no port",
        "`DEVENV_ENTRY_IMAGES`: `alpine` is no origin",
    ]
    (mistake,) = mistakes(tmp_path, "[entry]\nhttp = 0\n")
    assert mistake.message == "`entry.http`: expected a port from 1 to 65535, got `0`"
