"""`devenv ls`, `prune` and `down --all`: what is shown, and what is asked before data goes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cli import command_line
from tests.cli.command_line import Ran
from tests.cli.test_messages import engine

MINE = "0123456789abcdef"


def object_(name: str, instance: str, folder: Path | str, **more: Any) -> dict[str, Any]:
    labels = {"dev.devenv.instance": instance, "dev.devenv.folder": str(folder), "dev.devenv.host": MINE}
    return {"Id": name, "Name": name, "Labels": labels | more.pop("labels", {})} | more


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    """An engine with an instance that runs, one whose folder is gone, and one with a strange folder."""
    (tmp_path / "shop").mkdir()
    (tmp_path / ".home" / "state").mkdir(parents=True)
    (tmp_path / ".home" / "state" / "host").write_text(MINE)
    running = {"Names": ["/shop-web-1"], "ImageID": "i", "State": "running", "Status": "Up 3 minutes"}
    ports = [{"IP": "127.0.0.1", "PrivatePort": 8000, "PublicPort": 8000, "Type": "tcp"}]
    unit = {"dev.devenv.unit": "web", "dev.devenv.kind": "app"}
    containers = [object_("c", "shop", tmp_path / "shop", labels=unit, Ports=ports, **running)]
    volumes = [object_("gone_data", "gone", tmp_path / "gone"), object_("odd_data", "odd", "/x\x1b[31m")]
    usage = {
        "Containers": [{"Names": ["/shop-web-1"], "SizeRw": 2_000_000}],
        "Volumes": [
            {"Name": "gone_data", "UsageData": {"Size": 1000}},
            {"Name": "odd_data", "UsageData": {"Size": -1}},
        ],
    }
    answers = {
        "/containers/json": containers, "/networks": [], "/volumes": {"Volumes": volumes}, "/system/df": usage,
        "/version": {"Version": "28.0", "ApiVersion": "1.48", "Os": "linux", "Arch": "amd64"},
    }  # fmt: skip
    with engine({path: json.dumps(body).encode() for path, body in answers.items()}) as found:
        yield found


def run(folder: Path, address: str, *arguments: str) -> Ran:
    return command_line.run(folder, "--engine", address, *arguments)


def test_instances_are_listed_outside_of_a_project(tmp_path: Path, address: str) -> None:
    ran = run(tmp_path, address, "ls")
    assert ran.code == 0
    assert [line.split() for line in ran.out.splitlines()] == [
        ["NAME", "STATE", "SIZE", "ADDRESSES", "FOLDER"],
        ["gone", "only", "data", "1.0", "kB", "-", f"{tmp_path}/gone", "(gone)"],
        ["odd", "only", "data", "?", "-", "/x\ufffd[31m", "(gone)"],
        ["shop", "running", "1/1", "2.0", "MB", "web", "http://127.0.0.1:8000", f"{tmp_path}/shop"],
    ]
    assert "`devenv prune` removes those whose folder is gone" in ran.err
    told = json.loads(run(tmp_path, address, "ls", "--json").out)
    assert [(one["name"], one["is_gone"], one["size"]) for one in told] == [
        ("gone", True, 1000),
        ("odd", True, None),
        ("shop", False, 2_000_000),
    ]


def test_data_is_not_removed_without_a_yes(tmp_path: Path, address: str) -> None:
    pruned = run(tmp_path, address, "prune")
    assert (pruned.code, pruned.out) == (2, "")
    assert pruned.err.startswith("NAME  CONTAINERS  VOLUMES  SIZE")
    assert "error: this removes 2 instances with their data\n\nhint: `--yes` says that this is meant" in pruned.err
    down = run(tmp_path, address, "down", "--all", "--volumes")
    assert down.code == 2
    assert "error: this removes the data of `gone`, `odd`, `shop`\n\nhint: `--yes` says that this is meant" in down.err


def test_where_nothing_is_done_neither_a_name_nor_data_is_given(tmp_path: Path, address: str) -> None:
    for arguments in (("--from", "main"), ("--instance", "review")):
        ran = run(tmp_path, address, "up", "--dry-run", *arguments)
        assert (ran.code, ran.err.splitlines()[0]) == (
            2,
            "error: `--dry-run` changes nothing: neither a name nor data",
        )
