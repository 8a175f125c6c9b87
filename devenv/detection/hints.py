"""What the files of other tools of the kind say of an environment: versions, packages, services, commands.

They are hints: a file of a language's own tools goes before them, and nothing in them is run.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import field
from pathlib import Path
from typing import Any

from devenv.catalog import Catalog
from devenv.detection import reading
from devenv.detection.reading import Unreadable
from devenv.values import dataclass

DDEV = ".ddev/config.yaml"
DEVBOX = "devbox.json"
DEVCONTAINERS = (".devcontainer/devcontainer.json", ".devcontainer.json", ".devcontainer/*/devcontainer.json")


@dataclass(frozen=True, slots=True)
class Wish:
    """A service that is asked for.

    Args:
        kind: As of a sign: `images` or `nix`.
    """

    kind: str
    word: str
    version: str | None = None


@dataclass(frozen=True, slots=True)
class Hint:
    """What one file says.

    Args:
        stacks: Their versions, None where it does not say.
        packages: Names that Debian has, too.
        addresses: As variables would name services, for the database and the user that the project counts on.
        compose: Further compose files, relative to the project.
        docroot: Of PHP, relative to the project.
        open: What it says besides, for somebody to look at.
    """

    file: str
    stacks: Mapping[str, str | None] = field(default_factory=dict)
    packages: tuple[str, ...] = ()
    services: tuple[Wish, ...] = ()
    addresses: Mapping[str, str] = field(default_factory=dict)
    env: Mapping[str, str] = field(default_factory=dict)
    setup: tuple[str, ...] = ()
    run: str | None = None
    port: int | None = None
    docroot: str | None = None
    compose: tuple[str, ...] = ()
    open: tuple[str, ...] = ()


def read(root: Path, entries: Catalog) -> tuple[Hint, ...]:
    """The hints of the files that are there and can be read."""
    return tuple(hint for file, said in _files(root) if isinstance(said, dict) and (hint := _hint(file, said, entries)))


def broken(root: Path) -> Iterator[tuple[str, str]]:
    """Files that are passed over, each with the reason."""
    for file, said in _files(root):
        if isinstance(said, Unreadable):
            yield file, str(said)
        elif not isinstance(said, dict):
            yield file, "it is no table"


def _files(root: Path) -> Iterator[tuple[str, Any]]:
    """Each file that is there, with what it says or why it cannot be read."""
    for file in (DDEV, DEVBOX, *_devcontainers(root)):
        path = root / file
        if path.parent.is_symlink() and path.parent != root:
            continue
        if reading.is_too_large(path):
            yield file, Unreadable("it is too large")
        elif (text := reading.text(path)) is not None:
            reader = reading.yaml if file == DDEV else reading.commented_json
            try:
                yield file, reader(text)
            except Unreadable as error:
                yield file, error


def _devcontainers(root: Path) -> tuple[str, ...]:
    """The one that tools take first."""
    found = (path for pattern in DEVCONTAINERS for path in sorted(root.glob(pattern)) if path.is_file())
    first = next(found, None)
    return (first.relative_to(root).as_posix(),) if first is not None else ()


def _hint(file: str, said: Mapping[str, Any], entries: Catalog) -> Hint:
    if file == DDEV:
        return _ddev(file, said)
    return _devbox(file, said) if file == DEVBOX else _devcontainer(file, said, entries)


# --- ddev ---


def _ddev(file: str, said: Mapping[str, Any]) -> Hint:
    database = _mapping(said.get("database"))
    kind, version = _text(database.get("type")), _text(database.get("version")) or None
    if not kind and "db" not in _texts(said.get("omit_containers")):
        kind = "mariadb"  # what it starts when nothing is said
    scheme = {"mariadb": "mysql", "mysql": "mysql", "postgres": "postgres"}.get(kind)
    docroot = _text(said.get("docroot")).strip("/")
    return Hint(
        file,
        stacks={"php": _number(said.get("php_version"), 2), "node": _number(said.get("nodejs_version"), 1)},
        services=(Wish("images", kind, version),) if scheme else (),
        addresses={"database": f"{scheme}://db:db@localhost/db"} if scheme else {},
        env=dict(_assigned(_texts(said.get("web_environment")))),
        docroot=docroot if re.fullmatch(r"[\w.-]+(/[\w.-]+)*", docroot) and ".." not in docroot else None,
        open=tuple(f"{file} also has `{one}`" for one in ("hooks", "web_extra_daemons") if said.get(one)),
    )


def _assigned(lines: list[str]) -> Iterator[tuple[str, str]]:
    for line in lines:
        name, sign, value = line.partition("=")
        if sign and re.fullmatch(r"[A-Za-z_]\w*", name) and "$" not in value:
            yield name, value


# --- devbox ---

# How Nix calls what stacks are; the number in a name like `python311` or `nodejs_20` is the version.
_NIX_STACKS: Mapping[str, str] = {
    "python": "python",
    "python3": "python",
    "nodejs": "node",
    "nodejs-slim": "node",
    "go": "go",
    "ruby": "ruby",
    "php": "php",
    "jdk": "java",
    "openjdk": "java",
    "temurin-bin": "java",
    "rustc": "rust",
    "cargo": "rust",
    "rustup": "rust",
    "elixir": "elixir",
}
_NIX_PACKAGES: Mapping[str, str] = {
    "gnumake": "make",
    "sqlite": "sqlite3",
    "protobuf": "protobuf-compiler",
    "pkg-config": "pkgconf",
    "python3Packages.pip": "",
    "libpq": "libpq-dev",
} | {
    name: name
    for name in (
        *("bash", "bat", "cmake", "curl", "ffmpeg", "gcc", "gettext", "gh", "git", "git-lfs", "graphviz", "htop"),
        *("imagemagick", "jq", "make", "nano", "openssl", "pandoc", "ripgrep", "shellcheck", "tree", "unzip", "vim"),
        *("wget", "zip"),
    )
}
_STARTS = ("dev", "start", "serve", "server", "run")


def _devbox(file: str, said: Mapping[str, Any]) -> Hint:
    stacks: dict[str, str | None] = {}
    packages: list[str] = []
    services: list[Wish] = []
    for name, version in _asked(said.get("packages")):
        word, number = parted(name)
        number = version or number
        if (stack := _NIX_STACKS.get(word)) is not None:
            stacks.setdefault(stack, _number(number, 1 if stack in ("node", "java") else 2))
        elif (package := _NIX_PACKAGES.get(name)) is not None:
            packages += [package] if package else []
        else:
            services.append(Wish("nix", word, number or None))
    shell = _mapping(said.get("shell"))
    scripts = {name: _command(one) for name, one in _mapping(shell.get("scripts")).items()}
    run = next((scripts[name] for name in _STARTS if scripts.get(name)), None)
    begins = _command(shell.get("init_hook"))
    return Hint(
        file,
        stacks=stacks,
        packages=tuple(dict.fromkeys(packages)),
        services=tuple(services),
        env=dict(_plain(_mapping(said.get("env")))),
        run=run,
        open=(f"{file} begins its shell with `{begins}`",) if begins else (),
    )


def _asked(packages: object) -> Iterator[tuple[str, str]]:
    """Names with the versions that are asked for, of both forms."""
    if isinstance(packages, dict):
        for name, one in packages.items():
            yield name, _version(_text(one.get("version") if isinstance(one, dict) else one))
    for entry in _texts(packages):
        name, _, version = entry.partition("@")
        yield name, _version(version)


def parted(name: str) -> tuple[str, str]:
    """A name of Nix without the version in it, and that version: `python311`, `nodejs_20`, `postgresql_15`."""
    match = re.fullmatch(r"([A-Za-z][A-Za-z-]*?3?)[_-]?(\d[\d_]*)", name)
    if match is None or name in _NIX_STACKS:
        return name, ""
    word, digits = match.group(1), match.group(2)
    if word in ("python", "php", "python3") and len(digits) > 1 and "_" not in digits:
        major, rest = (digits[0], digits[1:]) if word != "python3" else ("3", digits)
        return word.rstrip("3") if word == "python3" else word, f"{major}.{rest}"
    return word, digits.replace("_", ".")


# --- devcontainer ---

_LANGUAGES: Mapping[str, str] = {
    "python": "python",
    "javascript-node": "node",
    "typescript-node": "node",
    "node": "node",
    "go": "go",
    "ruby": "ruby",
    "php": "php",
    "java": "java",
    "rust": "rust",
    "cpp": "c",
}
_FOR_PEOPLE = frozenset({"common-utils", "git", "sshd"})
"""Features that an editor's container needs and an app's does not."""
_PACKAGED: Mapping[str, str] = {"github-cli": "gh", "git-lfs": "git-lfs"}


def _devcontainer(file: str, said: Mapping[str, Any], entries: Catalog) -> Hint:
    stacks = dict(_of_image(_text(said.get("image")), entries))
    packages: list[str] = []
    others: list[str] = []
    for feature, options in _mapping(said.get("features")).items():
        name = feature.rpartition("/")[2].partition(":")[0].partition("@")[0]
        if name in _LANGUAGES:
            asked = options.get("version") if isinstance(options, dict) else options
            stacks[_LANGUAGES[name]] = _number(asked, 1 if name in ("node", "java") else 2)
        elif name == "apt-packages" and isinstance(options, dict):
            packages += re.findall(r"[a-z0-9][a-z0-9.+-]+", _text(options.get("packages")))
        elif name in _PACKAGED:
            packages.append(_PACKAGED[name])
        elif name not in _FOR_PEOPLE:
            others.append(f"{file} also has the feature `{name}`")
    commands = tuple(_created(said))
    names = [_text(said.get("dockerComposeFile")), *_texts(said.get("dockerComposeFile"))]
    return Hint(
        file,
        stacks=stacks,
        packages=tuple(dict.fromkeys(packages)),
        env=dict(_plain(_mapping(said.get("containerEnv")) | _mapping(said.get("remoteEnv")))),
        setup=tuple(one for one in commands if "${" not in one),
        port=next((one for one in _ports(said.get("forwardPorts"))), None),
        compose=tuple(_beside(file, one) for one in names if one),
        open=(*others, *(f"{file} runs `{one}`" for one in commands if "${" in one)),
    )


def _of_image(image: str, entries: Catalog) -> Iterator[tuple[str, str | None]]:
    """The stack that an image is made for: the Dev Containers' own, or one of the catalog's."""
    name, _, tag = image.partition("@")[0].removeprefix("docker.io/").removeprefix("library/").partition(":")
    word = name.rpartition("/")[2]
    stack = _LANGUAGES.get(word) if "devcontainers/" in name else None
    for one in entries.names("stack"):
        registry = entries.stack(one).registry
        if stack is None and registry is not None and registry.image == name:
            stack = one
    if stack is not None:
        # `1-3.12-bookworm`: the first number is that of their own image.
        yield stack, _number(re.sub(r"^(dev-)?\d+-(?=\d)", "", tag), 1 if stack in ("node", "java") else 2)


def _created(said: Mapping[str, Any]) -> Iterator[str]:
    """The commands that are run once, in their order."""
    for key in ("onCreateCommand", "updateContentCommand", "postCreateCommand"):
        value = said.get(key)
        several = value.values() if isinstance(value, dict) else (value,)
        for one in several:
            if command := _text(one) or _joined(_texts(one)):
                yield command


def _ports(value: object) -> Iterator[int]:
    for one in value if isinstance(value, list) else ():
        if isinstance(one, int) and not isinstance(one, bool) and 0 < one < 65536:
            yield one


def _plain(values: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Variables that name no other, above all none of this machine's."""
    for name, one in values.items():
        if isinstance(one, str) and "$" not in one and re.fullmatch(r"[A-Za-z_]\w*", name):
            yield name, one


def _beside(file: str, name: str) -> str:
    import posixpath

    return posixpath.normpath(posixpath.join(posixpath.dirname(file), name))


# --- values ---


def _mapping(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: object) -> str:
    """A text, or a number as one; empty for anything else."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return str(value)
    return value if isinstance(value, str) else ""


def _texts(value: object) -> list[str]:
    return [one for one in value if isinstance(one, str)] if isinstance(value, list) else []


def _command(value: object) -> str:
    """A command, or several as one line."""
    return _text(value).strip() or " && ".join(one.strip() for one in _texts(value) if one.strip())


def _joined(words: list[str]) -> str:
    import shlex

    return shlex.join(words)


def _version(text: str) -> str:
    return "" if text in ("latest", "lts", "none") else text


def _number(value: object, parts: int) -> str | None:
    """The version in a text, cut to so many parts."""
    match = re.match(r"v?(\d+(?:\.\d+)*)", _text(value))
    return ".".join(match.group(1).split(".")[:parts]) if match else None
