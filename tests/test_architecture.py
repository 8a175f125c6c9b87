"""The import rule of ARCHITECTURE.md: layers, one home for each foreign library, a fast start, a pure core."""

from __future__ import annotations

import ast
import functools
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

# From the bottom up: a module imports its own layer and lower ones.
LAYERS = (
    ("errors", "files", "values", "veil"),
    ("dockerfile", "model", "patterns", "reference", "toml", "worktree"),
    ("config", "catalog", "lockfile"),
    ("blueprint", "companions", "ejection", "render", "plan"),
    ("engine", "images", "sync"),
    (
        *(
            "addresses",
            "census",
            "cloning",
            "balancing",
            "detection",
            "drift",
            "editing",
            "entry",
            "environment",
            "generations",
            "git",
            "hooks",
            "identity",
            "importing",
            "joining",
            "instances",
            "judging",
            "limiting",
            "live",
            "merging",
            "performing",
            "telling",
        ),
        *(
            "pinning",
            "reporting",
            "running",
            "secrets",
            "seeds",
            "snapshots",
            "supply",
            "upgrades",
            "vault",
            "verifying",
        ),
        "workspace",
    ),
    ("commands",),
    ("cli", "ui", "__main__"),
)

HOMES: Mapping[str, tuple[str, ...]] = {
    # Requests brings it.
    "certifi": ("devenv.images",),
    "json5": ("devenv.importing",),
    "docker": ("devenv.engine.docker", "devenv.engine.credentials"),
    "jinja2": ("devenv.render",),
    "keyring": ("devenv.vault",),
    "platformdirs": ("devenv.config",),
    "pydantic": ("devenv.catalog",),
    "pydantic_core": ("devenv.config",),
    "pysequoia": ("devenv.images",),
    # Docker's SDK speaks HTTP through requests and lets its exceptions out.
    "requests": ("devenv.images", "devenv.engine.docker"),
    "rich": ("devenv.ui",),
    "tomlkit": ("devenv.toml",),
    "typer": ("devenv.cli",),
    "watchfiles": ("devenv.sync",),
    "yaml": ("devenv.importing",),
}

SLOW = frozenset(HOMES) - {"typer"}

# Equal files give an equal blueprint: what these modules compute depends on nothing else.
PURE = ("model", "toml", "catalog", "lockfile", "blueprint", "companions", "ejection", "render", "plan")
IMPURE_MODULES = frozenset(
    {"asyncio", "datetime", "http", "random", "secrets", "socket", "subprocess", "time", "urllib.request", "uuid"}
)
IMPURE_NAMES = frozenset({"environ", "getenv", "chdir", "getcwd", "cwd", "home", "expanduser"})


@dataclass(frozen=True, slots=True)
class Import:
    """One import statement's name; `eager` when importing the module carries it out."""

    target: str
    line: int
    eager: bool


@dataclass(frozen=True, eq=False)
class Module:
    """A source file, read."""

    name: str
    tree: ast.Module

    @functools.cached_property
    def nodes(self) -> tuple[ast.AST, ...]:
        return tuple(ast.walk(self.tree))

    @functools.cached_property
    def statements(self) -> tuple[tuple[ast.Import | ast.ImportFrom, bool], ...]:
        """Its import statements, each with whether importing the module carries it out."""
        return tuple(visit(self.tree, eager=True))


def test_every_module_obeys_the_layers() -> None:
    assert layer_problems(sources()) == []


def test_commands_never_import_each_other() -> None:
    assert sibling_problems(sources()) == []


def test_each_foreign_library_has_one_home() -> None:
    assert home_problems(sources()) == []


def test_no_module_outside_its_home_waits_for_a_slow_library() -> None:
    assert start_problems(sources()) == []


def test_the_core_reads_nothing_but_the_projects_files() -> None:
    assert purity_problems(sources()) == []


def test_only_the_command_line_exits() -> None:
    assert exit_problems(sources()) == []


def test_importing_devenv_loads_no_slow_library() -> None:
    modules = sources()
    slow = {name for library in SLOW for name in waiting(modules, library)}
    names = [name for name in modules if name not in slow and not name.endswith("__main__")]
    code = f"import importlib, sys\nfor name in {names!r}: importlib.import_module(name)\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert SLOW & set(done.stdout.split()) == set()


