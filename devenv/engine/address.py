"""Finds the container engine: the flag, the user's settings, `DOCKER_HOST`, the docker context, the usual sockets."""

from __future__ import annotations

import hashlib
import json
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from devenv.engine import digests, wire
from devenv.engine.docker import DockerEngine
from devenv.engine.wire import Endpoint, Tls
from devenv.errors import EngineError, EngineUnreachable
from devenv.model.machine import Machine

_SCHEMES = ("unix://", "tcp://", "http://", "https://", "ssh://")
_KNOCK_TIMEOUT = 2.0


def find(machine: Machine, environ: Mapping[str, str], home: Path, flag: str | None = None) -> Endpoint:
    """Return the engine that is named, else the first of the usual sockets that answers.

    Raises:
        EngineUnreachable: Nothing is named and no socket answers; or the context does not exist.
        EngineError: What is named is no address.
    """
    return named(machine, environ, home, flag) or _answering(tuple(_usual(environ, home)))


def named(machine: Machine, environ: Mapping[str, str], home: Path, flag: str | None = None) -> Endpoint | None:
    """Return the first engine that is named, whether it answers or not; None when nothing is named.

    Raises:
        EngineUnreachable: The context does not exist.
        EngineError: What is named is no address.
    """
    config = _folder(environ, home)
    for address, source in (
        (flag, "`--engine`"),
        (machine.engine, "`DEVENV_ENGINE` or the user's configuration"),
        (environ.get("DOCKER_HOST"), "`DOCKER_HOST`"),
    ):
        if address:
            return _named(address, source, _tls_of(environ, config))
    context = environ.get("DOCKER_CONTEXT") or _read(config / "config.json").get("currentContext")
    if context and context != "default":
        return _context(str(context), config)
    return None


def sockets(machine: Machine, environ: Mapping[str, str], home: Path) -> tuple[Path, ...]:
    """Return where engines may listen on this machine: the one that is named, and the usual sockets."""
    usual = tuple(path for _, path in _usual(environ, home))
    try:
        found = named(machine, environ, home)
    except EngineError:
        return usual
    address = found.address if found else ""
    return (Path(address.removeprefix("unix://")), *usual) if address.startswith("unix://") else usual


def chosen(address: str, environ: Mapping[str, str], home: Path) -> Endpoint:
    """Return the engine at an address that was found before.

    Raises:
        EngineError: It is no address.
    """
    return _named(address, "`--engine`", _tls_of(environ, _folder(environ, home)))


def connect(endpoint: Endpoint, cache: Path | None = None) -> DockerEngine:
    """Return the engine there, after it has answered once; `cache` is the user's folder for what can be asked again."""
    engine = DockerEngine(endpoint, digests.Memory(cache / "digests" if cache else None))
    try:
        engine.ping()
    except BaseException:
        engine.close()
        raise
    return engine


def _folder(environ: Mapping[str, str], home: Path) -> Path:
    """Where the docker command keeps its configuration."""
    return Path(environ.get("DOCKER_CONFIG") or home / ".docker")


def _named(address: str, source: str, tls: Tls | None) -> Endpoint:
    if address.startswith("/"):
        address = f"unix://{address}"
    if not address.startswith(_SCHEMES):
        raise EngineError(
            f"`{address}` from {source} is no engine address",
            hint="an address looks like `unix:///var/run/docker.sock`, `tcp://host:2375` or `ssh://user@host`",
        )
    over_tcp = address.startswith(("tcp://", "https://"))
    return Endpoint(address, source, tls if over_tcp else None)


def _tls_of(environ: Mapping[str, str], config: Path) -> Tls | None:
    """TLS as the docker command reads it from its environment."""
    verify = bool(environ.get("DOCKER_TLS_VERIFY"))
    if not verify and not environ.get("DOCKER_TLS"):
        return None
    return _material(Path(environ.get("DOCKER_CERT_PATH") or config), verify=verify)


def _material(folder: Path, *, verify: bool) -> Tls:
    found = {name: str(folder / f"{name}.pem") for name in ("ca", "cert", "key") if (folder / f"{name}.pem").is_file()}
    return Tls(ca=found.get("ca"), certificate=found.get("cert"), key=found.get("key"), verify=verify)


def _context(name: str, config: Path) -> Endpoint:
    """Read a docker context; its folder's name is the hash of its own."""
    folder = hashlib.sha256(name.encode()).hexdigest()
    meta = _read(config / "contexts" / "meta" / folder / "meta.json")
    endpoint = (meta.get("Endpoints") or {}).get("docker") or {}
    if not endpoint.get("Host"):
        raise EngineUnreachable(
            f"the docker context `{name}` does not exist", hint="`docker context ls` shows those that do"
        )
    material = config / "contexts" / "tls" / folder / "docker"
    tls = _material(material, verify=not endpoint.get("SkipTLSVerify")) if material.is_dir() else None
    return _named(str(endpoint["Host"]), f"the docker context `{name}`", tls)


def _read(file: Path) -> dict[str, Any]:
    try:
        content = json.loads(file.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, ValueError) as error:
        raise EngineError(f"`{file}` cannot be read: {error}", hint="docker's own commands need it, too") from error
    return content if isinstance(content, dict) else {}


def _usual(environ: Mapping[str, str], home: Path) -> Iterator[tuple[str, Path]]:
    runtime = environ.get("XDG_RUNTIME_DIR")
    yield "Docker", Path("/var/run/docker.sock")
    if runtime:
        yield "Docker, rootless", Path(runtime) / "docker.sock"
    yield "Docker Desktop", home / ".docker/run/docker.sock"
    yield "Docker Desktop", home / ".docker/desktop/docker.sock"
    yield "Colima", home / ".colima/default/docker.sock"
    yield "OrbStack", home / ".orbstack/run/docker.sock"
    yield "Rancher Desktop", home / ".rd/docker.sock"
    if runtime:
        yield "Podman, rootless", Path(runtime) / "podman/podman.sock"
    yield "Podman", Path("/run/podman/podman.sock")


def _answering(places: tuple[tuple[str, Path], ...]) -> Endpoint:
    forbidden: EngineUnreachable | None = None
    for name, path in places:
        address = f"unix://{path}"
        try:
            _knock(path)
            return Endpoint(address, f"{name}'s usual socket")
        except PermissionError as error:
            forbidden = forbidden or wire.unreachable(address, error)
        except OSError:
            continue
    if forbidden is not None:
        raise forbidden
    listed = "\n".join(f"  {path} ({name})" for name, path in places)
    raise EngineUnreachable(
        f"no container engine answers; neither `DOCKER_HOST` nor a docker context names one, and nothing listens at\n"
        f"{listed}",
        hint="`devenv doctor --fix` installs one or tells how",
    )


def _knock(path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as caller:
        caller.settimeout(_KNOCK_TIMEOUT)
        caller.connect(str(path))
