"""`devenv report` where hardly anything is there, and with a secret in every place that it looks at."""

from __future__ import annotations

import json
from pathlib import Path

from tests.cli import command_line

CANARY = "canary-2c8e"
NOWHERE = "127.0.0.1:1"
AROUND = {
    "DEVENV_DEBIAN_MIRROR": f"http://u:{CANARY}@{NOWHERE}/debian",
    "DEVENV_REGISTRY_MIRROR": f"http://u:{CANARY}@{NOWHERE}",
    "HTTPS_PROXY": f"http://u:{CANARY}@{NOWHERE}",
    "DEVENV_ENGINE": f"tcp://u:{CANARY}@{NOWHERE}",
    "TOKEN": CANARY,
}


def test_without_project_and_engine_it_tells_of_the_machine(tmp_path: Path) -> None:
    done = command_line.run(tmp_path, "report", **AROUND)
    told = json.loads(done.out)
    assert done.code == 0
    assert told["troubles"][0] == "there is no project, or it cannot be read"
    assert {"engine", "mirror", "registry", "proxy", "cache"} <= {one["name"] for one in told["findings"]}
    assert CANARY not in done.out + done.err
    assert str(tmp_path) not in done.out


def test_of_a_mistake_it_tells_the_line_and_not_what_stands_there(tmp_path: Path) -> None:
    (tmp_path / "devenv.toml").write_text(f'name = "shop"\nimages = "{CANARY}"\n[secrets.TOKEN]\n')
    (tmp_path / "devenv.local.toml").write_text(f'[apps.web]\nports = ["{CANARY}"]\n')
    done = command_line.run(tmp_path, "report", **AROUND)
    assert "there is a mistake in devenv.toml:2" in json.loads(done.out)["troubles"]
    assert "there is a mistake in devenv.local.toml:2" in json.loads(done.out)["troubles"]
    assert CANARY not in done.out + done.err


def test_doctor_shows_no_login_either(tmp_path: Path) -> None:
    for arguments in (("doctor",), ("doctor", "--json")):
        done = command_line.run(tmp_path, *arguments, **AROUND)
        assert CANARY not in done.out + done.err
