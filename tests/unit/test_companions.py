"""What other tools are given to read."""

from __future__ import annotations

import json
from pathlib import Path

import yaml

from devenv import blueprint, companions
from devenv.blueprint import editors
from devenv.model.blueprint import Placement
from devenv.model.project import App, Hook, HostPath, Project, Reach, Secret, Service, Task

WEB = App("web", ports=(8000, 8001))
PROJECT = Project(
    Path("/shop"),
    "shop",
    apps=(WEB, App("worker", like="web")),
    tasks=(Task("test", "pytest", "web"), Task("seed", "x", "web"), Task("lint:js", "x", "web")),
    hooks=(Hook("format", "x", "web"),),
)


def test_a_dev_container_is_the_container_of_devenv() -> None:
    made = companions.devcontainer(PROJECT, WEB)
    mark, _, text = made.text.partition("\n")
    told = json.loads(text)
    assert (made.path, companions.MARK in mark) == (".devcontainer/devcontainer.json", True)
    assert told["initializeCommand"] == ["devenv", "up", "-d"]
    assert told["dockerComposeFile"] == f"../{blueprint.COMPOSE_FILE}"
    assert (told["service"], told["workspaceFolder"], told["forwardPorts"]) == ("web", "/work", [8000, 8001])
    assert "secrets" not in told


def test_a_dev_container_asks_for_the_secrets_of_the_project() -> None:
    secrets = (Secret("TOKEN", "of the shop", "https://example.com"), Secret("KEY"))
    project = Project(Path("/shop"), "shop", apps=(WEB,), secrets=secrets)
    told = json.loads(companions.devcontainer(project, WEB).text.partition("\n")[2])
    about = {"description": "of the shop", "documentationUrl": "https://example.com"}
    assert told["secrets"] == {"TOKEN": about, "KEY": {}}


def steps(project: Project) -> list[str]:
    (job,) = yaml.safe_load(companions.workflow(project).text)["jobs"].values()
    return [step["run"] for step in job["steps"] if "run" in step]


def test_a_workflow_does_what_a_colleague_does() -> None:
    assert steps(PROJECT)[1:] == [
        "devenv doctor --fix",
        "devenv check",
        "devenv up -d --frozen",
        "devenv hooks run --all",
        "devenv run test",
        "devenv run lint:js",
        "devenv logs --tail 500",
        "devenv down --volumes",
    ]


def test_a_workflow_shows_logs_on_failure_and_always_ends() -> None:
    (job,) = yaml.safe_load(companions.workflow(PROJECT).text)["jobs"].values()
    assert [step.get("if") for step in job["steps"]][-2:] == ["failure()", "always()"]


def test_a_workflow_hands_on_secrets_and_consents_to_what_reaches_out() -> None:
    reach = Reach((HostPath("/a", "/etc/a"),))
    project = Project(
        Path("/shop"), "shop", services=(Service("db", "redis", reach=reach),), secrets=(Secret("TOKEN"),)
    )
    (job,) = yaml.safe_load(companions.workflow(project).text)["jobs"].values()
    assert job["env"] == {"TOKEN": "${{ secrets.TOKEN }}"}
    assert steps(project)[3:5] == ["devenv secrets allow TOKEN", "devenv trust --yes"]


def test_the_tools_of_dev_containers_find_their_container_by_its_labels(tmp_path: Path) -> None:
    project, place = Project(tmp_path, "shop", apps=(WEB,)), Placement("shop", "/here")
    assert editors.labels(project, place) == {}
    file = tmp_path / editors.FILE
    file.parent.mkdir()
    file.write_text(companions.devcontainer(project, WEB).text)
    found = editors.labels(project, place)["web"]
    assert found == {"devcontainer.local_folder": "/here", "devcontainer.config_file": f"/here/{editors.FILE}"}
    file.write_text('{\n  "service": "web",\n}')
    assert editors.labels(project, place) == {}
