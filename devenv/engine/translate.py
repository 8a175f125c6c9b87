"""Our types to the engine's JSON, and back: the only place that knows its field names."""

from __future__ import annotations

import base64
import json
import os
import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Literal
from urllib.parse import urlsplit

from devenv.engine.protocol import (
    Change,
    Chunk,
    Command,
    ContainerState,
    EngineInfo,
    SeenImage,
    Settings,
    Usage,
    Use,
)
from devenv.model.blueprint import Container, Mount, Port, SeenContainer, SeenObject
from devenv.model.machine import Login
from devenv.model.project import Limits

Body = dict[str, Any]

_SECOND = 1_000_000_000
_DEBIAN_ARCHITECTURES = {"arm": "armhf", "386": "i386", "ppc64le": "ppc64el"}
_NEVER = "0001-01-01"
_TOO_FINE = re.compile(r"(\.\d{6})\d+")
_STREAMS: Mapping[int, Literal["stdout", "stderr"]] = {1: "stdout", 2: "stderr"}
_INIT = ("/sbin/docker-init", "/usr/sbin/docker-init", "/run/podman-init")
"""Where engines mount the init process they bring along."""
_CHANGES: Mapping[int, Literal["added", "changed", "deleted"]] = {0: "changed", 1: "added", 2: "deleted"}


def container(wanted: Container, network: str | None) -> Body:
    """The body of a container's creation."""
    body: Body = {
        "Image": wanted.image,
        "Env": [f"{name}={value}" for name, value in wanted.env.items()],
        "Labels": dict(wanted.labels),
        "ExposedPorts": {f"{port.container}/tcp": {} for port in wanted.ports},
        "StopTimeout": wanted.stop_grace,
        "HostConfig": _host_config(wanted, network),
    }
    optional = {
        "Entrypoint": None if wanted.entrypoint is None else list(wanted.entrypoint),
        "Cmd": None if wanted.command is None else list(wanted.command),
        "User": wanted.user,
        "Hostname": wanted.hostname,
        "WorkingDir": wanted.working_dir,
        "StopSignal": wanted.stop_signal,
        "Healthcheck": _health(wanted),
    }
    body.update({name: value for name, value in optional.items() if value is not None})
    if network is not None:
        body["NetworkingConfig"] = {"EndpointsConfig": {network: {"Aliases": [wanted.unit]}}}
    return body


def _host_config(wanted: Container, network: str | None) -> Body:
    limits = wanted.limits
    in_memory = {mount.target: mount.options for mount in wanted.mounts if mount.owner}
    return {
        "NetworkMode": "host" if wanted.network == "host" else network or "none",
        "Mounts": [_mount(wanted, mount) for mount in wanted.mounts if mount.kind != "copy" and not mount.owner],
        "PortBindings": _bindings(wanted.ports),
        "RestartPolicy": {"Name": wanted.restart},
        "Init": True,
        "NanoCpus": round((limits.cpus or 0) * _SECOND),
        "Memory": limits.memory or 0,
        "PidsLimit": limits.pids,
        **({"Privileged": True} if wanted.privileged else {}),
        **({"CapAdd": list(wanted.capabilities)} if wanted.capabilities else {}),
        **({"Tmpfs": in_memory} if in_memory else {}),
    }


def _mount(wanted: Container, mount: Mount) -> Body:
    body: Body = {"Type": mount.kind, "Target": mount.target, "ReadOnly": mount.read_only}
    if mount.source:
        body["Source"] = mount.source
    if wanted.holds_folder(mount):
        body["VolumeOptions"] = {"NoCopy": True}
    return body


def _owner(options: str) -> str:
    told = dict(option.partition("=")[::2] for option in options.split(","))
    return f"{told['uid']}:{told['gid']}" if {"uid", "gid"} <= told.keys() else ""


def _bindings(ports: Iterable[Port]) -> Body:
    bindings: dict[str, list[dict[str, str]]] = {}
    for port in ports:
        binding = {"HostIp": port.address, "HostPort": str(port.host)}
        bindings.setdefault(f"{port.container}/tcp", []).append(binding)
    return bindings


