"""`devenv doctor`: everything wrong with this machine, each with its remedy; with `fix`, repairs the engine."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from devenv import reference
from devenv.diagnosis import Finding as Finding
from devenv.diagnosis import kernel, network, projects, versions
from devenv.diagnosis.network import Place
from devenv.engine import address, install
from devenv.engine.host import Host, ThisHost
from devenv.engine.install import Say
from devenv.engine.protocol import Engine, EngineInfo
from devenv.engine.wire import Endpoint, Wire
from devenv.errors import DevenvError, EngineError, EngineForbidden, EngineUnreachable, ImageError
from devenv.images import mirror
from devenv.images.registry import http
from devenv.lockfile import wanted
from devenv.model.machine import Machine
from devenv.values import dataclass
from devenv.workspace import Workspace

ENOUGH_DISK = 5 * 10**9
ENOUGH_MEMORY = 2 * 10**9

# The first of each that speaks version 1.41 of the API, which everything devenv asks for is part of.
OLDEST = {"Docker Engine": (20, 10), "Podman": (4, 0)}

_LOGIN = re.compile(r"(?<=://)[^/\s@:]*:[^/\s@]*@")
_USUAL_ADDRESSES = ("unix:///var/run/docker.sock", "unix:///run/docker.sock")


@dataclass(frozen=True, slots=True)
class DoctorResult:
    """What was found, after anything `fix` repaired."""

    findings: tuple[Finding, ...]

    @property
    def healthy(self) -> bool:
        """Whether nothing keeps devenv from working; warnings do not."""
        return all(finding.state != "problem" for finding in self.findings)


@dataclass(frozen=True, slots=True)
class Reached:
    """An engine that answered.

    Args:
        root: Where it keeps its data on its own host; None when it does not tell.
        memory: Bytes of memory its containers share; None when it does not tell.
        limits_memory: Whether it can limit a container's memory.
        components: Versions of what it is made of, by name: `Docker Engine`, `runc`, `Docker Desktop`.
        traits: What is true of it: `firewalld`, `live-restore`, `containerd`.
        ahead: Seconds that its clock is ahead of this machine's; None when it does not tell.
    """

    info: EngineInfo
    source: str
    root: Path | None = None
    memory: int | None = None
    limits_memory: bool = True
    components: Mapping[str, str] = field(default_factory=dict)
    traits: frozenset[str] = frozenset()
    ahead: float | None = None


Reach = Callable[[], Reached]
"""Finds the engine and asks it about itself; raises what `address.find` and `address.connect` do."""


def _hush(line: str) -> None:
    """Tell nobody."""


def run(
    machine: Machine,
    environ: Mapping[str, str],
    home: Path,
    *,
    flag: str | None = None,
    fix: bool = False,
    say: Say = _hush,
    host: Host | None = None,
    reach: Reach | None = None,
    project: Workspace | None = None,
    connect: Callable[[], Engine] | None = None,
) -> DoctorResult:
    """Look at everything devenv needs from this machine, and with `fix` first repair what can be.

    Args:
        flag: The address given with `--engine`.
        say: Hears each command that `fix` runs, before it is run.
        host: This computer, or a test's.
        reach: How to get to the engine; as every command does, or a test's way.
        project: The one that this is run in.
        connect: How to get to what the engine has; None leaves that out.

    Raises:
        EngineError: A repair failed.
    """
    host = host or ThisHost()
    reach = reach or (lambda: reach_engine(machine, environ, home, flag))
    usual = _is_usual(machine, environ, home, flag)
    findings = _look(machine, host, reach, project, connect, usual=usual)
    if fix and _repair(findings, host, reach, say):
        findings = _look(machine, host, reach, project, connect, usual=usual)
    return DoctorResult(tuple(_without_login(one) for one in findings))


def _without_login(finding: Finding) -> Finding:
    """An address in the words of an error may have a password in it."""
    return replace(finding, message=_LOGIN.sub("", finding.message))


def reach_engine(machine: Machine, environ: Mapping[str, str], home: Path, flag: str | None = None) -> Reached:
    """Connect as every command does, and ask the engine about its host."""
    endpoint = address.find(machine, environ, home, flag)
    engine = address.connect(endpoint)
    try:
        info = engine.info
    finally:
        engine.close()
    asked = time.time()
    details = _details(endpoint, "info") if endpoint.plain else {}
    now = (asked + time.time()) / 2
    root, memory = details.get("DockerRootDir"), details.get("MemTotal")
    return Reached(
        info,
        endpoint.source,
        root=Path(root) if root else None,
        memory=int(memory) if memory else None,
        limits_memory=bool(details.get("MemoryLimit", True)),
        components=_components(info, _details(endpoint, "version") if endpoint.plain else {}),
        traits=_traits(details),
        ahead=_ahead(details, now),
    )


def _components(info: EngineInfo, told: Mapping[str, Any]) -> dict[str, str]:
    listed = told.get("Components") or ()
    found = {str(one.get("Name")): str(one.get("Version")) for one in listed if isinstance(one, dict)}
    desktop = re.match(r"Docker Desktop ([0-9.]+)", str((told.get("Platform") or {}).get("Name")))
    return found | {info.name: info.version} | ({"Docker Desktop": desktop[1]} if desktop else {})


def _traits(told: Mapping[str, Any]) -> frozenset[str]:
    found = {
        "live-restore": told.get("LiveRestoreEnabled"),
        "containerd": "io.containerd" in str(told.get("DriverStatus")),
        "firewalld": "firewalld" in str(told.get("FirewallBackend")),
    }
    return frozenset(name for name, is_so in found.items() if is_so)


def _ahead(told: Mapping[str, Any], now: float) -> float | None:
    try:
        return datetime.fromisoformat(str(told.get("SystemTime"))[:26].rstrip("Z") + "+00:00").timestamp() - now
    except ValueError:
        return None


def _details(endpoint: Endpoint, what: str) -> dict[str, Any]:
    wire = Wire(endpoint)
    try:
        found = wire.ask("GET", f"/{what}")
        content = found.json if found.status < 400 else {}
    finally:
        wire.close()
    return content if isinstance(content, dict) else {}


def _is_usual(machine: Machine, environ: Mapping[str, str], home: Path, flag: str | None) -> bool:
    """Whether the engine looked for is this machine's own, where Docker Engine listens when nobody says otherwise."""
    try:
        endpoint = address.named(machine, environ, home, flag)
    except DevenvError:
        return False
    return endpoint is None or endpoint.address in _USUAL_ADDRESSES


