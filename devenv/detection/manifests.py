"""What the files of a language's tools say of an app: its libraries, its version, how it is set up."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from devenv.detection import reading
from devenv.detection.reading import Unreadable
from devenv.values import dataclass


@dataclass(frozen=True, slots=True)
class Manifest:
    """What was found in a folder.

    Args:
        file: The one that told of the stack.
        libraries: Names in lower case, without versions.
        setup: Shell commands that install them.
        version: Of the language, as the project asks for it; None where it does not say.
        scripts: Of `package.json`.
    """

    stack: str
    file: str
    libraries: frozenset[str]
    setup: tuple[str, ...] = ()
    version: str | None = None
    scripts: Mapping[str, str] | None = None


def find(folder: Path) -> tuple[Manifest, ...]:
    """The stacks of an app in a folder, the one that runs it first."""
    found = [manifest for read in _READERS if (manifest := read(folder)) is not None]
    return tuple(found)


def read(path: Path) -> str | None:
    """A file's text; None where there is none that can be read."""
    return reading.text(path)


# --- Python ---


def _python(folder: Path) -> Manifest | None:
    requirements = sorted(folder.glob("requirements*.txt"))
    project, pipfile = _toml(folder / "pyproject.toml"), _toml(folder / "Pipfile")
    files = [*(path.name for path in requirements), *(name for name in _PYTHON if (folder / name).is_file())]
    if not files:
        return None
    libraries = [line for path in requirements for line in (read(path) or "").splitlines()]
    libraries += _texts(_at(project, "project", "dependencies"))
    libraries += [
        one for group in _mapping(_at(project, "project", "optional-dependencies")).values() for one in _texts(group)
    ]
    libraries += [one for group in _mapping(_at(project, "dependency-groups")).values() for one in _texts(group)]
    libraries += _mapping(_at(project, "tool", "poetry", "dependencies"))
    libraries += _mapping(_at(pipfile, "packages"))
    libraries += re.findall(r"['\"]([A-Za-z0-9._-]+)\s*(?:[<>=~!;\[][^'\"]*)?['\"]", read(folder / "setup.py") or "")
    names = (re.match(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)", one) for one in libraries)
    return Manifest(
        "python",
        files[0],
        frozenset(re.sub(r"[._-]+", "-", match.group(1)).lower() for match in names if match),
        tuple(_python_setup(folder, project)),
        _python_version(folder, project, pipfile),
    )


_PYTHON = ("pyproject.toml", "Pipfile", "setup.py", "setup.cfg", "manage.py")


def _python_setup(folder: Path, project: Mapping[str, Any]) -> Iterable[str]:
    """Commands that install the libraries, by the tool that the project uses."""
    if (folder / "uv.lock").is_file():
        yield "pip install uv && uv sync --active --frozen"
    elif (folder / "poetry.lock").is_file() or _at(project, "tool", "poetry", "dependencies"):
        yield "pip install poetry && poetry install --no-root"
    elif (folder / "Pipfile").is_file():
        yield "pip install pipenv && pipenv install --dev"
    elif (folder / "requirements.txt").is_file():
        yield "pip install -r requirements.txt"
    elif _at(project, "project", "dependencies") and _is_package(folder, project):
        yield "pip install -e ."
    elif _texts(_at(project, "project", "dependencies")):
        wanted = " ".join(_quoted(one) for one in _texts(_at(project, "project", "dependencies")))
        yield f"pip install {wanted}"
    elif (folder / "setup.py").is_file():
        yield "pip install -e ."
    further = folder / "requirements-dev.txt"
    if further.is_file():
        yield "pip install -r requirements-dev.txt"


def _is_package(folder: Path, project: Mapping[str, Any]) -> bool:
    name = str(_at(project, "project", "name") or "").replace("-", "_")
    return "build-system" in project or (folder / "src").is_dir() or (folder / name).is_dir()


def _python_version(folder: Path, project: Mapping[str, Any], pipfile: Mapping[str, Any]) -> str | None:
    pinned = read(folder / ".python-version") or read(folder / "runtime.txt") or ""
    asked = str(_at(pipfile, "requires", "python_version") or "")
    return _version(pinned, 2) or _version(asked, 2) or _exact(str(_at(project, "project", "requires-python") or ""))


def _exact(requirement: str) -> str | None:
    """The version that a requirement allows alone: of `>=3.10` none in particular."""
    match = re.search(r"(?:==|~=)\s*(\d+\.\d+)", requirement)
    return match.group(1) if match else None


# --- Node.js ---


def _node(folder: Path) -> Manifest | None:
    text = read(folder / "package.json")
    if text is None:
        return None
    package = _mapping(_json(text))
    libraries = {
        name.lower()
        for kind in ("dependencies", "devDependencies", "optionalDependencies")
        for name in _mapping(package.get(kind))
    }
    scripts = {name: str(command) for name, command in _mapping(package.get("scripts")).items()}
    pinned = read(folder / ".nvmrc") or read(folder / ".node-version") or ""
    setup = _node_setup(folder, str(package.get("packageManager", ""))) if libraries else ()
    return Manifest("node", "package.json", frozenset(libraries), tuple(setup), _version(pinned, 1), scripts)


def _node_setup(folder: Path, manager: str) -> Iterable[str]:
    tool = manager.partition("@")[0]
    if (folder / "pnpm-lock.yaml").is_file() or tool == "pnpm":
        yield f"npm install --global {manager.partition('+')[0] or 'pnpm'} && pnpm install"
    elif (folder / "yarn.lock").is_file() or tool == "yarn":
        yield "npm install --global yarn && yarn install"
    else:
        yield "npm ci" if (folder / "package-lock.json").is_file() else "npm install --no-package-lock"


# --- others ---


def _go(folder: Path) -> Manifest | None:
    text = read(folder / "go.mod")
    if text is None:
        return None
    modules = re.findall(r"^\s*(?:require\s+)?([a-zA-Z0-9.-]+\.[a-z]+/[^\s]+)\s+v", text, re.M)
    names = {re.sub(r"/v\d+$", "", one) for one in modules} | set(modules)
    asked = re.search(r"^go\s+(\d+\.\d+)", text, re.M)
    return Manifest("go", "go.mod", frozenset(names), version=asked.group(1) if asked else None)


def _ruby(folder: Path) -> Manifest | None:
    text = read(folder / "Gemfile")
    if text is None:
        return None
    gems = frozenset(re.findall(r"^\s*gem\s+['\"]([^'\"]+)['\"]", text, re.M))
    pinned = read(folder / ".ruby-version") or ""
    return Manifest("ruby", "Gemfile", gems, ("bundle install",), _version(pinned, 2))


def _php(folder: Path) -> Manifest | None:
    text = read(folder / "composer.json")
    if text is None:
        return None
    package = _mapping(_json(text))
    libraries = {name.lower() for kind in ("require", "require-dev") for name in _mapping(package.get(kind))}
    return Manifest("php", "composer.json", frozenset(libraries), ("composer install",))


_READERS: tuple[Callable[[Path], Manifest | None], ...] = (_go, _ruby, _php, _python, _node)


# --- reading ---


def _version(text: str, parts: int) -> str | None:
    """The first version number in a text, cut to so many parts."""
    match = re.search(r"\d+(?:\.\d+)*", text.strip().partition("\n")[0])
    numbers = match.group().split(".") if match else []
    return ".".join(numbers[:parts]) if len(numbers) >= parts else None


def _toml(path: Path) -> Mapping[str, Any]:
    return _mapping(_parsed(reading.toml, read(path) or ""))


def _json(text: str) -> Any:
    return _parsed(reading.plain_json, text)


def _parsed(reader: Callable[[str], Any], text: str) -> Any:
    """What a file says; nothing where it is broken, which `broken` tells."""
    try:
        return reader(text)
    except Unreadable:
        return {}


def broken(folder: Path) -> Iterator[tuple[str, str]]:
    """Names of files that are passed over, each with the reason."""
    for name, reader in _STRUCTURED.items():
        if reading.is_too_large(folder / name):
            yield name, "it is too large"
        text = read(folder / name)
        try:
            if text is not None and not isinstance(reader(text), dict):
                yield name, "it is no table"
        except Unreadable as error:
            yield name, str(error)


_STRUCTURED: Mapping[str, Callable[[str], Any]] = {
    "pyproject.toml": reading.toml,
    "Pipfile": reading.toml,
    "package.json": reading.plain_json,
    "composer.json": reading.plain_json,
}


def _at(data: Mapping[str, Any], *keys: str) -> Any:
    found: Any = data
    for key in keys:
        found = _mapping(found).get(key)
    return found


def _mapping(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _texts(value: object) -> list[str]:
    return [one for one in value if isinstance(one, str)] if isinstance(value, list) else []


def _quoted(word: str) -> str:
    import shlex

    return shlex.quote(word)