def _health(wanted: Container) -> Body | None:
    health = wanted.health
    if health is None:
        return None
    return {
        "Test": ["CMD", *health.command],
        "Interval": round(health.interval * _SECOND),
        "Timeout": round(health.timeout * _SECOND),
        "Retries": health.retries,
        "StartPeriod": round(health.start_period * _SECOND),
    }


def execution(command: Command) -> Body:
    """The body of a command's creation in a running container."""
    return {
        "AttachStdin": command.interactive or command.stdin is not None,
        "AttachStdout": True,
        "AttachStderr": True,
        "Tty": command.interactive,
        "Cmd": list(command.argv),
        "Env": [f"{name}={value}" for name, value in (command.env or {}).items()],
        "User": command.user or "",
        "WorkingDir": command.working_dir or "",
    }


def log(*, follow: bool, tail: int | None, since: float | None) -> dict[str, str]:
    """The query of a container's log."""
    query = {"stdout": "1", "stderr": "1", "follow": "1" if follow else "0"}
    query |= {} if tail is None else {"tail": str(tail)}
    return query | ({} if since is None else {"since": f"{since:.6f}"})


def pull(source: str) -> dict[str, str]:
    """The query of a pull; `source` ends with a digest."""
    repository, _, digest = source.partition("@")
    return {"fromImage": repository, "tag": digest}


def tag(name: str) -> dict[str, str]:
    """The query that gives an image a name with a tag."""
    repository, _, label = name.rpartition(":")
    return {"repo": repository, "tag": label}


def build(name: str, arguments: Mapping[str, str], dockerfile: str, *, network: bool) -> dict[str, str]:
    """The query of a build by the engine's classic builder."""
    fixed = {"version": "1", "rm": "1", "forcerm": "1"} | ({} if network else {"networkmode": "none"})
    return {"t": name, "dockerfile": dockerfile, "buildargs": json.dumps(dict(arguments))} | fixed


def authorization(login: Login | None) -> dict[str, str]:
    """The header that lets the engine sign in to a registry; engines want it for a push without a login, too."""
    body: Body = {}
    if login is not None:
        named = {"username": login.username, "password": login.password}
        body = ({"identitytoken": login.token} if login.token else named) | {"serveraddress": login.server}
    return {"X-Registry-Auth": base64.urlsafe_b64encode(json.dumps(body).encode()).decode()}


def seen_image(identity: str, digest: str, config: Body, layers: Iterable[str]) -> SeenImage:
    """An image, told by the run-time part of its configuration."""
    return SeenImage(
        id=identity,
        config_digest=digest,
        labels=config.get("Labels") or {},
        env=_env(config),
        entrypoint=tuple(config.get("Entrypoint") or ()),
        command=tuple(config.get("Cmd") or ()),
        user=config.get("User") or "",
        working_dir=config.get("WorkingDir") or "",
        volumes=tuple(sorted(config.get("Volumes") or ())),
        layers=tuple(layers),
    )


def _env(config: Body) -> dict[str, str]:
    return dict(entry.partition("=")[::2] for entry in config.get("Env") or ())


def seen_container(entry: Body) -> SeenContainer:
    """A container as the engine lists it."""
    return SeenContainer(
        id=entry["Id"],
        name=entry["Names"][0].removeprefix("/"),
        image=entry["ImageID"],
        status=entry["State"],
        status_text=entry["Status"],
        labels=entry.get("Labels") or {},
        address=_address(entry),
        networks=networks(entry),
        ports=_published(entry.get("Ports") or ()),
    )


def _published(entries: Iterable[Body]) -> tuple[Port, ...]:
    """The TCP ports published now; an engine that listens on both of a host's protocols tells each of them."""
    found = {
        Port(entry["PrivatePort"], entry["PublicPort"], entry.get("IP") or "127.0.0.1")
        for entry in entries
        if entry.get("PublicPort") and entry.get("Type", "tcp") == "tcp"
    }
    return tuple(sorted(found, key=lambda port: (port.container, port.host, port.address)))


