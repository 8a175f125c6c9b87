"""Each key of a `devcontainer.json`: carried over, or told of with its place."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from devenv.model.project import Origin
from tests.unit.importing import imports
from tests.unit.importing.imports import Done

FILE = ".devcontainer/devcontainer.json"
X_MOUNTED = {"/x": {"source": "x", "read_only": False}}
PYTHON = "mcr.microsoft.com/devcontainers/python:1-3.12-bookworm"


def done(root: Path, content: dict[str, Any], images: Origin = "registry", **files: str) -> Done:
    given = {name.replace("__", "/").replace("_", "."): one for name, one in files.items()}
    return imports.done(root, given | {FILE: json.dumps(content)}, file=FILE, images=images)


@pytest.mark.parametrize(
    ("content", "key", "value"),
    [
        ({"postCreateCommand": "npm ci"}, "setup", ["npm ci"]),
        ({"postCreateCommand": ["echo", "two words"]}, "setup", ["echo 'two words'"]),
        ({"onCreateCommand": "a", "postCreateCommand": {"x": "b", "y": ["c"]}}, "setup", ["a", "b", "c"]),
        ({"updateContentCommand": "a"}, "setup", ["a"]),
        ({"postStartCommand": "npm start"}, "run", "npm start; exec sleep infinity"),
        ({"containerEnv": {"A": "1"}, "remoteEnv": {"B": "2", "C": None}}, "env", {"A": "1", "B": "2"}),
        ({"containerEnv": {"A": "${containerWorkspaceFolder}/x"}}, "env", {"A": "/work/x"}),
        ({"containerEnv": {"A": "${localWorkspaceFolderBasename}"}}, "env", {"A": "shop"}),
        ({"forwardPorts": [3000, 3000, "4000"]}, "ports", [3000, 4000]),
        ({"appPort": 80}, "ports", [80]),
        ({"forwardPorts": [1]}, "ready", {"exec": ["true"]}),
        ({"mounts": ["source=${localWorkspaceFolder}/x,target=/x,type=bind"]}, "mounts", X_MOUNTED),
        ({"mounts": [{"source": "x", "target": "/x", "type": "bind"}]}, "mounts", X_MOUNTED),
        ({"privileged": True}, "privileged", True),
        ({"capAdd": ["SYS_PTRACE"]}, "capabilities", ["SYS_PTRACE"]),
    ],
)  # fmt: skip
def test_a_key_is_carried_over(tmp_path: Path, content: dict[str, Any], key: str, value: object) -> None:
    found = done(tmp_path / "shop", {"image": "acme/tools:1"} | content, x="")
    assert found.data["apps"]["dev"][key] == value
    assert found.losses() == []


@pytest.mark.parametrize(
    ("content", "what"),
    [
        ({"initializeCommand": "rm -rf ~"}, "initializeCommand"),
        ({"postAttachCommand": "x"}, "postAttachCommand"),
        ({"runArgs": ["--privileged"]}, "runArgs"),
        ({"remoteEnv": {"A": "${localEnv:TOKEN}"}}, "A"),
        ({"remoteEnv": {"PATH": "${containerEnv:PATH}:/x"}}, "PATH"),
        ({"remoteEnv": {"a b": "x"}}, "a b"),
        ({"mounts": ["source=v,target=/v,type=volume"]}, "mounts"),
        ({"mounts": ["source=${localEnv:HOME}/.ssh,target=/s,type=bind"]}, "mounts"),
        ({"forwardPorts": ["db:5432"]}, "forwardPorts"),
        ({"workspaceMount": "source=x,target=/y,type=bind"}, "workspaceMount"),
        ({"features": {"ghcr.io/acme/odd:1": {}}}, "features.ghcr.io/acme/odd:1"),
        ({"somethingNew": 1}, "somethingNew"),
    ],
)
def test_what_is_not_carried_over_is_told(tmp_path: Path, content: dict[str, Any], what: str) -> None:
    loss = done(tmp_path, {"image": "acme/tools:1"} | content).loss(what)
    assert (loss.weight, bool(loss.why)) == ("lost", True)
    assert loss.place is not None
    assert loss.place.file == FILE


def test_what_editors_read_is_harmless(tmp_path: Path) -> None:
    content = {"image": "a", "name": "x", "customizations": {}, "shutdownAction": "none", "remoteUser": "vscode"}
    assert len(done(tmp_path, content).losses("harmless")) == 4


@pytest.mark.parametrize(
    ("image", "features", "want"),
    [
        (PYTHON, {"ghcr.io/devcontainers/features/git:1": {}}, {"stack": "python@3.12", "packages": ["git"]}),
        (PYTHON, {"ghcr.io/devcontainers/features/node:1": {"version": "22.1"}}, {"stack": ["python@3.12", "node@22"]}),
        (PYTHON, {"ghcr.io/devcontainers/features/node:1": "lts"}, {"stack": ["python@3.12", "node"]}),
        (
            "mcr.microsoft.com/devcontainers/base:bookworm",
            {"ghcr.io/rocker-org/devcontainer-features/apt-packages:1": {"packages": "curl, jq"}},
            {"packages": ["curl", "jq"]},
        ),
        (PYTHON, {}, {"image": PYTHON}),
        ("acme/tools:1", {}, {"image": "acme/tools:1"}),
    ],
)
def test_images_and_features_become_stacks_and_packages(
    tmp_path: Path, image: str, features: dict[str, Any], want: dict[str, Any]
) -> None:
    found = done(tmp_path, {"image": image, "features": features})
    assert (found.data["apps"]["dev"], found.losses()) == (want, [])


def test_with_debian_an_image_of_dev_containers_is_a_stack(tmp_path: Path) -> None:
    app = done(tmp_path, {"image": "mcr.microsoft.com/devcontainers/typescript-node:1-22"}, "debian").data["apps"][
        "dev"
    ]
    assert app["stack"].startswith("node")


def test_a_dockerfile_becomes_a_service_with_the_folder_in_it(tmp_path: Path) -> None:
    content = {
        "build": {"dockerfile": "Dockerfile", "context": "..", "args": {"V": "1"}, "target": "dev"},
        "postCreateCommand": "make",
        "remoteUser": "node",
    }
    found = done(tmp_path / "shop", content, _devcontainer__Dockerfile="FROM debian AS dev\n")
    assert found.services["dev"] == {
        "dockerfile": ".devcontainer/Dockerfile",
        "context": ".",
        "target": "dev",
        "args": {"V": "1"},
        "command": ["/bin/sh", "-c", "make && exec sleep infinity"],
        "working_dir": "/workspaces/shop",
        "run_as": "node",
        "mounts": {"/workspaces/shop": {"source": ".", "read_only": False}},
    }
    assert found.losses("changed") == ["postCreateCommand"]


def test_a_service_of_a_compose_file_is_what_is_worked_in(tmp_path: Path) -> None:
    content = {
        "dockerComposeFile": ["../compose.yml", "more.yml"],
        "service": "app",
        "workspaceFolder": "/code",
        "overrideCommand": True,
        "remoteEnv": {"A": "1"},
        "forwardPorts": [80],
        "postCreateCommand": "make",
    }
    base = "services:\n  app: {image: a, volumes: ['.:/code'], command: x}\n  db: {image: 'redis:8'}\n"
    more = "services: {app: {environment: {B: '2'}}}\n"
    found = done(tmp_path, content, compose_yml=base, _devcontainer__more_yml=more)
    assert found.services["app"] == {
        "image": "a",
        "command": ["/bin/sh", "-c", "exec sleep infinity"],
        "working_dir": "/code",
        "ports": [80],
        "env": {"B": "2", "A": "1"},
        "mounts": {"/code": {"source": ".", "read_only": False}},
        "ready": {"exec": ["true"]},
    }
    assert found.services["db"] == {"use": "redis", "version": "8"}
    assert found.losses() == ["postCreateCommand"]
