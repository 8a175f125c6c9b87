"""Whether a service of a compose file is one of the catalog's, so that everything said of it can be said there, too."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from devenv.catalog import Catalog
from devenv.detection.draft import Value
from devenv.importing.amounts import Mounted
from devenv.importing.tree import Node
from devenv.model.catalog import ServiceEntry
from devenv.model.project import Origin
from devenv.reference import Reference
from devenv.values import dataclass

SUITE = "trixie"
ALIKE = ("mariadb", "memcached", "mailpit", "mongodb", "mysql", "postgres", "rabbitmq", "redis", "valkey")
"""Entries that take variables and files as the image of the same name does; others do more than it."""
BY_DEFAULT: Mapping[str, Mapping[str, str]] = {
    "postgres": {"user": "postgres"},
    "rabbitmq": {"user": "guest", "password": "guest"},
}
"""What images take where nothing is said."""
REQUIRED: Mapping[str, str] = {"mongodb": "MONGO_INITDB_ROOT_USERNAME"}
"""A variable without which the image asks for no password, which the catalog's always does."""
OTHERWISE = re.compile(r"\w+_(FILE|HOST_AUTH_METHOD|ALLOW_EMPTY_(ROOT_)?PASSWORD|RANDOM_ROOT_PASSWORD)")
"""Variables that say of passwords what no option can."""
KEYS = frozenset({"entrypoint", "user", "working_dir", "build", "privileged", "secrets", "configs"})
"""What cannot be said of a service of the catalog."""
_ONE = re.compile(r"\{(\w+)(\.first)?\}")
_NUMBER = re.compile(r"v?(\d+(?:\.\d+)*)")
_FILE = re.compile(r"[\w./ -]+")


@dataclass(frozen=True, slots=True)
class Fit:
    """How a service is one of the catalog's.

    Args:
        version_why: What to know of the version; empty where it is as asked for.
        secret: The options whose value is nothing to be committed.
        taken: The variables that became options.
        files: The targets of mounts that became options, or are the catalog's own volumes.
    """

    use: str
    version: str | None
    version_why: str
    options: Mapping[str, Value]
    secret: frozenset[str]
    taken: frozenset[str]
    files: frozenset[str]


def fit(
    image: Reference,
    given: Mapping[str, Node],
    words: Sequence[str] | None,
    env: Mapping[str, Node],
    mounted: Sequence[Mounted],
    folder: Path,
    entries: Catalog,
    images: Origin,
) -> Fit | None:
    """The catalog's service that fits; None where something would be lost.

    Args:
        given: The service's own table.
        words: Its command.
        folder: The one that mounts are relative to.
    """
    use = next((name for name in ALIKE if _is(image, entries, name)), None)
    if use is None or any(key in KEYS and not one.is_nothing for key, one in given.items()):
        return None
    entry = entries.service(use)
    version = _version(image, entry, images)
    if version is None or any(OTHERWISE.fullmatch(name) for name in env) or REQUIRED.get(use, "") not in {"", *env}:
        return None
    options, secret, taken = _options(use, entry, env)
    settings = _settings(words, entry)
    files = _files(mounted, entry, folder)
    if options is None or settings is None or files is None or "requirepass" in settings:
        return None
    init, targets = files
    options |= {"settings": settings} if settings else {}
    options |= {"init": init} if init else {}
    return Fit(use, *version, options, secret, taken, targets)


def _is(image: Reference, entries: Catalog, name: str) -> bool:
    from devenv import reference

    entry = entries.service(name)
    return entry.registry is not None and reference.parse(entry.registry.image).name == image.name and not image.digest


def _version(image: Reference, entry: ServiceEntry, images: Origin) -> tuple[str | None, str] | None:
    """The version, and what to know of it; None where the catalog has none like it."""
    if images == "debian":
        if entry.debian is None or SUITE not in entry.debian.packages:
            return None
        has = tuple(entry.debian.packages[SUITE])
    else:
        assert entry.registry is not None
        has = entry.registry.versions
    found = _NUMBER.match(image.tag)
    if found is None:  # `latest`
        return None, "" if image.tag in ("latest", "") else f"instead of {image.tag}"
    wanted = found[1]
    near = sorted((one for one in has if _begins(wanted, one) or _begins(one, wanted)), key=_number)
    if not near:
        return (None, f"instead of {image.tag}, which Debian does not have") if images == "debian" else None
    version = wanted if wanted in near else near[-1]
    return version, "" if image.tag in (version, f"v{version}") else f"instead of {image.tag}"


