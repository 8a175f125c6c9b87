"""Reads `devenv.toml`: checks it, lays the machine's overlay and a profile over it, and gives the project."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import devenv
from devenv import toml
from devenv.config import border, convert, findings, shape, source, version
from devenv.config.border import schema as schema
from devenv.config.findings import Findings
from devenv.config.source import LOCAL_NAME as LOCAL_NAME
from devenv.config.source import NAME as NAME
from devenv.config.source import PROFILES, Source
from devenv.errors import DevenvError, Place, UsageError
from devenv.model.project import Project
from devenv.values import dataclass

SERVICE_KEYS = tuple(border.SERVICE.keys)
"""The keys of a service that are no options of its catalog entry."""

# Each is checked, also when another one is asked for.
MOST_PROFILES = 50


@dataclass(frozen=True, slots=True)
class Loaded:
    """A project and where each part of it was written."""

    project: Project
    source: Source

    def place(self, keys: toml.Keys, *, key: bool = False) -> Place | None:
        """Where a value was written; of one that an app shares by `like`, where the other app has it."""
        place = self.source.place(keys, key=key)
        like = {app.name: app.like for app in self.project.apps}
        if place is None and len(keys) > 2 and keys[0] == "apps" and like.get(str(keys[1])):
            return self.source.place(("apps", str(like[str(keys[1])]), *keys[2:]), key=key)
        return place


def find(start: Path) -> Path:
    """The folder of the project that `start` lies in.

    Raises:
        DevenvError: There is no `devenv.toml` in it or above it.
    """
    try:
        folder = start.resolve()
        for candidate in (folder, *folder.parents):
            if (candidate / NAME).is_file():
                return candidate
    except (OSError, ValueError, RuntimeError):
        pass
    raise DevenvError(
        f"no `{NAME}` in `{toml.printable(str(start), 400)}` or above it",
        hint="`devenv init` writes one there, or name the project's folder with `--project`",
    )


def load(folder: Path, *, profile: str | None = None) -> Project:
    """Read the project in `folder`; see `read`."""
    return read(folder, profile=profile).project


def read(folder: Path, *, profile: str | None = None, text: str | None = None) -> Loaded:
    """Read the project in `folder`.

    Args:
        text: What `devenv.toml` is to say in place of what it says.

    Raises:
        Problems: Everything that is wrong with it, in whichever profile.
        UsageError: There is no such profile.
    """
    documents = source.read(folder, text)
    plain = source.layered(documents, None)
    _check_version(plain.data(), plain)
    names = _profile_names(plain)
    if profile is not None and profile not in names:
        raise _unknown_profile(profile, names)
    problems: list[DevenvError] = []
    loaded: dict[str | None, Loaded] = {}
    for name in (None, *names):
        one = source.layered(documents, name)
        found = Findings(one.place)
        loaded[name] = Loaded(_project(one, folder.absolute(), name, found), one)
        problems += found.problems
    findings.raised(problems)
    return loaded[profile]


def place(folder: Path, *keys: str | int) -> Place | None:
    """Where a value of the project in `folder` was written; None when it was not."""
    return source.layered(source.read(folder), None).place(keys)


def _project(one: Source, root: Path, profile: str | None, found: Findings) -> Project:
    data = one.data()
    if profile is None:
        _check_profiles(one, found)
        _check_requirement(data, found)
    return convert.project(shape.check(border.FILE, data, found), root, found)


def _check_version(data: Mapping[str, Any], plain: Source) -> None:
    """Refuse a file that another version can read before saying what this one thinks of its keys."""
    required = data.get("require_version")
    if isinstance(required, str) and version.fits(devenv.__version__, required) is False:
        raise DevenvError(
            f"this project requires devenv {toml.printable(required)}, this is {devenv.__version__}",
            hint="install a version that fits",
            where=plain.place(("require_version",)),
        )


def _check_requirement(data: Mapping[str, Any], found: Findings) -> None:
    required = data.get("require_version")
    if isinstance(required, str) and version.fits(devenv.__version__, required) is None:
        message = f"`{toml.printable(required)}` is no condition for a version"
        found.add(message, ("require_version",), hint="such as `>=0.1` or `>=0.1,<1`")


def _check_profiles(plain: Source, found: Findings) -> None:
    for layer in plain.layers:
        profiles = layer.table.get(PROFILES, {})
        if not isinstance(profiles, dict):
            found.add(f"`{PROFILES}`: expected a table, got {shape.kind(profiles)}", (PROFILES,))
            continue
        for name, table in profiles.items():
            keys = (PROFILES, name)
            if not isinstance(table, dict):
                found.add(f"`{findings.dotted(keys)}`: expected a table, got {shape.kind(table)}", keys)
            elif PROFILES in table:
                found.add("a profile cannot have profiles", (*keys, PROFILES), key=True)


def _profile_names(plain: Source) -> tuple[str, ...]:
    tables = [layer.table.get(PROFILES) for layer in plain.layers]
    names = tuple(dict.fromkeys(name for table in tables if isinstance(table, dict) for name in table))
    if len(names) > MOST_PROFILES:
        raise DevenvError(f"more than {MOST_PROFILES} profiles", where=plain.place((PROFILES,)))
    return names


def _unknown_profile(name: str, known: tuple[str, ...]) -> UsageError:
    hint = findings.suggestion(name, known) or (f"there are: {findings.listed(known, 'and')}" if known else None)
    return UsageError(f"unknown profile `{toml.printable(name)}`", hint=hint and toml.printable(hint))