def usage(told: Body) -> Usage:
    """What takes how much of the engine's disk; from API 1.52 on under other names."""
    containers = told.get("Containers") or (told.get("ContainerUsage") or {}).get("Items") or ()
    volumes = told.get("Volumes") or (told.get("VolumeUsage") or {}).get("Items") or ()
    sizes = {one["Name"]: (one.get("UsageData") or {}).get("Size", -1) for one in volumes}
    return Usage(
        {one["Names"][0].removeprefix("/"): int(one.get("SizeRw") or 0) for one in containers if one.get("Names")},
        # Of a volume of another driver than its own the engine tells -1.
        {name: int(size) for name, size in sizes.items() if size >= 0},
    )


def seen_object(entry: Body) -> SeenObject:
    """A network or volume as the engine lists it; a volume's name is its id."""
    return SeenObject(id=entry.get("Id") or entry["Name"], name=entry["Name"], labels=entry.get("Labels") or {})


def state(entry: Body) -> ContainerState:
    """A container as the engine tells it in full."""
    told = entry["State"]
    # Between two attempts the engine says that it runs.
    ended = told["Status"] in ("exited", "dead", "restarting")
    return ContainerState(
        id=entry["Id"],
        running=bool(told["Running"]) and not ended,
        exit_code=told["ExitCode"] if ended else None,
        oom_killed=bool(told.get("OOMKilled")),
        address=_address(entry),
        log_start=_log_start(told["StartedAt"], told["FinishedAt"]),
        settings=settings(entry) if "Config" in entry else None,
    )


def tells_use(info: EngineInfo) -> bool:
    """Whether an engine tells at once what a container uses: those before 23 first measure for a second."""
    major = info.version.partition(".")[0]
    return info.name != "Podman" and major.isdigit() and int(major) >= 23


def use(entry: Body) -> Use | None:
    """What a container uses; as Docker's own tools count memory, which old and new kernels tell by other names."""
    memory = entry.get("memory_stats") or {}
    if "usage" not in memory:
        return None
    details = memory.get("stats") or {}
    idle = details.get("total_inactive_file", details.get("inactive_file", 0))
    used = memory["usage"] - idle if idle < memory["usage"] else memory["usage"]
    return Use(used, (entry.get("pids_stats") or {}).get("current") or 0)


def out_of_memory(container: str, since: float, until: float) -> dict[str, str]:
    """The query for what the kernel ended in a container for lack of memory between two moments."""
    filters = json.dumps({"event": ["oom"], "container": [container]})
    return {"since": f"{since:.6f}", "until": f"{until:.6f}", "filters": filters}


def settings(entry: Body) -> Settings:
    """A container's settings, from what the engine tells of it in full."""
    config, host = entry["Config"], entry["HostConfig"]
    return Settings(
        image=entry["Image"],
        env=_env(config),
        entrypoint=tuple(config.get("Entrypoint") or ()),
        command=tuple(config.get("Cmd") or ()),
        user=config.get("User") or "",
        working_dir=config.get("WorkingDir") or "",
        mounts=mounts(entry),
        ports=_ports(host.get("PortBindings") or {}),
        limits=_limits(host),
        networks=tuple(sorted(networks(entry))),
        labels=config.get("Labels") or {},
        privileged=bool(host.get("Privileged")),
        capabilities=tuple(sorted(name.removeprefix("CAP_") for name in host.get("CapAdd") or ())),
    )


def mounts(entry: Body) -> tuple[Mount, ...]:
    """A container's mounts, by target."""
    found = [
        Mount(one["Type"], one.get("Name") or one.get("Source") or "", one["Destination"], read_only=not one["RW"])
        for one in entry.get("Mounts") or ()
    ]
    in_memory = ((entry.get("HostConfig") or {}).get("Tmpfs") or {}).items()
    found += [Mount("tmpfs", "", target, owner=_owner(options)) for target, options in in_memory]
    return tuple(sorted(found, key=lambda mount: mount.target))


def _ports(bindings: Body) -> tuple[Port, ...]:
    found = (
        Port(int(port.partition("/")[0]), int(binding.get("HostPort") or 0), binding.get("HostIp") or "")
        for port, entries in bindings.items()
        if port.endswith("/tcp")
        for binding in entries or ()
    )
    return tuple(sorted(found, key=lambda port: (port.container, port.host, port.address)))