def _look(
    machine: Machine,
    host: Host,
    reach: Reach,
    project: Workspace | None,
    connect: Callable[[], Engine] | None,
    *,
    usual: bool,
) -> tuple[Finding, ...]:
    """Look at everything; who is far away is asked first, and heard last."""
    asked = network.Asked(host, machine, tuple(_places(machine, project)))
    return (
        *_engine(host, reach, usual=usual),
        *_had(machine, host, project, connect),
        _disk("cache", "devenv's cache", machine.cache, host),
        *kernel.findings(host, project.folder if project else None),
        *_unknown_mirror(machine),
        *network.proxy(machine),
        *(_certificate(path, host) for path in machine.certificates),
        _git(host),
        *asked.findings(host.now),
    )


def _had(
    machine: Machine, host: Host, project: Workspace | None, connect: Callable[[], Engine] | None
) -> Iterator[Finding]:
    """What the engine has, as far as it answers: that it does not is told by now."""
    try:
        engine = connect() if connect is not None else None
        if engine is not None:
            yield from projects.left(engine, machine)
        if project is not None:
            yield from projects.ports(project, engine, host)
    except EngineError:
        return


def _repair(findings: tuple[Finding, ...], host: Host, reach: Reach, say: Say) -> bool:
    """Repair what is fixable, and tell whether there was anything."""
    fixable = {finding.name for finding in findings if finding.fixable}
    if "engine" in fixable:
        install.bring_up(host, reach, say)
        fixable |= {finding.name for finding in _engine(host, reach, usual=True) if finding.fixable}
    if "permission" in fixable:
        install.admit(host, say)
    if "inotify" in fixable:
        kernel.repair(host, say)
    return bool(fixable)


# --- the engine ---


def _engine(host: Host, reach: Reach, *, usual: bool) -> Iterator[Finding]:
    try:
        reached = reach()
    except EngineForbidden as error:
        yield _permission(host, error, usual=usual)
        return
    except EngineUnreachable as error:
        yield _absence(host, error, usual=usual)
        return
    except EngineError as error:
        yield Finding("engine", "problem", error.message, error.hint)
        return
    info = reached.info
    yield Finding("engine", "ok", f"{info.name} {info.version} at `{info.address}`, {reached.source}".rstrip(", "))
    yield from filter(None, (_version(info), _memory(reached), _limits(reached)))
    yield from versions.known(reached.components, reached.traits)
    yield from network.engines_clock(reached.ahead)
    if reached.root is not None and info.local and host.exists(reached.root):
        yield _disk("engine disk", "the engine's data", reached.root, host)


def _absence(host: Host, error: EngineUnreachable, *, usual: bool) -> Finding:
    if not usual:
        return Finding("engine", "problem", error.message, "start that engine, or name another one")
    remedy = install.remedy(host)
    message = error.message.partition(";")[0]
    return Finding("engine", "problem", message, remedy.text, fixable=remedy.fixable)