@pytest.mark.parametrize(
    ("files", "problem"),
    [
        (
            {"devenv.plan": "from devenv.engine import apply"},
            "devenv.plan:1 imports devenv.engine.apply, a layer above",
        ),
        ({"devenv.model.x": "def f():\n    from devenv import catalog"}, "devenv.model.x:2 imports devenv.catalog, a"),
        ({"devenv.config": "from . import workspace"}, "devenv.config:1 imports . relatively"),
        ({"devenv.errors": "from devenv import __version__", "devenv.novel": ""}, "devenv.novel has no layer"),
    ],
)
def test_a_broken_layer_is_found(files: dict[str, str], problem: str) -> None:
    (found,) = layer_problems(parsed({**files, "devenv.engine.apply": "", "devenv.catalog": ""}))
    assert found.startswith(problem)


@pytest.mark.parametrize("line", ["from devenv.commands import down", "from devenv.commands.down import run"])
def test_a_command_that_imports_another_is_found(line: str) -> None:
    found = sibling_problems(parsed({"devenv.commands.up": line, "devenv.commands.down": ""}))
    assert found == ["devenv.commands.up:1 imports the command devenv.commands.down"]


@pytest.mark.parametrize(
    ("module", "line", "problem"),
    [
        ("devenv.plan", "import rich.console", "devenv.plan:1 imports rich.console, whose home is devenv.ui"),
        ("devenv.engine.wire", "from docker import APIClient", "devenv.engine.wire:1 imports docker, whose home is"),
        ("devenv.ui.table", "import numpy", "devenv.ui.table:1 imports numpy, which has no home"),
    ],
)
def test_a_library_away_from_home_is_found(module: str, line: str, problem: str) -> None:
    (found,) = home_problems(parsed({module: line}))
    assert found.startswith(problem)


def test_a_module_that_waits_for_a_slow_library_is_found_through_others() -> None:
    files = {
        "devenv.ui": "",
        "devenv.ui.table": "import rich",
        "devenv.ui.lines": "from devenv.ui import table",
        "devenv.cli": "from devenv.ui import lines",
    }
    assert start_problems(parsed(files)) == ["devenv.cli waits for rich, through devenv.ui.lines"]


def test_a_late_import_and_one_for_types_cost_no_start() -> None:
    late = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import rich\ndef f():\n    import rich"
    assert start_problems(parsed({"devenv.cli": late})) == []


@pytest.mark.parametrize("line", ["import time", "import os\nos.environ", "from pathlib import Path\nPath.cwd()"])
def test_an_impure_core_is_found(line: str) -> None:
    assert len(purity_problems(parsed({"devenv.blueprint.hashing": line}))) == 1
    assert purity_problems(parsed({"devenv.engine.wire": line})) == []


@pytest.mark.parametrize("line", ["import sys\nsys.exit(1)", "raise SystemExit(2)"])
def test_an_exit_is_found(line: str) -> None:
    assert len(exit_problems(parsed({"devenv.commands.up": line}))) == 1
    assert exit_problems(parsed({"devenv.cli": line})) == []


# --- the rules ---


def layer_problems(modules: Mapping[str, Module]) -> list[str]:
    found = [f"{name} has no layer" for name in modules if name != "devenv" and layer(name) is None]
    for module in modules.values():
        own = layer(module.name)
        for one in imports(module, modules):
            other = layer(one.target)
            if one.target.startswith("."):
                found.append(f"{module.name}:{one.line} imports {one.target} relatively; write the whole name")
            elif own is not None and other is not None and other > own:
                found.append(f"{module.name}:{one.line} imports {one.target}, a layer above its own")
    return found


def sibling_problems(modules: Mapping[str, Module]) -> list[str]:
    found = []
    for module in modules.values():
        own = ".".join(module.name.split(".")[:3])
        for one in imports(module, modules):
            other = ".".join(one.target.split(".")[:3])
            if own.startswith("devenv.commands.") and other.startswith("devenv.commands.") and own != other:
                found.append(f"{module.name}:{one.line} imports the command {other}")
    return found


