"""What an app or service is to reach beyond its own container: read, and checked as far as files alone tell."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from devenv import toml
from devenv.config.findings import Findings
from devenv.model.project import LOOPBACK, HostPath, Reach

OWN = ".devenv"
"""The project's folder of what devenv makes, secrets among it: no container is given anything of it."""


def of(table: Mapping[str, Any], root: Path, keys: toml.Keys, found: Findings) -> Reach:
    """What a unit's table asks for."""
    privileged, capabilities = table.get("privileged", False), tuple(dict.fromkeys(table.get("capabilities", ())))
    if privileged and capabilities:
        message = "`capabilities` add nothing to `privileged`"
        found.add(message, (*keys, "capabilities"), hint="remove one of the two", key=True)
    if "address" in table and not table.get("ports") and keys[0] == "apps" and not found.is_broken((*keys, "ports")):
        found.add("`address` is where ports are published", (*keys, "address"), hint="add `ports = […]`", key=True)
    mounts = tuple(
        _mount(target, one, root, (*keys, "mounts", target), found) for target, one in table.get("mounts", {}).items()
    )
    _check_once(mounts, keys, found)
    return Reach(mounts, privileged, capabilities, table.get("address", LOOPBACK))


def _mount(target: str, table: Mapping[str, Any], root: Path, keys: toml.Keys, found: Findings) -> HostPath:
    source: str = table["source"]
    if not target.startswith("/") or ".." in target.split("/") or not target.strip("/") or ":" in target:
        found.add(f"`{toml.printable(target)}` is no absolute path", keys, hint="such as `/etc/nginx.conf`", key=True)
    # Nobody could tell from what is shown what is meant.
    elif not target.isprintable():
        found.add(f"`{toml.printable(target)}` cannot be a path inside", keys, key=True)
    if not source.isprintable() or "\\" in source or (source.startswith("~") and source != "~" and source[1] != "/"):
        hint = "it is relative to the project, or begins with `/`, `~/` or `../`"
        found.add(f"`{toml.printable(source)}` cannot be a path", keys, hint=hint)
    else:
        _check_source(source, root, keys, found)
    return HostPath(posixpath.normpath(target), source, table.get("read_only", True))


def _check_source(source: str, root: Path, keys: toml.Keys, found: Findings) -> None:
    shown = toml.printable(source)
    try:
        path = located(source, root, Path.home())
        real, own = path.resolve(), root.resolve()
        if any(one.is_relative_to(place / OWN) for one in (real, path) for place in (own, root)):
            hint = "keep the file elsewhere in the project"
            found.add(f"`{shown}` is in `{OWN}`, where devenv keeps secrets", keys, hint=hint)
        elif is_inside(source) and not path.exists() and real.is_relative_to(own):
            found.add(f"the project has no file or folder `{shown}`", keys, hint="create it, or correct the path")
    except (OSError, ValueError, RuntimeError):
        found.add(f"`{shown}` cannot be a path", keys)


def _check_once(mounts: tuple[HostPath, ...], keys: toml.Keys, found: Findings) -> None:
    for index, one in enumerate(mounts):
        if one.target in {other.target for other in mounts[:index]}:
            found.add(f"two mounts are at `{toml.printable(one.target)}`", (*keys, "mounts"), hint="remove one of them")


def located(source: str, root: Path, home: Path) -> Path:
    """Where on the host a mount's source is, links not followed."""
    if source == "~" or source.startswith("~/"):
        return Path(posixpath.normpath(home / source[2:]))
    # What climbs out of a link would else climb out of where it leads.
    return Path(posixpath.normpath(root / source))


def is_inside(source: str) -> bool:
    """Whether a source is written as one of the project's own."""
    return not source.startswith(("/", "~")) and not climbs(source)


def climbs(path: str) -> bool:
    """Whether a relative path leads above where it starts."""
    depth = 0
    for part in PurePosixPath(path).parts:
        depth += -1 if part == ".." else 1
        if depth < 0:
            return True
    return False