def _permission(host: Host, error: EngineForbidden, *, usual: bool) -> Finding:
    """A group joined now takes effect with the next login only."""
    group = _group(host) if usual else None
    if group is None:
        return Finding("permission", "problem", error.message, error.hint)
    if host.user in group:
        remedy = "this user is in the group `docker` from the next login on; until then `newgrp docker`"
        return Finding("permission", "problem", error.message, remedy)
    remedy = f"`sudo usermod -aG docker {host.user}`, then log in again; the group may do what root may"
    return Finding("permission", "problem", error.message, remedy, fixable=host.has("sudo"))


def _group(host: Host) -> tuple[str, ...] | None:
    """Members of the group `docker`; None when there is no such group."""
    for line in (host.read(Path("/etc/group")) or "").splitlines():
        name, *_, members = line.split(":")
        if name == "docker":
            return tuple(members.split(","))
    return None


def _version(info: EngineInfo) -> Finding | None:
    oldest = OLDEST.get(info.name)
    found = tuple(int(part) for part in re.findall(r"\d+", info.version)[:2])
    if oldest is None or not found or found >= oldest:
        return None
    needed = ".".join(str(part) for part in oldest)
    return Finding(
        "engine version",
        "problem",
        f"{info.name} {info.version} is older than {needed}",
        f"install {info.name} {needed} or newer",
    )


def _memory(reached: Reached) -> Finding | None:
    if reached.memory is None or reached.memory >= ENOUGH_MEMORY:
        return None
    remedy = "give the engine's machine more memory, or run fewer services"
    return Finding("memory", "warning", f"containers share {_size(reached.memory)} of memory", remedy)


def _limits(reached: Reached) -> Finding | None:
    if reached.limits_memory:
        return None
    message = "the engine cannot limit memory; `limits` have no effect"
    remedy = "turn the memory cgroup on: kernel parameters `cgroup_enable=memory swapaccount=1`"
    return Finding("memory limits", "warning", message, remedy)


# --- the rest of the machine ---


def _disk(name: str, what: str, folder: Path, host: Host) -> Finding:
    free = host.free(folder)
    if free is None:
        return Finding(name, "warning", f"`{folder}` cannot be looked into", "make the folder readable")
    message = f"{_size(free)} free for {what} in `{folder}`"
    if free < ENOUGH_DISK:
        return Finding(name, "warning", message, f"free some space; {_size(ENOUGH_DISK)} are enough for most projects")
    return Finding(name, "ok", message)


def _unknown_mirror(machine: Machine) -> Iterator[Finding]:
    """Projects whose images all come from a registry need none, so its absence is no problem yet."""
    try:
        mirror.find(machine)
    except ImageError as error:
        yield Finding("mirror", "warning", error.message, error.hint)


def _places(machine: Machine, project: Workspace | None) -> Iterator[Place]:
    """The servers that images come from, as far as the project needs them."""
    try:
        root = mirror.find(machine).roots("debian")[0]
        what = f"the Debian mirror {network.server(root)}"
        remedy = "set `debian.mirror` in your `config.toml`, or a proxy; what is in the cache needs none"
        yield Place("mirror", f"{root}/dists/stable/InRelease", what, remedy)
    except ImageError:  # told elsewhere
        pass
    for name in _registries(machine, project):
        remedy = "set `registry.mirror` in your `config.toml`, or a proxy; images of origin `debian` need no registry"
        yield Place("registry", http.root(name, machine) + "/v2/", f"the registry {name}", remedy)


def _registries(machine: Machine, project: Workspace | None) -> list[str]:
    """Docker Hub's place may be taken by a mirror."""
    names = ["docker.io"]
    if project is not None:
        names = [reference.parse(one).registry for one in wanted.of(project.project, project.entries).images]
    own = network.server(machine.registry_mirror or "")
    found = [own if own and name == "docker.io" else name for name in names]
    shared = [] if machine.registry_images is None else [reference.parse(machine.registry_images).registry]
    return list(dict.fromkeys((*found, *shared)))


def _certificate(path: Path, host: Host) -> Finding:
    text = host.read(path)
    if text is None:
        remedy = "correct the path, or make the file readable"
        return Finding("certificates", "problem", f"the CA certificates `{path}` cannot be read", remedy)
    count = text.count("-----BEGIN CERTIFICATE-----") + text.count("-----BEGIN TRUSTED CERTIFICATE-----")
    if count == 0:
        message = f"`{path}` holds no certificate"
        return Finding("certificates", "problem", message, "a file of CA certificates is in PEM format")
    return Finding("certificates", "ok", f"`{path}` holds {count} CA certificate{'s' if count > 1 else ''}")


def _git(host: Host) -> Finding:
    if host.has("git"):
        return Finding("git", "ok", "git is installed")
    remedy = "`sudo apt-get install git`" if host.has("apt-get") else "install git"
    return Finding("git", "warning", "git is not installed; worktrees and commit hooks need it", remedy)


def _size(count: int) -> str:
    return f"{count / 10**9:.1f} GB"
