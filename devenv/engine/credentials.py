"""Finds how to sign in to a registry: in Docker's own configuration, as `docker login` has left it."""

from __future__ import annotations

import json
import shutil
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from devenv.errors import EngineError
from devenv.model.machine import Login
from devenv.reference import DOCKER_HUB

DOCKER_HUB_SERVER = "https://index.docker.io/v1/"
"""What Docker's configuration calls Docker Hub."""

_SECTIONS = {"auths": dict, "credHelpers": dict, "credsStore": str}


def find(registry: str, environ: Mapping[str, str], home: Path, tell: Callable[[str], None]) -> Login | None:
    """Return the login for a registry; None when there is none, or its credential helper fails.

    Args:
        registry: Host and port, as a reference has it: `docker.io`, `127.0.0.1:5000`.
        home: The user's home folder.
        tell: Is told, in one line, of a credential helper that fails.

    Raises:
        EngineError: The configuration cannot be read.
    """
    path = Path(environ.get("DOCKER_CONFIG") or home / ".docker") / "config.json"
    sections = _sections(path)
    if not sections:  # the SDK looks elsewhere when it is given nothing
        return None
    helper = _helper(registry, sections)
    if helper and shutil.which(helper, path=environ.get("PATH")) is None:
        tell(f"the credential helper `{helper}` is not installed: `{registry}` is asked without a login")
        return None
    return _resolve(registry, sections, environ, path, tell)


def _sections(path: Path) -> dict[str, Any]:
    """The parts of the configuration that have to do with logins, without what is empty."""
    read = _read(path)
    found = {name: read[name] for name in _SECTIONS if read.get(name)}
    for name, kind in _SECTIONS.items():
        if not isinstance(found.get(name, kind()), kind):
            raise _broken(path, f"`{name}` is not as Docker writes it")
    if "auths" in found:
        found["auths"] = {server: _filled(login) for server, login in found["auths"].items()}
    return found


def _read(path: Path) -> dict[str, Any]:
    try:
        read = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise _broken(path, (error.strerror or "").lower()) from error
    except ValueError as error:
        raise _broken(path, "it is not JSON") from error
    if not isinstance(read, dict):
        raise _broken(path, "it is no JSON object")
    return read


def _filled(login: object) -> object:
    """Docker takes an empty `auth` or `identitytoken` as none, the SDK as a broken one."""
    return {name: value for name, value in login.items() if value} if isinstance(login, dict) else login


def _helper(registry: str, sections: Mapping[str, Any]) -> str | None:
    server = DOCKER_HUB_SERVER if registry == DOCKER_HUB else registry
    name = sections.get("credHelpers", {}).get(server) or sections.get("credsStore")
    return f"docker-credential-{name}" if name else None


def _resolve(
    registry: str, sections: dict[str, Any], environ: Mapping[str, str], path: Path, tell: Callable[[str], None]
) -> Login | None:
    import docker.auth
    from docker.errors import DockerException, InvalidConfigFile

    try:
        config = docker.auth.load_config(config_dict=dict(sections), credstore_env=dict(environ))
    except (InvalidConfigFile, ValueError, TypeError) as error:
        raise _broken(path, "a login in it is damaged") from error
    try:
        with warnings.catch_warnings(action="ignore"):
            return _login(registry, config.resolve_authconfig(registry))
    except (DockerException, ValueError, KeyError, TypeError):
        # What a helper says is not repeated: it may hold a secret.
        tell(f"the credential helper `{_helper(registry, sections)}` fails: `{registry}` is asked without a login")
        return None


def _login(registry: str, found: Mapping[str, str] | None) -> Login | None:
    """Read what the SDK returns, which has two spellings."""
    named = {name.lower(): value for name, value in (found or {}).items() if value}
    if "identitytoken" not in named and "username" not in named:
        return None
    server = named.get("serveraddress") or (DOCKER_HUB_SERVER if registry == DOCKER_HUB else registry)
    return Login(server, named.get("username", ""), named.get("password", ""), named.get("identitytoken", ""))


def _broken(path: Path, why: str) -> EngineError:
    return EngineError(
        f"Docker's configuration `{path}` cannot be used: {why}",
        hint="put it right, or move it away and run `docker login`",
    )