def _begins(version: str, start: str) -> bool:
    return version == start or version.startswith(f"{start}.")


def _number(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version))


def _options(
    use: str, entry: ServiceEntry, env: Mapping[str, Node]
) -> tuple[dict[str, Value] | None, frozenset[str], frozenset[str]]:
    """The options that variables are; None where two of them say different things of one."""
    found: dict[str, str] = {}
    secret, taken = set(), set()
    for name, option in _meant(entry):
        if name not in env:
            continue
        text = env[name].text or ""
        if found.setdefault(option, text) != text or not text:
            return None, frozenset(), frozenset()
        taken.add(name)
        if env[name].is_secret:
            secret.add(option)
    found = dict(BY_DEFAULT.get(use, {})) | found
    if use == "postgres":
        found.setdefault("databases", found["user"])
    as_list = {name: option.type == "list" for name, option in entry.options.items()}
    return {key: (one,) if as_list[key] else one for key, one in found.items()}, frozenset(secret), frozenset(taken)


def _meant(entry: ServiceEntry) -> Iterator[tuple[str, str]]:
    """Each variable that is nothing but an option, with that."""
    for name, template in entry.env.items():
        one = _ONE.fullmatch(template)
        if one is not None and one[1] in entry.options and not name.startswith("DEVENV_"):
            yield name, one[1]


def _settings(words: Sequence[str] | None, entry: ServiceEntry) -> dict[str, Value] | None:
    """The settings that a command is made of; None where it is something else."""
    if not words:
        return {}
    option = entry.options.get("settings")
    if option is None or not entry.command or not option.argument:
        return None
    rest = list(words[1:]) if words[0] == entry.command[0] else list(words) if words[0].startswith("-") else None
    size = len(option.argument)
    if rest is None or len(rest) % size:
        return None
    found: dict[str, Value] = {}
    for at in range(0, len(rest), size):
        one = _argument(option.argument, rest[at : at + size])
        if one is None or one[0] in found:
            return None
        found[one[0]] = one[1]
    return found


def _argument(template: Sequence[str], words: Sequence[str]) -> tuple[str, str] | None:
    """Key and value of one setting."""
    pattern = "\0".join(re.escape(part) for part in template)
    pattern = pattern.replace(r"\{key\}", r"(?P<key>[A-Za-z][\w.-]*)").replace(r"\{value\}", r"(?P<value>[^\0]*)")
    found = re.fullmatch(pattern, "\0".join(words))
    return (found["key"], found["value"]) if found is not None else None


def _files(
    mounted: Sequence[Mounted], entry: ServiceEntry, folder: Path
) -> tuple[tuple[str, ...], frozenset[str]] | None:
    """Globs for `init`, and the targets that need nothing else; None where the catalog knows nothing like a mount."""
    into = entry.options["init"].into if "init" in entry.options else None
    init: list[str] = []
    targets = set()
    for one in mounted:
        target = posixpath.normpath(one.target)
        # A volume of the catalog's own lies there, or around it.
        is_data = any(_lies(path, target) or _lies(target, path) for path in entry.volumes.values())
        if one.kind == "volume" or is_data:
            if not is_data:
                return None
        elif into is not None and _lies(target, into):
            glob = _glob(posixpath.normpath(one.source), is_folder=target == into, folder=folder)
            if glob is None:
                return None
            init.append(glob)
        else:
            return None
        targets.add(one.target)
    return tuple(init), frozenset(targets)


def _lies(path: str, folder: str) -> bool:
    return path == folder or path.startswith(f"{folder}/")


def _glob(source: str, *, is_folder: bool, folder: Path) -> str | None:
    """The pattern of what is run on an empty volume; None where nothing of the project is there."""
    if source.startswith(("/", "~", "..")) or not _FILE.fullmatch(source):
        return None
    path = folder / source
    if is_folder:
        return f"{source}/*" if path.is_dir() and any(one.is_file() for one in path.iterdir()) else None
    return source if path.is_file() else None