def _limits(host: Body) -> Limits:
    pids = host.get("PidsLimit") or 0
    return Limits(
        cpus=host["NanoCpus"] / _SECOND if host.get("NanoCpus") else None,
        memory=host.get("Memory") or None,
        pids=pids if pids > 0 else None,
    )


def changes(entries: Iterable[Body] | None, mounts: Iterable[Mount], copied: Iterable[str] = ()) -> tuple[Change, ...]:
    """Changes as the engine tells them, by path, without what it made itself to have something to mount on.

    Args:
        copied: Paths of files that were put into the container when it was created.
    """
    told = {entry["Path"]: Change(_CHANGES[entry["Kind"]], entry["Path"]) for entry in entries or ()}
    for target in (*_INIT, *copied, *(mount.target for mount in mounts)):
        _drop(told, target.rstrip("/"))
    return tuple(told[path] for path in sorted(told))


def _drop(told: dict[str, Change], path: str) -> None:
    """Forget a mount's place, and the folders above that nothing else was changed in."""
    if path not in told:
        return
    while path and not any(other.startswith(f"{path}/") for other in told):
        told.pop(path, None)
        path = path.rpartition("/")[0]


def _address(entry: Body) -> str:
    """Its address, in the network that was named first: an engine lists them in any order."""
    found: Body = (entry.get("NetworkSettings") or {}).get("Networks") or {}
    own = (entry.get("HostConfig") or {}).get("NetworkMode")
    addresses = (
        found[name].get("IPAddress") or found[name].get("GlobalIPv6Address") or ""
        for name in sorted(found, key=lambda name: name != own)
    )
    return next(filter(None, addresses), "")


def networks(entry: Body) -> dict[str, str]:
    """The networks a container is in, the engine's id by name."""
    found: Body = (entry.get("NetworkSettings") or {}).get("Networks") or {}
    return {name: (one or {}).get("NetworkID") or "" for name, one in found.items() if name != "none"}


def _log_start(started: str, finished: str) -> float:
    """A moment in the pause before the last start; 0 where it cannot be told, as of a container that has ended.

    An old line may be written down just after the recorded end, and a new one well before the recorded start (20.10
    takes that time after the process runs: 100 ms late on a busy machine), so neither moment parts the two logs.
    """
    if started.startswith(_NEVER) or finished.startswith(_NEVER):
        return 0.0
    begin, end = moment(started), moment(finished)
    return end + (begin - end) / 3 if begin > end else 0.0


def moment(text: str) -> float:
    """Seconds since 1970, of RFC 3339 with up to nine decimals, of which `datetime` takes six."""
    return datetime.fromisoformat(_TOO_FINE.sub(r"\1", text)).timestamp()


def info(address: str, version: Body) -> EngineInfo:
    """The engine, told by its answer to `/version`."""
    components = [component.get("Name", "") for component in version.get("Components") or []]
    local = _on_this_host(address) and version.get("KernelVersion") == os.uname().release
    architecture = str(version.get("Arch", ""))
    return EngineInfo(
        address=address,
        name=_name(components, (version.get("Platform") or {}).get("Name") or ""),
        version=version.get("Version", ""),
        architecture=_DEBIAN_ARCHITECTURES.get(architecture, architecture),
        local=local,
        routable=local and "rootlesskit" not in components and not address.startswith("unix:///run/user/"),
        kernel=version.get("KernelVersion") or "",
    )


def _on_this_host(address: str) -> bool:
    parts = urlsplit(address)
    return parts.scheme == "unix" or parts.hostname in ("localhost", "127.0.0.1", "::1")


def _name(components: Iterable[str], platform_name: str) -> str:
    if any(component.startswith("Podman") for component in components):
        return "Podman"
    return "Docker Desktop" if platform_name.startswith("Docker Desktop") else "Docker Engine"


def chunk(header: bytes, data: bytes) -> Chunk:
    """One frame of multiplexed output; its header's first byte names the stream."""
    return Chunk(_STREAMS.get(header[0], "stdout"), data)
