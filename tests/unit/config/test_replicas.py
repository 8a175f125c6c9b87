"""What `devenv.toml` may say of several containers of an app."""

from __future__ import annotations

from pathlib import Path

import pytest

from devenv import config
from devenv.errors import DevenvError, Problems
from devenv.model.project import Project


def read(folder: Path, text: str) -> Project:
    (folder / "devenv.toml").write_text(f'name = "shop"\nimages = "debian"\n{text}')
    return config.read(folder).project


def wrong(folder: Path, text: str) -> list[str]:
    with pytest.raises(DevenvError) as caught:
        read(folder, text)
    problems = caught.value.problems if isinstance(caught.value, Problems) else (caught.value,)
    return [one.message for one in problems]


def test_an_app_with_ports_and_replicas_has_a_balancer_from_the_projects_origin(tmp_path: Path) -> None:
    project = read(tmp_path, "[apps.web]\nports = [8000]\nreplicas = 3\nsticky = true\n")
    assert (project.apps[0].replicas, project.apps[0].sticky) == (3, True)
    assert project.balancer is not None
    assert (project.balancer.name, project.balancer.use, project.balancer.origin) == ("balancer", "haproxy", "debian")
    assert project.services == ()


@pytest.mark.parametrize("text", ["[apps.web]\nports = [8000]\n", "[apps.work]\nreplicas = 3\n", "[services.redis]\n"])
def test_without_balanced_apps_there_is_no_balancer(tmp_path: Path, text: str) -> None:
    assert read(tmp_path, text).balancer is None


def test_an_app_like_another_is_neither_as_many_nor_reached_as_that(tmp_path: Path) -> None:
    text = (
        '[apps.web]\nports = [1]\nreplicas = 3\nsticky = true\n[apps.api]\nports = [2]\nroute = "/api"\nlike = "web"\n'
    )
    web, api = read(tmp_path, text + '[apps.work]\nlike = "api"\n').apps[:2]
    work = read(tmp_path, text + '[apps.work]\nlike = "api"\n').apps[2]
    assert web.replicas == 3
    assert (api.replicas, api.sticky, api.route) == (None, False, "/api")
    assert (work.replicas, work.sticky, work.route) == (None, False, None)


@pytest.mark.parametrize("number", ["0", "101", '"3"', "1.5"])
def test_replicas_are_a_number_from_1_to_100(tmp_path: Path, number: str) -> None:
    (message,) = wrong(tmp_path, f"[apps.web]\nreplicas = {number}\n")
    assert "a number from 1 to 100" in message


@pytest.mark.parametrize("key", ["replicas = 2", "sticky = true", 'route = "/api"'])
def test_a_service_has_none_of_it(tmp_path: Path, key: str) -> None:
    name = key.partition(" ")[0]
    assert wrong(tmp_path, f"[services.redis]\n{key}\n") == [f"a service has no `{name}`: it keeps data"]


@pytest.mark.parametrize(
    "route", ["api", "/", "/api/", "/a b", "/a\\nuse_backend x", "/a}", "/a?b", "//a", "/ä", "/a\\n"]
)
def test_a_route_is_a_plain_path(tmp_path: Path, route: str) -> None:
    text = f'[apps.web]\nports = [1]\nreplicas = 1\n[apps.api]\nports = [2]\nroute = "{route}"\n'
    (message,) = wrong(tmp_path, text)
    assert "a path such as `/api`" in message


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[apps.web]\nroute = "/api"\n', "`route` leads to a port, and there is none"),
        ("[apps.web]\nsticky = true\n", "`sticky` is about requests, which come to a port"),
        ("[apps.web]\nports = [1]\nsticky = true\n", "`sticky` has an effect behind the balancer only"),
        ('[apps.web]\nports = [1]\nroute = "/api"\n', "no port of another app is there to be `/api` at"),
        (
            "[apps.web]\nports = [1]\nreplicas = 1\n"
            '[apps.a]\nports = [2]\nroute = "/x"\n[apps.b]\nports = [3]\nroute = "/x"\n',
            "`/x` leads to `a`",
        ),
        (
            "[apps.balancer]\nports = [1]\nreplicas = 2\n",
            "`balancer` is the name of what apps with `replicas` or `route` stand behind",
        ),
        (
            "[apps.web]\nports = [1]\nreplicas = 2\n[services.balancer]\nuse = 'redis'\n",
            "`balancer` is the name of what apps with `replicas` or `route` stand behind",
        ),
    ],
)
def test_what_does_not_fit_together_is_told(tmp_path: Path, text: str, message: str) -> None:
    assert wrong(tmp_path, text) == [message]


def test_the_name_is_free_where_no_app_is_balanced(tmp_path: Path) -> None:
    assert read(tmp_path, "[apps.balancer]\nports = [1]\n").apps[0].name == "balancer"
