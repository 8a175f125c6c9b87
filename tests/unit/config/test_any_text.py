from __future__ import annotations

import copy
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import tomlkit
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from devenv import config
from devenv.errors import DevenvError, Problems
from devenv.model.project import Project

START: dict[str, Any] = tomllib.loads("""
name = "shop"
images = "debian"
platforms = ["amd64"]
debian.suite = "trixie"
services.db = { use = "postgres", version = "17", databases = ["a"], settings = { a = "b" }, init = ["*.sql"] }
services.search = { image = "acme/search:2", ports = [9200], volumes = { data = "/data" } }
sync = { ignore = ["*.log"], rules = [{ path = "x", action = "setup" }] }
tasks.t = { run = "x", app = "web" }
profiles.ci.apps.web.env.A = "c"
[apps.web]
stack = ["python@3.13"]
ports = [8000]
env = { A = "b" }
needs = ["db"]
ready = { http = "/" }
limits = { memory = "1G", cpus = 1 }
mounts = { "/a" = "~/a", "/b" = { source = "/b", read_only = false } }
capabilities = ["KILL"]
privileged = false
address = "0.0.0.0"
[apps.worker]
like = "web"
run = "x"
""")

words = st.sampled_from(
    [
        "",
        "web",
        "worker",
        "db",
        "like",
        "needs",
        "image",
        "run",
        "ports",
        "profiles",
        "env",
        "ready",
        "use",
        "../..",
        "mounts",
        "~",
        "/",
    ]
)
texts = st.one_of(words, st.text(max_size=12))
scalars = st.one_of(texts, st.integers(), st.floats(), st.booleans(), st.dates())
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3), max_leaves=5
)
fast = settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@st.composite
def projects(draw: st.DrawFn) -> str:
    """A right file with up to three parts replaced by anything."""
    data = copy.deepcopy(START)
    for _ in range(draw(st.integers(1, 3))):
        *way, last = draw(st.sampled_from(list(walk(data))))
        table = data
        for key in way:
            table = table[key]
        if isinstance(table, dict) and draw(st.booleans()):
            last = draw(texts)
        table[last] = draw(values)
    return tomlkit.dumps(data)


def walk(value: Any, keys: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if keys:
        yield keys
    items: Any = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, one in items:
        yield from walk(one, (*keys, key))


def read(folder: Path, text: str) -> Project | None:
    """The project, or None when the text was refused as it should be."""
    (folder / "devenv.toml").write_bytes(text.encode("utf-8", "surrogatepass"))
    try:
        return config.load(folder)
    except DevenvError as error:
        for one in error.problems if isinstance(error, Problems) else (error,):
            assert one.message
            assert (one.message + (one.hint or "")).isprintable()
            if one.where is not None:
                assert one.where.text.isprintable()
                assert 1 <= one.where.column <= len(one.where.text) + 1
                assert one.where.length >= 1
        return None


@fast
@given(st.text())
@example("a = [" * 200)
@example("a." * 20_000 + "a = 1")
@example('"""' * 5_000)
@example('a = """\\"""' * 5_000)
@example("a = '\r'")
@example("\ud800")
def test_any_text_is_a_project_or_a_named_error(tmp_path: Path, text: str) -> None:
    read(tmp_path, text)


@fast
@given(projects())
def test_any_toml_is_a_project_or_a_named_error(tmp_path: Path, text: str) -> None:
    read(tmp_path, text)


@fast
@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1))
def test_any_value_reaches_the_project_unchanged(tmp_path: Path, value: str) -> None:
    project = read(tmp_path, f"[apps.web]\nenv = {{ A = {tomlkit.item(value).as_string()} }}\n")
    assert project is not None
    assert project.apps[0].env == {"A": value}


def test_a_long_way_of_needs_is_no_crash(tmp_path: Path) -> None:
    text = "".join(f"[apps.a{index}]\nneeds = ['a{index + 1}']\n" for index in range(1500))
    project = read(tmp_path, f"{text}[apps.a1500]\n")
    assert project is not None
    assert len(project.apps) == 1501
    assert read(tmp_path, f"{text}[apps.a1500]\nneeds = ['a0']\n") is None


def test_a_long_way_of_likes_is_no_crash(tmp_path: Path) -> None:
    text = "".join(f"[apps.a{index}]\nlike = 'a{index + 1}'\n" for index in range(1500))
    project = read(tmp_path, f"{text}[apps.a1500]\n")
    assert project is not None
    assert project.apps[0].like == "a1500"
    assert read(tmp_path, f"{text}[apps.a1500]\nlike = 'a0'\n") is None