def home_problems(modules: Mapping[str, Module]) -> list[str]:
    found = []
    for module in modules.values():
        for one in imports(module, modules):
            library = one.target.partition(".")[0]
            if library in ("", "devenv") or library in sys.stdlib_module_names:
                continue
            if library not in HOMES:
                found.append(f"{module.name}:{one.line} imports {one.target}, which has no home")
            elif not in_any(module.name, HOMES[library]):
                homes = " and ".join(HOMES[library])
                found.append(f"{module.name}:{one.line} imports {one.target}, whose home is {homes}")
    return found


def start_problems(modules: Mapping[str, Module]) -> list[str]:
    """Inside its home a slow library may be imported at once, but then nobody outside imports that module at once."""
    return [
        f"{name} waits for {library}, through {through}"
        for library in sorted(SLOW)
        for name, through in waiting(modules, library).items()
        if not in_any(name, HOMES[library])
    ]


def waiting(modules: Mapping[str, Module], library: str) -> dict[str, str]:
    """Modules that cannot be imported without the library, each with the import that brings it."""
    slow: dict[str, str] = {}
    while more := {
        module.name: one.target
        for module in modules.values()
        if module.name not in slow
        for one in imports(module, modules)
        if one.eager and with_parents(one.target) & {library, *slow}
    }:
        slow |= more
    return slow


def with_parents(name: str) -> set[str]:
    parts = name.split(".")
    return {".".join(parts[:length]) for length in range(1, len(parts) + 1)}


def purity_problems(modules: Mapping[str, Module]) -> list[str]:
    found = []
    for module in modules.values():
        if not in_any(module.name, tuple(f"devenv.{name}" for name in PURE)):
            continue
        for one in imports(module, modules):
            if in_any(one.target, tuple(IMPURE_MODULES)):
                found.append(f"{module.name}:{one.line} imports {one.target}")
        for node in module.nodes:
            if isinstance(node, ast.Attribute) and node.attr in IMPURE_NAMES and from_system(node.value):
                found.append(f"{module.name}:{node.lineno} reads {ast.unparse(node)}")
    return found


def exit_problems(modules: Mapping[str, Module]) -> list[str]:
    return [
        f"{module.name}:{node.lineno} exits"
        for module in modules.values()
        if not in_any(module.name, ("devenv.cli", "devenv.__main__"))
        for node in module.nodes
        if (isinstance(node, ast.Call) and ast.unparse(node.func) in ("exit", "quit", "sys.exit", "os._exit"))
        or (isinstance(node, ast.Raise) and node.exc is not None and "SystemExit" in ast.unparse(node.exc))
    ]


# --- reading sources ---


@functools.cache
def sources() -> Mapping[str, Module]:
    files = sorted((ROOT / "devenv").rglob("*.py"))
    return {module.name: module for module in (read(file) for file in files)}


def read(file: Path) -> Module:
    parts = file.relative_to(ROOT).with_suffix("").parts
    return Module(".".join(part for part in parts if part != "__init__"), ast.parse(file.read_text()))


def parsed(files: Mapping[str, str]) -> dict[str, Module]:
    return {name: Module(name, ast.parse(text)) for name, text in files.items()}


def layer(name: str) -> int | None:
    parts = name.split(".")
    if parts[0] != "devenv" or len(parts) == 1:
        return None
    return next((level for level, names in enumerate(LAYERS) if parts[1] in names), None)


def imports(module: Module, modules: Mapping[str, Module]) -> Iterator[Import]:
    for statement, eager in module.statements:
        if isinstance(statement, ast.Import):
            yield from (Import(alias.name, statement.lineno, eager) for alias in statement.names)
            continue
        package = "." * statement.level + (statement.module or "")
        for alias in statement.names:
            whole = f"{package}.{alias.name}"
            yield Import(whole if whole in modules or package == "devenv" else package, statement.lineno, eager)


def visit(node: ast.AST, *, eager: bool) -> Iterator[tuple[ast.Import | ast.ImportFrom, bool]]:
    if isinstance(node, ast.Import | ast.ImportFrom):
        yield node, eager
    elif isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
        for part in node.body:
            yield from visit(part, eager=False)
        for part in node.orelse:
            yield from visit(part, eager=eager)
    else:
        late = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.stmt | ast.ExceptHandler | ast.match_case):
                yield from visit(child, eager=eager and not late)


def in_any(name: str, parents: tuple[str, ...]) -> bool:
    return any(name == parent or name.startswith(f"{parent}.") for parent in parents)


def from_system(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) and node.id in ("os", "Path")
